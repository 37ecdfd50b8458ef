import pytest

from monitor.events import Channel, IncidentKind, IncidentState, Scope, Severity
from monitor.observe import HEALTHY, Health
from tests.observe.observe_world import EPOCH, Run, Spike
from tests.observe.test_observe_incidents import BEGIN, small

SICK = Scope(provider="isp3")


def live(run: Run, seconds: float, health: Health) -> None:
    """Ticks of a second under a health of the counts."""
    for _ in range(int(seconds)):
        for delta in run.world.deltas(run.seconds, 1.0):
            run.observer.apply(delta)
        run.seconds += 1.0
        run.said += run.observer.tick(EPOCH + run.seconds, health)


@pytest.mark.parametrize(
    ("health", "why"),
    [
        (Health(lag_seconds=300.0), "late: a partition is 300 s behind"),
        (Health(recovering=True), "recovering: "),
        (Health(unaccounted=7), "unaccounted: 7 events"),
    ],
)
def test_nothing_is_opened_on_what_may_be_wrong_and_the_feed_says_why(
    health: Health, why: str
) -> None:
    run = small(101, Spike(SICK, Channel.BLOCK, 0.6, BEGIN))
    live(run, 50.0, health)
    (told,) = run.said
    assert (told.kind, told.severity) == (IncidentKind.GATE, Severity.INFO)
    assert told.note.startswith("no new incidents are opened; ")
    assert why in told.note
    assert told.scope == Scope()
    live(run, 40.0, HEALTHY)
    assert {(i.kind, i.scope) for i in run.opened.values()} == {
        (IncidentKind.GATE, Scope()),
        (IncidentKind.SPIKE, SICK),
    }
    ends = [i for i in run.said if i.id == told.id]
    assert ends[-1].state is IncidentState.CLOSED


def test_a_small_lag_and_a_short_recovery_are_not_worth_a_word() -> None:
    run = small(102)
    live(run, 20.0, Health(recovering=True))
    live(run, 60.0, Health(lag_seconds=60.0))
    assert run.said == []


def test_open_incidents_go_on_behind_a_shut_gate() -> None:
    run = small(103, Spike(SICK, Channel.BLOCK, 0.6, BEGIN, BEGIN + 60.0))
    run.live(40.0)
    (incident,) = run.observer.incidents
    live(run, 200.0, Health(unaccounted=1))
    told = [i for i in run.said if i.id == incident.id]
    assert told[-1].attempts > 1.5 * incident.attempts
    assert IncidentState.RECOVERING in {i.state for i in told}


def test_a_catch_up_shuts_the_gate_while_it_lasts() -> None:
    run = small(104, live=0.0)
    run.preload(2_400.0)
    now = EPOCH + run.seconds
    for second in range(3):
        assert run.observer.tick(now + second) == []
    assert run.observer.stats.waiting_slots > 0
    # One slot a tick too few is no reason to hurry: it is told if it lasts.
    while run.observer.stats.waiting_slots:
        run.observer.tick(now + second)
    assert run.live(10.0) == []
