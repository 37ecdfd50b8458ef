import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.observe.interval import beta_below, beta_quantile, rate_interval


@pytest.mark.parametrize(
    ("x", "a", "b", "chance"),
    [
        (0.3, 1.0, 1.0, 0.3),  # uniform
        (0.3, 2.0, 1.0, 0.09),  # x squared
        (0.5, 7.0, 7.0, 0.5),  # symmetric
        (0.2, 3.0, 5.0, 0.148032),  # a binomial tail: P(X >= 3), 7 trials at 0.2
        (0.9, 3.0, 5.0, 0.999823),
    ],
)
def test_known_values(x: float, a: float, b: float, chance: float) -> None:
    assert beta_below(x, a, b) == pytest.approx(chance, abs=1e-6)
    assert beta_quantile(beta_below(x, a, b), a, b) == pytest.approx(x, abs=1e-6)


@given(st.floats(0.5, 1e6), st.floats(0.5, 1e6), st.floats(0.01, 0.99))
def test_quantiles_and_chances_are_inverse(a: float, b: float, chance: float) -> None:
    x = beta_quantile(chance, a, b)
    assert beta_below(x, a, b) == pytest.approx(chance, abs=1e-3)


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.floats(0.0001, 0.9))
def test_an_interval_holds_its_mean(failed: int, fine: int, baseline: float) -> None:
    mean, low, high = rate_interval(failed, failed + fine, baseline)
    assert 0.0 <= low <= high <= 1.0
    if failed > 3:
        assert low < mean < high


def test_few_attempts_prove_little_and_many_prove_much() -> None:
    _, low, high = rate_interval(3.0, 3.0, 0.01)
    assert low < 0.1
    assert high < 0.6
    _, low, high = rate_interval(3000.0, 10_000.0, 0.01)
    assert (low, high) == pytest.approx((0.291, 0.309), abs=0.001)


def test_more_complaints_than_deliveries_are_a_rate_of_at_most_one() -> None:
    assert rate_interval(9.0, 2.0, 0.001)[0] <= 1.0


@pytest.mark.parametrize("fine", [501.0, 5_000.0, 500_000.0])
def test_the_short_cut_for_many_is_as_good(fine: float) -> None:
    mean, low, high = rate_interval(510.0, 510.0 + fine, 0.01)
    a, b = 510.1, fine + 9.9
    exact = beta_quantile(0.025, a, b), beta_quantile(0.975, a, b)
    assert mean == pytest.approx(a / (a + b))
    assert (low, high) == pytest.approx(exact, abs=0.02 * (high - low))
