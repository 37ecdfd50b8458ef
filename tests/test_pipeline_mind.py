"""The right half of the river: what is told to people is not acted on, and so on."""

import msgspec
import numpy as np
import pytest

from monitor.events import (
    COLUMNS,
    Action,
    Cell,
    Channel,
    Command,
    CountDelta,
    Incident,
    IncidentKind,
    IncidentState,
    Mode,
    Scope,
    Severity,
)
from monitor.observe import FleetObserver, Health, ObservePolicy
from monitor.pipeline import DOUBT_SECONDS, DOUBT_TICKS, Doubt, FleetMind, FleetPolicy
from monitor.throttle import ThrottlePolicy
from tests.observe.slow_world import DAY, HOUR, SlowRun
from tests.observe.test_observe_drift import rising

NOW = 1_767_571_200.0
CELLS = tuple(Cell(f"p{n}", "i1", f"c{n}", "", "") for n in range(4))


def mind(observer: FleetObserver | None = None) -> FleetMind:
    policy = FleetPolicy(throttle=ThrottlePolicy(mode=Mode.ENFORCE))
    made = FleetMind("default", policy, epoch=1)
    if observer is not None:
        made.observer = observer
    return made


def drifting() -> SlowRun:
    run = SlowRun("drift")
    run.run(14.5 * DAY, rising(0.06, days=4.0))
    return run


def test_a_drift_is_told_and_never_acted_on() -> None:
    run = drifting()
    (known,) = run.observer.incidents
    assert (known.kind, known.severity) == (IncidentKind.DRIFT, Severity.TICKET)
    assert known.rate_low > 2 * known.baseline
    on, told = mind(run.observer), list[Incident]()
    for second in range(0, 1_800, 10):
        outflow = on.tick(run.now + second)
        told += outflow.incidents
        assert outflow.directives == []
        assert not any(ruling.applied for ruling in outflow.rulings)
    assert {one.id for one in told} == {known.id}


def order(incident: Incident, actor: str, now: float) -> Command:
    return Command(
        id="order-1",
        fleet="default",
        scope=incident.scope,
        action=Action.RESUME,
        rate_fraction=1.0,
        reason="the new normal",
        actor=actor,
        issued_at=now,
        lease_seconds=HOUR,
        accepts=incident.id,
    )


@pytest.mark.parametrize(
    ("actor", "state"),
    [("alice", [IncidentState.CLOSED]), ("alertmanager", [])],
)
def test_a_person_may_accept_an_incident_and_an_alert_may_not(
    actor: str, state: list[IncidentState]
) -> None:
    run = drifting()
    on = mind(run.observer)
    on.command(order(run.observer.incidents[0], actor, run.now), run.now)
    assert [one.state for one in on.tick(run.now + 1.0).incidents] == state


def test_what_no_order_can_name_may_be_accepted() -> None:
    run = drifting()
    on = mind(run.observer)
    told = order(run.observer.incidents[0], "alice", run.now)
    outflow = on.command(msgspec.structs.replace(told, scope=Scope()), run.now)
    assert [ruling.applied for ruling in outflow.rulings] == [True]
    assert outflow.directives == []
    (closed,) = on.tick(run.now + 1.0).incidents
    assert (closed.id, closed.state) == (told.accepts, IncidentState.CLOSED)


def test_an_order_that_is_refused_accepts_nothing() -> None:
    run = drifting()
    on = mind(run.observer)
    incident = run.observer.incidents[0]
    on.command(order(incident, "alice", run.now - DAY), run.now)
    assert [one.id for one in on.observer.incidents] == [incident.id]


def burst(second: int, rate: float) -> CountDelta:
    rows = np.zeros((len(CELLS), len(COLUMNS)), "<i4")
    rows[:, 0] = 50
    rows[0, COLUMNS.index(Channel.HARD)] = rows[0, COLUMNS.index(Channel.BOUNCE)] = (
        50 * rate
    )
    rows[:, 1] = rows[:, 0] - rows[:, COLUMNS.index(Channel.BOUNCE)]
    slot = int(NOW + second) // 10
    return CountDelta(slot=slot, watermark=0.0, cells=CELLS, counts=rows.tobytes())


def test_counts_in_doubt_open_nothing() -> None:
    on = mind(FleetObserver("default", ObservePolicy()))
    for second in range(60):
        on.observer.apply(burst(second, 0.5))
        assert on.tick(NOW + second, Health(recovering=True)).directives == []
    assert {one.kind for one in on.observer.incidents} == {IncidentKind.GATE}
    for second in range(60, 70):
        on.observer.apply(burst(second, 0.5))
        on.tick(NOW + second)
    assert {one.kind for one in on.observer.incidents} == {IncidentKind.SPIKE}


def test_doubt_is_what_lasts_and_is_new() -> None:
    doubt = Doubt()
    assert [doubt.fresh(n % 2 * 5, NOW + n) for n in range(30)] == [0] * 30
    said = [doubt.fresh(7, NOW + 30 + n) for n in range(DOUBT_TICKS + 5)]
    assert said[-1] == 7
    assert doubt.fresh(7, NOW + 50 + DOUBT_SECONDS) == 0
    assert doubt.fresh(9, NOW + 60 + DOUBT_SECONDS) == 0
    later = [doubt.fresh(9, NOW + 70 + DOUBT_SECONDS) for _ in range(DOUBT_TICKS)]
    assert later[-1] == 2
