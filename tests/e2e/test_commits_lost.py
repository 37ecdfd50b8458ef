"""The group's coordinator forgets all: offsets, members, generation. Commits go on."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer

from monitor.service import clock
from monitor.service.kafka import admin_client, connection_options, partitions_of
from monitor.service.settings import Settings, load_settings
from monitor.service.topics import create_topics
from tests.e2e.test_commits_stop import (
    EVENTS,
    SPAN_SECONDS,
    WAIT_SECONDS,
    assert_exact,
    metric,
    wait_for,
    write,
)
from tests.e2e.test_kill import ends_of, read_input, settings_environ
from tests.e2e.test_poison import wait_until_counted
from tests.e2e.workers import POLL_SECONDS, WorkerProcess
from tests.kafka.apache import ApacheKafka

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]


@pytest.fixture
def kafka() -> Iterator[ApacheKafka]:
    """One of our own, since all groups of it lose their offsets."""
    with ApacheKafka() as kafka:
        yield kafka


async def commits_beyond(settings: Settings, marks: Mapping[int, int]) -> None:
    """Wait until the group has committed more than these offsets, by partition."""
    # Asks for offsets of the group without being a member of it.
    group = AIOKafkaConsumer(
        **connection_options(settings.kafka),
        group_id=settings.kafka.group_id,
        enable_auto_commit=False,
    )
    await group.start()
    try:
        partitions = await partitions_of(group, settings.inputs[0].topic)
        deadline = clock.monotonic() + WAIT_SECONDS
        while True:
            found = {tp.partition: await group.committed(tp) or 0 for tp in partitions}
            if all(found[partition] > mark for partition, mark in marks.items()):
                return
            assert clock.monotonic() < deadline, f"{found}, not beyond {marks}"
            await asyncio.sleep(POLL_SECONDS)
    finally:
        await group.stop()


async def forget_all_groups(settings: Settings) -> None:
    async with admin_client(settings.kafka) as admin:
        await admin.delete_topics(["__consumer_offsets"])


def test_commits_go_on_when_the_coordinator_has_forgotten_the_group(
    kafka: ApacheKafka, tmp_path: Path
) -> None:
    environ = {**os.environ, **settings_environ(kafka.address, "lost.")}
    settings = load_settings(None, environ)
    asyncio.run(create_topics(settings))
    now = clock.now()
    asyncio.run(write(settings, 0, EVENTS, now - SPAN_SECONDS))
    ends = asyncio.run(ends_of(settings))
    worker = WorkerProcess("w0", environ, tmp_path).start()
    asyncio.run(commits_beyond(settings, dict.fromkeys(ends, 0)))

    asyncio.run(forget_all_groups(settings))
    # At once, so that there is something to commit: the answer tells of each partition
    # that nobody knows the worker any more. That is one expulsion and not four, after
    # which it would believe in a second worker of its name, and give way.
    asyncio.run(write(settings, EVENTS, EVENTS, now))
    wait_for(worker, "bouncemon_rebalances_total", above=1)
    asyncio.run(commits_beyond(settings, ends))

    wait_until_counted(settings, 2 * EVENTS)
    recount = asyncio.run(read_input(settings, settings.inputs[0].topic))
    assert_exact(settings, recount)
    assert metric(worker, "bouncemon_commit_delay_seconds") < WAIT_SECONDS
    assert worker.stop() == 0
