from dataclasses import replace

from monitor.events import Cell, Channel, Incident, IncidentKind, IncidentState, Scope
from monitor.observe import FleetObserver, Health
from tests.observe.observe_world import EPOCH, Run, Spike
from tests.observe.slow_world import DAY, HOUR, SlowRun
from tests.observe.test_observe_drift import rising
from tests.observe.test_observe_incidents import BEGIN, small, small_world
from tests.observe.test_observe_silence import daily, without

SICK = Scope(provider="isp1")


def test_an_accepted_rate_is_the_new_normal_and_what_is_above_it_is_not() -> None:
    run = small(
        111,
        Spike(SICK, Channel.HARD, 0.04, BEGIN, BEGIN + 500.0),
        Spike(SICK, Channel.HARD, 0.4, BEGIN + 500.0),
    )
    run.live(150.0, span=3.0)
    (incident,) = run.observer.incidents
    assert (incident.scope, incident.detector) == (SICK, "nb_glr")
    now = EPOCH + run.seconds
    assert run.observer.accept(incident.id, now)
    (closed,) = run.observer.tick(now + 1.0)
    assert (closed.id, closed.state) == (incident.id, IncidentState.CLOSED)
    assert closed.closed_at == now + 1.0
    run.take_over()
    assert run.live(300.0, span=4.0) == []
    assert not run.observer.accept(incident.id, EPOCH + run.seconds)
    run.live(90.0, span=3.0)
    assert [(i.scope, i.channel) for i in run.observer.incidents] == [
        (SICK, Channel.HARD)
    ]
    assert run.observer.incidents[0].id != incident.id


def test_what_nobody_accepts_stays_open() -> None:
    run = small(111, Spike(SICK, Channel.HARD, 0.04, BEGIN))
    run.live(360.0, span=4.0)
    assert [i.state for i in run.observer.incidents] == [IncidentState.OPEN]


def test_an_absolute_limit_is_not_for_an_order_to_change() -> None:
    world = small_world(113)
    run = small(113)
    run.world = world
    mine = world.inside(Scope(campaign="c19"))
    world.cells = [
        cell._replace(campaign="new") if own else cell
        for cell, own in zip(world.cells, mine, strict=True)
    ]
    world.weight[mine] *= 2.0 / (150.0 * world.weight[mine].sum())
    world.base[Channel.HARD][mine] = 0.20
    run.live(120.0)
    (incident,) = run.observer.incidents
    assert incident.detector == "limit"
    assert not run.observer.accept(incident.id, EPOCH + run.seconds)
    assert not run.observer.accept("unknown", EPOCH + run.seconds)


def open_case(seed: int, scope: Scope, rate: float) -> tuple[Run, Incident]:
    """A small fleet, and the incident that a spike makes there."""
    run = small(seed, Spike(scope, Channel.HARD, rate, BEGIN))
    run.live(60.0)
    (incident,) = run.observer.incidents
    return run, incident


def test_a_case_of_a_rule_that_was_switched_off_can_be_accepted() -> None:
    run, incident = open_case(115, SICK, 0.2)
    for found_by in ("nb_glr", "limit"):
        run.observer._book.cases[0].detector = found_by
        data = run.observer.snapshot()
        left = tuple(name for name in run.policy.detectors if name != found_by)
        policy = replace(run.policy, detectors=left)
        other = FleetObserver.restore("default", policy, data)
        now = EPOCH + run.seconds
        assert other.accept(incident.id, now)
        (closed,) = other.tick(now + 1.0)
        assert (closed.id, closed.state) == (incident.id, IncidentState.CLOSED)


def test_the_whole_fleet_can_be_accepted() -> None:
    run, incident = open_case(117, Scope(), 0.04)
    assert incident.scope == Scope()
    assert run.observer.accept(incident.id, EPOCH + run.seconds)
    said = run.live(120.0, span=4.0)
    assert [(one.id, one.state) for one in said] == [
        (incident.id, IncidentState.CLOSED)
    ]


def test_what_an_evicted_scope_did_can_be_accepted() -> None:
    run, incident = open_case(119, SICK, 0.2)
    run.observer._book.cases[0].scope = Scope(campaign="gone")
    assert run.observer.accept(incident.id, EPOCH + run.seconds)
    assert run.live(1.0)[0].state is IncidentState.CLOSED


def test_a_shut_gate_is_nobodys_normal() -> None:
    run = SlowRun("drift")
    run.run(DAY)
    for _ in range(3):
        run.seconds += HOUR
        run.observer.tick(run.now, Health(unaccounted=1))
    (gate,) = run.observer.incidents
    assert gate.kind is IncidentKind.GATE
    assert not run.observer.accept(gate.id, run.now)
    assert run.observer.incidents == [gate]


def test_an_accepted_drift_is_the_new_reference() -> None:
    run = SlowRun("drift")
    run.run(15 * DAY, rising(0.03, days=4.0))
    (incident,) = run.observer.incidents
    assert run.observer.accept(incident.id, run.now)
    said = run.run(7 * DAY, rising(0.03, days=4.0))
    assert [(i.id, i.state) for i in said] == [(incident.id, IncidentState.CLOSED)]


def test_an_accepted_silence_is_an_ordinary_gap() -> None:
    run = SlowRun("silence")
    run.run(9 * DAY + 9 * HOUR, daily)

    def gone(cell: Cell) -> bool:
        return cell.source_ip == "i1"

    run.run(8 * HOUR, without(gone))
    (incident,) = run.observer.incidents
    assert incident.kind is IncidentKind.SILENCE
    assert run.observer.accept(incident.id, run.now)
    (closed,) = run.run(6 * HOUR, without(gone))
    assert closed.state is IncidentState.CLOSED
