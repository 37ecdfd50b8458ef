"""Plain Kafka clients: connection options, waiting for a broker, reading a topic."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from monitor.errors import BrokerError
from monitor.service import clock
from monitor.service.settings import read_secret
from monitor.service.settings_sections import KafkaSettings

log = structlog.get_logger(__name__)

#: Largest record we write by choice: below Kafka's default limit of 1,048,588 bytes.
MAX_RECORD_BYTES = 900_000

#: Largest record of `bounce.counts`, which is created with this limit: a tally cannot
#: be cut, and one of ``MAX_CELLS_PER_SLOT`` cells with long names comes near it.
MAX_TALLY_BYTES = 8_000_000

#: Pause between two attempts to reach a broker.
RETRY_SECONDS = 0.5

#: Reading a topic to its end stops after this long without a record past the end that
#: the broker names, since the embedded broker names too early an end.
QUIET_MILLISECONDS = 300

#: Bytes asked of one partition at a time outside of the group.
FETCH_BYTES = MAX_TALLY_BYTES


def connection_options(settings: KafkaSettings) -> dict[str, Any]:
    """Keyword arguments that every aiokafka client takes."""
    options: dict[str, Any] = {
        "bootstrap_servers": list(settings.brokers),
        "client_id": settings.client_id,
        "security_protocol": settings.security_protocol.value,
    }
    if settings.security_protocol.endswith("SSL"):
        options["ssl_context"] = ssl_context(settings)
    if settings.sasl_mechanism is not None and settings.sasl_password_file:
        options["sasl_mechanism"] = settings.sasl_mechanism.value
        options["sasl_plain_username"] = settings.sasl_username
        options["sasl_plain_password"] = read_secret(settings.sasl_password_file)
    return options


def ssl_context(settings: KafkaSettings) -> ssl.SSLContext:
    """Verify the broker against ``ssl_cafile``, else against the system's roots."""
    cafile = str(settings.ssl_cafile) if settings.ssl_cafile else None
    return ssl.create_default_context(cafile=cafile)


async def wait_for_broker(settings: KafkaSettings) -> None:
    """Return once a broker answers.

    Raises:
        BrokerError: none did within ``wait_seconds``.
    """
    deadline = clock.monotonic() + settings.wait_seconds
    where = ", ".join(settings.brokers)
    said = False
    while True:
        admin = AIOKafkaAdminClient(**connection_options(settings))
        try:
            await admin.start()
        except KafkaError as error:
            if clock.monotonic() >= deadline:
                raise BrokerError(
                    f"no Kafka at {where} within {settings.wait_seconds:g} s: {error}"
                    " (check kafka.brokers, or raise kafka.wait_seconds)"
                ) from None
            if not said:
                log.warning("waiting for Kafka", brokers=where)
                said = True
            await asyncio.sleep(RETRY_SECONDS)
        else:
            return
        finally:
            await admin.close()


@asynccontextmanager
async def admin_client(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client that is closed again.

    Raises:
        BrokerError: the broker cannot be reached.
    """
    admin = AIOKafkaAdminClient(**connection_options(settings))
    try:
        await admin.start()
        yield admin
    except KafkaError as error:
        raise BrokerError(f"{', '.join(settings.brokers)}: {error}") from error
    finally:
        await admin.close()


def make_producer(settings: KafkaSettings) -> AIOKafkaProducer:
    """A producer whose acknowledgement means: on every replica in sync.

    It needs no idempotence: tallies merge by prefix, other records by their key.
    """
    return AIOKafkaProducer(
        **connection_options(settings),
        acks="all",
        linger_ms=0,
        max_request_size=MAX_TALLY_BYTES,
    )


def make_reader(settings: KafkaSettings) -> AIOKafkaConsumer:
    """A consumer outside of any group; give it partitions with ``assign``."""
    return AIOKafkaConsumer(
        **connection_options(settings),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=FETCH_BYTES,
        fetch_max_wait_ms=100,
    )


async def partitions_of(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    """All partitions of a topic.

    Raises:
        BrokerError: there is no such topic.
    """
    await consumer._client.force_metadata_update()
    numbers = consumer.partitions_for_topic(topic)
    if not numbers:
        cluster = await consumer._client.fetch_all_metadata()
        numbers = cluster.partitions_for_topic(topic)
    if not numbers:
        raise BrokerError(f"no topic {topic} (run: bouncemon topics create)")
    return [TopicPartition(topic, number) for number in sorted(numbers)]


@asynccontextmanager
async def topic_reader(
    settings: KafkaSettings, topic: str
) -> AsyncIterator[AIOKafkaConsumer]:
    """A reader of all partitions of a topic, closed again.

    Raises:
        BrokerError: Kafka or the topic is not there, or went away meanwhile.
    """
    reader = make_reader(settings)
    try:
        await reader.start()
        reader.assign(await partitions_of(reader, topic))
        yield reader
    except KafkaError as error:
        raise BrokerError(f"{', '.join(settings.brokers)}: {error}") from error
    finally:
        await reader.stop()


async def read_to_end(
    consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]
) -> AsyncIterator[ConsumerRecord]:
    """Every record of the assigned partitions, up to what is there now."""
    ends = await consumer.end_offsets(list(partitions))
    while True:
        batches = await consumer.getmany(timeout_ms=QUIET_MILLISECONDS)
        for records in batches.values():
            for record in records:
                yield record
        if batches:
            continue
        positions = {tp: await consumer.position(tp) for tp in ends}
        if all(positions[tp] >= end for tp, end in ends.items()):
            return
