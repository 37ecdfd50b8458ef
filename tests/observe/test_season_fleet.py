"""A fleet whose rates have a rhythm, through the observer itself."""

from collections.abc import Callable

import numpy as np
import pytest

from monitor.events import Cell, Channel, Incident, Scope
from monitor.observe import FleetObserver
from monitor.observe.arrays import Floats
from monitor.observe.channels import CHANNELS
from monitor.observe.keys import FLEET
from monitor.observe.season import Season
from tests.observe.slow_world import DAY, HOUR, SlowRun, Traffic

HARD = CHANNELS.index(Channel.HARD)
SPAN = HOUR / 2
AN_HOUR, RATE = 4_000.0, 0.01

#: Multiplier of all rates at a time since EPOCH, a Monday.
Rhythm = Callable[[float], float]


class HalfHours(SlowRun):
    """Half hours that end a quarter before or after the full hour.

    All of their counts are dated then, where factors are those of one hour.
    """

    def __init__(self, seed: int, seconds: float = SPAN / 2) -> None:
        super().__init__("nb_glr", seed=seed)
        self.seconds = seconds

    @property
    def season(self) -> Season:
        return self.observer._memory.season

    @property
    def week(self) -> Floats:
        """Factors of the fleet for the coming days, hour by hour."""
        slots = [
            self.policy.slot_of(self.now + (hour + 0.5) * HOUR) for hour in range(24)
        ]
        found = [self.season.factors(slot, np.array([FLEET])) for slot in slots]
        return np.array(
            [factors[0, min(HARD, len(factors[0]) - 1)] for factors in found]
        )


def calm(seconds: float) -> float:
    del seconds
    return 1.0


def nightly(seconds: float) -> float:
    """Thrice as high for two hours of the night; half as high again at weekends."""
    night = 2.0 * HOUR <= seconds % DAY < 4.0 * HOUR
    weekend = seconds // DAY % 7 >= 5
    return (3.0 if night else 1.0) * (1.5 if weekend else 1.0)


def traffic_of(
    rhythm: Rhythm, spike: Callable[[Cell, float], float] | None = None
) -> Traffic:
    def traffic(cell: Cell, seconds: float) -> tuple[float, float]:
        lift = 1.0 if spike is None else spike(cell, seconds)
        return AN_HOUR, min(RATE * rhythm(seconds + SPAN / 2) * lift, 0.9)

    return traffic


def lived(rhythm: Rhythm, days: float, seed: int = 1) -> HalfHours:
    run = HalfHours(seed)
    run.run(days * DAY, traffic_of(rhythm), SPAN)
    return run


def copy_of(run: HalfHours, seed: int = 9) -> HalfHours:
    """The same observer, on another worker and with other luck."""
    other = HalfHours(seed, run.seconds)
    other.observer = FleetObserver.restore(
        "default", run.policy, run.observer.snapshot()
    )
    return other


def ids(said: list[Incident]) -> set[str]:
    return {one.id for one in said}


@pytest.fixture(scope="module")
def with_rhythm() -> HalfHours:
    """Nine days: a week, and the day in which weeks are planned."""
    return lived(nightly, 9.0)


@pytest.fixture(scope="module")
def without() -> HalfHours:
    return lived(calm, 9.0)


def test_false_incidents_of_a_rhythm_end_when_it_is_known(
    with_rhythm: HalfHours, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(ids(with_rhythm.said)) >= 4
    assert copy_of(with_rhythm).run(5 * DAY, traffic_of(nightly), SPAN) == []
    monkeypatch.setattr(Season, "_at", lambda self, _: np.ones(len(self._key)))
    unaware = copy_of(with_rhythm)
    assert len(ids(unaware.run(3 * DAY, traffic_of(nightly), SPAN))) >= 3


def test_the_rhythm_is_what_it_is(with_rhythm: HalfHours) -> None:
    week = with_rhythm.week
    assert week[2:4].mean() / week[6:22].mean() == pytest.approx(3.0, rel=0.12)
    assert week[6:22].std() < 0.08
    assert with_rhythm.observer.stats.rhythms > 10
    assert with_rhythm.observer.stats.rhythms_refused == 0


def test_the_baseline_is_not_taught_what_the_factor_knows(
    with_rhythm: HalfHours,
) -> None:
    run = copy_of(with_rhythm)
    memory = run.observer._memory
    run.run(1.5 * HOUR, traffic_of(nightly), SPAN)
    before = memory.baseline.rate[FLEET, HARD]
    run.run(2.0 * HOUR, traffic_of(nightly), SPAN)
    slot = run.policy.slot_of(run.now) - 1
    assert memory.baseline.rate[FLEET, HARD] == pytest.approx(before, rel=0.15)
    normal = memory.normal(slot, np.array([FLEET]))[0, HARD]
    assert normal == pytest.approx(3.0 * RATE, rel=0.15)


def evidence(run: HalfHours, rhythm: Rhythm, hours: float) -> float:
    """Failures beyond the normal ones until a five-fold rate of c1 is told."""
    run = copy_of(run)
    run.run(hours * HOUR, traffic_of(rhythm), SPAN)
    begin = run.seconds

    def spike(cell: Cell, seconds: float) -> float:
        return 5.0 if cell.campaign == "c1" and seconds >= begin else 1.0

    while run.seconds < begin + HOUR:
        for told in run.run(10.0, traffic_of(rhythm, spike), 10.0):
            if told.scope.campaign == "c1":
                return told.excess
    raise AssertionError("never told")


def test_a_spike_takes_the_same_evidence_at_high_and_at_low_tide(
    with_rhythm: HalfHours,
) -> None:
    high = evidence(with_rhythm, nightly, 2.5)
    low = evidence(with_rhythm, nightly, 14.0)
    assert 0.4 < high / low < 2.5


def test_a_fleet_without_rhythm_is_watched_as_before(
    without: HalfHours, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert without.said == []
    assert np.abs(without.season.factors(0) - 1.0).max() < 0.05
    found = evidence(without, calm, 14.0)
    monkeypatch.setattr(Season, "_at", lambda self, _: np.ones(len(self._key)))
    assert found == pytest.approx(evidence(without, calm, 14.0), rel=0.25)


def test_one_bad_day_does_not_become_the_rhythm(without: HalfHours) -> None:
    run = copy_of(without)
    begin = run.seconds

    def spike(cell: Cell, seconds: float) -> float:
        bad = 8 * HOUR <= seconds - begin < 20 * HOUR
        return 6.0 if bad and cell.campaign == "c1" else 1.0

    said = run.run(2 * DAY, traffic_of(calm, spike), SPAN)
    assert {one.scope for one in said} == {Scope(campaign="c1")}
    slots = run.policy.slot_of(run.now) + np.arange(0, int(DAY / 10.0), 360)
    place = run.observer._memory.catalog.place_of(Scope(campaign="c1"))
    factors = np.array(
        [run.season.factors(int(slot), np.array([place])).max() for slot in slots]
    )
    assert np.abs(factors - 1.0).max() < 0.05
    rate = run.observer._memory.baseline.rate[place, HARD]
    assert rate == pytest.approx(RATE, rel=0.15)


def test_a_takeover_changes_nothing(with_rhythm: HalfHours) -> None:
    one, other = copy_of(with_rhythm), copy_of(with_rhythm)
    for _ in range(3):
        one.run(6 * HOUR, traffic_of(nightly), SPAN)
        other.run(6 * HOUR, traffic_of(nightly), SPAN)
        other.take_over()
    assert np.array_equal(one.week, other.week)
    assert repr(one.observer.rates(9)) == repr(other.observer.rates(9))
