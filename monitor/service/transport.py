"""Whole record batches inside a Faust worker.

Theory of operation
-------------------
Faust makes a message, an event, four tasks and an acknowledgement of each record. Its
membership, rebalancing, flow control and commit loop are what we want of it, so
``BatchConsumer`` keeps those and takes the records of the *batch topics* out of the
stream before any of the rest exists, in ``getmany``.

Two hooks below it make a batch cheap: for those topics aiokafka yields what came as the
bytes that came, and three sequences a batch are made of them here (``record_batches``);
and the committed offset of a partition is not the newest offset that was read but what
the ``BatchSink`` says may be committed.

Faust's own start-up can skip a backlog when a rebalance happens before the first commit
of a group: nothing is rewound then, while the fetcher has moved on. Hence ``open`` of
the sink is asked for the position of every partition after every assignment, we seek
there whatever Faust did, and each batch says which stretch of the log it covers, so
that the sink can refuse one that leaves a hole.

Faust takes a commit that failed for done. So ``_commit_offsets`` makes it unsaid, the
next round tries again, and the sink hears of every commit how it ended.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Protocol

import faust
from aiokafka.protocol.commit import OffsetCommitRequest
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from monitor.service import clock
from monitor.service.record_batches import Fetched, RecordBatch, read_in_batches

#: Pause between two looks while nothing is assigned.
UNASSIGNED_SECONDS = 0.05

#: What aiokafka calls the generation of one who is no member of the group.
NO_GENERATION = OffsetCommitRequest.DEFAULT_GENERATION_ID

#: Counting gives way after so long, for heartbeats, the web server and the owner.
STRETCH_SECONDS = 0.01

#: How long the broker may hold a fetch that finds nothing, milliseconds.
FETCH_WAIT_MILLISECONDS = 100


class BatchSink(Protocol):
    """What the transport hands batches to; lives in the worker's event loop."""

    async def open(self, tp: TP, committed: int | None, log_start: int) -> int:
        """A partition was assigned: the position to read from."""

    def take(self, tp: TP, batch: RecordBatch) -> int | None:
        """Take a batch; returns the position to seek to if it leaves a hole."""

    def committable(self, tp: TP) -> int | None:
        """The offset that may be committed now, if any."""

    def commit_ended(self, offsets: Mapping[TP, int], done: bool) -> None:
        """A commit of these offsets was taken by the coordinator, or was not."""

    def expelled(self) -> None:
        """The group has thrown us out; called in the consumer's own thread."""

    @property
    def fenced(self) -> bool:
        """True when this worker must not join the group again."""

    async def drain(self) -> None:
        """Partitions are about to be taken away: write what is counted."""


def hear_expulsions(coordinator: Any, sink: BatchSink) -> None:
    """Tell ``sink`` when aiokafka's group coordinator does not know us any more."""
    forget = coordinator.reset_generation

    def expelled() -> None:
        # Said once for each partition of a commit: only to a member is it news.
        if coordinator.generation != NO_GENERATION:
            sink.expelled()
        # Who is fenced stays out: joining again would expel the other once more.
        if not sink.fenced:
            forget()

    coordinator.reset_generation = expelled


class _ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Faust's consumer thread; waits less for records, tells when it is expelled."""

    async def on_start(self) -> None:
        """Start the consumer, and listen to what the group coordinator does to it."""
        await super().on_start()
        hear_expulsions(self._ensure_consumer()._coordinator, self.consumer.sink)

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Faust waits up to 1.5 s and offers no setting; a fetch must not hold back
        # the seek that follows an assignment, nor the first record after a quiet time.
        consumer._fetch_max_wait_ms = FETCH_WAIT_MILLISECONDS
        return consumer


