"""The interval of a rate: quantiles of the beta distribution, without scipy."""

from math import exp, lgamma, log, sqrt

#: Attempts at the baseline's rate that every interval starts from: enough to give a
#: few attempts no certainty, too few to hide what fifty attempts say.
PRIOR_ATTEMPTS = 10.0

#: Steps of the search for a quantile, and its relative error. Newton's need five or
#: six; halvings take over where those would leave the bracket.
STEPS, NEAR = 50, 1e-12

#: From so many failures and successes on the normal distribution is as good, to one
#: part in a hundred of the interval, and takes no time.
NORMAL_FROM = 500.0

_NORMAL_975 = 1.959964

#: Terms of the continued fraction; it needs about the root of its larger parameter.
TERMS = 10_000

_TINY = 1e-300


def rate_interval(
    failed: float, tried: float, baseline: float
) -> tuple[float, float, float]:
    """Mean and 95 % interval of a rate, given its counts.

    >>> [round(x, 3) for x in rate_interval(30.0, 50.0, 0.01)]
    [0.502, 0.377, 0.627]
    """
    a, b = _posterior(failed, tried, baseline)
    mean = a / (a + b)
    if min(a, b) >= NORMAL_FROM:
        half = _NORMAL_975 * sqrt(mean * (1.0 - mean) / (a + b + 1.0))
        return mean, mean - half, mean + half
    return mean, beta_quantile(0.025, a, b), beta_quantile(0.975, a, b)


def rate_mean(failed: float, tried: float, baseline: float) -> float:
    """The mean alone, which costs nothing."""
    a, b = _posterior(failed, tried, baseline)
    return a / (a + b)


def _posterior(failed: float, tried: float, baseline: float) -> tuple[float, float]:
    fine = max(tried - failed, 0.0)
    prior = PRIOR_ATTEMPTS * baseline
    return failed + prior, fine + PRIOR_ATTEMPTS - prior


def beta_quantile(chance: float, a: float, b: float) -> float:
    """The value that a Beta(a, b) stays below with a chance."""
    low, high, x = 0.0, 1.0, a / (a + b)
    for _ in range(STEPS):
        missing = chance - beta_below(x, a, b)
        low, high = (x, high) if missing > 0.0 else (low, x)
        density = _front(x, a, b) / (x * (1.0 - x))
        better = x + missing / density if density > 0.0 else low
        if not low < better < high:
            better = (low + high) / 2
        if abs(better - x) <= NEAR * x:
            break
        x = better
    return x


def beta_below(x: float, a: float, b: float) -> float:
    """Chance that a Beta(a, b) is below x: the regularised incomplete beta function."""
    if x <= 0.0 or x >= 1.0:
        return 0.0 if x <= 0.0 else 1.0
    front = _front(x, a, b)
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - front * _fraction(1.0 - x, b, a) / b
    return front * _fraction(x, a, b) / a


def _front(x: float, a: float, b: float) -> float:
    """The density of a Beta(a, b), times ``x (1 - x)``."""
    if not 0.0 < x < 1.0:
        return 0.0
    return exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(1.0 - x))


def _fraction(x: float, a: float, b: float) -> float:
    """Continued fraction of the incomplete beta function, by Lentz's method."""
    c, d = 1.0, 1.0 / _away(1.0 - (a + b) * x / (a + 1.0))
    value = d
    for m in range(1, TERMS):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / _away(1.0 + step * d)
            c = _away(1.0 + step / c)
            value *= c * d
        if abs(c * d - 1.0) < 1e-12:
            break
    return value


def _away(x: float) -> float:
    return x if abs(x) > _TINY else _TINY
