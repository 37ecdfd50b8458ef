"""What the monitor said while the demo ran, and when it was heard."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from aiokafka import ConsumerRecord

from monitor.events import Directive, Incident
from monitor.service import clock
from monitor.service.codecs import decode_directive, decode_incident
from monitor.service.demo.brakes import Brakes
from monitor.service.kafka import make_reader, partitions_of
from monitor.service.settings import Settings
from monitor.service.topics import topic_names

#: How long one poll of a quiet topic waits.
POLL_MILLISECONDS = 200


class HeardIncident(NamedTuple):
    """An incident as it was first told, and when that was heard, epoch seconds."""

    incident: Incident
    at: float


class HeardDirective(NamedTuple):
    """A directive, and when it was heard, epoch seconds."""

    directive: Directive
    at: float


@dataclass
class Sightings:
    """All incidents and directives heard so far, in order.

    ``incidents`` holds the first word on each, ``latest`` the last.
    """

    incidents: dict[str, HeardIncident] = field(default_factory=dict)
    latest: dict[str, Incident] = field(default_factory=dict)
    directives: list[HeardDirective] = field(default_factory=list)

    def hear_incident(self, incident: Incident, at: float) -> None:
        """Take one word on an incident."""
        self.incidents.setdefault(incident.id, HeardIncident(incident, at))
        self.latest[incident.id] = incident

    def hear_directive(self, directive: Directive, at: float) -> None:
        """Take one directive."""
        self.directives.append(HeardDirective(directive, at))


async def listen(settings: Settings, sightings: Sightings, brakes: Brakes) -> None:
    """Read both topics from their beginning, until cancelled; brake as we are told."""

    def on_incident(record: ConsumerRecord) -> None:
        sightings.hear_incident(decode_incident(record.value), clock.now())

    def on_directive(record: ConsumerRecord) -> None:
        if record.value is not None:
            directive = decode_directive(record.value)
            sightings.hear_directive(directive, clock.now())
            brakes.apply(directive)

    names = topic_names(settings)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_follow(settings, names.incidents, on_incident))
        tasks.create_task(_follow(settings, names.directives, on_directive))


async def _follow(
    settings: Settings, topic: str, take: Callable[[ConsumerRecord], None]
) -> None:
    reader = make_reader(settings.kafka)
    await reader.start()
    try:
        partitions = await partitions_of(reader, topic)
        reader.assign(partitions)
        await reader.seek_to_beginning(*partitions)
        while True:
            batches = await reader.getmany(timeout_ms=POLL_MILLISECONDS)
            for records in batches.values():
                for record in records:
                    take(record)
    finally:
        await reader.stop()
