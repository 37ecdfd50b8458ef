"""One open slot of one input partition: cells, evidence, ids, the prefix covered."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.counting.ids import SeenIds
from monitor.counting.key_table import MOST_COLUMNS, PATTERNS, Key, KeyTable, Names
from monitor.counting.policy import (
    MAX_CELLS_PER_SLOT,
    MAX_DETAILED_REASONS,
    MAX_IDS_PER_SLOT,
    MAX_NAME_BYTES_PER_SLOT,
    MAX_REASONS_PER_SLOT,
    OTHER,
)
from monitor.events import COLUMNS, Cell, Cells, Reason, ReasonCount


class Evidence(NamedTuple):
    """Why an event failed: the reason and the reply, which is not scrubbed yet.

    Replies of one ``template`` say the same; ``""`` when it is not known.
    """

    reason: Reason
    reply: str
    template: str = ""


#: Takes everything personal out of a reply.
Scrubber = Callable[[str], str]

#: Provider, IP, campaign, reason, template.
_Place: TypeAlias = tuple[str, str, str, Reason, str]

_WIDTH = len(COLUMNS)


class _Seen:
    """Numbers of a table, and the place that each has here: in order of first use."""

    __slots__ = ("numbers", "places")

    def __init__(self) -> None:
        self.numbers = np.zeros(0, np.int32)
        self.places = np.zeros(0, np.int32)

    def add(self, numbers: NDArray[np.int32]) -> NDArray[np.int32]:
        """Give places to those that have none; returns these, in order of first use."""
        self.places = _widened(self.places, int(numbers.max(initial=-1)) + 1, -1)
        unseen = numbers[self.places[numbers] < 0]
        if not unseen.size:
            return unseen
        values, first = np.unique(unseen, return_index=True)
        new: NDArray[np.int32] = values[np.argsort(first)]
        known = len(self.numbers)
        self.places[new] = np.arange(known, known + len(new))
        self.numbers = np.concatenate([self.numbers, new])
        return new


class OpenSlot:
    """Counts of one slot while events may still fall into it.

    The hot path turns each key into its number in the table, in C for a whole batch.
    Numbers are counted when a tally is due, and before a bound might be near. What is
    over a bound is decided in log order, so it does not hang on how the log was cut,
    nor on what else is in the table.

    Args:
        offset: of the first record that touches the slot.
        scrub: takes everything personal out of a reply.
        table: may be shared with other slots.
    """

    __slots__ = (
        "_admitted",
        "_cells",
        "_counts",
        "_name_bytes",
        "_names",
        "_pending",
        "_reasons",
        "_samples",
        "_scrub",
        "_table",
        "first",
        "ids",
        "to",
    )

    def __init__(self, offset: int, scrub: Scrubber, table: KeyTable) -> None:
        self._scrub = scrub
        self._table = table
        self.first = offset
        self.to = offset
        self.ids = SeenIds(MAX_IDS_PER_SLOT)
        self._pending: list[int] = []
        self._counts = np.zeros(0, np.int32)  # by the key's number
        self._cells, self._names = _Seen(), _Seen()
        self._name_bytes = 0
        self._admitted: set[Names] | None = None
        self._reasons: dict[_Place, list[int | str]] = {}
        self._samples: dict[str, str] = {}

    def count(self, keys: Sequence[Key]) -> int:
        """Add events to their cells; returns how many were folded into ``other``."""
        if self._admitted is not None:
            return self._count_near_the_bound(keys)
        numbers = self._table.numbers_of(keys)
        if not self._has_room(len(numbers)):
            self._settle()
            if not self._has_room(len(numbers)):
                self._admitted = {*self._table.cells_of(self._cells.numbers)}
                return self._count_near_the_bound(keys)
        self._pending += numbers
        return 0

    def _has_room(self, new: int) -> bool:
        """True if so many more events break no bound, whatever cells they are of."""
        new += len(self._pending)
        return (
            len(self._cells.numbers) + new <= MAX_CELLS_PER_SLOT
            and self._name_bytes + new * self._table.longest <= MAX_NAME_BYTES_PER_SLOT
        )

    def _count_near_the_bound(self, keys: Sequence[Key]) -> int:
        """The same key by key; what does not fit moves to its provider's ``other``.

        From here on no key enters the table that is not of an admitted cell, so that
        names which never come again cannot fill it.
        """
        admitted: list[Key] = []
        folded = 0
        for key, number in Counter(keys).items():
            if self._admit(key[:5]):
                admitted += [key] * number
            else:
                admitted += [(key[0], OTHER, OTHER, OTHER, OTHER, key[5])] * number
                folded += number
        self._pending += self._table.numbers_of(admitted)
        self._settle()
        return folded

    def _admit(self, cell: Names) -> bool:
        """Whether the cell is one of the slot's, or may become one."""
        assert self._admitted is not None
        if cell in self._admitted:
            return True
        size = len("".join(cell).encode())
        full = (
            len(self._admitted) >= MAX_CELLS_PER_SLOT
            or self._name_bytes + size > MAX_NAME_BYTES_PER_SLOT
        )
        if full:
            return False
        self._name_bytes += size
        self._admitted.add(cell)
        return True

    def _settle(self) -> None:
        """Count what is pending."""
        if not self._pending:
            return
        table = self._table
        numbers = np.array(self._pending, np.int32)
        self._pending.clear()
        new = self._cells.add(np.array(table.cells)[numbers])
        if new.size:
            names = np.array(table.cell_names).reshape(-1, len(Cell._fields))[new]
            self._names.add(names.ravel())
            if self._admitted is None:
                self._name_bytes += int(np.array(table.cell_sizes)[new].sum())
        self._counts = _widened(self._counts, len(table), 0)
        self._counts += np.bincount(numbers, minlength=len(self._counts)).astype("i4")

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
        self._settle()
        table, cells = self._table, self._cells
        keys = np.flatnonzero(self._counts)
        rows = cells.places[np.array(table.cells)[keys]].astype(np.int64)
        # One place too far each: place 0 is for columns that a key does not have.
        size = len(cells.numbers) * _WIDTH + 1
        places = PATTERNS.places()[np.array(table.patterns)[keys]]
        places += (rows * _WIDTH)[:, None] * (places > 0)
        weights = np.repeat(self._counts[keys].astype(float), MOST_COLUMNS)
        sums = np.bincount(places.ravel(), weights=weights, minlength=size)
        names = np.array(table.cell_names).reshape(-1, len(Cell._fields))
        codes = self._names.places[names[cells.numbers]]
        return (
            Cells(table.names_of(self._names.numbers), codes.astype("<u4").tobytes()),
            sums[1:].astype("<i4").tobytes(),
        )

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


def _widened(array: NDArray[np.int32], size: int, fill: int) -> NDArray[np.int32]:
    """The array, with at least so many elements."""
    if len(array) >= size:
        return array
    return np.pad(array, (0, 2 * size - len(array)), constant_values=fill)
