"""Commits that stop while counting goes on: shown, ended with 4, and harmless."""

import asyncio
import os
import random
import re
import time
from pathlib import Path

import pytest
from aiokafka.errors import GroupCoordinatorNotAvailableError, RebalanceInProgressError

from monitor.events import COLUMNS, Cell
from monitor.service import clock
from monitor.service.counts import CountsQuery, read_counts
from monitor.service.kafka import make_producer
from monitor.service.settings import Settings, load_settings
from monitor.service.topics import create_topics
from tests.e2e.kill_world import LATENESS_SECONDS, Recount, make_event
from tests.e2e.test_kill import read_input, settings_environ
from tests.e2e.test_poison import wait_until_counted
from tests.e2e.workers import POLL_SECONDS, WorkerProcess
from tests.kafka.apache import ApacheKafka

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

EVENTS = 2_000

#: So long a time is written that most of it may be committed at once.
SPAN_SECONDS = 10 * LATENESS_SECONDS

#: Long enough to look at a worker that cannot commit, on a machine with much to do.
STALL_SECONDS = 8

WAIT_SECONDS = 60.0


async def write(settings: Settings, first: int, count: int, until: float) -> None:
    """Events of the last ``SPAN_SECONDS`` before a time, at their own time."""
    rng = random.Random(first)
    producer = make_producer(settings.kafka)
    await producer.start()
    for number in range(first, first + count):
        then = until - SPAN_SECONDS * (first + count - number) / count
        partition, value = make_event(rng, number, then)
        await producer.send(
            settings.inputs[0].topic,
            value,
            partition=partition,
            timestamp_ms=int(then * 1000),
        )
    await producer.flush()
    await producer.stop()


def metric(worker: WorkerProcess, line: str) -> float:
    """A sample of the worker's page; -1 while it does not answer."""
    try:
        page = worker.get("/metrics")
    except OSError:
        return -1.0
    found = re.search(rf"^{re.escape(line)} (\S+)$", page, re.MULTILINE)
    assert found is not None, line
    return float(found[1])


def wait_for(worker: WorkerProcess, line: str, above: float) -> None:
    deadline = clock.monotonic() + WAIT_SECONDS
    while metric(worker, line) <= above:
        assert worker.alive, worker.log.read_text()[-2000:]
        assert clock.monotonic() < deadline, f"{line} stays at {metric(worker, line)}"
        time.sleep(POLL_SECONDS)


def assert_exact(settings: Settings, recount: Recount) -> None:
    report = read_counts(settings, CountsQuery(by=Cell._fields))
    assert dict(report.rows) == {
        cell: {name: counts[name] for name in COLUMNS}
        for cell, counts in recount.cells.items()
    }
    assert report.unaccounted == 0
    assert report.ledger.records == recount.ledger["records"]
    assert report.ledger.counted == recount.ledger["counted"]


@pytest.mark.parametrize(
    "error",
    [
        # Of the first aiokafka says nothing: it asks again, for ever. Of the second
        # Faust says that the commit failed, and the worker joins the group anew.
        GroupCoordinatorNotAvailableError,
        RebalanceInProgressError,
    ],
)
def test_a_worker_that_cannot_commit_ends_and_the_next_one_counts_the_same(
    apache_kafka: ApacheKafka,
    topic_prefix: str,
    tmp_path: Path,
    error: type[GroupCoordinatorNotAvailableError | RebalanceInProgressError],
) -> None:
    environ = {
        **os.environ,
        **settings_environ(apache_kafka.address, topic_prefix),
        "BOUNCEMON_WATCHDOG__COMMIT_STALL_SECONDS": str(STALL_SECONDS),
    }
    settings = load_settings(None, environ)
    asyncio.run(create_topics(settings))
    now = clock.now()
    asyncio.run(write(settings, 0, EVENTS, now - SPAN_SECONDS))
    refused = ("tests.e2e.refused_commits", str(error.errno))
    worker = WorkerProcess("w0", environ, tmp_path, refused).start()

    wait_for(worker, "bouncemon_commit_delay_seconds", above=1.0)
    if error is RebalanceInProgressError:
        wait_for(worker, 'bouncemon_commits_total{result="failed"}', above=0)
    asyncio.run(write(settings, EVENTS, EVENTS, now))
    topic = settings.inputs[0].topic
    read = f'bouncemon_records_total{{result="decoded",topic="{topic}"}}'
    wait_for(worker, read, above=EVENTS)  # counting goes on meanwhile
    assert worker.wait(WAIT_SECONDS) == 4
    said = [line for line in worker.own_errors() if "worker stalled" in line]
    assert re.search(r"an offset has waited \d+ s to be committed", said[0])

    well = WorkerProcess("w0", environ, tmp_path).start()
    wait_until_counted(settings, 2 * EVENTS)
    wait_for(well, 'bouncemon_commits_total{result="done"}', above=0)
    recount = asyncio.run(read_input(settings, topic))
    assert recount.ledger["records"] == 2 * EVENTS
    assert_exact(settings, recount)
    assert metric(well, "bouncemon_commit_delay_seconds") < STALL_SECONDS
    assert well.stop() == 0
