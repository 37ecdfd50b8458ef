"""Numbers for the keys of events, shared by the slots of one input partition.

What mail there was in one slot there is in the next, most often. So a key's names are
looked at when the table first meets it, and from then on a slot only counts numbers.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterable
from itertools import chain, count, islice
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

#: The five names of a cell.
Names: TypeAlias = tuple[str, str, str, str, str]

#: The five names of a cell, and the columns that an event adds to.
Key: TypeAlias = tuple[str, str, str, str, str, tuple[int, ...]]

Entry = TypeVar("Entry")

#: An event adds to at most so many columns (see ``columns_of``).
MOST_COLUMNS = 3


class _Patterns(dict[tuple[int, ...], int]):
    """Numbers the sets of columns that events add to; there are some ten."""

    def __missing__(self, columns: tuple[int, ...]) -> int:
        number = self[columns] = len(self)
        return number

    def places(self) -> NDArray[np.int64]:
        """Of each set its columns, counted from 1, and 0 for each that is missing."""
        padded = [
            [*(column + 1 for column in columns), *[0] * (MOST_COLUMNS - len(columns))]
            for columns in self
        ]
        return np.array(padded, np.int64)


PATTERNS = _Patterns()


class KeyTable:
    """The number of each key, counted from 0 in the order in which they were met.

    What a key is made of is in columns: the cell and the ``PATTERNS`` number of each
    key; the numbers of its five names and their bytes of each cell. ``longest`` is the
    most bytes that the names of one cell have.
    """

    __slots__ = (
        "_cells",
        "_keys",
        "_name_sizes",
        "_names",
        "cell_names",
        "cell_sizes",
        "cells",
        "longest",
        "patterns",
    )

    def __init__(self) -> None:
        self.cells = array("i")
        self.patterns = array("i")
        self.cell_names = array("i")
        self.cell_sizes = array("i")
        self.longest = 0
        # Asked for what they do not have, they give it the next number: all in C.
        self._keys: defaultdict[Key, int] = defaultdict(count().__next__)
        self._cells: defaultdict[Names, int] = defaultdict(count().__next__)
        self._names: defaultdict[str, int] = defaultdict(count().__next__)
        self._name_sizes = array("i")

    def __len__(self) -> int:
        return len(self._keys)

    def numbers_of(self, keys: Iterable[Key]) -> list[int]:
        """The number of each key; those that were not in the table are now."""
        known = len(self._keys)
        numbers = [*map(self._keys.__getitem__, keys)]
        if len(self._keys) > known:
            self._enter(_newest(self._keys, known))
        return numbers

    def _enter(self, keys: list[Key]) -> None:
        """Write down what new keys are made of."""
        known, known_names = len(self._cells), len(self._names)
        self.patterns.extend([PATTERNS[key[5]] for key in keys])
        self.cells.extend([self._cells[key[:5]] for key in keys])
        cells = _newest(self._cells, known)
        if not cells:
            return
        codes = [*map(self._names.__getitem__, chain.from_iterable(cells))]
        self.cell_names.extend(codes)
        new = _newest(self._names, known_names)
        self._name_sizes.extend([len(name.encode()) for name in new])
        sizes = np.array(self._name_sizes)[codes].reshape(len(cells), -1).sum(axis=1)
        self.cell_sizes.extend(sizes.tolist())
        self.longest = max(self.longest, int(sizes.max()))

    def names_of(self, numbers: NDArray[np.int32]) -> list[str]:
        """The names that have these numbers."""
        names = [*self._names]
        return [names[number] for number in numbers]

    def cells_of(self, numbers: NDArray[np.int32]) -> list[Names]:
        """The cells that have these numbers."""
        cells = [*self._cells]
        return [cells[number] for number in numbers]


def _newest(entries: dict[Entry, int], known: int) -> list[Entry]:
    """What was entered after the first so many, in that order."""
    new = len(entries) - known
    return [*islice(reversed(entries), new)][::-1]
