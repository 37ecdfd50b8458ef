"""Recorded events, one record a line: counted and judged as in production."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import floor
from typing import NamedTuple

import msgspec

from monitor.backtest.journal import Found
from monitor.backtest.log_clock import LogClock, Placed
from monitor.backtest.mind import FLEET, Mind, Summary
from monitor.counting import (
    CountBatch,
    Evidence,
    InputPartition,
    PartitionCounter,
    SlotMaker,
)
from monitor.errors import InvalidEvent, InvalidReason
from monitor.events import Cell, LedgerTally, Tally
from monitor.pipeline import Ingested, Records

#: Lines read at a time, and most bytes of them.
CHUNK_LINES = 1_000
CHUNK_BYTES = 8_000_000

#: A span of so many records is counted before it is over.
MOST_WAITING = 20_000


class Line(NamedTuple):
    """One line that is not blank; ``number`` counts from 1."""

    number: int
    value: bytes


class Entry(NamedTuple):
    """One record: its events are those of ``batch`` from ``low`` to before ``high``."""

    batch: CountBatch
    low: int
    high: int
    invalid: int


class Sample(NamedTuple):
    """The first bad line of a kind: where it is, and what is wrong with it."""

    place: str
    detail: str


class Faults:
    """What could not be read: numbers by reason, and a sample of each."""

    def __init__(self) -> None:
        self.counts: dict[InvalidReason, int] = {}
        self.samples: dict[InvalidReason, Sample] = {}

    def note(self, place: str, problems: Sequence[InvalidEvent]) -> None:
        """Count the problems of one line."""
        for problem in problems:
            self.counts[problem.reason] = self.counts.get(problem.reason, 0) + 1
            self.samples.setdefault(problem.reason, Sample(place, problem.detail))


def read_events(
    name: str,
    lines: Iterable[bytes],
    ingest: Callable[[Records], Ingested],
    faults: Faults,
) -> Iterator[Placed[Entry]]:
    """The records of a file with the log times at which they came.

    Args:
        name: of the file, for the samples of bad lines.
        lines: one record each; blank ones are passed over.
        ingest: the rooms before counting; never raises.
        faults: takes what could not be read.
    """
    clock = LogClock[Entry]()
    for chunk in _chunks(lines):
        count = len(chunk)
        values = [line.value for line in chunk]
        batch, refused = ingest(Records(range(count), [0.0] * count, values))
        for place, problems in refused:
            faults.note(f"{name}:{chunk[place].number}", problems)
        times = batch.event_times
        for entry in _entries(batch):
            _, low, high, _ = entry
            time = times[low] if high == low + 1 else max(times[low:high], default=None)
            yield from clock.push(time, entry)
    yield from clock.rest()


def _chunks(lines: Iterable[bytes]) -> Iterator[list[Line]]:
    chunk: list[Line] = []
    size = 0
    for number, line in enumerate(lines, 1):
        value = line.strip()
        if not value:
            continue
        chunk.append(Line(number, value))
        size += len(value)
        if len(chunk) == CHUNK_LINES or size > CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _entries(batch: CountBatch) -> Iterator[Entry]:
    """The records of a batch whose offsets are their places in it."""
    if batch.at is batch.offsets:
        for place in range(len(batch.offsets)):
            yield Entry(batch, place, place + 1, 0)
        return
    invalid: dict[int, int] = {}
    for place in batch.invalid:
        invalid[place] = invalid.get(place, 0) + 1
    low, events = 0, len(batch.at)
    for place in range(len(batch.offsets)):
        high = low
        while high < events and batch.at[high] == place:
            high += 1
        yield Entry(batch, low, high, invalid.get(place, 0))
        low = high


class _Waiting:
    """Records of the span that is being filled, as columns."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.offsets: list[int] = []
        self._times: list[float] = []
        self._at: list[int] = []
        self._runs: list[tuple[CountBatch, int, int]] = []
        self._invalid: list[int] = []

    def add(self, moment: float, entry: Entry) -> None:
        batch, low, high, invalid = entry
        offset = self.position
        self.position = offset + 1
        self.offsets.append(offset)
        self._times.append(moment)
        self._at += [offset] * (high - low)
        if invalid:
            self._invalid += [offset] * invalid
        # Records that follow each other in a chunk are one run.
        last = self._runs[-1] if self._runs else None
        if last is not None and last[0] is batch and last[2] == low:
            self._runs[-1] = batch, last[1], high
        else:
            self._runs.append((batch, low, high))

    def batch(self) -> CountBatch:
        event_ids: list[str] = []
        event_times: list[float] = []
        cells: list[str] = []
        columns: dict[int, tuple[int, ...]] = {}
        evidence: dict[int, Evidence] = {}
        for batch, low, high in self._runs:
            shift = len(cells) - low
            event_ids += batch.event_ids[low:high]
            event_times += batch.event_times[low:high]
            cells += batch.cells[low:high]
            for place in range(low, high):
                if place in batch.columns:
                    columns[place + shift] = batch.columns[place]
                if place in batch.evidence:
                    evidence[place + shift] = batch.evidence[place]
        return CountBatch(
            offsets=self.offsets,
            times=self._times,
            at=self.offsets if self._at == self.offsets else self._at,
            event_ids=event_ids,
            event_times=event_times,
            cells=cells,
            columns=columns,
            evidence=evidence,
            invalid=self._invalid,
        )


