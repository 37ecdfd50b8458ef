"""The left half of the river at work: batches in, acknowledged tallies out.

Every partition of an input topic has a ``PartitionCounter``. ``take`` runs in the event
loop and only counts; ``flush`` writes what changed to ``bounce.counts``, waits for all
acknowledgements, and only then says what may be committed (invariant I3). A counter
outlives a rebalance: what it holds is a pure function of the log, so it may go on
from its own position when the partition comes back, whoever had it meanwhile.
"""

import asyncio
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import structlog
from aiokafka import AIOKafkaProducer
from faust.types import TP

from monitor.classify import scrub
from monitor.counting import (
    CountingPolicy,
    Flush,
    InputPartition,
    PartitionCounter,
    SlotMaker,
)
from monitor.errors import BrokerError
from monitor.events import LedgerTally, Tally
from monitor.pipeline import Ingest, Records
from monitor.service import clock
from monitor.service.codecs import encode_tally
from monitor.service.commits import CommitWatch
from monitor.service.deadletter import DeadLetters
from monitor.service.metrics import CommitResult, TallyResult
from monitor.service.metrics.ingest import IngestMetrics
from monitor.service.record_batches import RecordBatch
from monitor.service.topics import partition_of

log = structlog.get_logger(__name__)

#: A worker that was cut off is expelled once and joins again. Two workers with one
#: instance id expel each other with every heartbeat; the older counts so many first.
FENCED_AFTER = 4
FENCED_WITHIN_SECONDS = 30.0


class TopicInput(NamedTuple):
    """How one input topic is read."""

    ingest: Ingest
    fleet: str


class CountsTopic(NamedTuple):
    """Where tallies go."""

    name: str
    partitions: int


