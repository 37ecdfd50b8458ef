"""One incident watched, and what cannot be seen."""

import numpy as np
import pytest

from monitor.lab import unseen
from monitor.lab.one_incident import IncidentFigure, IncidentSize, incident_figure
from monitor.lab.optimum import optimum
from monitor.lab.regimes import DAY, MEAN_RATE
from monitor.lab.unseen import (
    UnseenSize,
    rate_in_time,
    unseen_figure,
)

SIZE = IncidentSize(
    keys=5,
    a_second=50.0,
    lift=10.0,
    lasts=60.0,
    history=1_800.0,
    before=60.0,
    after=480.0,
)


@pytest.fixture(scope="module")
def shown() -> IncidentFigure:
    return incident_figure(SIZE, 3)


def test_an_incident_goes_through_its_states_in_order(shown: IncidentFigure) -> None:
    onset, detected = shown.onset, shown.detected
    recovering, closed = shown.recovering, shown.closed
    assert onset is not None
    assert detected is not None
    assert recovering is not None
    assert closed is not None
    assert -5.0 <= onset <= detected <= 10.0
    assert shown.ended <= recovering < closed
    # A quiet time of five minutes has passed by then.
    assert closed >= shown.ended + 300.0


def test_it_is_told_when_the_evidence_reaches_the_threshold(
    shown: IncidentFigure,
) -> None:
    over = [one for one in shown.evidence if one.score >= one.threshold]
    assert over[0].seconds == shown.detected
    before = [one.score for one in shown.evidence if one.seconds < over[0].seconds]
    assert max(before) < over[0].threshold
    # What is explained by the incident is evidence no more.
    after = [one.score for one in shown.evidence if one.seconds > over[0].seconds]
    assert max(after[:30]) < over[0].threshold / 2


def test_minutes_hold_the_mail_of_the_bad_campaign(shown: IncidentFigure) -> None:
    assert [one.seconds for one in shown.minutes] == [
        60.0 * number for number in range(-1, 8)
    ]
    mail = [one.attempts for one in shown.minutes]
    assert all(2_500 < attempts < 3_500 for attempts in mail)
    rates = [one.failures / one.attempts for one in shown.minutes]
    assert rates[1] == pytest.approx(SIZE.lift * MEAN_RATE, rel=0.2)
    quiet = [rate for number, rate in enumerate(rates) if number != 1]
    assert np.mean(quiet) == pytest.approx(MEAN_RATE, rel=0.2)
    # The baseline is not taught by what the incident explains.
    for one in shown.minutes:
        assert one.baseline == pytest.approx(MEAN_RATE, rel=0.35)


def test_who_is_not_found_has_no_times() -> None:
    small = IncidentSize(
        keys=2, a_second=1.0, lift=1.2, history=60.0, before=10.0, after=30.0
    )
    missed = incident_figure(small, 3)
    assert (missed.detected, missed.closed) == (None, None)
    assert len(missed.evidence) > 10


@pytest.mark.parametrize("lift", [1.5, 5.0])
def test_on_the_floor_the_optimum_takes_all_the_time(lift: float) -> None:
    a_second = rate_in_time(lift, 900.0)
    best = optimum(MEAN_RATE, MEAN_RATE * lift, a_second * 1_000.0 * DAY)
    assert best.delay / a_second == pytest.approx(900.0, rel=0.01)


def test_gross_lifts_are_found_in_time_and_none_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unseen, "FLOOR_LIFTS", (2.0, 5.0, 20.0))
    size = UnseenSize(
        keys=2,
        company=20,
        history=1_200.0,
        seconds=300.0,
        apart=30.0,
        rates=(20.0,),
        lifts=(1.05, 20.0),
    )
    figure = unseen_figure(size, 3)
    small, gross = figure.tested
    assert (small.a_second, small.lift, small.found, small.keys) == (20.0, 1.05, 0.0, 2)
    assert (gross.a_second, gross.lift, gross.found, gross.keys) == (20.0, 20.0, 1.0, 2)
    assert (figure.keys, figure.seconds, figure.normal) == (2, 300.0, MEAN_RATE)
    rates = [floor.a_second for floor in figure.floor]
    assert rates == sorted(rates, reverse=True)
    assert len(set(rates)) == len(rates)
