"""Limit: is a key's rate above an absolute limit of the policy?

It needs no history, so it finds what has been bad from birth. The grid (``scan``) tests
"r times the limit" against "the limit" on binomial counts, so the score is an exact
log-likelihood ratio: a key at its limit reaches a score of h with probability below
exp(-h) from any start.
"""

import numpy as np

from monitor.events import IncidentKind
from monitor.observe.arrays import Bools, Floats, Ints, State
from monitor.observe.channels import CHANNELS, FEWEST
from monitor.observe.detectors.look import Look, Reading, nothing_in
from monitor.observe.detectors.scan import (
    FAILED,
    MULTIPLIERS,
    TRIED,
    Candidates,
    Scan,
)
from monitor.observe.policy import ObservePolicy

#: The knob counts every look that holds a failure; few of those keys, about one in
#: twenty, are near a limit, and only they can pass it by chance.
SPARED_NATS = 3.0

#: A rate of 1 has no likelihood for a single success.
HIGHEST = 0.95


class LimitRule:
    """The rule for what is too much whatever is normal.

    Args:
        policy: gives the limits and the fewest attempts.
        capacity: places for keys.
    """

    name = "limit"
    kind = IncidentKind.SPIKE
    pace = 1.0

    def __init__(self, policy: ObservePolicy, capacity: int) -> None:
        limits = policy.limits
        self.ceiling: Floats = np.array(
            [limits[c].warning if c in limits else np.inf for c in CHANNELS]
        )
        self._used = np.flatnonzero(np.isfinite(self.ceiling))
        bad, good = _weights(np.where(np.isfinite(self.ceiling), self.ceiling, 0.5))
        self._scan = Scan(capacity, bad, good)
        self._fewest = policy.limit_min_attempts

    def look(self, look: Look) -> Reading:
        """Take new counts in and judge them."""
        reading = nothing_in(look)
        news = self._scan.news(look.keys, look.failed)
        for channel in self._used.tolist():
            rows = news[channel]
            if not len(rows):
                continue
            tried, failed = look.counts(rows, channel)
            # Complaints may come in a look without deliveries: no success then.
            good = np.maximum(tried - failed, np.float32(0))
            mine, counts = (rows, look.keys[rows]), (failed, good, tried)
            line = look.threshold[rows, channel] - SPARED_NATS
            _, windows = self._scan.step(look.begins, channel, mine, counts, line)
            self._enter(windows, channel, reading)
        return reading

    def _enter(self, windows: Candidates, channel: int, reading: Reading) -> None:
        """Enter what is over the line into the reading."""
        rows, best = windows.rows, windows.evidence.argmax(axis=0)
        place = np.arange(len(best))
        enough = windows.sums[TRIED, best, place] >= self._fewest
        enough &= windows.sums[FAILED, best, place] >= FEWEST[channel]
        reading.score[rows, channel] = windows.evidence[best, place]
        reading.over[rows, channel] = enough
        reading.start[rows, channel] = windows.start[best, place]

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
    """Evidence of one failure and of one success, ``[channels, multipliers]``.

    Multipliers that would pass ``HIGHEST`` stop there.
    """
    rate = np.minimum(np.multiply.outer(limit, MULTIPLIERS.astype(float)), HIGHEST)
    rate = np.maximum(rate, limit[:, None])
    return np.log(rate / limit[:, None]), np.log((1.0 - rate) / (1.0 - limit[:, None]))
