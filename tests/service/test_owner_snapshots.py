"""When the mind of a fleet is saved, and what goes on meanwhile."""

import asyncio
import threading

import msgspec
import pytest

from monitor.events import IncidentState, Scope, Severity
from monitor.pipeline import FleetMind, FleetPolicy
from monitor.service import clock
from monitor.service.metrics import Metrics
from monitor.service.owner import FleetOwner
from monitor.service.owner_report import OwnerReport
from monitor.service.settings import load_settings
from monitor.service.snapshots import SnapshotDue
from monitor.service.topics import topic_names
from tests.tools.incidents import make_incident

INCIDENT = make_incident()


@pytest.fixture
def due() -> SnapshotDue:
    due = SnapshotDue(pause_seconds=30.0)
    due.written(99.9, 100.0)
    return due


def test_without_news_it_is_written_now_and_then(due: SnapshotDue) -> None:
    assert not due.is_due(129.9)
    assert due.is_due(130.0)
    due.written(130.0, 130.1)
    assert not due.is_due(160.0)


@pytest.mark.parametrize(
    "news",
    [
        {"state": IncidentState.CLOSED},
        {"severity": Severity.PAGE},
        {"scope": Scope(campaign="spring")},
        {"id": "i-2"},
    ],
)
def test_news_are_saved_at_once(due: SnapshotDue, news: dict[str, object]) -> None:
    due.told(INCIDENT)
    assert due.is_due(101.0)
    due.written(101.0, 101.1)
    due.told(msgspec.structs.replace(INCIDENT, rate=0.5, updated_at=20.0))
    assert not due.is_due(120.0)
    due.told(msgspec.structs.replace(INCIDENT, **news))
    assert due.is_due(120.0)


def test_a_dear_snapshot_rests_longer(due: SnapshotDue) -> None:
    due.written(100.0, 102.0)
    due.told(INCIDENT)
    assert not due.is_due(119.9)
    assert due.is_due(120.0)


def test_what_is_closed_is_forgotten_and_may_be_news_again(due: SnapshotDue) -> None:
    for state in (IncidentState.OPEN, IncidentState.CLOSED, IncidentState.OPEN):
        due.told(msgspec.structs.replace(INCIDENT, state=state))
        assert due.is_due(102.0)
        due.written(100.0, 100.0)


class SlowMind(FleetMind):
    """Its snapshot is done when somebody else says so."""

    def __init__(self) -> None:
        super().__init__("default", FleetPolicy(), epoch=1)
        self.asked, self.may_end = threading.Event(), threading.Event()

    def snapshot(self) -> bytes:
        self.asked.set()
        assert self.may_end.wait(20.0), "the loop did not run meanwhile"
        return super().snapshot()


class Topic:
    """Takes records in the place of a producer; its reader stands nowhere."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes, bytes]] = []

    async def send_and_wait(self, _: str, value: bytes, key: bytes) -> None:
        self.records.append((key, value))

    def assignment(self) -> list[object]:
        return []


def test_the_loop_goes_on_while_a_snapshot_is_made() -> None:
    settings = load_settings(None, {})
    report = OwnerReport(Metrics(), 5)
    owner = FleetOwner(
        "default", settings, FleetPolicy(), topic_names(settings), report
    )
    mind, topic = SlowMind(), Topic()

    async def save() -> None:
        saving = asyncio.create_task(owner._snapshot(topic, topic, mind, 1))
        await asyncio.to_thread(mind.asked.wait, 20.0)
        mind.may_end.set()
        await saving

    asyncio.run(save())
    assert [key for key, _ in topic.records] == [b"default/1/0"]
    assert not owner._due.is_due(clock.monotonic())
