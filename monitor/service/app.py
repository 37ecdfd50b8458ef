"""Runs one worker: Faust for membership, our rooms for the work."""

import asyncio
import gc
import signal
import sys
from contextlib import AsyncExitStack, suppress

import faust
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from faust.types import TP

from monitor.errors import BrokerError, FencedError
from monitor.service import clock
from monitor.service.assembly import fleet_policy, require_topics, topic_inputs
from monitor.service.deadletter import DeadLetters
from monitor.service.health import Health, Watchdog
from monitor.service.ingest import CountsTopic, IngestService
from monitor.service.ingest_report import IngestReport
from monitor.service.kafka import make_producer, wait_for_broker
from monitor.service.membership import crash_reason, highwater, make_member
from monitor.service.memory_use import keep_freed_memory
from monitor.service.metrics import Metrics
from monitor.service.outbox import Outbox
from monitor.service.owner import FleetOwner
from monitor.service.owner_report import OwnerReport
from monitor.service.reading import Reading
from monitor.service.settings import Settings
from monitor.service.topics import partition_of, topic_names
from monitor.service.web import WebServer

log = structlog.get_logger(__name__)

#: Metrics are brought up to date, and the loop shows that it runs, this often.
BEAT_SECONDS = 0.25
REPORT_SECONDS = 1.0

#: A worker that starts may be awaited: until there is a first thing to write, it looks
#: for one this often.
FIRST_FLUSH_SECONDS = 0.1

#: Pause after a flush, in lengths of the flush.
REST_A_FLUSH = 3.0

#: But never longer, since until the next flush the fleet's owner sees nothing.
LONGEST_REST = 1.0

#: With so many records waiting, what is counted now happened long ago: nobody waits for
#: it, and each tally is written less often while it grows.
BACKLOG_RECORDS = 50_000
BACKLOG_REST = 4.0

#: Objects made, net, before Python looks for cycles.
COLLECT_EVERY = 500_000

#: A thread that wants to run may have to wait so long for the one that does; four times
#: the usual. Counting gives way every 10 ms by itself, and each change is dear.
SWITCH_SECONDS = 0.02

#: A stop that takes longer than this is cut off; see `docker stop` (10 s).
STOP_SECONDS = 8.0


