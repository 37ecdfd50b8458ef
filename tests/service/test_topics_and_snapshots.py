"""Our topics on both brokers, and snapshots on a compacted one."""

import asyncio

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from monitor.errors import BrokerError
from monitor.service.embedded import EmbeddedBroker
from monitor.service.kafka import (
    MAX_RECORD_BYTES,
    make_producer,
    make_reader,
    wait_for_broker,
)
from monitor.service.settings import Settings, load_settings
from monitor.service.snapshots import Snapshot, read_snapshot, write_snapshot
from monitor.service.topics import (
    TopicState,
    check_topics,
    create_topics,
    partition_of,
    topic_names,
)
from tests.kafka.apache import ApacheKafka


def settings_of(broker: str, prefix: str, **more: str) -> Settings:
    environ = {
        "BOUNCEMON_KAFKA__BROKERS": broker,
        "BOUNCEMON_KAFKA__TOPIC_PREFIX": prefix,
        "BOUNCEMON_INPUTS": f'[{{"topic": "{prefix}in", "source": "canonical"}}]',
    }
    return load_settings(None, environ | more)


def states(settings: Settings) -> set[TopicState]:
    return {report.state for report in asyncio.run(check_topics(settings))}


def create_and_check(broker: str, prefix: str) -> None:
    settings = settings_of(broker, prefix)
    assert states(settings) == {TopicState.MISSING}
    made = asyncio.run(create_topics(settings))
    assert {report.state for report in made} == {TopicState.CREATED}
    assert len(made) == 10
    again = asyncio.run(create_topics(settings))
    assert {report.state for report in again} == {TopicState.OK}
    more = settings_of(broker, prefix, BOUNCEMON_TOPICS__COUNTS_PARTITIONS="8")
    differing = {
        report.name: report.detail
        for report in asyncio.run(check_topics(more))
        if report.state is TopicState.DIFFERS
    }
    names = topic_names(more)
    assert differing.keys() == {names.counts, names.recipients}
    assert "4 partitions, settings say 8" in differing[names.counts]


@pytest.mark.kafka
def test_topics_on_kafka(apache_kafka: ApacheKafka, topic_prefix: str) -> None:
    create_and_check(apache_kafka.address, topic_prefix)
    hours = settings_of(
        apache_kafka.address, topic_prefix, BOUNCEMON_TOPICS__COUNTS_RETENTION_HOURS="5"
    )
    (differs,) = (
        report
        for report in asyncio.run(check_topics(hours))
        if report.state is TopicState.DIFFERS
    )
    assert "retention.ms is 172800000, should be 18000000" in differs.detail


def test_topics_on_the_embedded_broker(
    embedded_broker: EmbeddedBroker, topic_prefix: str
) -> None:
    create_and_check(embedded_broker.address, topic_prefix)


def test_no_broker_is_one_clear_error() -> None:
    settings = settings_of("127.0.0.1:1", "", BOUNCEMON_KAFKA__WAIT_SECONDS="0")
    with pytest.raises(BrokerError, match=r"no Kafka at 127\.0\.0\.1:1 within 0 s"):
        asyncio.run(wait_for_broker(settings.kafka))
    with pytest.raises(BrokerError, match=r"127\.0\.0\.1:1"):
        asyncio.run(check_topics(settings))


def test_partitions_of_keys_never_change() -> None:
    dealt = [partition_of(key, 4) for key in ("default", "a", "b/0", "b/1")]
    assert dealt == [3, 3, 1, 3]


class _TornProducer(AIOKafkaProducer):  # type: ignore[misc]
    """Dies before the last chunk is written."""

    left = 2

    async def send_and_wait(self, *given: object, **named: object) -> object:
        if self.left == 0:
            raise ConnectionError("killed")
        self.left -= 1
        return await super().send_and_wait(*given, **named)


@pytest.mark.kafka
def test_snapshots_survive_a_torn_write(
    apache_kafka: ApacheKafka, topic_prefix: str
) -> None:
    settings = settings_of(apache_kafka.address, topic_prefix)
    topic = topic_names(settings).snapshots
    small = Snapshot("default", 1, 1, {"a/0": 7}, b"x")
    large = Snapshot("default", 1, 2, {"a/0": 9}, bytes(2 * MAX_RECORD_BYTES))
    torn = msgspec.structs.replace(large, number=3)
    other = Snapshot("default2", 9, 9, {}, b"not yours")

    async def story() -> list[Snapshot | None]:
        await create_topics(settings)
        producer, reader = make_producer(settings.kafka), make_reader(settings.kafka)
        await producer.start()
        await reader.start()
        found = [await read_snapshot(reader, topic, "default")]
        for snapshot in (small, other, large):
            await write_snapshot(producer, topic, snapshot)
            found.append(await read_snapshot(reader, topic, "default"))
        producer.__class__ = _TornProducer
        with pytest.raises(ConnectionError):
            await write_snapshot(producer, topic, torn)
        found.append(await read_snapshot(reader, topic, "default"))
        await producer.stop()
        await reader.stop()
        return found

    assert asyncio.run(story()) == [None, small, small, large, large]
