"""How much more than chance the counts of each key and channel vary.

The variance of failures is taken for ``phi * mu + cv2 * mu**2``: ``phi`` says that
failures come in clumps, ``cv2`` that the rate itself breathes. Both are estimated from
squared errors against the baseline, robust against single wild blocks, shrunk to what
the channel's keys have in common, and never from a key whose baseline is still poor:
its error would be taken for breathing and blind the key for a day.
"""

import numpy as np

from monitor.observe.arrays import Array, Bools, Ints, State, widened
from monitor.observe.channels import WIDTH

#: Coefficient of variation of a rate before anything is known of it, and its range.
CV_PRIOR, CV_LEAST, CV_MOST = 0.12, 0.05, 1.0

#: What the priors weigh: squared, and plain, expected failures. With less, a key of
#: three failures a minute would mistake the luck of its first half hour for breathing.
CV_WEIGHT, PHI_WEIGHT = 400.0, 50.0

#: What a channel's keys have in common becomes its prior, if it is more than the one
#: above: the median of so many keys that have so much weight of their own.
FEWEST_TOLD, CV_TOLD, PHI_TOLD = 5, 50.0, 20.0

#: Squared errors count up to so many variances, so that one spike does not deafen.
MOST_VARIANCES, MOST_VARIANCES_IN_BLOCK = 16.0, 12.0

#: Breathing is measured in blocks of this length, clumps look by look.
BLOCK_SECONDS = 60.0

#: Errors wait so long before they count, and are dropped if an incident is found
#: meanwhile: the first seconds of a spike must not excuse the rest of it.
LAG_SECONDS = 600.0

#: Time constant of forgetting.
MEMORY_SECONDS = 86_400.0

#: Of each channel: the block that is being filled, sums that wait, and sums that count.
#: Sums: errors and weights of blocks, errors and weights of looks.
_FAILED, _EXPECTED = range(2)
_WAITING, _COUNTED = slice(2, 6), slice(6, 10)
_PLANES = 10