class Worker:
    """One worker process: counts what it is assigned, observes the fleets it owns.

    Args:
        settings: everything that can be set.

    Raises:
        ConfigError: the settings cannot be used as they are.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.names = topic_names(settings)
        self.policy = fleet_policy(settings)
        self.metrics = Metrics()
        self._reading = Reading(settings.classify, self.metrics.classify)
        self.inputs = topic_inputs(settings, self._reading.live)
        counts = CountsTopic(self.names.counts, settings.topics.counts_partitions)
        self.ingest = IngestService(
            self.policy.counting, self.inputs, counts, self.metrics.ingest
        )
        for one in settings.inputs:
            self.metrics.ingest.expect(one.topic, one.source)
        self.health = Health(settings.watchdog, self.ingest)
        self.owners: dict[str, asyncio.Task[None]] = {}
        self._ingest_report = IngestReport(
            self.ingest, self.inputs, self.metrics.ingest
        )
        self._owner_report = OwnerReport(self.metrics, settings.observe.top_scopes)
        self._producer: AIOKafkaProducer | None = None
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Work until SIGTERM or SIGINT.

        Returns:
            0 after a graceful stop.

        Raises:
            BrokerError: Kafka is not there, or was lost for too long.
            ConfigError: a topic is missing or has the wrong number of partitions.
            FencedError: another worker has our instance id.
        """
        await wait_for_broker(self.settings.kafka)
        await require_topics(self.settings)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        async with AsyncExitStack() as stack:
            self._producer = make_producer(self.settings.kafka)
            await self._producer.start()
            stack.push_async_callback(self._producer.stop)
            dead_letters = DeadLetters(
                self.settings.deadletter, self.names.deadletter, self.metrics.ingest
            )
            self.ingest.connect(self._producer, dead_letters)
            await self._serve(stack)
            await self._work()
        log.info("stopped")
        return 0

    async def _serve(self, stack: AsyncExitStack) -> None:
        """Start HTTP and the watchdog; both go with the stack."""
        assert self._producer is not None
        outbox = Outbox(
            self._producer, self.names, self.settings.topics.commands_partitions
        )
        server = WebServer(
            self.settings.http,
            self.metrics,
            self.health,
            outbox.command,
            self._reading.live,
        )
        await server.start()
        stack.push_async_callback(server.stop)
        watchdog = Watchdog(self.health)
        watchdog.start()
        stack.callback(watchdog.stop)

    async def _work(self) -> None:
        """Run Faust and our loops until a stop is asked for, or one of them fails."""
        app = make_member(self.settings, self.ingest)
        app.on_partitions_assigned.connect(self._assigned)
        await app.start()
        tasks = [
            asyncio.create_task(self._flush_until_stopped(), name="flush"),
            asyncio.create_task(self._beat_forever(app), name="beat"),
            asyncio.create_task(self._stopped(), name="stop"),
            asyncio.create_task(self._reading.watch(), name="rules"),
        ]
        try:
            await self._first_to_end(tasks)
        finally:
            self.health.stopping = True
            await self._end(app, tasks)

    async def _stopped(self) -> None:
        await self._stop.wait()

    async def _first_to_end(self, tasks: list[asyncio.Task[None]]) -> None:
        """Wait for the stop, or raise what ended a task before it."""
        while not self._stop.is_set():
            running = [*tasks, *self.owners.values()]
            done, _ = await asyncio.wait(
                running, timeout=REPORT_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                if not task.cancelled():
                    task.result()

    async def _end(self, app: faust.App, tasks: list[asyncio.Task[None]]) -> None:
        """Stop in the order of the river, and not for ever."""
        log.info("stopping")
        flushing, *others = tasks
        for task in (*others, *self.owners.values()):
            task.cancel()
        with suppress(TimeoutError, KafkaError, BrokerError):
            async with asyncio.timeout(STOP_SECONDS):
                # Never cut a flush off: what it holds is in no counter any more.
                await asyncio.wait([flushing])
                if not self.ingest.cut_off:
                    await self.ingest.flush()
                await app.stop()
        flushing.cancel()
        await asyncio.gather(*tasks, *self.owners.values(), return_exceptions=True)

    async def _assigned(self, _: faust.App, assigned: set[TP], **__: object) -> None:
        """Partitions were dealt: keep our counters, own the fleets that are ours."""
        self.metrics.ingest.rebalances.inc()
        self.ingest.keep_only(tp for tp in assigned if tp.topic in self.inputs)
        self.health.assigned = True
        partitions = self.settings.topics.commands_partitions
        for fleet in {one.fleet for one in self.inputs.values()}:
            ours = TP(self.names.commands, partition_of(fleet, partitions)) in assigned
            task = self.owners.get(fleet)
            if ours and (task is None or task.cancelled()):
                self.owners[fleet] = asyncio.create_task(
                    self._own(fleet), name=f"own {fleet}"
                )
            elif not ours and task is not None:
                self.owners.pop(fleet).cancel()

    async def _own(self, fleet: str) -> None:
        assert self._producer is not None
        owner = FleetOwner(
            fleet, self.settings, self.policy, self.names, self._owner_report
        )
        await owner.run(self._producer)

    async def _flush_until_stopped(self) -> None:
        wanted = self.settings.counting.flush_milliseconds / 1000
        pause = min(wanted, FIRST_FLUSH_SECONDS)
        while not self.health.stopping:
            await asyncio.sleep(pause)
            started = clock.monotonic()
            try:
                written = await self.ingest.flush()
            except KafkaError as error:
                raise BrokerError(f"tallies were not acknowledged: {error}") from error
            if not written and pause < wanted:
                continue
            # While a backlog is read a flush is long: leave the loop to the counting.
            rest = min(LONGEST_REST, REST_A_FLUSH * (clock.monotonic() - started))
            if sum(self.health.lags.values()) > BACKLOG_RECORDS:
                rest = BACKLOG_REST
            pause = max(wanted, rest)

    async def _beat_forever(self, app: faust.App) -> None:
        """Show that the loop runs; keep highwaters and metrics up to date."""
        next_report = clock.monotonic()
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            self.health.beat()
            if self.ingest.fenced:
                raise FencedError(
                    "another worker of this group runs as "
                    f"{self.settings.kafka.instance_id}"
                )
            if app.crashed:
                raise BrokerError(f"the consumer ended: {crash_reason(app)}")
            if clock.monotonic() >= next_report:
                next_report = clock.monotonic() + REPORT_SECONDS
                self._report(app)

    def _report(self, app: faust.App) -> None:
        highwaters = {tp: highwater(app, tp) for tp in self.ingest.counters}
        self.health.highwaters = {
            tp: end for tp, end in highwaters.items() if end is not None
        }
        self._ingest_report.update(highwaters)
        self._reading.report()
        self.metrics.worker.ready.set(self.health.not_ready() is None)
        self.metrics.worker.loop_stall.set(self.health.longest_gap)


def run_worker(settings: Settings) -> int:
    """Run one worker in this process; returns its exit status.

    Raises:
        BrokerError: Kafka is not there, or was lost for too long.
        ConfigError: settings or topics cannot be used.
    """
    keep_freed_memory()
    sys.setswitchinterval(SWITCH_SECONDS)

    async def run() -> int:
        worker = Worker(settings)
        # What was made up to here stays; and an event's objects die at once, so that
        # looking for cycles among millions of counts every 700 of them is for nothing.
        gc.freeze()
        gc.set_threshold(COLLECT_EVERY)
        return await worker.run()

    return asyncio.run(run())
