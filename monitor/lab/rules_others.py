"""What people run today, to be seen beside the product on the same mail.

Each rule gives a score a key; an alarm is a score at or above a threshold. Literal
thresholds are those of the books; others can be set for equal false alarms.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: Attempts that a window needs: a rule without it alarms on one bounce of ten.
LEAST_ATTEMPTS = 20.0

#: Rate that an error budget grants; burn rates are multiples of it.
BUDGET = 0.02

#: Burn rates that page: the hour and its last five minutes, six hours and their last
#: half hour (as in the site reliability workbook).
FAST_BURN, SLOW_BURN = 14.4, 6.0

#: The z-score's moving mean and deviation, and the least variance it believes in.
Z_WINDOW_SECONDS, Z_MEMORY_SECONDS = 60.0, 3_600.0
Z_LEAST_VARIANCE, Z_LEAST_WEIGHT = 1e-6, 0.3

#: Rules by name, with the thresholds of the books.
LITERAL: Mapping[str, float] = MappingProxyType(
    {"5 % over 5 min": 0.05, "5 % over 1 h": 0.05, "burn rate": 1.0, "z-score": 3.0}
)


class Windows:
    """Rolling sums ``[2, keys]`` over some windows that share a bucket.

    Args:
        keys: how many.
        bucket: seconds of a bucket.
        windows: seconds of each window, whole buckets.
    """

    def __init__(self, keys: int, bucket: float, windows: tuple[float, ...]) -> None:
        self._bucket, self._filled, self._place = bucket, 0.0, 0
        self._lengths = [int(window / bucket) for window in windows]
        self._ring = np.zeros((max(self._lengths) + 1, 2, keys), np.float32)
        self._sums = np.zeros((len(windows), 2, keys))
        self._open = np.zeros((2, keys))

    def add(self, tried: Floats, failed: Floats, seconds: float) -> None:
        """Add a step; steps must fill buckets exactly."""
        self._open += tried, failed
        self._filled += seconds
        if self._filled < self._bucket - 1e-9:
            return
        self._ring[self._place] = self._open
        for number, length in enumerate(self._lengths):
            self._sums[number] += self._open
            self._sums[number] -= self._ring[self._place - length]
        self._place = (self._place + 1) % len(self._ring)
        self._open[:] = 0.0
        self._filled = 0.0

    def sums(self, number: int) -> Floats:
        """Attempts and failures of a window and of the bucket that fills."""
        sums: Floats = self._sums[number] + self._open
        return sums

    def rate(self, number: int) -> Floats:
        """Failure rates of a window; 0 where there is too little mail."""
        tried, failed = self.sums(number)
        rate: Floats = np.where(
            tried >= LEAST_ATTEMPTS, failed / np.maximum(tried, 1.0), 0.0
        )
        return rate


class OtherRules:
    """Scores of all rules of ``LITERAL`` for some keys.

    Args:
        keys: how many.
    """

    def __init__(self, keys: int) -> None:
        self._fine = Windows(keys, 10.0, (300.0, 3_600.0, Z_WINDOW_SECONDS))
        self._coarse = Windows(keys, 60.0, (1_800.0, 21_600.0))
        # Moving mean, variance, and how much of a memory there is.
        self._mean, self._variance, self._weight = np.zeros((3, keys))

    def step(self, tried: Floats, failed: Floats, seconds: float) -> dict[str, Floats]:
        """Take a step in, and score."""
        self._fine.add(tried, failed, seconds)
        self._coarse.add(tried, failed, seconds)
        five, hour = self._fine.rate(0), self._fine.rate(1)
        half, six = self._coarse.rate(0), self._coarse.rate(1)
        fast = np.minimum(five, hour) / (FAST_BURN * BUDGET)
        slow = np.minimum(half, six) / (SLOW_BURN * BUDGET)
        scores = (five, hour, np.maximum(fast, slow), self._z(seconds))
        return dict(zip(LITERAL, scores, strict=True))

    def _z(self, seconds: float) -> Floats:
        tried, failed = self._fine.sums(2)
        enough = tried >= LEAST_ATTEMPTS
        away = failed / np.maximum(tried, 1.0) - self._mean
        score = away / np.sqrt(self._variance + Z_LEAST_VARIANCE)
        ready = enough & (self._weight > Z_LEAST_WEIGHT)
        part = -np.expm1(-seconds / Z_MEMORY_SECONDS) * enough
        step = np.where(self._weight > 0, part, 1.0 * enough)
        self._mean += step * away
        self._variance = (1 - step) * (self._variance + step * away**2)
        self._weight += part * (1 - self._weight)
        return np.where(ready, score, 0.0)
