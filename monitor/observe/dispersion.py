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

#: Planes of state: estimates, the block that is being filled, sums that wait, and sums
#: that count. Sums: errors and weights of blocks, errors and weights of looks.
_CV2, _PHI, _FAILED, _EXPECTED = range(4)
_WAITING, _COUNTED = slice(4, 8), slice(8, 12)
_PLANES = 12


class Dispersion:
    """Learned ``cv2`` and ``phi``. All is kept channel by channel: one in which nothing
    was learned costs no memory but that of the estimates.

    Args:
        capacity: places for keys.
    """

    def __init__(self, capacity: int) -> None:
        self._all: Array = np.zeros((_PLANES, WIDTH, capacity), np.float32)
        self._block_ends: float | None = None
        self._begin(slice(None))

    @property
    def cv2(self) -> Array:
        """Squared coefficient of variation of the rate, ``[keys, channels]``."""
        cv2: Array = self._all[_CV2].T
        return cv2

    @property
    def phi(self) -> Array:
        """Variance over mean of clumped counts, at least 1, ``[keys, channels]``."""
        phi: Array = self._all[_PHI].T
        return phi

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
        channel, row = np.nonzero(trusted.T)
        place = channel * self._all.shape[2] + keys[row]
        planes = self._all.reshape(_PLANES, -1)
        failed, expected = failed[row, channel], expected[row, channel]
        planes[_FAILED, place] += failed
        planes[_EXPECTED, place] += expected
        spread = planes[_CV2, place] + 1.0 / info[row, channel]
        weight = 1.0 / (1.0 + spread * expected) ** 2
        breath = spread * expected**2
        variance = planes[_PHI, place] * expected + breath
        error = np.minimum((failed - expected) ** 2, MOST_VARIANCES * variance + 4.0)
        waiting = planes[_WAITING]
        waiting[2, place] += weight * (error - breath)
        waiting[3, place] += weight * expected

    def drop(self, keys: Ints, channels: Bools) -> None:
        """Forget what waits: it was part of an incident."""
        mine = self._all[_FAILED : _WAITING.stop]
        mine[..., keys] *= ~channels[:, None]

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
        for channel in range(WIDTH):
            planes = self._all[:, channel, : len(info)]
            if planes[_EXPECTED:].any():
                self._close(planes, info[:, channel], span)

    def _close(self, planes: Array, info: Array, span: float) -> None:
        """New estimates of one channel."""
        waiting, counted = planes[_WAITING], planes[_COUNTED]
        _fill(planes, info)
        moved = waiting * np.float32(-np.expm1(-span / LAG_SECONDS))
        waiting -= moved
        counted *= np.float32(np.exp(-span / MEMORY_SECONDS))
        counted += moved
        errors, weights, clumps, looks = counted
        rough = np.maximum(errors, 0.0)
        rough += CV_WEIGHT * _common(errors, weights, CV_TOLD, CV_PRIOR**2)
        clumpy = np.maximum(clumps, 0.0)
        clumpy += PHI_WEIGHT * _common(clumps, looks, PHI_TOLD, 1.0)
        planes[_CV2] = np.clip(rough / (weights + CV_WEIGHT), CV_LEAST**2, CV_MOST**2)
        planes[_PHI] = np.maximum(1.0, clumpy / (looks + PHI_WEIGHT))

    def resize(self, capacity: int) -> None:
        """Make place for more keys."""
        have = self._all.shape[2]
        self._all = widened(self._all, capacity, axis=2)
        self._begin(slice(have, None))

    def forget(self, keys: Ints) -> None:
        """Set evicted keys back to the prior."""
        self._all[..., keys] = 0.0
        self._begin(keys)

    def _begin(self, keys: Ints | slice) -> None:
        self._all[_CV2][:, keys] = CV_PRIOR**2
        self._all[_PHI][:, keys] = 1.0

    def state(self, size: int) -> State:
        """What a snapshot needs of the first ``size`` places."""
        ends = np.nan if self._block_ends is None else self._block_ends
        return {"ends": np.array([ends]), "all": self._all[..., :size].swapaxes(1, 2)}

    def load(self, state: State) -> None:
        """Take back what ``state`` gave."""
        ends = float(state["ends"][0])
        self._block_ends = None if np.isnan(ends) else ends
        saved = state["all"]
        self._all[..., : saved.shape[1]] = saved.swapaxes(1, 2)


def _fill(planes: Array, info: Array) -> None:
    """Enter the block's squared errors, and begin a new block."""
    cv2, phi, failed, expected = planes[: _WAITING.start]
    waiting = planes[_WAITING]
    spread = cv2 + 1.0 / info
    variance = phi * expected + spread * expected**2
    error = np.minimum((failed - expected) ** 2, MOST_VARIANCES_IN_BLOCK * variance)
    # Bounded, so that one busy block cannot own the estimate.
    weight = 1.0 / (1.0 + spread * expected / phi) ** 2
    waiting[0] += weight * (error - phi * expected - expected**2 / info)
    waiting[1] += weight * expected**2
    planes[_FAILED : _EXPECTED + 1] = 0.0


def _common(errors: Array, weights: Array, told: float, least: float) -> float:
    """What half of a channel's keys that can tell are above."""
    mine = np.flatnonzero(weights >= told)
    if len(mine) < FEWEST_TOLD:
        return least
    return max(least, float(np.median(errors[mine] / weights[mine])))
