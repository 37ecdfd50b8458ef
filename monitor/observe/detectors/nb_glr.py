"""NB-GLR: is a key's rate above its own learned baseline?

The grid (``scan``) proposes a window for each multiplier; each window is judged by the
deviance of a negative binomial whose spread carries both the error of the baseline and
the key's own breathing, so that a rate that merely breathes stays quiet. A breathing
rate caps the evidence that any volume can give; that is the point.

With B failures where M are expected and shape k = 1 / (cv2 + 1 / info)::

    D = B ln(B / M) - (B + k) ln((B + k) / (M + k))
"""

import numpy as np

from monitor.observe.arrays import Array, Bools, Floats, Ints, State
from monitor.observe.channels import FEWEST, FLOOR, SLACK, WIDTH
from monitor.observe.detectors.look import Look, Reading
from monitor.observe.detectors.scan import MULTIPLIERS, Candidates, Scan
from monitor.observe.detectors.tail import Tail
from monitor.observe.policy import ObservePolicy

#: A rate that is up by this part is no news.
MARGIN = 0.20

#: Windows with less evidence are not worth a deviance.
SCREEN = 3.0

#: From this score on the baseline learns slowly: something may be wrong.
WARM = 4.0

#: A large rate makes failures rarer than Poisson says; most that this may add.
MOST_GAIN = 4.0

_LOGS: Floats = np.log(MULTIPLIERS.astype(float))[None, :, None]
_LIFTS: Floats = (MULTIPLIERS.astype(float) - 1.0)[None, :, None]
_TINY = 1e-9


class NbGlr:
    """The rule for spikes against the learned normal.

    Args:
        policy: not used by this rule.
        capacity: places for keys.
    """

    name = "nb_glr"

    def __init__(self, policy: ObservePolicy, capacity: int) -> None:
        del policy
        self.ceiling: Floats = np.full(WIDTH, np.inf)
        self._scan = Scan(capacity)
        self.tail = Tail(capacity)

    def look(self, look: Look) -> Reading:
        """Take new counts in and judge them."""
        rate = np.maximum(look.rate, FLOOR) * (1.0 + MARGIN)
        expected = look.tried * rate
        gain = look.failed[:, None] * _LOGS - _LIFTS * expected[:, None]
        counts = (look.tried, look.failed, expected)
        windows = self._scan.step(look.begins, look.keys, gain, counts)
        score, best = self._judge(windows, look)
        scaled = self.tail.scaled(look.keys, score, look.now)
        failed = _pick(windows.failed, best)
        over = (scaled >= look.threshold) & (failed >= FEWEST) & look.known
        return Reading(scaled, over, _pick(windows.start, best), scaled > WARM)

    @staticmethod
    def _judge(windows: Candidates, look: Look) -> tuple[Floats, Ints]:
        """Score of the best window of each key and channel, and which one it is."""
        evidence = windows.evidence.max(axis=1).astype(float)
        best = windows.evidence.argmax(axis=1)
        row, channel = np.nonzero(evidence > SCREEN)
        score = np.minimum(evidence, SCREEN)
        if len(row):
            tried = windows.tried[row, :, channel].astype(float)
            failed = windows.failed[row, :, channel].astype(float)
            expected = windows.expected[row, :, channel].astype(float)
            expected += SLACK[channel, None]
            spread = look.cv2 + 1.0 / look.info
            found = deviance(
                failed / look.phi[row, channel, None],
                expected / look.phi[row, channel, None],
                1.0 / spread[row, channel, None],
            )
            found = found * binomial_gain(tried, failed, expected)
            score[row, channel] = found.max(axis=1)
            best[row, channel] = found.argmax(axis=1)
        return score, best

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


def _pick(windows: Array, best: Ints) -> Floats:
    """Of each key and channel, the value of its best window."""
    picked: Array = np.take_along_axis(windows, best[:, None, :], axis=1)[:, 0]
    return picked.astype(float)
