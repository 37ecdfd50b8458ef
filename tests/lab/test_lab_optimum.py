import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.lab.optimum import Oracle, lorden, optima, optimum, run_lengths


def by_hand(up: int, line: int, rate: float) -> float:
    """Mean time to the line, by following the walk until hardly any is left."""
    here = {0: 1.0}
    mean = 0.0
    while (alive := sum(here.values())) > 1e-9:
        mean += alive
        after: dict[int, float] = {}
        for place, chance in here.items():
            for goes, part in ((max(place - 1, 0), 1 - rate), (place + up, rate)):
                if goes < line:
                    after[goes] = after.get(goes, 0.0) + chance * part
        here = after
    return mean


@given(
    up=st.integers(1, 5),
    line=st.integers(1, 5),
    rate=st.floats(0.4, 0.8),
)
@settings(max_examples=20, deadline=None)
def test_run_lengths_are_those_of_the_walk(up: int, line: int, rate: float) -> None:
    (mean,) = run_lengths(up, line, (rate,))
    assert mean == pytest.approx(by_hand(up, line, rate), rel=1e-6)


def test_a_walk_of_one_failure_is_geometric() -> None:
    assert run_lengths(3, 3, (0.1, 0.5)) == pytest.approx([10.0, 2.0])


def test_the_optimum_is_the_least_line_that_is_rare_enough() -> None:
    best = optimum(0.1, 0.5, 500.0)
    up, down = round(np.log(5) / np.log(0.9 / 0.5)), np.log(0.9 / 0.5)
    line = round(best.line / down)
    assert by_hand(up, line, 0.1) >= 500.0 > by_hand(up, line - 1, 0.1)
    assert best.delay == pytest.approx(by_hand(up, line, 0.5))


@pytest.mark.parametrize(("lift", "events"), [(2.0, 1545), (5.0, 172), (20.0, 18.6)])
def test_known_values_at_one_event_a_second(lift: float, events: float) -> None:
    best = optimum(0.02, 0.02 * lift, 86_400_000.0)
    assert best.delay == pytest.approx(events, rel=0.01)
    assert best.delay < lorden(0.02, 0.02 * lift, 86_400_000.0)


def test_between_the_points_it_is_interpolated() -> None:
    normal = np.linspace(0.01, 0.04, 12)
    delays = optima(normal, 10 * normal, 1e4)
    exact = [optimum(float(p), float(10 * p), 1e4).delay for p in normal]
    assert delays == pytest.approx(exact, rel=0.1)


def test_the_oracle_takes_about_the_optimum() -> None:
    random = np.random.default_rng(5)
    normal = np.full(400, 0.02)
    oracle = Oracle(normal, 5 * normal, np.full(400, 10.0), 1e6)
    first = np.full(400, np.inf)
    for second in range(200):
        tried = random.poisson(10.0, 400).astype(float)
        over = oracle.step(tried, random.binomial(tried.astype(int), 0.1).astype(float))
        first = np.where(over & np.isinf(first), second + 1.0, first)
    assert first.mean() == pytest.approx(oracle.floor[0], rel=0.15)
