"""How much more than chance the counts of each key and channel vary.

The variance of failures is taken for ``phi * mu + cv2 * mu**2``: ``phi`` says that
failures come in clumps, ``cv2`` that the rate itself breathes. Both are estimated from
squared errors against the baseline, robust against single wild blocks, and shrunk to
what the channel's keys have in common.

Breathing is never learned from a key whose baseline is still poor: its error would be
taken for breathing and blind the key for a day. Clumps are, where little is expected:
they are told by whether failures come together, not by how many come. And because one
fleet holds keys of unlike kinds, a key that has shown little is not lent the calm of
the median: see ``WILDEST``.
"""

import numpy as np

from monitor.observe.arrays import Array, Bools, Floats, Ints, State, widened
from monitor.observe.channels import WIDTH

#: Coefficient of variation of a rate before anything is known of it, and its range.
CV_PRIOR, CV_LEAST, CV_MOST = 0.12, 0.05, 1.0

#: What the priors weigh: squared, and plain, expected failures. With less, a key of
#: three failures a minute would mistake the luck of its first half hour for breathing.
CV_WEIGHT, PHI_WEIGHT = 400.0, 10.0

#: What a channel's keys have in common becomes its prior, if it is more than the one
#: above: the median of so many keys that have so much weight of their own.
FEWEST_TOLD, CV_TOLD, PHI_TOLD = 5, 50.0, 20.0

#: But kinds of mail differ within a fleet: a key may be one of the wildest, which are
#: those above this quantile, until its own counts make that so many standard errors
#: unlikely. Of an estimate of weight w the standard error is ``CV_ERROR / sqrt(w)``,
#: for clumps in parts of the estimate.
WILDEST, DEVIATIONS = 0.98, 2.0
CV_ERROR, PHI_ERROR = 2.0, 1.4

#: Failures behind a baseline that is good enough to measure breathing against. Clumps
#: can be told earlier where hardly a failure is expected: what comes then comes alone,
#: or it does not, whatever the rate may be.
TRUSTED_INFO, HARDLY = 10.0, 0.25

#: Looks that expect less than about this tell little of clumps, since a clump may take
#: longer than a look: there, minutes do.
SPARSE = 0.05

#: Squared errors count up to so many variances, so that one spike does not deafen. What
#: happens in more than a sixteenth of all minutes is ordinary.
MOST_VARIANCES = 16.0

#: One look or minute says at most that clumps are so many times as large as known.
MOST_CLUMPS = 4.0

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

_TINY = 1e-9