class Dispersion:
    """Learned ``cv2`` and ``phi``. A channel in which nothing was learned costs no
    memory but that of the estimates.

    Args:
        capacity: places for keys.
    """

    def __init__(self, capacity: int) -> None:
        self._cv2: Array = np.zeros((WIDTH, capacity), np.float32)
        self._phi: Array = np.zeros((WIDTH, capacity), np.float32)
        self._sums: dict[int, Array] = {}
        self._block_ends: float | None = None
        self._begin(slice(None))

    @property
    def cv2(self) -> Array:
        """Squared coefficient of variation of the rate, ``[keys, channels]``."""
        return self._cv2.T

    @property
    def phi(self) -> Array:
        """Variance over mean of clumped counts, at least 1, ``[keys, channels]``."""
        return self._phi.T

    def add(
        self, keys: Ints, failed: Array, expected: Array, info: Array, trusted: Bools
    ) -> None:
        """Learn from one look at some keys, each at most once.

        Args:
            keys: places, ``[rows]``.
            failed: failures, ``[rows, channels]``.
            expected: failures that the baseline expects.
            info: failures behind the baseline.
            trusted: where the baseline is good and nothing is wrong.
        """
        for channel in np.flatnonzero(trusted.any(axis=0)).tolist():
            rows = np.flatnonzero(trusted[:, channel])
            columns = (of[:, channel].take(rows) for of in (failed, expected, info))
            self._add(channel, keys[rows], *columns)

    def _add(
        self, channel: int, keys: Ints, failed: Array, expected: Array, info: Array
    ) -> None:
        if channel not in self._sums:
            capacity = self._cv2.shape[1]
            self._sums[channel] = np.zeros((_PLANES, capacity), np.float32)
        sums = self._sums[channel]
        sums[_FAILED, keys] += failed
        sums[_EXPECTED, keys] += expected
        spread = self._cv2[channel, keys] + 1.0 / info
        weight = 1.0 / (1.0 + spread * expected) ** 2
        breath = spread * expected**2
        variance = self._phi[channel, keys] * expected + breath
        error = np.minimum((failed - expected) ** 2, MOST_VARIANCES * variance + 4.0)
        waiting = sums[_WAITING]
        waiting[2, keys] += weight * (error - breath)
        waiting[3, keys] += weight * expected

    def drop(self, keys: Ints, channels: Bools) -> None:
        """Forget what waits: it was part of an incident."""
        for channel, sums in self._sums.items():
            if channels[channel]:
                sums[: _WAITING.stop, keys] = 0.0

    def close_block(self, now: float, info: Array) -> None:
        """Once a minute, make new estimates of what has come together.

        Args:
            now: time.
            info: failures behind the baseline, of all places in use.
        """
        if self._block_ends is None:
            self._block_ends = now + BLOCK_SECONDS
        if now < self._block_ends:
            return
        span = BLOCK_SECONDS + now - self._block_ends
        self._block_ends = now + BLOCK_SECONDS
        for channel, sums in self._sums.items():
            self._close(channel, sums[:, : len(info)], info[:, channel], span)

    def _close(self, channel: int, sums: Array, info: Array, span: float) -> None:
        """New estimates of one channel."""
        cv2, phi = (of[channel, : len(info)] for of in (self._cv2, self._phi))
        waiting, counted = sums[_WAITING], sums[_COUNTED]
        waiting[:2] += _of_block(sums[_FAILED], sums[_EXPECTED], cv2, phi, info)
        sums[: _WAITING.start] = 0.0
        moved = waiting * np.float32(-np.expm1(-span / LAG_SECONDS))
        waiting -= moved
        counted *= np.float32(np.exp(-span / MEMORY_SECONDS))
        counted += moved
        errors, weights, clumps, looks = counted
        rough = np.maximum(errors, 0.0)
        rough += CV_WEIGHT * _common(errors, weights, CV_TOLD, CV_PRIOR**2)
        clumpy = np.maximum(clumps, 0.0)
        clumpy += PHI_WEIGHT * _common(clumps, looks, PHI_TOLD, 1.0)
        cv2[:] = np.clip(rough / (weights + CV_WEIGHT), CV_LEAST**2, CV_MOST**2)
        phi[:] = np.maximum(1.0, clumpy / (looks + PHI_WEIGHT))

    def resize(self, capacity: int) -> None:
        """Make place for more keys."""
        have = self._cv2.shape[1]
        self._cv2 = widened(self._cv2, capacity, axis=1)
        self._phi = widened(self._phi, capacity, axis=1)
        for channel, sums in self._sums.items():
            self._sums[channel] = widened(sums, capacity, axis=1)
        self._begin(slice(have, None))

    def forget(self, keys: Ints) -> None:
        """Set evicted keys back to the prior."""
        for sums in self._sums.values():
            sums[:, keys] = 0.0
        self._begin(keys)

    def _begin(self, keys: Ints | slice) -> None:
        self._cv2[:, keys] = CV_PRIOR**2
        self._phi[:, keys] = 1.0

    def state(self, size: int) -> State:
        """What a snapshot needs of the first ``size`` places."""
        ends = np.nan if self._block_ends is None else self._block_ends
        every = np.zeros((2 + _PLANES, size, WIDTH), np.float32)
        every[0], every[1] = self.cv2[:size], self.phi[:size]
        for channel, sums in self._sums.items():
            every[2:, :, channel] = sums[:, :size]
        return {"ends": np.array([ends]), "all": every}

    def load(self, state: State) -> None:
        """Take back what ``state`` gave."""
        ends = float(state["ends"][0])
        self._block_ends = None if np.isnan(ends) else ends
        cv2, phi, *sums = state["all"]
        self._cv2[:, : len(cv2)], self._phi[:, : len(phi)] = cv2.T, phi.T
        saved, capacity = np.array(sums), self._cv2.shape[1]
        for channel in np.flatnonzero(saved.any(axis=(0, 1))).tolist():
            self._sums[channel] = widened(saved[..., channel], capacity, axis=1)


def _of_block(
    failed: Array, expected: Array, cv2: Array, phi: Array, info: Array
) -> Array:
    """The block's squared errors, and their weights."""
    spread = cv2 + 1.0 / info
    variance = phi * expected + spread * expected**2
    error = np.minimum((failed - expected) ** 2, MOST_VARIANCES_IN_BLOCK * variance)
    # Bounded, so that one busy block cannot own the estimate.
    weight = 1.0 / (1.0 + spread * expected / phi) ** 2
    error -= phi * expected
    error -= expected**2 / info
    return np.array([weight * error, weight * expected**2])


def _common(errors: Array, weights: Array, told: float, least: float) -> float:
    """What half of a channel's keys that can tell are above."""
    mine = np.flatnonzero(weights >= told)
    if len(mine) < FEWEST_TOLD:
        return least
    return max(least, float(np.median(errors[mine] / weights[mine])))
