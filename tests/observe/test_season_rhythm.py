"""What the hours of a week say of a rate: pure estimates."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.observe.arrays import Bools, Floats
from monitor.observe.rhythm import (
    DAY_HOURS,
    LEAST,
    MOST,
    WEEK_HOURS,
    WEEKS,
    planned,
)

HOURS = np.arange(WEEK_HOURS)
OF_DAY, DAY = HOURS % DAY_HOURS, HOURS // DAY_HOURS
NIGHT = (OF_DAY == 2) | (OF_DAY == 3)
FLAT: Floats = np.ones((1, WEEK_HOURS))
CALM: Bools = np.zeros((1, WEEKS, WEEK_HOURS), bool)
SHAPE = 1, WEEKS, WEEK_HOURS


def counts(
    shape: Floats, an_hour: float, cv: float = 0.1, seed: int = 1, weeks: int = WEEKS
) -> tuple[Floats, Floats]:
    """Attempts and failures of some weeks whose rates have a shape and breathe."""
    random = np.random.default_rng(seed)
    seen = (np.arange(WEEKS) < weeks)[None, :, None]
    breath = np.exp(cv * random.standard_normal(SHAPE) - cv**2 / 2)
    failed = random.poisson(an_hour * shape * breath) * seen
    return np.full(SHAPE, 50.0 * an_hour) * seen, failed.astype(float)


def plan(tried: Floats, failed: Floats, suspect: Bools = CALM) -> Floats:
    week: Floats = planned(tried, failed, suspect, FLAT)[0]
    return week


def lift(week: Floats) -> float:
    """The factor of the night over that of the rest."""
    return float(week[NIGHT].mean() / week[~NIGHT].mean())


@pytest.mark.parametrize("an_hour", [5.0, 50.0, 2000.0])
@pytest.mark.parametrize("cv", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("weeks", [1, 4])
def test_without_a_rhythm_factors_stay_at_1(
    an_hour: float, cv: float, weeks: int
) -> None:
    for seed in range(5):
        week = plan(*counts(np.ones(WEEK_HOURS), an_hour, cv, seed, weeks))
        assert np.abs(week - 1.0).mean() < 0.03
        assert np.abs(week - 1.0).max() < 0.25


def test_one_week_tells_the_hours_of_the_day() -> None:
    shape = np.where(NIGHT, 2.5, 1.0)
    for an_hour, error in ((5.0, 0.2), (50.0, 0.1), (2000.0, 0.07)):
        week = plan(*counts(shape, an_hour, weeks=1))
        assert lift(week) == pytest.approx(2.5, rel=error)


def test_an_hour_of_the_week_needs_to_be_seen_twice() -> None:
    shape = np.where(NIGHT & (DAY >= 5), 2.5, 1.0)
    once = plan(*counts(shape, 200.0, weeks=1))
    assert once[NIGHT & (DAY >= 5)].mean() < 1.2
    often = plan(*counts(shape, 200.0))
    assert often[NIGHT & (DAY >= 5)].mean() == pytest.approx(2.4, rel=0.1)
    assert often[NIGHT & (DAY < 5)].mean() == pytest.approx(0.97, rel=0.1)


def test_the_level_of_a_week_is_no_rhythm() -> None:
    tried, failed = counts(np.ones(WEEK_HOURS), 200.0, cv=0.05)
    failed *= np.array([4.0, 3.0, 2.0, 1.0])[None, :, None]
    assert np.abs(plan(tried, failed) - 1.0).max() < 0.1


def test_few_failures_are_no_rhythm() -> None:
    shape = np.where(NIGHT, 2.5, 1.0)
    week = plan(*counts(shape, 0.1))
    assert np.array_equal(week, np.ones(WEEK_HOURS))


def test_what_was_never_seen_is_the_parents() -> None:
    parent = np.where(NIGHT, 2.0, 1.0)[None]
    nothing = np.zeros(SHAPE)
    assert np.array_equal(planned(nothing, nothing, CALM, parent), parent)


def test_a_small_scope_leans_on_its_parent() -> None:
    parent = np.where(NIGHT, 2.0, 1.0)[None]
    own = planned(*counts(parent[0], 1.0), CALM, parent)[0]
    assert np.abs(own / parent[0] - 1.0).max() < 0.1
    other = planned(*counts(np.ones(WEEK_HOURS), 200.0), CALM, parent)[0]
    assert lift(other) == pytest.approx(1.0, abs=0.15)


def test_one_bad_day_is_no_rhythm() -> None:
    tried, failed = counts(np.ones(WEEK_HOURS), 100.0, weeks=2)
    calm = plan(tried, failed)
    bad = failed.copy()
    bad[0, 0, DAY == 3] *= 5.0
    suspect = CALM.copy()
    suspect[0, 0, DAY == 3] = True
    assert np.abs(plan(tried, bad, suspect) / calm - 1.0).max() < 0.02
    # Even if nobody has noticed.
    assert np.abs(plan(tried, bad)[DAY != 3] / calm[DAY != 3] - 1.0).mean() < 0.06


def test_incidents_that_return_at_their_hour_are_rhythm() -> None:
    shape = np.where(NIGHT, 3.0, 1.0)
    tried, failed = counts(shape, 100.0, weeks=1)
    suspect = CALM | NIGHT
    assert lift(plan(tried, failed, suspect)) == pytest.approx(3.0, rel=0.1)
    suspect[0, 0, NIGHT & (DAY >= 2)] = False
    failed[0, 0, NIGHT & (DAY >= 2)] /= 3.0
    assert lift(plan(tried, failed, suspect)) == pytest.approx(1.0, rel=0.05)


@given(st.integers(0, 2**32 - 1), st.floats(0.0, 1e7), st.floats(0.0, 1.0))
def test_factors_are_bounded_whatever_is_counted(
    seed: int, volume: float, part: float
) -> None:
    random = np.random.default_rng(seed)
    tried = volume * random.random(SHAPE) ** 4 * (random.random(SHAPE) < part)
    failed = tried * random.random(SHAPE) ** 4
    suspect = random.random(SHAPE) < random.random()
    parent = random.uniform(LEAST, MOST, (1, WEEK_HOURS))
    week = planned(tried, failed, suspect, parent)
    assert np.isfinite(week).all()
    assert week.min() >= LEAST
    assert week.max() <= MOST
