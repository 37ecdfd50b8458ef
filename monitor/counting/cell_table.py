"""Numbers for the cells of events, shared by the slots of all input partitions.

What mail there was in one slot there is in the next, and in every partition. So a
cell's names are looked at when the table first meets it, and from then on a slot only
counts numbers. A batch asks with one text a cell, its five names joined: that is made,
hashed and compared several times as fast as a tuple of them.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain, count, islice

import numpy as np
from numpy.typing import NDArray

from monitor.events import Cell, DeliveryEvent

#: Between the names of a cell: no name holds a control character (see ``sources``).
SEPARATOR = "\0"

_NAMES = len(Cell._fields)


def cell_text(names: Iterable[str]) -> str:
    """Names as one text: all five of a cell are what counting knows it by."""
    return SEPARATOR.join(names)


def cells_of(events: Sequence[DeliveryEvent], providers: Sequence[str]) -> list[str]:
    """The text of each event's cell, given its provider."""
    # Spelt out: this is the hot path, and twice as fast as a call an event.
    return [
        f"{provider}\0{event.source_ip}\0{event.campaign}\0{event.tenant}\0{event.segment}"
        for event, provider in zip(events, providers, strict=True)
    ]


class CellTable:
    """The number of each cell, counted from 0 in the order in which they were met.

    ``longest`` is the most bytes that the names of one cell have.
    """

    __slots__ = (
        "_cells",
        "_codes",
        "_name_list",
        "_name_sizes",
        "_names",
        "_sizes",
        "_texts",
        "longest",
    )

    def __init__(self) -> None:
        self.longest = 0
        # Asked for what they do not have, they give it the next number: all in C.
        self._cells: defaultdict[str, int] = defaultdict(count().__next__)
        self._names: defaultdict[str, int] = defaultdict(count().__next__)
        self._texts: list[str] = []  # the same by number
        self._name_list: list[str] = []
        self._codes = array("i")  # five a cell: the numbers of its names
        self._sizes = array("i")  # of each cell, the bytes of its names
        self._name_sizes = array("i")

    def __len__(self) -> int:
        return len(self._cells)

    @property
    def name_count(self) -> int:
        """How many different names there are."""
        return len(self._names)

    def numbers_of(self, cells: Iterable[str]) -> list[int]:
        """The number of each cell; those that were not in the table are now."""
        known = len(self._cells)
        numbers = [*map(self._cells.__getitem__, cells)]
        if len(self._cells) > known:
            self._enter(_newest(self._cells, known))
        return numbers

    def _enter(self, cells: list[str]) -> None:
        """Write down what new cells are made of."""
        names = [cell.split(SEPARATOR) for cell in cells]
        assert all(len(five) == _NAMES for five in names), "a name holds the separator"
        known = len(self._names)
        codes = [*map(self._names.__getitem__, chain.from_iterable(names))]
        new = _newest(self._names, known)
        self._name_list += new
        self._name_sizes.extend([len(name.encode()) for name in new])
        sizes = np.array(self._name_sizes)[codes].reshape(-1, _NAMES).sum(axis=1)
        self._texts += cells
        self._codes.extend(codes)
        self._sizes.extend(sizes.tolist())
        self.longest = max(self.longest, int(sizes.max()))

    def codes_of(self, cells: NDArray[np.int32]) -> NDArray[np.int32]:
        """Of each of these cells the numbers of its five names, a row a cell."""
        if not cells.size:
            return np.zeros((0, _NAMES), np.int32)
        # A view, and gone at once: the array could not grow while it is there.
        return np.frombuffer(self._codes, np.int32).reshape(-1, _NAMES)[cells]

    def bytes_of(self, cells: NDArray[np.int32]) -> int:
        """How many bytes the names of these cells have, repetitions included."""
        return int(np.frombuffer(self._sizes, np.int32)[cells].sum())

    def names_of(self, numbers: NDArray[np.int32]) -> list[str]:
        """The names that have these numbers."""
        return [self._name_list[number] for number in numbers]

    def texts_of(self, numbers: NDArray[np.int32]) -> list[str]:
        """The cells that have these numbers."""
        return [self._texts[number] for number in numbers]


def _newest(entries: dict[str, int], known: int) -> list[str]:
    """What was entered after the first so many, in that order."""
    new = len(entries) - known
    return [*islice(reversed(entries), new)][::-1]


class FirstUse:
    """Numbers of a table in the order in which they were first used here."""

    __slots__ = ("numbers",)

    def __init__(self) -> None:
        self.numbers = np.zeros(0, np.int32)

    def places(self, size: int) -> NDArray[np.int32]:
        """By number, for a table of that size: its place here, or -1."""
        places = np.full(size, -1, np.int32)
        places[self.numbers] = np.arange(len(self.numbers))
        return places

    def add(self, numbers: NDArray[np.int32], size: int) -> NDArray[np.int32]:
        """Use numbers; returns those that are new, in order of first use."""
        unseen = numbers[self.places(size)[numbers] < 0]
        if not unseen.size:
            return unseen
        # The last one that is written stays: backwards, that is the first use.
        first = np.full(size, -1, np.int32)
        first[unseen[::-1]] = np.arange(len(unseen))[::-1]
        new = np.flatnonzero(first >= 0).astype(np.int32)
        new = new[np.argsort(first[new])]
        self.numbers = np.concatenate([self.numbers, new])
        return new