class BatchConsumer(driver.Consumer):  # type: ignore[misc]
    """Faust's consumer, but the batch topics go to ``sink`` whole."""

    sink: BatchSink
    batch_topics: frozenset[str] = frozenset()

    def _new_consumer_thread(self) -> _ConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _wait_next_records(
        self,
        timeout: float,  # noqa: ASYNC109 - the name that Faust calls it by
    ) -> Any:
        # Faust sleeps a whole second while nothing is assigned, and so begins up to a
        # second late after every assignment.
        if self.flow_active and not self._get_active_partitions():
            await self.sleep(UNASSIGNED_SECONDS)
            return {}, set()
        return await super()._wait_next_records(timeout)

    async def getmany(
        self,
        timeout: float,  # noqa: ASYNC109 - the name that Faust calls it by
    ) -> AsyncIterator[tuple[TP, Any]]:
        """Hand batches to the sink, yield the messages of all other topics."""
        records, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if records is None or self.should_stop:
            return
        if not self.flow_active:
            await self._seek_while_stopped()
            return
        others = {}
        for tp, fetched in records.items():
            if tp.topic not in self.batch_topics:
                others[tp] = fetched
            elif active is None or tp in active:
                await self._take(tp, fetched, generation)
                await asyncio.sleep(0)
        for tp, record in self.scheduler.iterate(others):
            if not self._current(generation):
                return
            yield tp, self._to_message(tp, record)

    async def _take(self, tp: TP, fetched: Sequence[Fetched], generation: int) -> None:
        yielded = clock.monotonic()
        for batch in chain.from_iterable(fetched):
            if not self._current(generation):
                return
            back_to = self.sink.take(tp, batch)
            if back_to is not None:
                await self.seek(tp, back_to)
                return
            if clock.monotonic() - yielded > STRETCH_SECONDS:
                await asyncio.sleep(0)
                yielded = clock.monotonic()

    def _current(self, generation: int) -> bool:
        flowing = bool(self.flow_active)
        return flowing and self.app.consumer_generation_id == generation

    async def _seek_while_stopped(self) -> None:
        try:
            await self.perform_seek()
        except Exception as error:  # Faust does the same: the next round tries again
            self.log.warning("seek while the flow is stopped: %r", error)

    async def perform_seek(self) -> None:
        """Seek each partition: batch topics to where the sink wants to go on.

        Replaces Faust's own, which asks for the committed offsets too: one question
        fewer while every partition stands still.
        """
        committed = {TP(*tp): at for tp, at in (await self.seek_to_committed()).items()}
        ours = sorted(tp for tp in committed if tp.topic in self.batch_topics)
        for tp, offset in committed.items():
            self._read_offset[tp] = self._committed_offset[tp] = offset
        if ours:
            starts = await self.earliest_offsets(*ours)
            for tp in ours:
                await self._open(tp, committed[tp], starts[tp])

    async def _seek(self, partition: TP, offset: int) -> None:
        # Faust seeks from this thread: in the middle of a fetch that is just handing
        # out the same partition's records, that ended the consumer with a KeyError.
        consumer = self._thread._ensure_consumer()
        await self._thread.call_thread(consumer.seek, partition, offset)

    async def _open(self, tp: TP, committed: int | None, log_start: int) -> None:
        if committed is None:
            # The group's first commit, before anything is read (see above).
            await self._commit({tp: log_start})
            committed = log_start
        await self.seek(tp, await self.sink.open(tp, committed, log_start))
        self._committed_offset[tp] = committed
        self._acked[tp]  # the commit loop looks at partitions that have an entry

    def _new_offset(self, tp: TP) -> int | None:
        if tp.topic in self.batch_topics:
            return self.sink.committable(tp)
        offset: int | None = super()._new_offset(tp)
        return offset

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        done = False
        try:
            done = bool(await super()._commit(offsets))
        finally:
            ours = {
                tp: at for tp, at in offsets.items() if tp.topic in self.batch_topics
            }
            if ours:
                self.sink.commit_ended(ours, done)
        return done

    async def _commit_offsets(
        self, offsets: Mapping[TP, int], start_new_transaction: bool = True
    ) -> bool:
        before = {tp: self._committed_offset[tp] for tp in offsets}
        done = bool(await super()._commit_offsets(offsets, start_new_transaction))
        if not done:
            for tp in before.keys() & self._committed_offset.keys():
                self._committed_offset[tp] = before[tp]
        return done

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Write and commit what is counted, then let go."""
        await self.sink.drain()
        await self.commit()
        await super().on_partitions_revoked(revoked)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's livelock check looks at streams; the watchdog replaces it."""


def install(app: faust.App, sink: BatchSink, topics: Iterable[str]) -> None:
    """Make ``app`` hand whole batches of ``topics`` to ``sink``.

    The topics still need an agent each, which subscribes the worker to them.
    """
    batch_topics = frozenset(topics)
    read_in_batches(batch_topics)
    attributes: Mapping[str, Any] = {"sink": sink, "batch_topics": batch_topics}
    consumer = type("AppBatchConsumer", (BatchConsumer,), dict(attributes))
    transport = type("BatchTransport", (driver.Transport,), {"Consumer": consumer})
    app.transport = transport(app.conf.broker_consumer, app)
