"""Drift: has a key's rate risen over days, so slowly that its baseline followed?

Counts flow into a memory of a day, and from there into a reference of a week, so the
reference is what came before the day. Once an hour the day is judged against it by the
deviance of a negative binomial (see ``nb_glr``). A day's memory averages the daily
rhythm out, and ``CV`` stands for what is left: how much a healthy key's days differ.
With it a rise of less than two thirds can never be told, and a doubling needs a day.
"""

import numpy as np

from monitor.events import IncidentKind
from monitor.observe.arrays import (
    Array,
    Bools,
    Floats,
    Ints,
    State,
    side_by_side,
    used,
    widened,
)
from monitor.observe.baseline import K_POP
from monitor.observe.channels import FLOOR, PRIOR, SLACK, WIDTH
from monitor.observe.detectors.deviance import deviance
from monitor.observe.detectors.look import Look, Reading, no_news
from monitor.observe.keys import FLEET
from monitor.observe.policy import WEEK_SECONDS, ObservePolicy

#: Time constants of the two memories, and how often they are compared.
RECENT_SECONDS = 86_400.0
REFERENCE_SECONDS = WEEK_SECONDS
HOUR_SECONDS = 3_600.0

#: A rate that is up by this part is no news.
MARGIN = 0.25

#: Coefficient of variation of a healthy key's rate from day to day.
CV = 0.10

#: The threshold is made for thousands of looks a day; days are compared, so about one
#: counts. This is less than the logarithm of what that saves.
PATIENCE_NATS = 6.0
SCREEN = 3.0

#: The reference must hold so many times the traffic of the day, or it is no longer
#: past; the day this part of the reference's, or it is an hour that is judged.
LEAST_PAST, LEAST_RECENT = 2.0, 0.05

#: Failures that a day needs to be worth a ticket.
FEWEST = 20.0

_RECENT, _REFERENCE = range(2)
_TRIED, _FAILED = range(2)


class Drift:
    """The rule for slow rises: 168 bytes a key.

    Args:
        policy: not used by this rule.
        capacity: places for keys.
    """

    name = "drift"
    kind = IncidentKind.DRIFT
    pace = HOUR_SECONDS

    def __init__(self, policy: ObservePolicy, capacity: int) -> None:
        del policy
        self.ceiling: Floats = np.full(WIDTH, np.inf)
        # Memories x (denominators, numerators), channel by channel.
        self._sums: Array = np.zeros((2, 2, WIDTH, capacity), np.float32)
        self._score: Array = np.zeros((capacity, WIDTH), np.float32)
        # Epoch seconds fit into 32 bits until the year 2106.
        self._since: Array = np.zeros((capacity, WIDTH), np.uint32)
        self._judged = np.nan
        # Whether any score is above 0: mostly none is.
        self._news = False

    def look(self, look: Look) -> Reading:
        """Take new counts in, and judge them if an hour is over."""
        places = side_by_side(look.keys)
        for side, counts in ((_TRIED, look.tried), (_FAILED, look.failed)):
            for channel in used(counts):
                self._sums[_RECENT, side, channel][places] += counts[:, channel]
        if np.isnan(self._judged):
            self._judged = look.now
        passed = look.now - self._judged
        if passed >= HOUR_SECONDS:
            self._judged = look.now
            self._flow(passed)
            self._judge(look.now)
        if not self._news:
            return no_news(look)
        score = self._score[look.keys].astype(float)
        since = self._since[look.keys].astype(float)
        over = score >= look.threshold
        return Reading(score, over, since, np.zeros_like(over))

    def figures(self, key: int, column: int) -> tuple[float, float, float]:
        """Attempts and failures of the day, and the rate of the weeks before it."""
        tried, failed = self._sums[_RECENT, :, column, key].tolist()
        rate, _ = self._reference(np.array([key]))
        return tried, failed, float(rate[0, column])

    def score(self, key: int, column: int) -> float:
        """Evidence, as of the last hour."""
        return float(self._score[key, column])

    def _by_key(self, memory: int) -> Array:
        """The sums of one memory, ``[2, keys, channels]``."""
        sums: Array = self._sums[memory].swapaxes(1, 2)
        return sums

    def _flow(self, seconds: float) -> None:
        stay = np.float32(np.exp(-seconds / RECENT_SECONDS))
        keep = np.float32(np.exp(-seconds / REFERENCE_SECONDS))
        for side, channel in np.ndindex(2, WIDTH):
            recent, reference = self._sums[:, side, channel]
            if recent.any() or reference.any():
                reference *= keep
                reference += recent * (1 - stay)
                recent *= stay

    def _reference(self, keys: Ints) -> tuple[Floats, Floats]:
        """Rates of the past, which lean on the fleet's, and failures behind them."""
        tried, failed = self._by_key(_REFERENCE)[:, keys].astype(float)
        fleet_tried, fleet_failed = self._by_key(_REFERENCE)[:, FLEET].astype(float)
        fleet = (fleet_failed + K_POP) / (fleet_tried + K_POP / PRIOR)
        info = failed + K_POP
        rate = info / (tried + K_POP / np.maximum(fleet, FLOOR))
        return np.maximum(rate, FLOOR), info

    def _judge(self, now: float) -> None:
        tried, failed = self._by_key(_RECENT)
        past = self._by_key(_REFERENCE)[_TRIED]
        keys = np.flatnonzero((tried > 0).any(axis=1))
        rate, info = self._reference(keys)
        tried, failed = tried[keys].astype(float), failed[keys].astype(float)
        past = past[keys]
        expected = tried * rate * (1.0 + MARGIN) + SLACK
        found = deviance(failed, expected, 1.0 / (CV**2 + 1.0 / info))
        ripe = (past >= LEAST_PAST * tried) & (tried >= LEAST_RECENT * past)
        found = np.where(ripe & (failed >= FEWEST), found, 0.0)
        self._score[:] = 0.0
        self._score[keys] = found + np.where(found > SCREEN, PATIENCE_NATS, 0.0)
        self._since[self._score <= SCREEN] = int(now)
        self._news = bool(self._score.any())

    def reset(self, keys: Ints, channels: Bools) -> None:
        """Take the rate of the day for the reference's."""
        tried, failed = self._by_key(_RECENT)[:, keys]
        past = self._by_key(_REFERENCE)[:, keys]
        rate = failed / np.maximum(tried, 1.0)
        moved = np.where(channels, past[_TRIED] * rate, past[_FAILED])
        self._by_key(_REFERENCE)[_FAILED, keys] = moved
        self._score[keys] *= ~channels

    def resize(self, capacity: int) -> None:
        """Make place for more keys."""
        self._sums = widened(self._sums, capacity, axis=3)
        self._score = widened(self._score, capacity)
        self._since = widened(self._since, capacity)

    def forget(self, keys: Ints) -> None:
        """Clear the places of evicted keys."""
        self._sums[..., keys] = 0.0
        self._score[keys] = 0.0
        self._since[keys] = 0

    def state(self, size: int) -> State:
        """What a snapshot needs of the first ``size`` places."""
        return {
            "sums": self._sums[..., :size].swapaxes(2, 3),
            "score": self._score[:size],
            "since": self._since[:size],
            "judged": np.array([self._judged]),
        }

    def load(self, state: State) -> None:
        """Take back what ``state`` gave."""
        size = len(state["score"])
        self._sums[..., :size] = state["sums"].swapaxes(2, 3)
        self._score[:size] = state["score"]
        self._since[:size] = state["since"]
        self._judged = float(state["judged"][0])
        self._news = bool(self._score.any())
