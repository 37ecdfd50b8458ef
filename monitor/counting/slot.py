"""One open slot of one input partition: cells, evidence, ids, the prefix covered."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import chain, islice
from typing import NamedTuple, TypeAlias

import numpy as np

from monitor.counting.ids import SeenIds
from monitor.counting.policy import (
    MAX_CELLS_PER_SLOT,
    MAX_DETAILED_REASONS,
    MAX_IDS_PER_SLOT,
    MAX_NAME_BYTES_PER_SLOT,
    MAX_REASONS_PER_SLOT,
    OTHER,
)
from monitor.events import COLUMNS, Cells, Reason, ReasonCount


class Evidence(NamedTuple):
    """Why an event failed: the reason and the reply, which is not scrubbed yet.

    Replies of one ``template`` say the same; ``""`` when it is not known.
    """

    reason: Reason
    reply: str
    template: str = ""


#: Takes everything personal out of a reply.
Scrubber = Callable[[str], str]

#: The five names of a cell, and the columns that an event adds to.
Key: TypeAlias = tuple[str, str, str, str, str, tuple[int, ...]]

_Names: TypeAlias = tuple[str, str, str, str, str]

#: Provider, IP, campaign, reason, template.
_Place: TypeAlias = tuple[str, str, str, Reason, str]

_WIDTH = len(COLUMNS)

#: An event adds to at most so many columns (see ``columns_of``).
_MOST_COLUMNS = 3


class _Patterns(dict[tuple[int, ...], int]):
    """Numbers the sets of columns that events add to; there are some ten."""

    def __missing__(self, columns: tuple[int, ...]) -> int:
        number = self[columns] = len(self)
        return number

    def places(self, columns: tuple[int, ...]) -> list[int]:
        """Columns, counted from 1, and 0 for each that is missing."""
        missing = _MOST_COLUMNS - len(columns)
        return [column + 1 for column in columns] + [0] * missing


_PATTERNS = _Patterns()


class OpenSlot:
    """Counts of one slot while events may still fall into it.

    The hot path is one look-up in ``_counts``, done in C for a whole batch: far fewer
    distinct keys than events. A key is given its places in the matrix when it is new,
    in log order, so what is over a bound does not hang on how the log was cut.
    """

    __slots__ = (
        "_cells",
        "_codes",
        "_counts",
        "_name_bytes",
        "_names",
        "_patterns",
        "_reasons",
        "_rows",
        "_samples",
        "_scrub",
        "first",
        "ids",
        "to",
    )

    def __init__(self, offset: int, scrub: Scrubber) -> None:
        self._scrub = scrub
        self.first = offset
        self.to = offset
        self.ids = SeenIds(MAX_IDS_PER_SLOT)
        self._counts: Counter[Key] = Counter()
        # Of each key of ``_counts``, in its order.
        self._rows = array("q")
        self._patterns = array("q")
        self._cells: dict[_Names, int] = {}
        self._names: dict[str, int] = {}
        self._codes = array("Q")  # five a cell: where its names are in ``_names``
        self._name_bytes = 0
        self._reasons: dict[_Place, list[int | str]] = {}
        self._samples: dict[str, str] = {}

    def count(self, keys: Iterable[Key]) -> int:
        """Add events to their cells; returns how many were folded into ``other``."""
        counts = self._counts
        known = len(counts)
        counts.update(keys)
        new = len(counts) - known
        return self._seat(new) if new else 0

    def _seat(self, new: int) -> int:
        """Give the newest keys their rows; returns how many events were folded."""
        keys = [*islice(reversed(self._counts), new)][::-1]
        size = len("".join([name for key in keys for name in key[:5]]).encode())
        if not self._fits(new, size):
            return self._seat_near_the_bound(keys)
        known = len(self._cells)
        self._place(keys)
        if len(self._cells) - known < new:
            # Some had a row already, and with other columns: count the others' names.
            size = len("".join(chain.from_iterable(self._newest_cells(known))).encode())
        self._name_bytes += size
        return 0

    def _fits(self, cells: int, name_bytes: int) -> bool:
        """True if so many more cells, with names of so many bytes, break no bound."""
        return (
            len(self._cells) + cells <= MAX_CELLS_PER_SLOT
            and self._name_bytes + name_bytes <= MAX_NAME_BYTES_PER_SLOT
        )

    def _seat_near_the_bound(self, keys: Iterable[Key]) -> int:
        """The same key by key; what does not fit moves to its provider's ``other``."""
        counts, folded = self._counts, 0
        in_place: list[Key] = []
        at_the_end: list[Key] = []
        for key in keys:
            if self._admit(key[:5]):
                in_place.append(key)
                continue
            number = counts.pop(key)
            other = (key[0], OTHER, OTHER, OTHER, OTHER, key[5])
            self._cells.setdefault(other[:5], len(self._cells))
            if other not in counts:
                at_the_end.append(other)
            counts[other] += number
            folded += number
        self._place(in_place + at_the_end)
        return folded

    def _place(self, keys: list[Key]) -> None:
        """Write down the rows and columns of keys that come next in ``_counts``."""
        cells, names = self._cells, self._names
        self._rows.extend([cells.setdefault(key[:5], len(cells)) for key in keys])
        self._patterns.extend([_PATTERNS[key[5]] for key in keys])
        fresh = chain.from_iterable(self._newest_cells(len(self._codes) // 5))
        self._codes.extend([names.setdefault(name, len(names)) for name in fresh])

    def _newest_cells(self, known: int) -> list[_Names]:
        """The cells after the first so many."""
        new = len(self._cells) - known
        return [*islice(reversed(self._cells), new)][::-1]

    def _admit(self, cell: _Names) -> bool:
        """Give the cell a row, unless that is over a bound."""
        if cell in self._cells:
            return True
        size = len("".join(cell).encode())
        if not self._fits(1, size):
            return False
        self._name_bytes += size
        self._cells[cell] = len(self._cells)
        return True

    def note(self, key: Key, evidence: Evidence) -> None:
        """Remember why an event failed; the first sample of a template stays."""
        reason, reply, template = evidence
        place = (*key[:3], reason, template)
        row = self._reasons.get(place)
        if row is not None:
            row[0] = int(row[0]) + 1
        elif len(self._reasons) < MAX_DETAILED_REASONS:
            self._reasons[place] = [1, self._sample(template, reply)]
        else:
            self._note_near_the_bound((key[0], OTHER, OTHER, reason, template), reply)

    def _note_near_the_bound(self, place: _Place, reply: str) -> None:
        """The same under the provider's ``other``, and left out if that is full."""
        row = self._reasons.get(place)
        if row is not None:
            row[0] = int(row[0]) + 1
        elif len(self._reasons) < MAX_REASONS_PER_SLOT:
            self._reasons[place] = [1, self._sample(place[4], reply)]

    def _sample(self, template: str, reply: str) -> str:
        """The scrubbed reply; scrubbing is dear, so once for each template."""
        sample = self._samples.get(template) if template else None
        if sample is None:
            sample = self._samples[template] = self._scrub(reply)
        return sample

    def matrix(self) -> tuple[Cells, bytes]:
        """Cells in order of appearance, and their counts as little-endian int32."""
        # One place too far each: place 0 is for columns that a key does not have.
        size = len(self._cells) * _WIDTH + 1
        table = np.array([_PATTERNS.places(one) for one in _PATTERNS])
        places = table[np.array(self._patterns)]
        places += (np.array(self._rows) * _WIDTH)[:, None] * (places > 0)
        numbers = np.fromiter(self._counts.values(), float, len(self._counts))
        weights = np.repeat(numbers, _MOST_COLUMNS)
        sums = np.bincount(places.ravel(), weights=weights, minlength=size)
        cells = Cells([*self._names], np.array(self._codes).astype("<u4").tobytes())
        return cells, sums[1:].astype("<i4").tobytes()

    def reasons(self) -> tuple[ReasonCount, ...]:
        """The evidence so far."""
        return tuple(
            ReasonCount(
                provider=provider,
                source_ip=source_ip,
                campaign=campaign,
                reason=reason,
                count=int(row[0]),
                sample=str(row[1]),
                template=template,
            )
            for place, row in self._reasons.items()
            for provider, source_ip, campaign, reason, template in (place,)
        )