class IngestService:
    """Counts the partitions that this worker is assigned; a ``BatchSink``."""

    def __init__(
        self,
        policy: CountingPolicy,
        inputs: Mapping[str, TopicInput],
        counts: CountsTopic,
        metrics: IngestMetrics,
    ) -> None:
        self.counters: dict[TP, PartitionCounter] = {}
        self.progress_at: dict[TP, float] = {}
        self.commits = CommitWatch()
        self.expulsions: deque[float] = deque(maxlen=FENCED_AFTER)
        self._policy = policy
        self._inputs = inputs
        self._counts = counts
        self._slots = SlotMaker(scrub)
        self._metrics = metrics
        self._committable: dict[TP, int] = {}
        self._holes: dict[TP, tuple[int, int]] = {}
        self.cut_off = False
        self._flushing = asyncio.Lock()
        self._producer: AIOKafkaProducer | None = None
        self._dead_letters: DeadLetters | None = None

    def connect(self, producer: AIOKafkaProducer, dead_letters: DeadLetters) -> None:
        """Give the service its way out, before any partition is assigned."""
        self._producer = producer
        self._dead_letters = dead_letters

    async def open(self, tp: TP, committed: int | None, log_start: int) -> int:
        """The position to read a partition from, with a counter for it."""
        counter = self.counters.get(tp)
        if counter is None:
            assert committed is not None, "the transport commits before it opens"
            if committed < log_start:
                self._lost(tp, committed, log_start)
            position = max(committed, log_start)
            # At the log's start nothing was counted before; behind a cut, much was.
            counter = self._counter(tp, position, from_log_start=committed == log_start)
            self.progress_at[tp] = clock.monotonic()
            log.info("counting", topic=tp.topic, partition=tp.partition, at=position)
        if committed is not None:
            self.commits.opened(tp, committed)
        return counter.position

    def _counter(self, tp: TP, position: int, from_log_start: bool) -> PartitionCounter:
        """A new counter of a partition, in place of any other."""
        self.counters[tp] = PartitionCounter(
            self._policy,
            InputPartition(self._inputs[tp.topic].fleet, tp.topic, tp.partition),
            position=position,
            from_log_start=from_log_start,
            slots=self._slots,
        )
        return self.counters[tp]

    def _lost(self, tp: TP, first_missing: int, next_there: int) -> None:
        """Say, loudly, that retention was shorter than our outage."""
        self._metrics.log_gaps.inc()
        log.error(
            "records were deleted before they were counted",
            topic=tp.topic,
            partition=tp.partition,
            first_missing=first_missing,
            missing=next_there - first_missing,
        )

    def expelled(self) -> None:
        """The consumer group threw this worker out, and it will join again."""
        self.expulsions.append(clock.monotonic())

    @property
    def fenced(self) -> bool:
        """True when somebody else keeps joining with our instance id."""
        if len(self.expulsions) < FENCED_AFTER:
            return False
        return self.expulsions[-1] - self.expulsions[0] < FENCED_WITHIN_SECONDS

    def keep_only(self, assigned: Iterable[TP]) -> None:
        """Forget partitions that another worker has now."""
        for tp in self.counters.keys() - set(assigned):
            del self.counters[tp]
            self._committable.pop(tp, None)
            self.progress_at.pop(tp, None)
            self.commits.forget(tp)

    def committable(self, tp: TP) -> int | None:
        """The newest checkpoint whose tallies are acknowledged."""
        offset = self._committable.get(tp)
        if offset is not None and tp in self.counters:
            self.counters[tp].committed(offset)
        return offset

    def commit_ended(self, offsets: Mapping[TP, int], done: bool) -> None:
        """A commit of these offsets was taken by the coordinator, or was not."""
        result = CommitResult.DONE if done else CommitResult.FAILED
        self._metrics.commits.labels(result).inc()
        if done:
            self.commits.committed(offsets)

    def take(self, tp: TP, batch: RecordBatch) -> int | None:
        """Count a batch; returns where to seek to if it does not follow on."""
        counter = self.counters.get(tp)
        if counter is None or batch.end <= counter.position:
            return None
        if batch.start > counter.position:
            back_to = self._hole(tp, counter, batch)
            if back_to is not None:
                return back_to
            counter = self.counters[tp]
        self._count(tp, counter, batch)
        self.progress_at[tp] = clock.monotonic()
        return None

    def _count(self, tp: TP, counter: PartitionCounter, batch: RecordBatch) -> None:
        offsets, times, values = batch.offsets, batch.times, batch.values
        if batch.start < counter.position:
            # The fetcher was sent back, to the begin of a stored batch.
            skip = bisect_left(offsets, counter.position)
            offsets, times, values = offsets[skip:], times[skip:], values[skip:]
        records = Records(offsets, times, values)
        countable, refused = self._inputs[tp.topic].ingest(records)
        counter.take(countable)
        counter.position = batch.end
        if refused and not counter.replaying:
            assert self._dead_letters is not None
            for place, invalid in refused:
                where = tp.topic, tp.partition, offsets[place]
                self._dead_letters.add(where, invalid, values[place])

    def _hole(
        self, tp: TP, counter: PartitionCounter, batch: RecordBatch
    ) -> int | None:
        """Records are missing before ``batch``: read them, unless they are gone.

        The fetcher may have run ahead during a rebalance, so seek back once. If the
        broker then still has nothing older, the log was cut: retention was shorter
        than our outage. That is loud, and counting goes on behind the hole.
        """
        hole = (counter.position, batch.start)
        if self._holes.get(tp) != hole:
            self._holes[tp] = hole
            return counter.position
        self._lost(tp, counter.position, batch.start)
        self._counter(tp, batch.start, from_log_start=False)
        return None

    async def drain(self) -> None:
        """Write what is counted; partitions are about to be taken away."""
        if self._producer is not None:
            await self.flush()

    async def flush(self) -> int:
        """Write every slot that changed, and wait until all of it is acknowledged.

        Returns:
            How many tallies were written.

        Raises:
            BrokerError: an earlier flush was cut off. What it held is in no counter any
                more, so nothing may be committed behind it: the worker must end, and
                the next one counts it anew.
        """
        async with self._flushing:
            if self.cut_off:
                raise BrokerError("a flush was cut off; only a restart can recount it")
            self.cut_off = True
            written = await self._flush()
            self.cut_off = False
            return written

    async def _flush(self) -> int:
        assert self._producer is not None
        assert self._dead_letters is not None
        started = clock.monotonic()
        # First, since a commit must not overtake them either.
        await self._dead_letters.flush(self._producer)
        flushes: dict[TP, Flush] = {}
        acks: list[asyncio.Future[object]] = []
        for tp, counter in list(self.counters.items()):
            flushes[tp] = counter.flush()
            acks += await self._send(flushes[tp])
            # Batches are counted between two partitions' flushes.
            await asyncio.sleep(0)
        await asyncio.gather(*acks)
        for tp, flushed in flushes.items():
            if flushed.commit is not None:
                self._committable[tp] = flushed.commit
                self.commits.offered(tp, flushed.commit, clock.monotonic())
        if acks:
            self._metrics.flush_seconds.observe(clock.monotonic() - started)
            self._metrics.tallies.labels(TallyResult.SENT).inc(len(acks))
        return len(acks)

    async def _send(self, flush: Flush) -> list[asyncio.Future[object]]:
        """Hand a flush to the producer; the futures are its acknowledgements."""
        assert self._producer is not None
        futures = []
        tallies: tuple[Tally | LedgerTally, ...] = (*flush.tallies, *flush.ledgers)
        for tally in tallies:
            prefix = tally.prefix
            log_id = f"{prefix.topic}/{prefix.partition}"
            value = encode_tally(tally)
            self._metrics.tally_bytes.inc(len(value))
            futures.append(
                await self._producer.send(
                    self._counts.name,
                    value,
                    key=f"{log_id}/{prefix.slot}".encode(),
                    partition=partition_of(log_id, self._counts.partitions),
                )
            )
        return futures
