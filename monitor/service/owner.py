"""The right half of the river at work: one owner observes a fleet.

Which worker owns a fleet is decided by the consumer group: whoever is assigned the
partition of ``bounce.commands`` that the fleet's name hashes to. The owner reads all
tallies of the fleet with a consumer of its own, from the offsets of the last snapshot,
so a takeover goes on exactly where the snapshot was made. Its epoch is greater than
any that was ever seen, and is written with a snapshot before the first directive: what
a former owner still says loses.
"""

import asyncio
from collections.abc import Mapping, Sequence

import structlog
from aiokafka import (
    AIOKafkaConsumer,
    AIOKafkaProducer,
    ConsumerRecord,
    TopicPartition,
)

from monitor.counting import LOUD_REFUSALS
from monitor.errors import MonitorError
from monitor.events import Directive
from monitor.observe import Health
from monitor.pipeline import FleetMind, FleetPolicy, Outflow
from monitor.service import clock
from monitor.service.backlog import Backlog, Lags
from monitor.service.codecs import (
    CountsRecord,
    DecodeError,
    decode_command,
    decode_counts,
    decode_directive,
    open_counts,
)
from monitor.service.kafka import make_reader, partitions_of, read_to_end
from monitor.service.longest import Longest
from monitor.service.metrics import TallyResult
from monitor.service.outbox import Outbox
from monitor.service.owner_report import OwnerReport
from monitor.service.settings import Settings
from monitor.service.snapshots import (
    Snapshot,
    SnapshotDue,
    read_snapshot,
    write_snapshot,
)
from monitor.service.topics import TopicNames, partition_of

log = structlog.get_logger(__name__)

#: One look at everything a second; see the reference of detection for its cost. Where
#: it is dear (a backlog, a busy machine) it takes a fifth of the time at most, and
#: comes every few seconds at least: incidents are to be found within half a minute.
TICK_SECONDS = 1.0
REST_A_TICK = 5.0
LONGEST_PAUSE = 5.0

#: Records read at a time, of a few kilobytes each; between two ticks, all but the
#: longest tally of each slot are skipped.
MAX_POLL_RECORDS = 2_000

#: Tallies merged between two chances for other tasks to run.
MERGES_AT_ONCE = 10


