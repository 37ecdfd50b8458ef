"""Counts one input partition so that kill -9 changes nothing.

Theory of operation
-------------------
A partition's log is cut into *slots* by event time. What a slot holds is a pure
function of the log: of each record's offset, Kafka timestamp and value, of nothing
else. The *log time* is the largest Kafka timestamp so far. A slot takes events while
the log time is less than the allowed lateness past its end; then it is closed, and
what comes later for it is *late*. A copy of an event carries the same event time and
so meets its original in the same slot, where its id is known. (An event that claims to
be from the future counts at the time of its record, and a later copy counts again.)

Since all that is a function of the log, a worker recovers by reading again, and by
nothing else. The offset it commits is not the newest it has read but a *checkpoint*:
a record r that set a new log time, so long ago that every slot which records before
r may have touched is closed, and its final tally acknowledged. Whoever starts at r
counts only slots that begin after r's time (plus the tolerance for fast clocks): no
record before r touched those, so they come out whole, with the same ``first`` offset,
equal to what the worker before it counted, and further along. The merge takes the
longest prefix (``merge``), so zombies, retries and reordering change nothing.

The ledger is kept by log time instead. Which events are late or twice is known in
full only when every open slot is a whole one, which is the allowed lateness later;
before that no ledger is written, and the checkpoint is old enough that the worker
before it wrote those.
"""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from monitor.counting.batch import CountBatch, renumbered
from monitor.counting.policy import MAX_OPEN_SLOTS, CountingPolicy
from monitor.counting.slot import OpenSlot, SlotMaker
from monitor.events import Ledger, LedgerTally, Prefix, Tally

#: Slots this far behind the newest are mostly read, so their ids are packed.
SETTLE_AFTER_SLOTS = 3

#: Checkpoints kept: one a slot. The oldest needed is from when the oldest open slot
#: was the newest, ``MAX_OPEN_SLOTS`` and a few back at most.
MAX_CHECKPOINTS = 2 * MAX_OPEN_SLOTS

#: Earlier than any slot of any log.
LONG_AGO = -(2**62)


def _empty_ledger() -> Counter[str]:
    return Counter(dict.fromkeys(Ledger.__struct_fields__, 0))


class InputPartition(NamedTuple):
    """Which log is counted, and for whom."""

    fleet: str
    topic: str
    partition: int


class Checkpoint(NamedTuple):
    """A record that set a new log time; ``time`` is its Kafka timestamp."""

    offset: int
    time: float


class _LedgerSlot:
    """Running totals of one slot of log time."""

    __slots__ = ("first", "to", "totals")

    def __init__(self, offset: int) -> None:
        self.first = offset
        self.to = offset
        self.totals = _empty_ledger()


class Flush(NamedTuple):
    """What one flush must get acknowledged, and the offset that may be committed then.

    ``commit`` is ``None`` while no checkpoint is old enough. What a flush holds is not
    said again: a counter whose flush was not acknowledged as a whole must be dropped,
    for its next commit would cover what was lost.
    """

    tallies: tuple[Tally, ...]
    ledgers: tuple[LedgerTally, ...]
    position: int
    commit: int | None


