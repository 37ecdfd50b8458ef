import numpy as np
import pytest

from monitor.observe.recovery import IDLE_SECONDS, QUIET_SECONDS, Recovery

BASE, SPIKE = 0.02, 0.20


def fresh(worst: float = SPIKE) -> Recovery:
    return Recovery(good=BASE, worst=worst, quiet_since=0.0, last_attempt=0.0)


def closing_time(
    rate: float, a_second: float, seed: int, hours: float = 6.0
) -> float | None:
    random, test = np.random.default_rng(seed), fresh()
    for now in np.arange(1.0, hours * 3600.0, 5.0):
        tried = random.poisson(5.0 * a_second)
        test.add(now, float(tried), float(random.binomial(tried, rate)))
        if test.done(now):
            return float(now)
    return None


def test_what_is_still_bad_does_not_close() -> None:
    times = [closing_time(SPIKE, 1.0, seed, hours=4.0) for seed in range(10)]
    assert times == [None] * 10


def test_what_is_well_again_closes_but_not_at_once() -> None:
    times = [closing_time(BASE, 20.0, seed) for seed in range(5)]
    assert all(time is not None and 300.0 <= time < 1_200.0 for time in times), times
    slow = closing_time(BASE, 0.5, seed=1)
    assert slow is not None
    assert slow > 600.0


@pytest.mark.parametrize("rate", [0.6, 0.7, 0.8])
def test_a_high_rate_that_stays_is_not_recovered(rate: float) -> None:
    # Of a limit of 50 %, good below 40; the worst minute had some more.
    random = np.random.default_rng(3)
    test = Recovery(good=0.4, worst=rate + 0.1, quiet_since=0.0, last_attempt=0.0)
    for now in np.arange(5.0, 6 * 3600.0, 5.0):
        test.add(now, 5.0, float(random.binomial(5, rate)))
        assert not test.done(now)
    for now in np.arange(6 * 3600.0, 8 * 3600.0, 5.0):
        test.add(now, 5.0, float(random.binomial(5, 0.35)))
    assert test.done(now)


def test_one_good_minute_is_not_recovery() -> None:
    test = fresh()
    for now in range(60):
        test.add(float(now), 50.0, 1.0)
    assert test.hopeful
    assert not test.done(60.0)
    test.add(61.0, 100.0, 60.0)
    assert not test.hopeful
    assert test.quiet_since == 61.0
    assert not test.done(61.0 + QUIET_SECONDS - 1.0)


def test_small_lifts_need_a_longer_quiet() -> None:
    small, large = fresh(worst=0.05), fresh()
    for test in (small, large):
        for now in range(0, 400, 10):
            test.add(float(now), 1_000.0, 20.0)
    assert large.done(400.0)
    assert not small.done(400.0)


def test_traffic_that_is_gone_is_not_waited_for() -> None:
    test = fresh()
    test.add(10.0, 100.0, 50.0)
    assert not test.done(10.0 + IDLE_SECONDS - 1.0)
    assert test.done(10.0 + IDLE_SECONDS)


@pytest.mark.parametrize("worst", [0.02, 0.5, 1.0])
def test_the_bad_rate_is_above_the_good_one_and_below_one(worst: float) -> None:
    for good in (0.0005, 0.02, 0.4, 0.9):
        test = Recovery(good=good, worst=worst, quiet_since=0.0, last_attempt=0.0)
        test.add(1.0, 100.0, 0.0)
        assert test.evidence > 0.0
