"""Ready means progress, and a worker that stands still is ended."""

import pytest
from faust.types import TP

from monitor.counting import CountingPolicy, InputPartition, PartitionCounter, SlotMaker
from monitor.service import clock
from monitor.service.health import EXIT_STALLED, Health, Watchdog
from monitor.service.ingest import CountsTopic, IngestService
from monitor.service.metrics import Metrics
from monitor.service.settings_sections import WatchdogSettings

INPUT = TP("delivery.events", 0)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock, to be set by the test."""
    moment = [1000.0]
    monkeypatch.setattr(clock, "monotonic", lambda: moment[0])
    return moment


@pytest.fixture
def health(now: list[float]) -> Health:
    ingest = IngestService(
        CountingPolicy(), {}, CountsTopic("counts", 1), Metrics().ingest
    )
    ingest.counters[INPUT] = PartitionCounter(
        CountingPolicy(),
        InputPartition("default", *INPUT),
        position=10,
        from_log_start=True,
        slots=SlotMaker(str),
    )
    ingest.progress_at[INPUT] = now[0]
    health = Health(WatchdogSettings(), ingest)
    health.assigned = True
    return health


def test_ready_when_caught_up(health: Health, now: list[float]) -> None:
    health.highwaters = {INPUT: 10}
    now[0] += 3600
    health.beat()
    assert health.not_ready() is None
    assert health.stalled() is None


def test_not_ready_before_an_assignment_and_while_stopping(health: Health) -> None:
    health.assigned = False
    assert health.not_ready() == "no assignment yet"
    health.assigned = health.stopping = True
    assert health.not_ready() == "stopping"


def test_not_ready_far_behind(health: Health) -> None:
    health.highwaters = {INPUT: 200_000}
    assert health.not_ready() == "199990 records behind"


def test_no_progress_with_input_waiting_is_a_stall(
    health: Health, now: list[float]
) -> None:
    health.highwaters = {INPUT: 11}
    now[0] += 29
    health.beat()
    assert health.stalled() is None
    now[0] += 2
    health.beat()
    assert health.stalled() == "no progress for 31 s with input waiting"
    assert health.not_ready() == "no progress for 31 s with input waiting"


def test_an_offset_that_waits_too_long_for_its_commit_is_a_stall(
    health: Health, now: list[float]
) -> None:
    ingest = health._ingest
    ingest.commits.opened(INPUT, 10)
    now[0] += 3600
    health.beat()
    assert health.stalled() is None, "nothing is old enough yet"
    ingest.commits.offered(INPUT, 40, now[0])
    now[0] += 299
    health.beat()
    assert health.stalled() is None
    now[0] += 2
    health.beat()
    assert health.stalled() == "an offset has waited 301 s to be committed"
    ingest.commit_ended({INPUT: 40}, done=False)
    assert health.stalled() is not None
    ingest.commit_ended({INPUT: 40}, done=True)
    assert health.stalled() is None


def test_a_blocked_loop_is_a_stall(health: Health, now: list[float]) -> None:
    now[0] += 31
    assert health.stalled() == "the event loop has been blocked for 31 s"
    health.beat()
    assert health.longest_gap == pytest.approx(31)
    now[0] += 61
    health.beat()
    now[0] += 1
    health.beat()
    assert health.longest_gap == pytest.approx(61)


def test_the_watchdog_ends_a_stalled_process(
    health: Health, now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.service.health.LOOK_SECONDS", 0.01)
    statuses: list[int] = []
    now[0] += 100
    watchdog = Watchdog(health, statuses.append)
    watchdog.start()
    watchdog.join(10)
    assert statuses == [EXIT_STALLED]


def test_the_watchdog_lets_a_well_one_live(health: Health) -> None:
    watchdog = Watchdog(health, lambda status: pytest.fail(f"ended with {status}"))
    watchdog.start()
    watchdog.stop()
    watchdog.join(10)
    assert not watchdog.is_alive()
