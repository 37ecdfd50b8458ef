from math import cos, pi

import pytest

from monitor.events import Cell, Channel, IncidentKind, IncidentState, Scope, Severity
from tests.observe.slow_world import DAY, HOUR, SlowRun, Traffic, kinds


def rising(to: float, days: float, campaign: str = "c1") -> Traffic:
    """From the tenth day on, the rate of a campaign rises from 1 %."""

    def traffic(cell: Cell, seconds: float) -> tuple[float, float]:
        part = min(max(seconds / DAY - 10.0, 0.0) / days, 1.0)
        mine = cell.campaign == campaign
        return 400.0, 0.01 * (to / 0.01) ** part if mine else 0.01

    return traffic


def test_a_rate_that_trebles_within_days_is_one_ticket() -> None:
    run = SlowRun("nb_glr", "limit", "drift")
    traffic = rising(0.03, days=5.0)
    assert run.run(10 * DAY, traffic) == []
    said = run.run(7 * DAY, traffic)
    assert kinds(said) == {("drift", "campaign", "c1")}
    told = said[0]
    assert told.kind is IncidentKind.DRIFT
    assert told.channel is Channel.HARD
    assert {one.severity for one in said} == {Severity.TICKET}
    assert told.baseline < told.rate_low <= told.rate <= told.rate_high
    assert told.lift > 1.5
    assert "over the last day" in told.note
    assert len({one.id for one in said}) == 1
    run.take_over()
    assert [one.id for one in run.observer.incidents] == [told.id]
    later = run.run(21 * DAY, traffic)
    assert {one.id for one in later} == {told.id}
    assert later[-1].state is IncidentState.CLOSED


def test_the_baseline_would_have_swallowed_it() -> None:
    run = SlowRun("nb_glr", "limit")
    assert run.run(17 * DAY, rising(0.03, days=5.0)) == []


@pytest.mark.parametrize("seed", [1, 2])
def test_rhythms_are_no_drift(seed: int) -> None:
    def breathing(cell: Cell, seconds: float) -> tuple[float, float]:
        del cell
        day = 1.0 + 0.4 * cos(2 * pi * seconds / DAY)
        week = 1.0 + 0.15 * cos(2 * pi * seconds / (7 * DAY))
        return 400.0 * (1.0 + 0.8 * cos(2 * pi * seconds / DAY)), 0.01 * day * week

    run = SlowRun("drift", seed=seed)
    assert run.run(28 * DAY, breathing) == []


def test_a_new_key_has_no_past_to_drift_from() -> None:
    def traffic(cell: Cell, seconds: float) -> tuple[float, float]:
        if cell.campaign == "c1":
            return (400.0 if seconds > 10 * DAY else 0.0), 0.04
        return 4_000.0, 0.01

    run = SlowRun("drift")
    assert run.run(14 * DAY, traffic) == []


def test_what_drifts_is_not_hidden_from_the_rule_for_spikes() -> None:
    def traffic(cell: Cell, seconds: float) -> tuple[float, float]:
        spike = seconds > 15.5 * DAY and cell.campaign == "c1"
        return (400.0, 0.4) if spike else rising(0.03, days=5.0)(cell, seconds)

    run = SlowRun("nb_glr", "drift")
    run.run(15.5 * DAY, traffic)
    assert {one.kind for one in run.observer.incidents} == {IncidentKind.DRIFT}
    run.run(2 * HOUR, traffic)
    spikes = [one for one in run.observer.incidents if one.kind is IncidentKind.SPIKE]
    assert [one.scope for one in spikes] == [Scope(campaign="c1")]
