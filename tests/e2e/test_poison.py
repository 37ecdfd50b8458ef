"""Bad input through a whole worker: counted, dead-lettered once, no restart."""

import asyncio
import json
import os
from collections import Counter
from pathlib import Path

import pytest
from aiokafka import TopicPartition

from monitor.events import Ledger
from monitor.service import clock
from monitor.service.counts import CountsQuery, read_counts
from monitor.service.kafka import make_producer, make_reader, partitions_of, read_to_end
from monitor.service.settings import Settings, load_settings
from monitor.service.topics import create_topics, topic_names
from tests.e2e.poison import CANARY, good, poison
from tests.e2e.test_kill import settings_environ
from tests.e2e.workers import WorkerProcess
from tests.kafka.apache import ApacheKafka

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]


async def produce(settings: Settings, values: list[bytes | None]) -> None:
    producer = make_producer(settings.kafka)
    await producer.start()
    for number, value in enumerate(values):
        partition = number % 4
        await producer.send_and_wait(
            settings.inputs[0].topic, value, key=b"k", partition=partition
        )
    await producer.stop()


async def dead_letters(settings: Settings) -> list[tuple[bytes, dict[str, object]]]:
    reader = make_reader(settings.kafka)
    await reader.start()
    try:
        topic = topic_names(settings).deadletter
        partitions: list[TopicPartition] = await partitions_of(reader, topic)
        reader.assign(partitions)
        return [
            (record.key, json.loads(record.value))
            async for record in read_to_end(reader, partitions)
        ]
    finally:
        await reader.stop()


def test_poison_harms_nobody(
    apache_kafka: ApacheKafka, topic_prefix: str, tmp_path: Path
) -> None:
    environ = {**os.environ, **settings_environ(apache_kafka.address, topic_prefix)}
    settings = load_settings(None, environ)
    asyncio.run(create_topics(settings))
    bad = poison()
    assert len(bad) >= 40
    late = good(900, event_time=clock.now() - 3600)
    future = good(901, event_time=clock.now() + 3600)
    values: list[bytes | None] = [good(100), late, future]
    for number, (_, value) in enumerate(bad):
        values += [good(200 + number), value, good(300 + number)]
    worker = WorkerProcess("w0", environ, tmp_path).start()
    asyncio.run(produce(settings, values))

    wait_until_counted(settings, len(values))
    ledger = read_counts_of(settings)
    assert ledger.counted == 2 + 2 * len(bad)
    assert (ledger.late, ledger.future) == (1, 1)
    assert ledger.invalid == len(bad)
    letters = asyncio.run(dead_letters(settings))
    assert Counter(letter["reason"] for _, letter in letters) == Counter(
        reason for reason, _ in bad
    )
    assert len({key for key, _ in letters}) == len(letters)
    assert CANARY.split("@")[0] not in json.dumps([letter for _, letter in letters])
    page = worker.get("/metrics")
    assert 'bouncemon_records_total{result="invalid"' in page
    assert worker.alive
    assert worker.stop() == 0
    log = worker.log.read_text()
    assert "Traceback" not in log
    assert CANARY.split("@")[0] not in log + page


def read_counts_of(settings: Settings) -> Ledger:
    return read_counts(settings, CountsQuery()).ledger


def wait_until_counted(settings: Settings, records: int) -> None:
    deadline = clock.monotonic() + 60.0
    while (read := read_counts_of(settings).records) < records:
        assert clock.monotonic() < deadline, f"only {read} of {records} records"