class PartitionCounter:
    """All open slots of one input partition.

    Args:
        policy: lengths of slots and lateness.
        source: the log and its fleet.
        position: the first offset that will be given.
        from_log_start: nothing before ``position`` was ever counted, so every slot
            is a whole one.
        slots: opens slots; may be shared with other counters.
    """

    def __init__(
        self,
        policy: CountingPolicy,
        source: InputPartition,
        *,
        position: int,
        from_log_start: bool,
        slots: SlotMaker,
    ) -> None:
        self.policy = policy
        self._maker = slots
        self.source = source
        self.position = position
        self.log_time = float("-inf")
        self.replayed = _empty_ledger()
        self.id_overflow = 0
        self._whole_from = LONG_AGO if from_log_start else None
        self._ledger_from = LONG_AGO
        self._slots: dict[int, OpenSlot] = {}
        self._ledgers: dict[int, _LedgerSlot] = {}
        self._dirty: set[int] = set()
        self._dirty_ledgers: set[int] = set()
        self._checkpoints: deque[Checkpoint] = deque(maxlen=MAX_CHECKPOINTS)
        self._log_slot = LONG_AGO
        self._first_open = LONG_AGO
        self._written = _empty_ledger()

    @property
    def totals(self) -> Counter[str]:
        """The ledger since this counter began, replayed records left out."""
        return sum((entry.totals for entry in self._ledgers.values()), self._written)

    @property
    def open_slots(self) -> int:
        """Slots held in memory."""
        return len(self._slots)

    @property
    def remembered_ids(self) -> int:
        """Event ids held in memory."""
        return sum(len(slot.ids) for slot in self._slots.values())

    @property
    def replaying(self) -> bool:
        """True until the ledger is kept, that is while events are read again."""
        return self._log_slot < self._ledger_from or self._whole_from is None

    def take(self, batch: CountBatch) -> None:
        """Take records: their countable events and their invalid parts.

        Offsets must rise. How the log is cut into batches changes nothing.
        """
        if not batch.offsets:
            return
        assert batch.offsets[0] >= self.position, "records must be given in log order"
        for stretch in self._stretches(batch):
            self._take(stretch)
        self.position = batch.offsets[-1] + 1

    def flush(self) -> Flush:
        """Everything that changed since the last flush, oldest slot first."""
        tallies = tuple(self._tally(slot) for slot in sorted(self._dirty))
        ledgers = tuple(
            self._ledger_tally(slot) for slot in sorted(self._dirty_ledgers)
        )
        self._dirty.clear()
        self._dirty_ledgers.clear()
        self._close()
        return Flush(tallies, ledgers, self.position, self._committable())

    def committed(self, offset: int) -> None:
        """A commit at ``offset`` was acknowledged: forget what is older."""
        while self._checkpoints and self._checkpoints[0].offset < offset:
            self._checkpoints.popleft()

    def _stretches(self, batch: CountBatch) -> Iterator[CountBatch]:
        """Cut a batch where the log time enters a new slot, or closes an old one."""
        slot_of, first_open_slot = self.policy.slot_of, self.policy.first_open_slot
        log_slot, first_open = self._log_slot, self._first_open
        top = max(batch.times)
        begin, end = 0, len(batch.offsets)
        if slot_of(top) > log_slot or first_open_slot(top) > first_open:
            for place, time in enumerate(batch.times):
                slot, oldest = slot_of(time), first_open_slot(time)
                if slot > log_slot or oldest > first_open:
                    log_slot, first_open = max(log_slot, slot), max(first_open, oldest)
                    if place > begin:
                        yield batch.part(begin, place)
                    begin = place
        yield batch.part(begin, end)

    def _take(self, batch: CountBatch) -> None:
        """Count a stretch in which neither ``_log_slot`` nor ``_first_open`` moves."""
        if batch.times[0] >= self.log_time:
            self._advance(batch.offsets[0], batch.times[0])
        self.log_time = max(self.log_time, max(batch.times))
        ledger = self._ledger(batch.offsets[0], batch.offsets[-1])
        ledger["records"] += len(batch.offsets)
        ledger["invalid"] += len(batch.invalid)
        ledger["ignored"] += batch.ignored
        ledger["events"] += len(batch.at)
        if not batch.at:
            return
        slot = self.policy.slot_of(min(batch.event_times))
        newest = max(batch.event_times)
        tolerance = self.policy.future_tolerance_seconds
        if (
            self.policy.slot_of(newest) == slot
            and newest <= min(batch.times) + tolerance
        ):
            self._count(slot, batch, None, ledger)
        else:
            self._count_scattered(batch, ledger)

    def _advance(self, offset: int, kafka_time: float) -> None:
        """Move the log time, and lay a checkpoint where a new slot of it begins."""
        self.log_time = kafka_time
        self._first_open = self.policy.first_open_slot(kafka_time)
        slot = self.policy.slot_of(kafka_time)
        if self._whole_from is None:
            self._whole_from = self.policy.first_whole_slot(kafka_time)
            self._ledger_from = self.policy.first_whole_ledger(kafka_time)
        if slot > self._log_slot:
            self._log_slot = slot
            self._checkpoints.append(Checkpoint(offset, kafka_time))
            cold = self._slots.get(slot - SETTLE_AFTER_SLOTS)
            if cold is not None:
                cold.ids.settle()

    def _ledger(self, first: int, last: int) -> Counter[str]:
        """The totals that the records from ``first`` to ``last`` belong to."""
        if self._log_slot < self._ledger_from:
            return self.replayed
        ledger = self._ledgers.get(self._log_slot)
        if ledger is None:
            ledger = self._ledgers[self._log_slot] = _LedgerSlot(first)
        ledger.to = last + 1
        self._dirty_ledgers.add(self._log_slot)
        return ledger.totals

    def _count_scattered(self, batch: CountBatch, ledger: Counter[str]) -> None:
        """Count events of several slots, or some that claim to be from the future."""
        policy = self.policy
        times = dict(zip(batch.offsets, batch.times, strict=True))
        slots: dict[int, list[int]] = {}
        future: set[int] = set()
        for place, (offset, event_time) in enumerate(
            zip(batch.at, batch.event_times, strict=True)
        ):
            kafka_time = times[offset]
            if event_time > kafka_time + policy.future_tolerance_seconds:
                future.add(place)
                event_time = kafka_time
            slots.setdefault(policy.slot_of(event_time), []).append(place)
        for slot, places in slots.items():
            counted = self._count(slot, batch, places, ledger)
            ledger["future"] += len(future.intersection(counted))

    def _count(
        self,
        index: int,
        batch: CountBatch,
        places: Sequence[int] | None,
        ledger: Counter[str],
    ) -> Sequence[int]:
        """Put events of one slot where they belong; ``places`` ``None``: the batch's.

        Returns the places of those that are in the slot's cells now.
        """
        everything = range(len(batch.at))
        wanted = everything if places is None else places
        if index < self._first_open:
            ledger["late"] += len(wanted)
            return ()
        assert self._whole_from is not None
        if index < self._whole_from:
            assert self.replaying, "an open slot is not whole, yet the ledger is kept"
            ledger["counted"] += len(wanted)
            return ()
        slot = self._slots.get(index)
        if slot is None:
            slot = self._slots[index] = self._maker.open(batch.at[wanted[0]])
        fresh = self._fresh(slot, batch, wanted)
        ledger["duplicates"] += len(wanted) - len(fresh)
        kept = _counted(batch, fresh)
        ledger["excluded"] += len(fresh) - len(kept)
        if kept:
            ledger["counted"] += len(kept)
            ledger["folded"] += _enter(slot, batch, kept)
            self._dirty.add(index)
        return kept

    def _fresh(
        self, slot: OpenSlot, batch: CountBatch, wanted: Sequence[int]
    ) -> Sequence[int]:
        """Those of the wanted events that the slot has not seen."""
        ids = batch.event_ids
        if len(wanted) < len(ids):
            ids = [ids[place] for place in wanted]
        overflow = slot.ids.overflow
        new = slot.ids.add_all(ids)
        self.id_overflow += slot.ids.overflow - overflow
        return wanted if new is None else [wanted[place] for place in new]

    def _tally(self, index: int) -> Tally:
        slot = self._slots[index]
        cells, counts = slot.matrix()
        return Tally(
            prefix=self._prefix(index, slot.first, slot.to),
            cells=cells,
            counts=counts,
            reasons=slot.reasons(),
        )

    def _ledger_tally(self, index: int) -> LedgerTally:
        ledger = self._ledgers[index]
        return LedgerTally(
            prefix=self._prefix(index, ledger.first, ledger.to),
            ledger=Ledger(**ledger.totals),
        )

    def _prefix(self, index: int, first: int, to: int) -> Prefix:
        return Prefix(
            fleet=self.source.fleet,
            topic=self.source.topic,
            partition=self.source.partition,
            slot=index,
            first=first,
            to=to,
            watermark=self.log_time,
        )

    def _close(self) -> None:
        """Drop slots that take no more events; their final tally is in this flush."""
        if not self._slots and not self._ledgers:
            return
        first_open = self.policy.first_open_slot(self.log_time)
        for index in [index for index in self._slots if index < first_open]:
            del self._slots[index]
        for index in [index for index in self._ledgers if index < self._log_slot]:
            self._written += self._ledgers.pop(index).totals

    def _committable(self) -> int | None:
        """The newest checkpoint before which nothing is open or unwritten."""
        best = None
        for checkpoint in self._checkpoints:
            if self.policy.first_whole_ledger(checkpoint.time) > self._log_slot:
                break
            best = checkpoint.offset
        return best


def _counted(batch: CountBatch, places: Sequence[int]) -> Sequence[int]:
    """Those events that count somewhere."""
    excluded = {place for place, columns in batch.columns.items() if not columns}
    if not excluded:
        return places
    return [place for place in places if place not in excluded]


def _enter(slot: OpenSlot, batch: CountBatch, kept: Sequence[int]) -> int:
    """Count events in their slot's cells; returns how many were folded."""
    slot.to = batch.at[kept[-1]] + 1
    cells, columns, evidence = batch.cells, batch.columns, batch.evidence
    if len(kept) < len(cells):
        among = {place: number for number, place in enumerate(kept)}
        columns = renumbered(columns, among)
        evidence = renumbered(evidence, among)
        cells = [cells[place] for place in kept]
    slot.note(cells, evidence)
    return slot.count(cells, columns)
