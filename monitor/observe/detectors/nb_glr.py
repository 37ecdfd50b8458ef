"""NB-GLR: is a key's rate above its own learned baseline?

The grid (``scan``) proposes a window for each multiplier; each window is judged by the
deviance of a negative binomial whose spread carries both the error of the baseline and
the key's own breathing, so that a rate that merely breathes stays quiet. A breathing
rate caps the evidence that any volume can give; that is the point.

With B failures where M are expected and shape k = 1 / (cv2 + phi / info)::

    D = B ln(B / M) - (B + k) ln((B + k) / (M + k))
"""

import numpy as np

from monitor.events import IncidentKind
from monitor.observe.arrays import Bools, Floats, Ints, State
from monitor.observe.channels import FEWEST, FLOOR, SLACK, WIDTH
from monitor.observe.detectors.deviance import binomial_gain, deviance
from monitor.observe.detectors.grid import MULTIPLIERS
from monitor.observe.detectors.heaps import Heaps
from monitor.observe.detectors.look import (
    AGAINST,
    FAILED,
    TRIED,
    Look,
    Reading,
    column_of,
    enter,
    nothing_in,
    tell,
)
from monitor.observe.detectors.margin import MARGIN, with_margin, without_margin
from monitor.observe.detectors.scan import Candidates, Scan
from monitor.observe.detectors.tail import Tail
from monitor.observe.policy import ObservePolicy

#: Windows with less evidence are not worth a deviance.
SCREEN = 3.0

#: From this score on the baseline learns slowly: something may be wrong.
WARM = 4.0

#: Evidence of one failure, and of one that was expected.
_LOGS: Floats = np.log(MULTIPLIERS.astype(float))
_LIFTS: Floats = 1.0 - MULTIPLIERS.astype(float)


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
        weights = np.tile(_LOGS, grid), np.tile(_LIFTS, grid)
        self._scan = Scan(capacity, *weights, kept=2)
        self.tail = Tail(capacity)
        self.heaps = Heaps()

    def look(self, look: Look) -> Reading:
        """Take new counts in and judge them."""
        self.tail.settle(look.now)
        self.heaps.settle(look.now)
        reading = nothing_in(look)
        for channel, rows in enumerate(self._scan.news(look.keys, look.failed)):
            if not len(rows):
                continue
            counts, keys = look.counts(rows, channel), look.keys_of(rows)
            expected = counts[AGAINST]
            expected[:] = FLOOR[channel]
            np.maximum(expected, column_of(look.rate, rows, channel), out=expected)
            expected *= counts[TRIED]
            expected *= np.float32(1.0 + MARGIN)
            self.heaps.cut(look, channel, (rows, keys), counts)
            score, windows = self._scan.step(
                look.begins, channel, (rows, keys), counts[:TRIED], SCREEN
            )
            found = _found(windows, look, channel)
            score[windows.at] = found.max(axis=0)
            self.tail.scale(keys, channel, score)
            enter(reading.score, rows, channel, score)
            enter(reading.warm, rows, channel, score > WARM)
            _enter(windows, found.argmax(axis=0), look, channel, reading)
        return reading

    def reset(self, keys: Ints, channels: Bools) -> None:
        """Start anew where the evidence has found its cause."""
        self._scan.reset(keys, channels)
        self.tail.drop(keys, channels)
        self.heaps.drop(keys, channels)

    def resize(self, capacity: int) -> None:
        """Make place for more keys."""
        self._scan.resize(capacity)
        self.tail.resize(capacity)

    def forget(self, keys: Ints) -> None:
        """Clear the places of evicted keys."""
        self._scan.forget(keys)
        self.tail.forget(keys)
        self.heaps.drop(keys, np.ones(WIDTH, bool))

    def state(self, size: int) -> State:
        """What a snapshot needs of the first ``size`` places."""
        return self._scan.state(size) | self.tail.state(size) | self.heaps.state()

    def load(self, state: State) -> None:
        """Take back what ``state`` gave."""
        self._scan.load(state)
        self.tail.load(state)
        self.heaps.load(state)


def _enter(
    windows: Candidates, best: Ints, look: Look, channel: int, reading: Reading
) -> None:
    """Enter what is over the line into the reading, whose scores are there."""
    rows, place = windows.rows, np.arange(len(best))
    over = reading.score[rows, channel] >= look.threshold[rows, channel]
    over &= windows.sums[FAILED, best, place] >= FEWEST[channel]
    over &= look.known[rows, channel]
    tell(reading, (rows, channel), over, windows.start[best, place])


def _found(windows: Candidates, look: Look, channel: int) -> Floats:
    """Scores of windows, ``[multipliers, rows]``; of a key's windows that are the same
    only the first has one.
    """
    sums = windows.sums
    other = sums[FAILED] > 0
    other[1:] &= (sums[:, 1:] != sums[:, :-1]).any(axis=0)
    failed, expected = sums[:, other].astype(float)
    rows = windows.rows[np.nonzero(other)[1]]
    # Within a window a baseline hardly moves: attempts need not be kept.
    rate = np.maximum(look.rate[rows, channel], FLOOR[channel])
    expected = without_margin(expected)
    tried = expected / rate
    expected = with_margin(expected) + SLACK[channel]
    phi = look.phi[rows, channel]
    spread = look.cv2[rows, channel] + phi / look.info[rows, channel]
    scores = deviance(failed / phi, expected / phi, 1.0 / spread)
    found = np.zeros(other.shape)
    found[other] = scores * binomial_gain(tried, failed, expected)
    return found
