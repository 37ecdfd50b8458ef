"""Logs of delivery events, and a plain recount of them that shares no code with us.

All times are whole milliseconds here, so that the recount needs no rounding.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from monitor.counting import (
    CountBatch,
    CountingPolicy,
    Evidence,
    Flush,
    InputPartition,
    PartitionCounter,
    Refusal,
    SlotMaker,
    TallyMerger,
    cell_text,
)
from monitor.events import COLUMNS, Cell, CellRows, Ledger, LedgerTally, Reason, Tally
from tests.counting.one_record import DELIVERED, Countable

#: Some time in 2026 that is no edge of any slot.
BASE_MS = 1_795_000_003_217

#: What one event may add to: delivered, bounced hard, deferred, a complaint, nothing.
KINDS: tuple[tuple[int, ...], ...] = ((0, 1), (0, 2, 8), (0, 6), (7,), ())

CELLS = tuple(
    Cell(provider, source_ip, "spring", "acme", "")
    for provider in ("yahoo", "gmx")
    for source_ip in ("192.0.2.1", "192.0.2.2")
)


class Lengths(NamedTuple):
    """A counting policy in milliseconds."""

    slot: int
    lateness: int
    tolerance: int

    @property
    def policy(self) -> CountingPolicy:
        return CountingPolicy(
            self.slot / 1000, self.lateness / 1000, self.tolerance / 1000
        )


class LogEvent(NamedTuple):
    """One event in a record."""

    id: str
    time_ms: int
    cell: Cell
    columns: tuple[int, ...]

    @property
    def template(self) -> str:
        """One of three, or none."""
        return ("", "t1", "t2", "t3")[sum(self.id.encode()) % 4]

    @property
    def countable(self) -> Countable:
        failed = Evidence(Reason.POLICY, f"reply {self.id}", self.template)
        evidence = failed if 8 in self.columns else None
        seconds = self.time_ms / 1000
        return Countable(self.id, seconds, self.cell, self.columns, evidence)


class Entry(NamedTuple):
    """One record of a log."""

    offset: int
    kafka_ms: int
    events: tuple[LogEvent, ...] = ()
    invalid: int = 0


Cells = dict[tuple[int, Cell], tuple[int, ...]]


@dataclass
class Recount:
    """What a log comes to."""

    cells: Counter[tuple[int, Cell, int]] = field(default_factory=Counter)
    reasons: Counter[tuple[int, str, str, str]] = field(default_factory=Counter)
    ledger: Counter[str] = field(default_factory=Counter)


def recount(log: Iterable[Entry], lengths: Lengths) -> Recount:
    """Read the log once, with a set for every slot and no memory bound."""
    result = Recount()
    newest = -(10**18)
    seen: set[tuple[int, str]] = set()
    for entry in log:
        newest = max(newest, entry.kafka_ms)
        result.ledger["records"] += 1
        result.ledger["invalid"] += entry.invalid
        result.ledger["ignored"] += entry.events == () and entry.invalid == 0
        for event in entry.events:
            result.ledger["events"] += 1
            future = event.time_ms > entry.kafka_ms + lengths.tolerance
            slot = (entry.kafka_ms if future else event.time_ms) // lengths.slot
            if slot < (newest - lengths.lateness) // lengths.slot:
                result.ledger["late"] += 1
            elif (slot, event.id) in seen:
                result.ledger["duplicates"] += 1
            else:
                seen.add((slot, event.id))
                _count(result, slot, event, future)
    return result


def _count(result: Recount, slot: int, event: LogEvent, future: bool) -> None:
    if not event.columns:
        result.ledger["excluded"] += 1
        return
    result.ledger["counted"] += 1
    result.ledger["future"] += future
    for column in event.columns:
        result.cells[slot, event.cell, column] += 1
    if 8 in event.columns:
        provider, source_ip = event.cell[:2]
        result.reasons[slot, provider, source_ip, event.template] += 1


def touched_slots(log: Iterable[Entry], lengths: Lengths) -> set[int]:
    """Every slot that some event of the log falls into."""
    return {
        (
            entry.kafka_ms
            if event.time_ms > entry.kafka_ms + lengths.tolerance
            else event.time_ms
        )
        // lengths.slot
        for entry in log
        for event in entry.events
    }


def make_counter(
    lengths: Lengths, position: int = 0, *, start: bool = True, partition: int = 0
) -> PartitionCounter:
    """A counter at an offset; ``start``: that is the start of the log."""
    return PartitionCounter(
        lengths.policy,
        InputPartition("default", "delivery.events", partition),
        position=position,
        from_log_start=start,
        slots=SlotMaker(str.upper),
    )


def feed(counter: PartitionCounter, entries: Iterable[Entry]) -> None:
    """Give a counter the records that it has not read yet, in batches of any size."""
    batch: list[Entry] = []
    for entry in entries:
        if entry.offset >= counter.position:
            batch.append(entry)
            if entry.offset % 5 in (0, 1):
                counter.take(as_batch(batch))
                batch = []
    counter.take(as_batch(batch))


def as_batch(entries: Sequence[Entry]) -> CountBatch:
    """Records and their events as columns."""
    events = [(entry, event) for entry in entries for event in entry.events]
    offsets = [entry.offset for entry in entries]
    at = [entry.offset for entry, _ in events]
    evidence = [event.countable.evidence for _, event in events]
    return CountBatch(
        offsets=offsets,
        times=[entry.kafka_ms / 1000 for entry in entries],
        at=offsets if at == offsets else at,
        event_ids=[event.id for _, event in events],
        event_times=[event.time_ms / 1000 for _, event in events],
        cells=[cell_text(event.cell) for _, event in events],
        columns={
            place: event.columns
            for place, (_, event) in enumerate(events)
            if event.columns != DELIVERED
        },
        evidence={place: one for place, one in enumerate(evidence) if one is not None},
        invalid=[entry.offset for entry in entries for _ in range(entry.invalid)],
    )


def written(flush: Flush) -> list[Tally | LedgerTally]:
    """The records of a flush, in the order in which they are sent."""
    return [*flush.tallies, *flush.ledgers]


@dataclass
class Sums:
    """What an observer adds up: every delta, and the ledger."""

    cells: Counter[tuple[int, Cell, int]] = field(default_factory=Counter)
    reasons: Counter[tuple[int, str, str, str]] = field(default_factory=Counter)
    ledger: Counter[str] = field(default_factory=Counter)
    refusals: Counter[Refusal] = field(default_factory=Counter)

    def take(self, merger: TallyMerger, tally: Tally | LedgerTally) -> None:
        if isinstance(tally, LedgerTally):
            added = merger.merge_ledger(tally)
            if isinstance(added, Refusal):
                self.refusals[added] += 1
            else:
                self.ledger.update(as_counter(added))
            return
        delta = merger.merge(tally)
        if isinstance(delta, Refusal):
            self.refusals[delta] += 1
            return
        self.cells.update(matrix_cells(delta.slot, delta.cells, delta.counts))
        for row in delta.reasons:
            key = (delta.slot, row.provider, row.source_ip, row.template)
            self.reasons[key] += row.count

    def copy(self) -> "Sums":
        return Sums(
            Counter(self.cells),
            Counter(self.reasons),
            Counter(self.ledger),
            Counter(self.refusals),
        )

    @property
    def loud(self) -> set[Refusal]:
        """Refusals that must never happen."""
        return set(self.refusals) - {Refusal.STALE}


def as_counter(ledger: Ledger) -> Counter[str]:
    return Counter({name: getattr(ledger, name) for name in Ledger.__struct_fields__})


def matrix_cells(
    slot: int, cells: CellRows, counts: bytes
) -> Counter[tuple[int, Cell, int]]:
    """A count matrix as a sparse sum; zeros are left out."""
    matrix = np.frombuffer(counts, dtype="<i4").reshape(len(cells), len(COLUMNS))
    result: Counter[tuple[int, Cell, int]] = Counter()
    for row, column in zip(*np.nonzero(matrix), strict=True):
        result[slot, cells[row], int(column)] = int(matrix[row, column])
    return result


def assert_equal(sums: Sums, truth: Recount) -> None:
    """Cells, evidence and ledger are those of the recount; nothing was refused."""
    assert sums.cells == truth.cells
    assert sums.reasons == truth.reasons
    assert sums.ledger == truth.ledger
    assert not sums.loud