class FleetOwner:
    """Observes one fleet until it is cancelled."""

    def __init__(
        self,
        fleet: str,
        settings: Settings,
        policy: FleetPolicy,
        names: TopicNames,
        report: OwnerReport,
    ) -> None:
        self.fleet = fleet
        self._settings = settings
        self._policy = policy
        self._names = names
        self._report = report
        self._number = 0
        self._due = SnapshotDue(settings.observe.snapshot_seconds)
        self._waiting = Longest()
        self._backlog = Backlog({})
        self._lags = Lags()

    async def run(self, producer: AIOKafkaProducer) -> None:
        """Take over, then read, decide and write until cancelled."""
        outbox = Outbox(
            producer, self._names, self._settings.topics.commands_partitions
        )
        reader = make_reader(self._settings.kafka)
        await reader.start()
        try:
            mind, epoch = await self._take_over(reader)
            await self._snapshot(producer, reader, mind, epoch)
            self._report.own(self.fleet, self._settings.throttle.mode)
            await self._watch(reader, producer, outbox, (mind, epoch))
        finally:
            self._report.disown(self.fleet)
            await reader.stop()

    async def _take_over(self, reader: AIOKafkaConsumer) -> tuple[FleetMind, int]:
        """Restore what is known, and stand where the snapshot stood."""
        held = await self._directives(reader)
        snapshot = await read_snapshot(reader, self._names.snapshots, self.fleet)
        epochs = [one.epoch for one in held]
        epoch = max([*epochs, snapshot.epoch if snapshot else 0]) + 1
        mind = FleetMind(self.fleet, self._policy, epoch, held)
        offsets = self._restore(mind, snapshot, held)
        counts = await partitions_of(reader, self._names.counts)
        partition = partition_of(self.fleet, self._settings.topics.commands_partitions)
        partitions = [*counts, TopicPartition(self._names.commands, partition)]
        reader.assign(partitions)
        for tp in partitions:
            reader.seek(tp, offsets.get(f"{tp.topic}/{tp.partition}", 0))
        self._backlog = Backlog(await reader.end_offsets(counts))
        log.info("owning", fleet=self.fleet, epoch=epoch, restored=bool(offsets))
        return mind, epoch

    def _restore(
        self, mind: FleetMind, snapshot: Snapshot | None, held: Sequence[Directive]
    ) -> Mapping[str, int]:
        """Where to read on from; without a usable snapshot, from the beginning."""
        if snapshot is None:
            return {}
        self._number = snapshot.number
        try:
            mind.restore(snapshot.state, held)
        except MonitorError as error:
            log.error("snapshot not usable, reading all counts", error=str(error))
            return {}
        return snapshot.offsets

    async def _directives(self, reader: AIOKafkaConsumer) -> list[Directive]:
        """The newest directive of each of the fleet's scopes."""
        partitions = await partitions_of(reader, self._names.directives)
        reader.assign(partitions)
        await reader.seek_to_beginning(*partitions)
        held: dict[bytes, Directive] = {}
        async for record in read_to_end(reader, partitions):
            try:
                directive = decode_directive(record.value)
            except DecodeError as error:
                log.error("unreadable directive", error=str(error))
                continue
            if directive.fleet == self.fleet:
                held[record.key or b""] = directive
        return list(held.values())

    async def _watch(
        self,
        reader: AIOKafkaConsumer,
        producer: AIOKafkaProducer,
        outbox: Outbox,
        owned: tuple[FleetMind, int],
    ) -> None:
        mind, epoch = owned
        self._waiting = Longest()
        next_tick = clock.monotonic()
        while True:
            wait = max(0.0, next_tick - clock.monotonic())
            batches = await reader.getmany(
                timeout_ms=int(min(wait, TICK_SECONDS) * 1000) + 1,
                max_records=MAX_POLL_RECORDS,
            )
            await self._take(
                [record for batch in batches.values() for record in batch],
                mind,
                outbox,
            )
            started = clock.monotonic()
            if started >= next_tick:
                await self._merge_waiting(mind)
                await self._tick(mind, outbox, await self._health(reader))
                took = clock.monotonic() - started
                pause = max(TICK_SECONDS, REST_A_TICK * took)
                next_tick = started + min(pause, LONGEST_PAUSE)
            if self._due.is_due(clock.monotonic()):
                await self._merge_waiting(mind)
                await self._snapshot(producer, reader, mind, epoch)

    async def _health(self, reader: AIOKafkaConsumer) -> Health:
        """Of what is merged by now; all that was read is."""
        recovering = await self._backlog.is_left(reader)
        return Health(self._lags.worst(clock.monotonic()), recovering)

    async def _tick(self, mind: FleetMind, outbox: Outbox, health: Health) -> None:
        started = clock.monotonic()
        outflow = mind.tick(clock.now(), health)
        await self._say(outflow, outbox)
        self._report.ticked(mind, outflow, clock.monotonic() - started)

    async def _say(self, outflow: Outflow, outbox: Outbox) -> None:
        await outbox.send(self.fleet, outflow)
        for incident in outflow.incidents:
            self._due.told(incident)
            log.info(
                "incident",
                fleet=self.fleet,
                id=incident.id,
                state=incident.state.value,
                scope=incident.scope.kind,
                key=incident.scope.key,
                channel=incident.channel.value,
            )
        for one in outflow.directives:
            log.info(
                "directive",
                fleet=self.fleet,
                action=one.action.value,
                scope=one.scope.kind,
                key=one.scope.key,
                rate=one.rate_fraction,
                mode=one.mode.value,
            )

    async def _take(
        self, records: Sequence[ConsumerRecord], mind: FleetMind, outbox: Outbox
    ) -> None:
        """Obey the orders among the records, and keep the tallies for the next tick."""
        for record in records:
            if record.topic == self._names.commands:
                await self._obey(record, mind, outbox)
            else:
                self._keep(record)

    def _keep(self, record: ConsumerRecord) -> None:
        try:
            counts = open_counts(record.value)
        except DecodeError as error:
            self._report.tally(TallyResult.REFUSED)
            log.error("unreadable tally", offset=record.offset, error=str(error))
            return
        if counts.prefix.fleet == self.fleet:
            self._waiting.add(counts)
            self._lags.note(counts.prefix, clock.monotonic())

    async def _merge_waiting(self, mind: FleetMind) -> None:
        """Merge the longest of what has come; the others are prefixes of those."""
        waiting, self._waiting = self._waiting, Longest()
        self._report.tally(TallyResult.STALE, waiting.superseded)
        for number, counts in enumerate(waiting.records(), start=1):
            self._merge(counts, mind)
            if not number % MERGES_AT_ONCE:
                await asyncio.sleep(0)

    def _merge(self, counts: CountsRecord, mind: FleetMind) -> None:
        try:
            refusal = mind.take(decode_counts(counts))
        except DecodeError as error:
            self._report.tally(TallyResult.REFUSED)
            log.error("unreadable tally", prefix=str(counts.prefix), error=str(error))
            return
        if refusal is None:
            self._report.tally(TallyResult.ACCEPTED)
        elif refusal in LOUD_REFUSALS:
            self._report.tally(TallyResult.REFUSED)
            log.error("tally refused", why=refusal.value, prefix=str(counts.prefix))
        else:
            self._report.tally(TallyResult.STALE)

    async def _obey(
        self, record: ConsumerRecord, mind: FleetMind, outbox: Outbox
    ) -> None:
        try:
            command = decode_command(record.value)
        except DecodeError as error:
            log.error("unreadable command", offset=record.offset, error=str(error))
            return
        if command.fleet == self.fleet:
            outflow = mind.command(command, clock.now())
            await self._say(outflow, outbox)
            self._report.ruled(mind, outflow)

    async def _snapshot(
        self,
        producer: AIOKafkaProducer,
        reader: AIOKafkaConsumer,
        mind: FleetMind,
        epoch: int,
    ) -> None:
        offsets = {
            f"{tp.topic}/{tp.partition}": await reader.position(tp)
            for tp in reader.assignment()
        }
        self._number += 1
        started = clock.monotonic()
        # Seconds for a large fleet. Nobody changes the mind but who waits here, so a
        # thread may read it, and the loop goes on counting and keeps its place in the
        # group.
        state = await asyncio.to_thread(mind.snapshot)
        size = await write_snapshot(
            producer,
            self._names.snapshots,
            Snapshot(self.fleet, epoch, self._number, offsets, state),
        )
        self._due.written(started, clock.monotonic())
        self._report.snapshot(size)
