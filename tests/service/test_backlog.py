"""What an owner knows of counts it has not read yet, and of those that are late."""

import asyncio

from monitor.events import Ledger, LedgerTally, Prefix
from monitor.pipeline import FleetPolicy
from monitor.service.backlog import ACTIVE_SECONDS, Lags
from monitor.service.codecs import encode_tally
from monitor.service.embedded import EmbeddedBroker
from monitor.service.kafka import make_producer, make_reader
from monitor.service.metrics import Metrics
from monitor.service.owner import FleetOwner
from monitor.service.owner_report import OwnerReport
from monitor.service.settings import load_settings
from monitor.service.topics import create_topics, topic_names

NOON = 1_795_363_200.0
WRITTEN = 50


def prefix(partition: int, watermark: float) -> Prefix:
    return Prefix(
        fleet="default",
        topic="in",
        partition=partition,
        slot=int(watermark) // 10,
        first=0,
        to=1,
        watermark=watermark,
    )


def test_an_owner_recovers_until_it_has_read_what_there_was(
    embedded_broker: EmbeddedBroker, topic_prefix: str
) -> None:
    settings = load_settings(
        None,
        {
            "BOUNCEMON_KAFKA__BROKERS": embedded_broker.address,
            "BOUNCEMON_KAFKA__TOPIC_PREFIX": topic_prefix,
        },
    )
    names = topic_names(settings)
    owner = FleetOwner(
        "default", settings, FleetPolicy(), names, OwnerReport(Metrics(), 5)
    )
    record = encode_tally(LedgerTally(prefix=prefix(0, NOON), ledger=Ledger()))

    async def take_over() -> list[bool]:
        await create_topics(settings)
        producer, reader = make_producer(settings.kafka), make_reader(settings.kafka)
        await producer.start()
        await reader.start()
        try:
            # One partition, so that they come in the order in which they are written.
            for _ in range(WRITTEN):
                await producer.send_and_wait(names.counts, record, partition=0)
            await owner._take_over(reader)
            found, read = [(await owner._health(reader)).recovering], 0
            # What comes after the takeover is not waited for.
            await producer.send_and_wait(names.counts, record, partition=0)
            while read < WRITTEN:
                batches = await reader.getmany(timeout_ms=1_000, max_records=1)
                read += sum(map(len, batches.values()))
                found.append((await owner._health(reader)).recovering)
            return found
        finally:
            await reader.stop()
            await producer.stop()

    found = asyncio.run(take_over())
    assert found == [True] * WRITTEN + [False]


def test_a_lag_is_that_of_the_slowest_partition_that_anything_comes_of() -> None:
    lags = Lags()
    assert lags.worst(0.0) == 0.0
    for number, behind in enumerate((0.0, 2.0, 300.0)):
        lags.note(prefix(number, NOON - behind), moment=100.0)
    assert lags.worst(101.0) == 300.0
    lags.note(prefix(2, NOON - 500.0), moment=101.0)  # a tally of an older slot
    assert lags.worst(102.0) == 300.0
    lags.note(prefix(0, NOON + 10.0), moment=102.0 + ACTIVE_SECONDS)
    lags.note(prefix(1, NOON + 9.0), moment=102.0 + ACTIVE_SECONDS)
    assert lags.worst(103.0 + ACTIVE_SECONDS) == 1.0