class Dispersion:
    """Learned ``cv2`` and ``phi``, ``[keys, channels]``.

    Args:
        capacity: places for keys.
    """

    def __init__(self, capacity: int) -> None:
        self._all: Array = np.zeros((_PLANES, capacity, WIDTH), np.float32)
        self._block_ends: float | None = None
        self.forget(np.arange(capacity))

    @property
    def cv2(self) -> Array:
        """Squared coefficient of variation of the rate."""
        cv2: Array = self._all[_CV2]
        return cv2

    @property
    def phi(self) -> Array:
        """Variance over mean of clumped counts, at least 1."""
        phi: Array = self._all[_PHI]
        return phi

    def add(
        self, keys: Ints, failed: Floats, expected: Floats, info: Floats, trusted: Bools
    ) -> None:
        """Learn from one look at some keys, each at most once.

        Args:
            keys: places, ``[rows]``.
            failed: failures, ``[rows, channels]``.
            expected: failures that the baseline expects.
            info: failures behind the baseline.
            trusted: where the baseline is good and nothing is wrong.
        """
        row, channel = np.nonzero(trusted)
        place = keys[row] * WIDTH + channel
        planes = self._all.reshape(_PLANES, -1)
        failed, expected = failed[row, channel], expected[row, channel]
        planes[_FAILED, place] += failed
        planes[_EXPECTED, place] += expected
        info, phi = info[row, channel], planes[_PHI, place]
        spread = planes[_CV2, place] + phi / info
        weight = expected / (expected + SPARSE) / (1.0 + expected)
        weight *= (info >= TRUSTED_INFO) | (expected < HARDLY)
        told, weight = _clumps(failed, expected, spread, phi, weight)
        waiting = planes[_WAITING]
        waiting[2, place] += told
        waiting[3, place] += weight

    def drop(self, keys: Ints, channels: Bools) -> None:
        """Forget what waits: it was part of an incident."""
        self._all[_FAILED : _WAITING.stop, keys] *= ~channels

    def close_block(self, now: float, info: Floats) -> None:
        """Once a minute, make new estimates of what has come together."""
        if self._block_ends is None:
            self._block_ends = now + BLOCK_SECONDS
        if now < self._block_ends:
            return
        span = BLOCK_SECONDS + now - self._block_ends
        self._block_ends = now + BLOCK_SECONDS
        waiting, counted = self._all[_WAITING], self._all[_COUNTED]
        self._fill(waiting, info)
        moved = waiting * -np.expm1(-span / LAG_SECONDS)
        waiting -= moved
        counted *= np.exp(-span / MEMORY_SECONDS)
        counted += moved
        errors, weights, clumps, looks = counted
        own, error = _own(errors, weights), CV_ERROR / np.sqrt(weights + _TINY)
        common, wildest = _shared(own, error, weights >= CV_TOLD)
        rough = np.maximum(errors, 0.0) + CV_WEIGHT * np.maximum(common, CV_PRIOR**2)
        cv2 = rough / (weights + CV_WEIGHT)
        cv2 += _doubt(wildest - cv2, error)
        self._all[_CV2] = np.clip(cv2, CV_LEAST**2, CV_MOST**2)
        own, error = _own(clumps, looks), PHI_ERROR / np.sqrt(looks + _TINY)
        common, wildest = _shared(own, error * own, looks >= PHI_TOLD)
        clumpy = np.maximum(clumps, 0.0) + PHI_WEIGHT * np.maximum(common, 1.0)
        phi = clumpy / (looks + PHI_WEIGHT)
        phi += _doubt(wildest - phi, error * np.maximum(wildest, 1.0))
        self._all[_PHI] = np.maximum(phi, 1.0)

    def _fill(self, waiting: Array, info: Floats) -> None:
        """Enter the block's squared errors, and begin a new block."""
        cv2, phi, failed, expected = self._all[: _WAITING.start]
        spread = cv2 + phi / info
        variance = phi * expected + spread * expected**2
        error = np.minimum((failed - expected) ** 2, MOST_VARIANCES * variance)
        # Bounded, so that one busy block cannot own the estimate.
        weight = (info >= TRUSTED_INFO) / (1.0 + spread * expected / phi) ** 2
        waiting[0] += weight * (error - phi * expected - phi * expected**2 / info)
        waiting[1] += weight * expected**2
        told, weight = _clumps(failed, expected, spread, phi, (1.0 + expected) ** -3)
        waiting[2] += told
        waiting[3] += weight
        self._all[_FAILED : _EXPECTED + 1] = 0.0

    def resize(self, capacity: int) -> None:
        """Make place for more keys."""
        have = self._all.shape[1]
        self._all = widened(self._all, capacity, axis=1)
        self._all[_CV2, have:] = CV_PRIOR**2
        self._all[_PHI, have:] = 1.0

    def forget(self, keys: Ints) -> None:
        """Set evicted keys back to the prior."""
        self._all[:, keys] = 0.0
        self._all[_CV2, keys] = CV_PRIOR**2
        self._all[_PHI, keys] = 1.0

    def state(self, size: int) -> State:
        """What a snapshot needs of the first ``size`` places."""
        ends = np.nan if self._block_ends is None else self._block_ends
        return {"ends": np.array([ends]), "all": self._all[:, :size]}

    def load(self, state: State) -> None:
        """Take back what ``state`` gave."""
        ends = float(state["ends"][0])
        self._block_ends = None if np.isnan(ends) else ends
        saved = state["all"]
        self._all[:, : saved.shape[1]] = saved


def _clumps(
    failed: Array, expected: Array, spread: Array, phi: Array, weight: Array
) -> tuple[Array, Array]:
    """Weighted squared errors that clumps have made, and what they count for.

    Where little is expected that is what has failed: how much that is does not matter,
    only whether it came together.
    """
    breath = spread * expected**2
    most = MOST_VARIANCES * (phi * expected + breath) + MOST_CLUMPS * phi * failed
    error = np.minimum((failed - expected) ** 2, most) - breath
    weight = weight / (1.0 + spread * expected) ** 2
    return weight * error, weight * failed


def _own(errors: Array, weights: Array) -> Array:
    own: Array = errors / np.maximum(weights, _TINY)
    return own


def _shared(own: Array, error: Array, told: Bools) -> tuple[Floats, Floats]:
    """What the keys of each channel have in common, and what the wildest have at least.

    Args:
        own: estimates, ``[keys, channels]``.
        error: their standard errors.
        told: which of them tell anything.
    """
    common, wildest = np.zeros((2, WIDTH))
    for channel in range(WIDTH):
        mine = np.flatnonzero(told[:, channel])
        if len(mine) >= FEWEST_TOLD:
            common[channel] = np.median(own[mine, channel])
            surely = own[mine, channel] - DEVIATIONS * error[mine, channel]
            wildest[channel] = np.quantile(surely, WILDEST)
    return common, wildest


def _doubt(gap: Array, error: Array) -> Array:
    """The part of a gap to the wildest that a key's own counts do not rule out."""
    above = np.maximum(gap, 0.0)
    doubt: Array = above * np.exp(-0.5 * (above / error) ** 2)
    return doubt
