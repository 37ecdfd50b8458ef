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

from monitor.observe.arrays import Array, Bools, Ints, State, widened
from monitor.observe.by_channel import ByChannel
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

#: So long where something may be wrong: a spike that takes half an hour to be told must
#: not excuse itself meanwhile. What breathes is not always warm, and is learned then.
WARM_LAG_SECONDS = 6_000.0

#: Time constant of forgetting.
MEMORY_SECONDS = 86_400.0

#: Of each channel: the block that is being filled, sums that wait, and sums that count.
#: Sums: errors and weights of blocks, errors and weights of looks.
_FAILED, _EXPECTED = range(2)
_WAITING, _COUNTED = slice(2, 6), slice(6, 10)
_PLANES = 10

_TINY = 1e-9


class Dispersion:
    """Learned ``cv2`` and ``phi``. A channel in which nothing was learned costs no
    memory but that of the estimates.

    Args:
        capacity: places for keys.
    """

    def __init__(self, capacity: int) -> None:
        self._cv2: Array = np.zeros((WIDTH, capacity), np.float32)
        self._phi: Array = np.zeros((WIDTH, capacity), np.float32)
        self._sums = ByChannel(capacity, (0.0,) * _PLANES)
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
            trusted: where a baseline is known at all.
        """
        for channel in np.flatnonzero(trusted.any(axis=0)).tolist():
            if channel not in self._sums and not failed[:, channel].any():
                continue  # nothing has ever failed here, so nothing can vary
            rows = np.flatnonzero(trusted[:, channel])
            columns = (of[:, channel].take(rows) for of in (failed, expected, info))
            self._add(channel, keys[rows], *columns)

    def _add(
        self, channel: int, keys: Ints, failed: Array, expected: Array, info: Array
    ) -> None:
        sums = self._sums.of(channel)
        sums[_FAILED, keys] += failed
        sums[_EXPECTED, keys] += expected
        phi = self._phi[channel, keys]
        spread = self._cv2[channel, keys] + phi / info
        weight = expected / (expected + SPARSE) / (1.0 + expected)
        weight *= (info >= TRUSTED_INFO) | (expected < HARDLY)
        told, weight = _clumps(failed, expected, spread, phi, weight)
        waiting = sums[_WAITING]
        waiting[2, keys] += told
        waiting[3, keys] += weight

    def drop(self, keys: Ints, channels: Bools) -> None:
        """Forget what waits: it was part of an incident."""
        for channel, sums in self._sums.items():
            if channels[channel]:
                sums[: _WAITING.stop, keys] = 0.0

    def close_block(self, now: float, info: Array, warm: Bools) -> None:
        """Once a minute, make new estimates of what has come together.

        Args:
            now: time.
            info: failures behind the baseline, of all places in use.
            warm: where something may be wrong: there, what waits goes on waiting.
        """
        if self._block_ends is None:
            self._block_ends = now + BLOCK_SECONDS
        if now < self._block_ends:
            return
        span = BLOCK_SECONDS + now - self._block_ends
        self._block_ends = now + BLOCK_SECONDS
        for channel, sums in self._sums.items():
            mine = sums[:, : len(info)], info[:, channel], warm[:, channel]
            self._close(channel, *mine, span)

    def _close(
        self, channel: int, sums: Array, info: Array, warm: Bools, span: float
    ) -> None:
        """New estimates of one channel."""
        cv2, phi = (of[channel, : len(info)] for of in (self._cv2, self._phi))
        waiting, counted = sums[_WAITING], sums[_COUNTED]
        waiting += _of_block(sums[_FAILED], sums[_EXPECTED], cv2, phi, info)
        sums[: _WAITING.start] = 0.0
        lag = np.where(warm, np.float32(WARM_LAG_SECONDS), np.float32(LAG_SECONDS))
        moved = waiting * -np.expm1(-np.float32(span) / lag)
        waiting -= moved
        counted *= np.float32(np.exp(-span / MEMORY_SECONDS))
        counted += moved
        errors, weights, clumps, looks = counted
        own, error = _own(errors, weights), CV_ERROR / np.sqrt(weights + _TINY)
        common, wildest = _shared(own, error, weights >= CV_TOLD)
        rough = np.maximum(errors, 0.0)
        rough += CV_WEIGHT * max(common, CV_PRIOR**2)
        breath = rough / (weights + CV_WEIGHT)
        breath += _doubt(wildest - breath, error)
        cv2[:] = np.clip(breath, CV_LEAST**2, CV_MOST**2)
        own, error = _own(clumps, looks), PHI_ERROR / np.sqrt(looks + _TINY)
        common, wildest = _shared(own, error * own, looks >= PHI_TOLD)
        clumpy = np.maximum(clumps, 0.0) + PHI_WEIGHT * max(common, 1.0)
        size = clumpy / (looks + PHI_WEIGHT)
        size += _doubt(wildest - size, error * max(wildest, 1.0))
        phi[:] = np.maximum(size, 1.0)

    def resize(self, capacity: int) -> None:
        """Make place for more keys."""
        have = self._cv2.shape[1]
        self._cv2 = widened(self._cv2, capacity, axis=1)
        self._phi = widened(self._phi, capacity, axis=1)
        self._sums.resize(capacity)
        self._begin(slice(have, None))

    def forget(self, keys: Ints) -> None:
        """Set evicted keys back to the prior."""
        self._sums.forget(keys)
        self._begin(keys)

    def _begin(self, keys: Ints | slice) -> None:
        self._cv2[:, keys] = CV_PRIOR**2
        self._phi[:, keys] = 1.0

    def state(self, size: int) -> State:
        """What a snapshot needs of the first ``size`` places."""
        ends = np.nan if self._block_ends is None else self._block_ends
        every = np.zeros((2 + _PLANES, size, WIDTH), np.float32)
        every[0], every[1] = self.cv2[:size], self.phi[:size]
        every[2:] = self._sums.all_of(np.arange(size)).swapaxes(1, 2)
        return {"ends": np.array([ends]), "all": every}

    def load(self, state: State) -> None:
        """Take back what ``state`` gave."""
        ends = float(state["ends"][0])
        self._block_ends = None if np.isnan(ends) else ends
        cv2, phi = state["all"][:2]
        self._cv2[:, : len(cv2)], self._phi[:, : len(phi)] = cv2.T, phi.T
        self._sums.load(state["all"][2:].swapaxes(1, 2))


def _of_block(
    failed: Array, expected: Array, cv2: Array, phi: Array, info: Array
) -> Array:
    """The block's squared errors and their weights, of breathing and of clumps."""
    spread = cv2 + phi / info
    variance = phi * expected + spread * expected**2
    error = np.minimum((failed - expected) ** 2, MOST_VARIANCES * variance)
    error -= phi * expected
    error -= phi * expected**2 / info
    # Bounded, so that one busy block cannot own the estimate.
    weight = (info >= TRUSTED_INFO) / (1.0 + spread * expected / phi) ** 2
    clumps = _clumps(failed, expected, spread, phi, (1.0 + expected) ** -3)
    return np.array([weight * error, weight * expected**2, *clumps])


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


def _shared(own: Array, error: Array, told: Bools) -> tuple[float, float]:
    """What a channel's keys have in common, and what the wildest have at least.

    Args:
        own: estimates, ``[keys]``.
        error: their standard errors.
        told: which of them tell anything.
    """
    mine = np.flatnonzero(told)
    if len(mine) < FEWEST_TOLD:
        return 0.0, 0.0
    surely = own[mine] - DEVIATIONS * error[mine]
    return float(np.median(own[mine])), float(np.quantile(surely, WILDEST))


def _doubt(gap: Array, error: Array) -> Array:
    """The part of a gap to the wildest that a key's own counts do not rule out."""
    above = np.maximum(gap, 0.0)
    doubt: Array = above * np.exp(-0.5 * (above / error) ** 2)
    return doubt
