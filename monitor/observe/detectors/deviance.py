"""How unlikely counts are that are higher than expected."""

import numpy as np

from monitor.observe.arrays import Floats

#: A large rate makes failures rarer than Poisson says; most that this may add.
MOST_GAIN = 4.0

_TINY = 1e-9


def deviance(failed: Floats, expected: Floats, shape: Floats) -> Floats:
    """Exponent of the chance that a negative binomial reaches ``failed``, nats.

    >>> deviance(np.array([10.0]), np.array([2.0]), np.array([1e9])).round(2).tolist()
    [8.09]
    """
    failed, expected = np.maximum(failed, _TINY), np.maximum(expected, _TINY)
    all_of = failed * np.log(failed / expected)
    spread = (failed + shape) * np.log1p((failed - expected) / (expected + shape))
    return np.where(failed > expected, all_of - spread, 0.0)


def binomial_gain(tried: Floats, failed: Floats, expected: Floats) -> Floats:
    """How much more a binomial deviance says than a Poisson one; 1 for small rates."""
    failed = np.maximum(failed, _TINY)
    good = np.maximum(tried - failed, 0.0)
    good_expected = np.maximum(tried - expected, _TINY)
    poisson = failed * np.log(failed / expected) - failed + expected
    binomial = poisson + failed - expected
    binomial = binomial + good * np.log(np.maximum(good, _TINY) / good_expected)
    usable = (failed > expected) & (expected < tried) & (poisson > _TINY)
    gain = binomial / np.maximum(poisson, _TINY)
    return np.where(usable, np.clip(gain, 1.0, MOST_GAIN), 1.0)
