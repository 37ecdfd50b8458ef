from typing import Any

import msgspec

from monitor.backtest import Curves
from monitor.backtest.curves import MOST_SAMPLES
from monitor.backtest.journal import Journal, Spot
from monitor.events import Channel, Incident, IncidentState, Scope, Severity
from monitor.observe import FleetObserver, ObservePolicy

T0 = 1_767_571_200.0

YAHOO = Incident(
    id="yahoo",
    fleet="default",
    scope=Scope(provider="yahoo"),
    channel=Channel.BLOCK,
    state=IncidentState.OPEN,
    severity=Severity.TICKET,
    detector="nb_glr",
    start=T0 + 3.0,
    detected_at=T0 + 9.999,
    updated_at=T0 + 9.999,
    rate=0.10,
    rate_low=0.08,
    rate_high=0.12,
    baseline=0.01,
    lift=10.0,
    excess=50.0,
    attempts=500.0,
    share=0.7,
)


def later(incident: Incident, seconds: float, **changes: Any) -> Incident:
    return msgspec.structs.replace(incident, updated_at=T0 + seconds, **changes)


def test_one_line_when_it_is_over_with_its_worst_rate() -> None:
    journal = Journal(1, 0)
    assert journal.note([YAHOO]) == []
    worse = later(YAHOO, 20, rate=0.4, rate_low=0.3, rate_high=0.5, lift=40.0)
    assert journal.note([worse]) == []
    assert journal.open == 1
    assert journal.note([later(YAHOO, 30, severity=Severity.PAGE)]) == []
    closed = later(
        YAHOO,
        600.0,
        state=IncidentState.CLOSED,
        severity=Severity.PAGE,
        closed_at=T0 + 599.999,
        rate=0.011,
        excess=80.0,
    )
    [found] = journal.note([closed])
    assert found.scope == Spot("provider", "yahoo", provider="yahoo")
    assert (found.onset, found.detected_at) == (T0 + 3.0, T0 + 10.0)
    assert found.closed_at == T0 + 600.0
    assert (found.rate, found.rate_low, found.lift) == (0.4, 0.3, 40.0)
    assert (found.severity, found.excess) == (Severity.PAGE, 80.0)
    assert (journal.incidents, journal.pages, journal.open) == (1, 1, 0)


def test_causes_of_one_finding_name_each_other() -> None:
    journal = Journal(1, 0)
    gmx = msgspec.structs.replace(
        YAHOO, id="gmx", scope=Scope(provider="gmx"), share=0.3
    )
    hard = msgspec.structs.replace(
        YAHOO, id="c1", scope=Scope(campaign="c1"), channel=Channel.HARD
    )
    journal.note([YAHOO, gmx, hard])
    journal.note([later(gmx, 12, id="web", scope=Scope(provider="web"))])
    names = {
        found.incident: [other.scope.key for other in found.other_causes]
        for found in journal.rest()
    }
    assert names == {"yahoo": ["gmx"], "gmx": ["yahoo"], "c1": [], "web": []}


def test_what_comes_back_has_a_line_of_its_own() -> None:
    journal = Journal(1, 0)
    journal.note([YAHOO])
    journal.note(
        [later(YAHOO, 600, state=IncidentState.CLOSED, closed_at=T0 + 599.999)]
    )
    journal.note([later(YAHOO, 1_799.999)])
    [again] = journal.rest()
    assert again.reopened
    assert (again.onset, again.detected_at) == (T0 + 1_799.0, T0 + 1_800.0)
    assert again.closed_at is None


def test_an_onset_is_the_begin_of_a_span() -> None:
    journal = Journal(3_600, 1_800)
    start = T0 + 1_800.0 + 3_300.0
    journal.note([later(YAHOO, 5_399.999, start=start, detected_at=T0 + 5_399.999)])
    assert journal.rest()[0].onset == T0 + 1_800.0


def test_curves_are_bounded() -> None:
    observer, curves = FleetObserver("default", ObservePolicy()), Curves()
    for second in range(0, 40 * MOST_SAMPLES, 10):
        curves.sample(T0 + second, observer)
    assert len(curves._times) < MOST_SAMPLES
    assert curves.of("fleet", "", Channel.HARD).times == []
