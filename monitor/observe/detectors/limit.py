"""Limit: is a key's rate above an absolute limit of the policy?

It needs no history, so it finds what has been bad from birth. The grid (``scan``) tests
"r times the limit" against "the limit" on binomial counts, so the score is an exact
log-likelihood ratio: a key at its limit reaches a score of h with probability below
exp(-h) from any start.

A key that lives long starts often, so the knob counts all looks. But evidence that
has grown since a key's birth is one test a key: there are far fewer births than looks,
and so much less evidence will do. That is how a bad new campaign is told in time.
"""

from math import exp, log

import numpy as np

from monitor.events import IncidentKind
from monitor.observe.arrays import Array, Bools, Floats, Ints, State, widened
from monitor.observe.channels import CHANNELS, FEWEST
from monitor.observe.detectors.grid import MULTIPLIERS
from monitor.observe.detectors.look import (
    AGAINST,
    FAILED,
    TRIED,
    Look,
    Reading,
    no_news,
    nothing_in,
    tell,
)
from monitor.observe.detectors.scan import Candidates, Scan
from monitor.observe.policy import WEEK_SECONDS, ObservePolicy

#: The knob counts every look that holds a failure; few of those keys, about one in
#: twenty, are near a limit, and only they can pass it by chance.
SPARED_NATS = 3.0

#: What began within so many seconds of a key's first mail has been so since its birth.
#: There is a choice of some starts and multipliers: that costs evidence.
YOUNG_SECONDS, CHOICE_NATS = 60.0, 3.0

#: No key's first mail says anything for sure with less.
LEAST_NATS = 6.0

#: Time constant of forgetting how many keys are born, and for how long at least they
#: are taken to have been counted.
MEMORY_SECONDS, FIRST_SECONDS = 6 * 3_600.0, 600.0

#: A rate of 1 has no likelihood for a single success.
HIGHEST = 0.95


class LimitRule:
    """The rule for what is too much whatever is normal.

    Args:
        policy: gives the limits, the fewest attempts, and the knob.
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
        self._accepted = policy.false_pages_per_week
        # Epoch seconds fit into 32 bits until the year 2106; 0 is not born yet.
        self._born: Array = np.zeros(capacity, np.uint32)
        # Births, the seconds in which they were counted, and when that was.
        self._births: Floats = np.array([0.0, FIRST_SECONDS, np.nan])

    def look(self, look: Look) -> Reading:
        """Take new counts in and judge them."""
        self._greet(look)
        found: dict[int, Candidates] = {}
        news = self._scan.news(look.keys, look.failed)
        for channel in self._used.tolist():
            rows = news[channel]
            if not len(rows):
                continue
            counts, mine = look.counts(rows, channel), (rows, look.keys_of(rows))
            # Complaints may come in a look without deliveries: no success then.
            counts[AGAINST] = np.maximum(counts[TRIED] - counts[FAILED], 0.0)
            line = np.minimum(self._line(look, rows, channel), self.young)
            _, windows = self._scan.step(look.begins, channel, mine, counts, line)
            if len(windows.rows):
                found[channel] = windows
        if not found:
            return no_news(look)
        reading = nothing_in(look)
        for channel, windows in found.items():
            self._enter(windows, look, channel, reading)
        return reading

    def _line(self, look: Look, rows: Ints, channel: int) -> Floats:
        """Evidence, in nats, that is enough for what is no birth."""
        line: Floats = look.threshold[rows, channel] - SPARED_NATS
        return line

    def _enter(
        self, windows: Candidates, look: Look, channel: int, reading: Reading
    ) -> None:
        """Enter what is over the line into the reading."""
        rows, best = windows.rows, windows.evidence.argmax(axis=0)
        place = np.arange(len(best))
        evidence, start = windows.evidence[best, place], windows.start[best, place]
        born = self._born[look.keys[rows]].astype(np.int64)
        enough = start <= born + YOUNG_SECONDS
        enough |= evidence >= self._line(look, rows, channel)
        enough &= windows.sums[TRIED, best, place] >= self._fewest
        enough &= windows.sums[FAILED, best, place] >= FEWEST[channel]
        reading.score[rows, channel] = evidence
        tell(reading, (rows, channel), enough, start)

    @property
    def young(self) -> float:
        """Evidence, in nats, that is enough if it has grown since a key's birth."""
        births, seconds, _ = self._births.tolist()
        a_week = births / seconds * WEEK_SECONDS
        theory = log(max(a_week / self._accepted, 1.0)) + CHOICE_NATS - SPARED_NATS
        return max(LEAST_NATS, theory)

    def _greet(self, look: Look) -> None:
        """Note the birth of keys that are new; those of one leaf are one birth."""
        births, seconds, last = self._births.tolist()
        passed = max(look.now - last, 0.0) if last == last else 0.0
        fade = exp(-passed / MEMORY_SECONDS)
        new = np.flatnonzero(self._born[look.keys] == 0)
        self._born[look.keys[new]] = max(1, int(look.begins))
        births = births * fade + np.bincount(look.kinds[new], minlength=1).max()
        self._births[:] = births, seconds * fade + passed, look.now

    def reset(self, keys: Ints, channels: Bools) -> None:
        """Start anew where the evidence has found its cause."""
        self._scan.reset(keys, channels)

    def resize(self, capacity: int) -> None:
        """Make place for more keys."""
        self._scan.resize(capacity)
        self._born = widened(self._born, capacity)

    def forget(self, keys: Ints) -> None:
        """Clear the places of evicted keys."""
        self._scan.forget(keys)
        self._born[keys] = 0

    def state(self, size: int) -> State:
        """What a snapshot needs of the first ``size`` places."""
        return self._scan.state(size) | {
            "born": self._born[:size],
            "births": self._births,
        }

    def load(self, state: State) -> None:
        """Take back what ``state`` gave."""
        self._scan.load(state)
        self._born[: len(state["born"])] = state["born"]
        self._births[:] = state["births"]


def _weights(limit: Floats) -> tuple[Floats, Floats]:
    """Evidence of one failure and of one success, ``[channels, multipliers]``.

    Multipliers that would pass ``HIGHEST`` stop there.
    """
    rate = np.minimum(np.multiply.outer(limit, MULTIPLIERS.astype(float)), HIGHEST)
    rate = np.maximum(rate, limit[:, None])
    return np.log(rate / limit[:, None]), np.log((1.0 - rate) / (1.0 - limit[:, None]))
