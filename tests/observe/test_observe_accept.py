from monitor.events import Cell, Channel, IncidentKind, IncidentState, Scope
from tests.observe.observe_world import EPOCH, Spike
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
