"""Orders by hand, and what is known of incidents: onto our topics and off them."""

import asyncio

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer

from monitor.events import Command, Incident
from monitor.service import clock
from monitor.service.codecs import DecodeError, decode_incident
from monitor.service.kafka import (
    make_producer,
    partitions_of,
    read_to_end,
    topic_reader,
)
from monitor.service.outbox import Outbox
from monitor.service.settings import Settings
from monitor.service.topics import topic_names
from monitor.throttle import Ruling, order_of

log = structlog.get_logger(__name__)

#: Pause between two looks at the audit, in milliseconds.
_LOOK_MILLISECONDS = 200

_read_ruling = msgspec.json.Decoder(Ruling).decode


def read_incidents(settings: Settings) -> list[Incident]:
    """The last word on every incident that the topic still holds, oldest first.

    Raises:
        BrokerError: Kafka or the topic is not there.
    """
    return asyncio.run(_incidents(settings))


def give_order(settings: Settings, command: Command, wait: float) -> Ruling | None:
    """Send an order to the owner of its fleet, and wait for the ruling on it.

    Args:
        settings: where Kafka is.
        command: the order.
        wait: seconds to wait; 0 waits for nothing but Kafka's acknowledgement.

    Returns:
        The ruling, or ``None`` if none came in time: the order stands on the topic,
        and is obeyed by whoever owns the fleet next, while its lease lasts.

    Raises:
        BrokerError: Kafka or a topic is not there.
    """
    return asyncio.run(_give(settings, command, wait))


async def _incidents(settings: Settings) -> list[Incident]:
    latest: dict[str, Incident] = {}
    async with topic_reader(settings.kafka, topic_names(settings).incidents) as reader:
        await reader.seek_to_beginning(*reader.assignment())
        async for record in read_to_end(reader, reader.assignment()):
            try:
                one = decode_incident(record.value)
            except DecodeError as error:
                log.error("unreadable incident", offset=record.offset, error=str(error))
                continue
            known = latest.get(one.id)
            # A former owner may speak late: the newer word stands.
            if known is None or one.updated_at >= known.updated_at:
                latest[one.id] = one
    return sorted(latest.values(), key=lambda one: (one.detected_at, one.id))


async def _give(settings: Settings, command: Command, wait: float) -> Ruling | None:
    names = topic_names(settings)
    async with topic_reader(settings.kafka, names.audit) as reader:
        await partitions_of(reader, names.commands)  # refused here if it is missing
        await reader.seek_to_end(*reader.assignment())
        producer = make_producer(settings.kafka)
        try:
            await producer.start()
            outbox = Outbox(producer, names, settings.topics.commands_partitions)
            await outbox.command(command)
        finally:
            await producer.stop()
        return await _ruling_on(reader, command.id, clock.monotonic() + wait)


async def _ruling_on(
    reader: AIOKafkaConsumer, order: str, deadline: float
) -> Ruling | None:
    while clock.monotonic() < deadline:
        batches = await reader.getmany(timeout_ms=_LOOK_MILLISECONDS)
        for record in (record for batch in batches.values() for record in batch):
            try:
                ruling = _read_ruling(record.value or b"")
            except msgspec.MsgspecError:
                continue
            if order_of(ruling.source) == order:
                return ruling
    return None
