"""The owner of a fleet is killed in the middle of an incident, and another goes on.

Nobody may notice: one incident under one id, never closed in between, one throttle
without a gap, and the same idea of what is normal.
"""

import asyncio
import json
import os
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from monitor.events import Action, Channel, Incident, IncidentState, Mode, Severity
from monitor.service import clock
from monitor.service.settings import load_settings
from monitor.service.topics import create_topics
from monitor.throttle.policy import DEFAULT_LADDER
from tests.e2e.takeover_world import CHANNEL, FLEET, SICK, Stage, on_stage
from tests.e2e.test_kill import until
from tests.e2e.workers import WorkerProcess
from tests.kafka.apache import ApacheKafka

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

#: For each step of the story, on a machine with much to do.
WAIT_SECONDS = 60.0

#: A snapshot comes of what is told, or not within this test.
SNAPSHOT_SECONDS = 3_600

#: A baseline of twenty minutes learns on, for some seconds, while one worker follows
#: the other. Of a lost one nothing would be shown before ten minutes have passed.
LEARNED_MEANWHILE = 0.1

#: So close to the end of the input, all history is counted: it is thirty times as long.
READY_LAG_RECORDS = 1_000

_OWNER = f'bouncemon_owner{{fleet="{FLEET}"}}'
_NORMAL = (
    f'bouncemon_scope_baseline_ratio{{fleet="{FLEET}",scope="{SICK.kind}",'
    f'key="{SICK.key}",channel="{CHANNEL.value}"}}'
)
_OPENED = [
    f'bouncemon_incidents_total{{channel="{CHANNEL.value}",fleet="{FLEET}",'
    f'kind="spike",severity="{severity.value}"}}'
    for severity in (Severity.PAGE, Severity.TICKET)
]


class Seen(NamedTuple):
    """What the owners' pages showed."""

    normal_before: float
    normal_after: float
    opened_after: list[float | None]


def sample(worker: WorkerProcess, series: str) -> float | None:
    """One sample of a worker's page, if it is there."""
    try:
        page = worker.get("/metrics")
    except OSError:
        return None
    found = re.search(rf"^{re.escape(series)} (\S+)$", page, re.MULTILINE)
    return float(found[1]) if found else None


def owners(workers: list[WorkerProcess]) -> list[WorkerProcess]:
    return [worker for worker in workers if sample(worker, _OWNER) == 1]


async def normal_rate(worker: WorkerProcess) -> float:
    """What the owner takes for the sick provider's normal rate, once it shows it."""
    shown = f"a baseline on the page of {worker.name}"
    await until(lambda: sample(worker, _NORMAL) is not None, WAIT_SECONDS, shown)
    rate = sample(worker, _NORMAL)
    assert rate is not None
    return rate


async def saved_rate(stage: Stage) -> float:
    """The same as a snapshot holds it that knows of the incident."""
    deadline = clock.monotonic() + WAIT_SECONDS
    while True:
        mind = await stage.saved()
        if mind is not None and mind.observer.incidents:
            break
        assert clock.monotonic() < deadline, "no snapshot holds the incident"
    rows = mind.observer.rates(1)
    (rate, *_) = [row for row in rows if (row.kind, row.key) == (SICK.kind, SICK.key)]
    return rate.baseline[list(Channel).index(CHANNEL)]


async def all_counted(workers: list[WorkerProcess]) -> WorkerProcess:
    """Return the owner once all history is counted and known."""
    for worker in workers:
        await asyncio.to_thread(worker.wait_until_ready, WAIT_SECONDS)
    await until(lambda: len(owners(workers)) == 1, WAIT_SECONDS, "an owner")
    (owner,) = owners(workers)
    await normal_rate(owner)
    return owner