class EventReplay:
    """Counts records in slots as a worker does, and ticks once a step of log time.

    Args:
        mind: judges the counts.
        scrub: takes everything personal out of the replies kept as samples.
        keep_copies: count events with one id each by itself, for recordings whose
            events have no ids and differ in nothing.
    """

    def __init__(
        self, mind: Mind, scrub: Callable[[str], str], keep_copies: bool = False
    ) -> None:
        self._mind = mind
        self._keep_copies = keep_copies
        self._counter = PartitionCounter(
            mind.fleet.policy.counting,
            InputPartition(FLEET, "recording", 0),
            position=0,
            from_log_start=True,
            slots=SlotMaker(scrub),
        )
        self._span: int | None = None
        self._ends = float("-inf")
        self._waiting = _Waiting(0)
        self._events = 0

    def take(self, placed: Placed[Entry]) -> list[Found]:
        """Take one record; returns the incidents that were over before it."""
        found: list[Found] = []
        if placed.moment >= self._ends:
            found = self._turn(floor(placed.moment) // self._mind.step)
        self._waiting.add(*placed)
        if len(self._waiting.offsets) >= MOST_WAITING:
            self._count()
        return found

    def end(self) -> list[Found]:
        """Look at what came last; returns all incidents not returned before."""
        found = [] if self._span is None else self._turn(self._span + 1)
        return found + self._mind.rest()

    def summary(self) -> Summary:
        """What it came to."""
        totals = self._counter.totals
        return msgspec.structs.replace(
            self._mind.summary(),
            records=totals["records"],
            events=totals["events"],
            counted=totals["counted"],
            late=totals["late"],
            future=totals["future"],
            duplicates=totals["duplicates"],
            excluded=totals["excluded"],
            invalid=totals["invalid"],
        )

    def _count(self) -> None:
        waiting = self._waiting
        if waiting.offsets:
            batch = waiting.batch()
            if self._keep_copies:
                base = self._events
                ids = [str(number) for number in range(base, base + len(batch.at))]
                self._events += len(ids)
                batch = batch._replace(event_ids=ids)
            self._counter.take(batch)
            self._waiting = _Waiting(waiting.position)

    def _merge(self, tally: Tally | LedgerTally) -> None:
        refusal = self._mind.fleet.take(tally)
        assert refusal is None, f"our own tally was refused: {refusal}"

    def _turn(self, span: int) -> list[Found]:
        """The span that was being filled, if any, is over; begin another."""
        found = [] if self._span is None else self._look(self._span + 1)
        self._span = span
        self._ends = float((span + 1) * self._mind.step)
        return found + self._mind.wait(float(span * self._mind.step))

    def _look(self, next_span: int) -> list[Found]:
        self._count()
        flush = self._counter.flush()
        for tally in flush.tallies:
            # A counter's cells are plain tuples; else the codec makes them whole.
            cells = tuple(map(Cell._make, tally.cells))
            self._merge(msgspec.structs.replace(tally, cells=cells))
        for ledger in flush.ledgers:
            self._merge(ledger)
        if flush.commit is not None:
            self._counter.committed(flush.commit)
        return self._mind.tick(float(next_span * self._mind.step))
