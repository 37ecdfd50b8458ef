"""Everything the mind of a fleet says, onto its topics, in the order that is safe."""

import structlog
from aiokafka import AIOKafkaProducer

from monitor.events import Command
from monitor.pipeline import Outflow
from monitor.service.codecs import encode_json
from monitor.service.topics import TopicNames, partition_of

log = structlog.get_logger(__name__)


class Outbox:
    """Writes incidents, audit lines, directives and commands; waits for every one."""

    def __init__(
        self, producer: AIOKafkaProducer, names: TopicNames, command_partitions: int
    ) -> None:
        self._producer = producer
        self._names = names
        self._command_partitions = command_partitions

    async def send(self, fleet: str, outflow: Outflow) -> None:
        """Write one step of a fleet: the audit is acknowledged before any directive."""
        incidents = [
            await self._producer.send(
                self._names.incidents, encode_json(one), key=one.id.encode()
            )
            for one in outflow.incidents
        ]
        audit = [
            await self._producer.send(
                self._names.audit, encode_json(one), key=fleet.encode()
            )
            for one in outflow.rulings
        ]
        for ack in (*incidents, *audit):
            await ack
        for directive in outflow.directives:
            key = f"{fleet}|{directive.scope.kind}|{directive.scope.key}"
            await self._producer.send_and_wait(
                self._names.directives, encode_json(directive), key=key.encode()
            )

    async def command(self, command: Command) -> None:
        """Send an order to whoever owns the fleet."""
        await self._producer.send_and_wait(
            self._names.commands,
            encode_json(command),
            key=command.fleet.encode(),
            partition=partition_of(command.fleet, self._command_partitions),
        )