async def play(stage: Stage, workers: list[WorkerProcess]) -> Seen:
    """The story up to its end, when the incident is closed."""
    owner = await all_counted(workers)
    (other,) = [worker for worker in workers if worker is not owner]
    told = stage.told
    stage.sicken()
    await until(lambda: bool(told.spoken_by(1)), WAIT_SECONDS, "a directive")
    paged = "a page, at once or when there is enough to be sure"
    await until(lambda: told.said[-1].severity is Severity.PAGE, WAIT_SECONDS, paged)
    before = await saved_rate(stage)
    owner.kill()
    killed_at = clock.now()
    await until(lambda: bool(told.spoken_by(2)), WAIT_SECONDS, "its renewal")
    await until(
        lambda: told.said[-1].updated_at > killed_at, WAIT_SECONDS, "another word"
    )
    after = await normal_rate(other)
    stage.heal()
    await until(
        lambda: told.said[-1].state is IncidentState.CLOSED, WAIT_SECONDS, "its end"
    )
    await until(
        lambda: told.spoken_by(2)[-1].action is Action.RESUME, WAIT_SECONDS, "a release"
    )
    opened = [sample(other, series) for series in _OPENED]
    return Seen(before, after, opened)


def assert_one_incident(said: list[Incident]) -> None:
    """Told as opened once, by the first owner, and closed once, at the end."""
    for name in ("id", "scope", "channel", "detected_at", "baseline"):
        assert len({getattr(one, name) for one in said}) == 1, name
    assert (said[0].scope, said[0].channel) == (SICK, CHANNEL)
    # The first word may come too early to wake anybody; after that it pages for good.
    severities = [one.severity for one in said]
    paging = severities[severities.index(Severity.PAGE) :]
    assert set(paging) == {Severity.PAGE}
    assert len(severities) - len(paging) <= 1
    assert [one.updated_at == one.detected_at for one in said].count(True) == 1
    states = [one.state for one in said]
    assert states.count(IncidentState.CLOSED) == 1
    assert states[0] is IncidentState.OPEN


def assert_one_throttle(stage: Stage) -> None:
    """Slowed once, and said again by the next owner before it could lapse."""
    first, second = stage.told.spoken_by(1), stage.told.spoken_by(2)
    begin, renewal = first[0], second[0]
    assert {one.mode for one in (*first, *second)} == {Mode.ENFORCE}
    assert {one.incident for one in (*first, *second)} == {stage.told.said[0].id}
    assert renewal.issued_at < first[-1].expires_at < renewal.expires_at
    # The next rung may be taken when the first has had its time, whoever owns it.
    soon = begin.issued_at + DEFAULT_LADDER[0].dwell_seconds
    early = [one for one in (*first, *second[:-1]) if one.issued_at < soon]
    assert renewal in early
    assert {(one.action, one.rate_fraction) for one in early} == {(Action.SLOW, 0.5)}


def test_takeover_in_the_middle_of_an_incident(
    apache_kafka: ApacheKafka, topic_prefix: str, tmp_path: Path
) -> None:
    inputs = [{"topic": f"{topic_prefix}delivery.events", "source": "canonical"}]
    environ = {
        **os.environ,
        "BOUNCEMON_KAFKA__BROKERS": apache_kafka.address,
        "BOUNCEMON_KAFKA__GROUP_ID": f"{topic_prefix}bouncemon",
        "BOUNCEMON_KAFKA__TOPIC_PREFIX": topic_prefix,
        "BOUNCEMON_INPUTS": json.dumps(inputs),
        "BOUNCEMON_THROTTLE__MODE": Mode.ENFORCE.value,
        "BOUNCEMON_OBSERVE__SNAPSHOT_SECONDS": str(SNAPSHOT_SECONDS),
        "BOUNCEMON_WATCHDOG__READY_LAG_RECORDS": str(READY_LAG_RECORDS),
    }
    settings = load_settings(None, environ)
    asyncio.run(create_topics(settings))
    quick = ("tests.e2e.quick_recovery",)
    workers = [
        WorkerProcess(name, environ, tmp_path, quick).start() for name in ("w0", "w1")
    ]

    async def story() -> tuple[Stage, Seen]:
        async with on_stage(settings) as stage:
            return stage, await play(stage, workers)

    stage, seen = asyncio.run(story())
    assert_one_incident(stage.told.said)
    assert_one_throttle(stage)
    assert seen.opened_after == [0.0] * len(_OPENED)
    assert seen.normal_after == pytest.approx(seen.normal_before, rel=LEARNED_MEANWHILE)
    (survivor,) = [worker for worker in workers if worker.alive]
    assert survivor.stop() == 0
    assert not survivor.own_errors()
    print(  # shown with -s
        f"\nnormal rate {seen.normal_before:.2%} before the takeover, "
        f"{seen.normal_after:.2%} after it; spoken of {len(stage.told.said)} times"
    )
