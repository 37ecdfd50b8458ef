"""When the mind of a fleet is saved: now and then, and soon after news."""

import msgspec
import pytest

from monitor.events import Channel, Incident, IncidentState, Scope, Severity
from monitor.service.snapshots import SnapshotDue

INCIDENT = Incident(
    id="i-1",
    fleet="default",
    scope=Scope(provider="gmail"),
    channel=Channel.HARD,
    state=IncidentState.OPEN,
    severity=Severity.TICKET,
    detector="nb_glr",
    start=0.0,
    detected_at=10.0,
    updated_at=10.0,
    rate=0.3,
    rate_low=0.25,
    rate_high=0.35,
    baseline=0.01,
    lift=30.0,
    excess=110.0,
    attempts=400.0,
)


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
    assert not due.is_due(111.9)
    assert due.is_due(112.0)


def test_what_is_closed_is_forgotten_and_may_be_news_again(due: SnapshotDue) -> None:
    for state in (IncidentState.OPEN, IncidentState.CLOSED, IncidentState.OPEN):
        due.told(msgspec.structs.replace(INCIDENT, state=state))
        assert due.is_due(102.0)
        due.written(100.0, 100.0)
