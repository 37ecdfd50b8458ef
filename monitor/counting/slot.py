"""One open slot of one input partition: cells, evidence, ids, the prefix covered."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import msgspec
import numpy as np

from monitor.counting.cell_table import SEPARATOR, CellTable, FirstUse, cell_text
from monitor.counting.columns import columns_of
from monitor.counting.ids import SeenIds
from monitor.counting.policy import (
    MAX_CELLS_PER_SLOT,
    MAX_CELLS_PER_TABLE,
    MAX_DETAILED_REASONS,
    MAX_IDS_PER_SLOT,
    MAX_NAME_BYTES_PER_SLOT,
    MAX_REASONS_PER_SLOT,
    OTHER,
)
from monitor.events import COLUMNS, Cells, Outcome, Reason, ReasonCount


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """Why an event failed: the reason and the reply, which is not scrubbed yet.

    Replies of one ``template`` say the same; ``""`` when it is not known.
    """

    reason: Reason
    reply: str
    template: str = ""


#: Takes everything personal out of a reply.
Scrubber = Callable[[str], str]

#: Provider, IP and campaign as one text, reason, template.
_Place: TypeAlias = tuple[str, Reason, str]

_WIDTH = len(COLUMNS)

#: What nine events in ten add to.
_DELIVERED = columns_of(Outcome.DELIVERED, None)

#: What counting takes of events: their cells, and by place the columns of those that
#: are no deliveries.
Columns: TypeAlias = Mapping[int, tuple[int, ...]]


class _Row:
    """How often a reason was given, and a scrubbed sample."""

    __slots__ = ("count", "sample")

    def __init__(self, sample: str) -> None:
        self.count = 1
        self.sample = sample


class OpenSlot:
    """Counts of one slot while events may still fall into it.

    The hot path turns each cell into its number in the table, in C for a whole batch.
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
        "_others",
        "_pending",
        "_reasons",
        "_samples",
        "_scrub",
        "_table",
        "first",
        "ids",
        "to",
    )

    def __init__(self, offset: int, scrub: Scrubber, table: CellTable) -> None:
        self._scrub = scrub
        self._table = table
        self.first = offset
        self.to = offset
        self.ids = SeenIds(MAX_IDS_PER_SLOT)
        self._pending: list[int] = []
        self._others: dict[tuple[int, ...], list[int]] = {}
        self._counts = np.zeros((0, _WIDTH), np.int32)
        self._cells, self._names = FirstUse(), FirstUse()
        self._name_bytes = 0
        self._admitted: set[str] | None = None
        self._reasons: dict[_Place, _Row] = {}
        self._samples: dict[str, str] = {}

    def count(self, cells: Sequence[str], columns: Columns) -> int:
        """Add events to their cells; returns how many were folded into ``other``.

        Args:
            cells: one an event, as ``cell_text`` makes them.
            columns: what those that are no deliveries add to, by place.
        """
        if self._admitted is None:
            # The table must know how long their names are before there is room or not.
            numbers = self._table.numbers_of(cells)
            if self._has_room(len(numbers)):
                self._add(numbers, columns)
                return 0
            self._admitted = {*self._table.texts_of(self._cells.numbers)}
        return self._count_near_the_bound(cells, columns)

    def _add(self, numbers: list[int], columns: Columns) -> None:
        for place, adds_to in columns.items():
            self._others.setdefault(adds_to, []).append(numbers[place])
        self._pending += numbers

    def _has_room(self, new: int) -> bool:
        """True if so many more events break no bound, whatever cells they are of."""
        if not self._fits(len(self._pending) + new):
            self._settle()
        return self._fits(len(self._pending) + new)

    def _fits(self, new: int) -> bool:
        return (
            len(self._cells.numbers) + new <= MAX_CELLS_PER_SLOT
            and self._name_bytes + new * self._table.longest <= MAX_NAME_BYTES_PER_SLOT
        )

    def _count_near_the_bound(self, cells: Sequence[str], columns: Columns) -> int:
        """The same cell by cell; what does not fit moves to its provider's ``other``.

        From here on no cell enters the table that is not an admitted one, so that
        names which never come again cannot fill it.
        """
        fits = [self._admit(cell) for cell in cells]
        admitted = [
            cell if fit else cell_text([_provider(cell), *[OTHER] * 4])
            for cell, fit in zip(cells, fits, strict=True)
        ]
        self._add(self._table.numbers_of(admitted), columns)
        self._settle()
        return fits.count(False)

    def _admit(self, cell: str) -> bool:
        """Whether the cell is one of the slot's, or may become one."""
        assert self._admitted is not None
        if cell in self._admitted:
            return True
        size = len(cell.replace(SEPARATOR, "").encode())
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
        new = self._cells.add(numbers, len(table))
        if new.size:
            self._names.add(table.codes_of(new).ravel(), table.name_count)
            if self._admitted is None:
                self._name_bytes += table.bytes_of(new)
            self._counts = np.pad(self._counts, ((0, len(new)), (0, 0)))
        rows = self._cells.places(len(table))
        size = len(self._counts)
        delivered = np.bincount(rows[numbers], minlength=size)
        for columns, others in self._others.items():
            some = np.bincount(rows[others], minlength=size)
            delivered -= some
            self._counts[:, columns] += some[:, None].astype(np.int32)
        self._others.clear()
        self._counts[:, _DELIVERED] += delivered[:, None].astype(np.int32)

    def note(self, cells: Sequence[str], evidence: Mapping[int, Evidence]) -> None:
        """Remember why events failed; the first sample of a template stays.

        Args:
            cells: as ``count`` takes them.
            evidence: of those that failed, by place.
        """
        rows = self._reasons
        for place, why in evidence.items():
            names = cells[place].rsplit(SEPARATOR, 2)[0]
            reason, template = why.reason, why.template
            row = rows.get((names, reason, template))
            if row is not None:
                row.count += 1
            elif len(rows) < MAX_DETAILED_REASONS:
                rows[names, reason, template] = _Row(self._sample(template, why.reply))
            else:
                folded = cell_text((_provider(names), OTHER, OTHER))
                self._fold((folded, reason, template), why.reply)

    def _fold(self, place: _Place, reply: str) -> None:
        """The same for a provider's ``other``, and left out if that is full."""
        row = self._reasons.get(place)
        if row is not None:
            row.count += 1
        elif len(self._reasons) < MAX_REASONS_PER_SLOT:
            self._reasons[place] = _Row(self._sample(place[2], reply))

    def _sample(self, template: str, reply: str) -> str:
        """The scrubbed reply; scrubbing is dear, so once for each template."""
        sample = self._samples.get(template) if template else None
        if sample is None:
            sample = self._samples[template] = self._scrub(reply)
        return sample

    def matrix(self) -> tuple[Cells, bytes]:
        """Cells in order of appearance, and their counts as little-endian int32."""
        self._settle()
        table = self._table
        places = self._names.places(table.name_count)
        codes = places[table.codes_of(self._cells.numbers)]
        return (
            Cells(table.names_of(self._names.numbers), codes.astype("<u4").tobytes()),
            self._counts.astype("<i4").tobytes(),
        )

    def reasons(self) -> tuple[ReasonCount, ...]:
        """The evidence so far."""
        return tuple(
            ReasonCount(
                provider=provider,
                source_ip=source_ip,
                campaign=campaign,
                reason=reason,
                count=row.count,
                sample=row.sample,
                template=template,
            )
            for (names, reason, template), row in self._reasons.items()
            for provider, source_ip, campaign in (names.split(SEPARATOR),)
        )


def _provider(cell: str) -> str:
    return cell.partition(SEPARATOR)[0]


class SlotMaker:
    """Opens slots that share a table and a scrubber, whatever partition they are of.

    Args:
        scrub: takes everything personal out of a reply.
    """

    def __init__(self, scrub: Scrubber) -> None:
        self._scrub = scrub
        self._table = CellTable()

    def open(self, offset: int) -> OpenSlot:
        """A slot whose first record has that offset."""
        if len(self._table) > MAX_CELLS_PER_TABLE:
            self._table = CellTable()
        return OpenSlot(offset, self._scrub, self._table)
