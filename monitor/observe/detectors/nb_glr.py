"""NB-GLR: is a key's rate above its own learned baseline?

The grid (``scan``) proposes a window for each multiplier; each window is judged by the
deviance of a negative binomial whose spread carries both the error of the baseline and
the key's own breathing, so that a rate that merely breathes stays quiet. A breathing
rate caps the evidence that any volume can give; that is the point.

With B failures where M are expected and shape k = 1 / (cv2 + 1 / info)::

    D = B ln(B / M) - (B + k) ln((B + k) / (M + k))
"""

import numpy as np

from monitor.events import IncidentKind
from monitor.observe.arrays import Bools, Floats, Ints, State
from monitor.observe.channels import FEWEST, FLOOR, SLACK, WIDTH
from monitor.observe.detectors.look import Look, Reading
from monitor.observe.detectors.scan import FAILED, MULTIPLIERS, Candidates, Scan
from monitor.observe.detectors.tail import Tail
from monitor.observe.policy import ObservePolicy

#: A rate that is up by this part is no news.
MARGIN = 0.15

#: Windows with less evidence are not worth a deviance.
SCREEN = 3.0

#: From this score on the baseline learns slowly: something may be wrong.
WARM = 4.0

#: A large rate makes failures rarer than Poisson says; most that this may add.
MOST_GAIN = 4.0

#: Evidence of one failure, and of one that was expected.
_LOGS: Floats = np.log(MULTIPLIERS.astype(float))
_LIFTS: Floats = 1.0 - MULTIPLIERS.astype(float)
_TINY = 1e-9


class NbGlr:
    """The rule for spikes against the learned normal.

    Args:
        policy: not used by this rule.
        capacity: places for keys.
    """

    name = "nb_glr"
    kind = IncidentKind.SPIKE
    pace = 1.0

    def __init__(self, policy: ObservePolicy, capacity: int) -> None:
        del policy
        self.ceiling: Floats = np.full(WIDTH, np.inf)
        grid = (WIDTH, 1)
        self._scan = Scan(capacity, np.tile(_LOGS, grid), np.tile(_LIFTS, grid))
        self.tail = Tail(capacity)

    def look(self, look: Look) -> Reading:
        """Take new counts in and judge them."""
        self.tail.settle(look.now)
        nothing = np.zeros(look.tried.shape)
        start = np.full_like(nothing, look.begins)
        reading = Reading(nothing, nothing > 0, start, nothing > 0)
        for channel in range(WIDTH):
            rows = self._scan.news(look.keys, channel, look.failed[:, channel])
            tried, failed = look.counts(rows, channel)
            rate = np.maximum(look.rate[rows, channel], FLOOR[channel])
            expected = (tried * rate * (1.0 + MARGIN)).astype(np.float32)
            mine, counts = (rows, look.keys[rows]), (failed, expected, tried)
            for windows in self._scan.step(look.begins, channel, mine, counts):
                self._judge(windows, look, channel, reading)
        return reading

    def _judge(
        self, windows: Candidates, look: Look, channel: int, reading: Reading
    ) -> None:
        """Enter the scores of the best windows into the reading."""
        rows, near = windows.rows, np.flatnonzero(windows.peak > SCREEN)
        score = windows.peak
        if len(near):
            score = score.copy()
            found = _found(windows, near, look, channel)
            best = found.argmax(axis=0)
            score[near] = found.max(axis=0)
        scaled = self.tail.scaled(look.keys[rows], channel, score)
        reading.score[rows, channel] = scaled
        reading.warm[rows, channel] = scaled > WARM
        if len(near):
            mine, places = rows[near], windows.places[near]
            enough = windows.sums[FAILED, best, places] >= FEWEST[channel]
            over = scaled[near] >= look.threshold[mine, channel]
            reading.over[mine, channel] = over & enough & look.known[mine, channel]
            reading.start[mine, channel] = windows.start[best, places]

    def reset(self, keys: Ints, channels: Bools) -> None:
        """Start anew where the evidence has found its cause."""
        self._scan.reset(keys, channels)
        self.tail.drop(keys, channels)

    def resize(self, capacity: int) -> None:
        """Make place for more keys."""
        self._scan.resize(capacity)
        self.tail.resize(capacity)

    def forget(self, keys: Ints) -> None:
        """Clear the places of evicted keys."""
        self._scan.forget(keys)
        self.tail.forget(keys)

    def state(self, size: int) -> State:
        """What a snapshot needs of the first ``size`` places."""
        return self._scan.state(size) | self.tail.state(size)

    def load(self, state: State) -> None:
        """Take back what ``state`` gave."""
        self._scan.load(state)
        self.tail.load(state)


def _found(windows: Candidates, near: Ints, look: Look, channel: int) -> Floats:
    """Scores of all windows of those near the line, ``[multipliers, near]``."""
    failed, expected, tried = windows.sums[..., windows.places[near]].astype(float)
    expected += SLACK[channel]
    rows = windows.rows[near]
    spread = look.cv2[rows, channel] + 1.0 / look.info[rows, channel]
    phi = look.phi[rows, channel]
    found = deviance(failed / phi, expected / phi, 1.0 / spread)
    return found * binomial_gain(tried, failed, expected)


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
