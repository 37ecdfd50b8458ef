"""Starts, stops and quarrels of whole workers on a real Kafka."""

import asyncio
import os
import random
import time
from pathlib import Path

import pytest

from monitor.service import clock
from monitor.service.counts import CountsQuery, read_counts
from monitor.service.kafka import make_producer
from monitor.service.settings import Settings, load_settings
from monitor.service.topics import create_topics
from tests.e2e.kill_world import make_event
from tests.e2e.test_kill import settings_environ
from tests.e2e.test_poison import wait_until_counted
from tests.e2e.workers import WorkerProcess
from tests.kafka.apache import ApacheKafka

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

BACKLOG = 10_000


@pytest.fixture
def environ(apache_kafka: ApacheKafka, topic_prefix: str) -> dict[str, str]:
    return {**os.environ, **settings_environ(apache_kafka.address, topic_prefix)}


@pytest.fixture
def settings(environ: dict[str, str]) -> Settings:
    loaded = load_settings(None, environ)
    asyncio.run(create_topics(loaded))
    return loaded


async def write_backlog(settings: Settings) -> None:
    rng = random.Random(5)
    producer = make_producer(settings.kafka)
    await producer.start()
    for number in range(BACKLOG):
        partition, value = make_event(rng, number, clock.now())
        await producer.send(settings.inputs[0].topic, value, partition=partition)
    await producer.stop()


@pytest.mark.parametrize("attempt", range(10))
def test_first_start_of_two_workers_skips_nothing(
    environ: dict[str, str], settings: Settings, tmp_path: Path, attempt: int
) -> None:
    """The trap: a rebalance before the group's first commit, on a backlog."""
    asyncio.run(write_backlog(settings))
    workers = [WorkerProcess(name, environ, tmp_path) for name in ("w0", "w1")]
    for worker in workers:
        worker.start()
        # The second comes at another moment of the first one's start each time.
        time.sleep(attempt * 0.3)
    wait_until_counted(settings, BACKLOG)
    report = read_counts(settings, CountsQuery())
    assert report.ledger.records == BACKLOG
    assert report.unaccounted == 0
    for worker in workers:
        worker.kill()


def test_a_stop_is_a_clean_one(
    environ: dict[str, str], settings: Settings, tmp_path: Path
) -> None:
    asyncio.run(write_backlog(settings))
    worker = WorkerProcess("w0", environ, tmp_path).start()
    worker.wait_until_ready()
    assert worker.stop() == 0
    assert not worker.own_errors()


def test_of_two_workers_with_one_id_the_older_goes(
    environ: dict[str, str], settings: Settings, tmp_path: Path
) -> None:
    older = WorkerProcess("same", environ, tmp_path / "older").start()
    older.wait_until_ready()
    newer = WorkerProcess("same", environ, tmp_path / "newer").start()
    assert older.wait(60) == 5
    assert "another worker of this group runs as same" in older.log.read_text()
    newer.wait_until_ready()
    assert newer.stop() == 0
    assert settings.kafka.instance_id


def test_without_kafka_the_worker_says_so_and_ends(
    environ: dict[str, str], tmp_path: Path
) -> None:
    nowhere = {
        "BOUNCEMON_KAFKA__BROKERS": "127.0.0.1:1",
        "BOUNCEMON_KAFKA__WAIT_SECONDS": "1",
    }
    worker = WorkerProcess("w0", environ | nowhere, tmp_path).start()
    assert worker.wait(60) == 3
    last = worker.log.read_text().splitlines()[-1]
    assert last.startswith("bouncemon: error: no Kafka at 127.0.0.1:1 within 1 s")


def test_without_topics_the_worker_says_what_to_run(
    environ: dict[str, str], tmp_path: Path
) -> None:
    worker = WorkerProcess("w0", environ, tmp_path).start()
    assert worker.wait(60) == 2
    last = worker.log.read_text().splitlines()[-1]
    assert "is missing (run: bouncemon topics create)" in last
