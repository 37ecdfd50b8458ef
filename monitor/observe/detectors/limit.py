"""Limit: is a key's rate above an absolute limit of the policy?

It needs no history, so it finds what has been bad from birth. The grid (``scan``) tests
"r times the limit" against "the limit" on binomial counts, so the score is an exact
log-likelihood ratio: a key at its limit reaches a score of h with probability below
exp(-h) from any start.
"""

import numpy as np

from monitor.observe.arrays import Array, Bools, Floats, Ints, State
from monitor.observe.channels import CHANNELS, FEWEST
from monitor.observe.detectors.look import Look, Reading
from monitor.observe.detectors.scan import MULTIPLIERS, Scan
from monitor.observe.policy import ObservePolicy

#: A rate of 1 has no likelihood for a single success.
HIGHEST = 0.95


class LimitRule:
    """The rule for what is too much whatever is normal.

    Args:
        policy: gives the limits and the fewest attempts.
        capacity: places for keys.
    """

    name = "limit"

    def __init__(self, policy: ObservePolicy, capacity: int) -> None:
        limits = policy.limits
        self.ceiling: Floats = np.array(
            [limits[c].warning if c in limits else np.inf for c in CHANNELS]
        )
        self._scan = Scan(capacity)
        self._fewest = policy.limit_min_attempts
        self._used: Bools = np.isfinite(self.ceiling)
        self._bad, self._good = _weights(np.where(self._used, self.ceiling, 0.5))
        self._bad, self._good = self._bad * self._used, self._good * self._used

    def look(self, look: Look) -> Reading:
        """Take new counts in and judge them."""
        # Complaints may come in a look without deliveries: then there is no success.
        good = np.maximum(look.tried - look.failed, 0.0)
        gain = look.failed[:, None] * self._bad + good[:, None] * self._good
        counts = (look.tried, look.failed)
        windows = self._scan.step(look.begins, look.keys, gain, counts)
        best = windows.evidence.argmax(axis=1)[:, None, :]

        def pick(values: Array) -> Floats:
            return np.take_along_axis(values, best, axis=1)[:, 0].astype(float)

        score = pick(windows.evidence)
        enough = (pick(windows.tried) >= self._fewest) & (
            pick(windows.failed) >= FEWEST
        )
        over = (score >= look.threshold) & enough & self._used
        return Reading(score, over, pick(windows.start), np.zeros_like(over))

    def reset(self, keys: Ints, channels: Bools) -> None:
        """Start anew where the evidence has found its cause."""
        self._scan.reset(keys, channels)

    def resize(self, capacity: int) -> None:
        """Make place for more keys."""
        self._scan.resize(capacity)

    def forget(self, keys: Ints) -> None:
        """Clear the places of evicted keys."""
        self._scan.forget(keys)

    def state(self, size: int) -> State:
        """What a snapshot needs of the first ``size`` places."""
        return self._scan.state(size)

    def load(self, state: State) -> None:
        """Take back what ``state`` gave."""
        self._scan.load(state)


def _weights(limit: Floats) -> tuple[Floats, Floats]:
    """Evidence of one failure and of one success, ``[1, multipliers, channels]``.

    Multipliers that would pass ``HIGHEST`` stop there.
    """
    rate = np.minimum(MULTIPLIERS.astype(float)[:, None] * limit, HIGHEST)
    rate = np.maximum(rate, limit)
    return np.log(rate / limit)[None], np.log((1.0 - rate) / (1.0 - limit))[None]
