"""Drift: has a key's rate risen over days, so slowly that its baseline followed?

Counts flow into a memory of a day, and from there into a reference of a week, so the
reference is what came before the day. Once an hour the day is judged against it by the
deviance of a negative binomial (see ``nb_glr``). A day's memory averages the daily
rhythm out, and ``CV`` stands for what is left: how much a healthy key's days differ.
With it a rise of less than two thirds can never be told, and a doubling needs a day.

Of most keys and channels there is nothing to say: scores are kept where they are not 0.
"""

from typing import NamedTuple

import numpy as np

from monitor.events import IncidentKind
from monitor.observe.arrays import (
    Array,
    Bools,
    Floats,
    Ints,
    State,
    side_by_side,
    slices_of,
    used,
    widened,
)
from monitor.observe.baseline import K_POP
from monitor.observe.by_channel import ByChannel
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


class _Rises(NamedTuple):
    """Where the score is above 0, by key and channel; all ``[rises]``."""

    keys: Ints
    channels: Ints
    score: Array
    since: Ints

    def part(self, rows: Ints | Bools) -> "_Rises":
        return _Rises(*(of[rows] for of in self))

    @property
    def labels(self) -> Ints:
        """A number for each key and channel, ascending."""
        labels: Ints = self.keys * WIDTH + self.channels
        return labels


_NONE = _Rises(*(np.zeros(0, kind) for kind in (int, int, np.float32, int)))


class Drift:
    """The rule for slow rises: 56 bytes a key, and 8 in each channel that fails.

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
        # Both memories, channel by channel; numerators where anything has failed.
        self._tried: Array = np.zeros((2, WIDTH, capacity), np.float32)
        self._failed = ByChannel(capacity, (0.0, 0.0))
        self._rises = _NONE
        self._judged = np.nan

    def look(self, look: Look) -> Reading:
        """Take new counts in, and judge them if an hour is over."""
        places = side_by_side(look.keys)
        for channel in used(look.tried):
            self._tried[_RECENT, channel][places] += look.tried[:, channel]
        for channel in used(look.failed):
            self._failed.of(channel)[_RECENT][places] += look.failed[:, channel]
        if np.isnan(self._judged):
            self._judged = look.now
        passed = look.now - self._judged
        if passed >= HOUR_SECONDS:
            self._flow(passed)
            self._judge(look.now)
        rises = self._rises.part(np.isin(self._rises.keys, look.keys))
        if not len(rises.keys):
            return no_news(look)
        score = np.zeros(look.tried.shape)
        rows = np.searchsorted(look.keys, rises.keys)
        score[rows, rises.channels] = rises.score
        over = score >= look.threshold
        starts = {}
        for channel in np.flatnonzero(over.any(axis=0)).tolist():
            mine = np.flatnonzero(rises.channels == channel)
            starts[channel] = rows[mine], rises.since[mine]
        return Reading(score, over, np.zeros_like(over), starts)

    def figures(self, key: int, column: int) -> tuple[float, float, float]:
        """Attempts and failures of the day, and the rate of the weeks before it."""
        mine = np.array([key])
        tried, failed = self._counts(_RECENT, mine)
        rate, _ = self._reference(mine)
        return float(tried[0, column]), float(failed[0, column]), float(rate[0, column])

    def score(self, key: int, column: int) -> float:
        """Evidence, as of the last hour."""
        mine = (self._rises.keys == key) & (self._rises.channels == column)
        return float(self._rises.score[mine].sum())

    def _counts(self, memory: int, keys: Ints) -> tuple[Floats, Floats]:
        """Denominators and numerators of some keys, ``[keys, channels]``."""
        tried = self._tried[memory].take(keys, axis=1).astype(float)
        failed = np.zeros_like(tried)
        for channel, sums in self._failed.items():
            failed[channel] = sums[memory].take(keys)
        return tried.T, failed.T

    def _flow(self, seconds: float) -> None:
        stay = np.float32(np.exp(-seconds / RECENT_SECONDS))
        keep = np.float32(np.exp(-seconds / REFERENCE_SECONDS))
        for recent, reference in (*self._tried.swapaxes(0, 1), *self._failed.values()):
            if recent.any() or reference.any():
                reference *= keep
                reference += recent * (1 - stay)
                recent *= stay

    def _reference(self, keys: Ints) -> tuple[Floats, Floats]:
        """Rates of the past, which lean on the fleet's, and failures behind them."""
        tried, failed = self._counts(_REFERENCE, keys)
        fleet_tried, fleet_failed = self._counts(_REFERENCE, np.array([FLEET]))
        fleet = (fleet_failed + K_POP) / (fleet_tried + K_POP / PRIOR)
        info = failed + K_POP
        rate = info / (tried + K_POP / np.maximum(fleet, FLOOR))
        return np.maximum(rate, FLOOR), info

    def _judge(self, now: float) -> None:
        keys = np.flatnonzero(self._tried[_RECENT].max(axis=0) > 0)
        score: Array = np.zeros((len(keys), WIDTH), np.float32)
        for part in slices_of(len(keys)):
            score[part] = self._found(keys[part])
        rows, channels = np.nonzero(score)
        since = np.full(len(rows), int(self._judged))
        rises = _Rises(keys[rows], channels, score[rows, channels], since)
        known = self._rises.part(np.isin(self._rises.labels, rises.labels))
        since[np.searchsorted(rises.labels, known.labels)] = known.since
        since[rises.score <= SCREEN] = int(now)
        self._rises, self._judged = rises, now

    def _found(self, keys: Ints) -> Floats:
        rate, info = self._reference(keys)
        tried, failed = self._counts(_RECENT, keys)
        past = self._tried[_REFERENCE].take(keys, axis=1).T
        expected = tried * rate * (1.0 + MARGIN) + SLACK
        found = deviance(failed, expected, 1.0 / (CV**2 + 1.0 / info))
        ripe = (past >= LEAST_PAST * tried) & (tried >= LEAST_RECENT * past)
        found = np.where(ripe & (failed >= FEWEST), found, 0.0)
        return found + np.where(found > SCREEN, PATIENCE_NATS, 0.0)

    def reset(self, keys: Ints, channels: Bools) -> None:
        """Take the rate of the day for the reference's."""
        tried, failed = self._counts(_RECENT, keys)
        past = self._tried[_REFERENCE].take(keys, axis=1).T
        moved = past * failed / np.maximum(tried, 1.0)
        for channel, sums in self._failed.items():
            if channels[channel]:
                sums[_REFERENCE, keys] = moved[:, channel]
        rises = self._rises
        rises.score[np.isin(rises.keys, keys) & channels[rises.channels]] = 0.0

    def resize(self, capacity: int) -> None:
        """Make place for more keys."""
        self._tried = widened(self._tried, capacity, axis=2)
        self._failed.resize(capacity)

    def forget(self, keys: Ints) -> None:
        """Clear the places of evicted keys."""
        self._tried[..., keys] = 0.0
        self._failed.forget(keys)
        self._rises = self._rises.part(~np.isin(self._rises.keys, keys))

    def state(self, size: int) -> State:
        """What a snapshot needs of the first ``size`` places."""
        rises, last = self._rises, 0 if np.isnan(self._judged) else int(self._judged)
        score = np.zeros((size, WIDTH), np.float32)
        since = np.full((size, WIDTH), last, np.uint32)
        at = rises.keys, rises.channels
        score[at], since[at] = rises.score, rises.since
        sums: Array = np.zeros((2, 2, size, WIDTH), np.float32)
        sums[:, 0] = self._tried[..., :size].swapaxes(1, 2)
        sums[:, 1] = self._failed.all_of(np.arange(size)).swapaxes(1, 2)
        return {
            "sums": sums,
            "score": score,
            "since": since,
            "judged": np.array([self._judged]),
        }

    def load(self, state: State) -> None:
        """Take back what ``state`` gave."""
        size = len(state["score"])
        tried, failed = state["sums"].swapaxes(0, 1)
        self._tried[..., :size] = tried.swapaxes(1, 2)
        self._failed.load(failed.swapaxes(1, 2))
        self._judged = float(state["judged"][0])
        keys, channels = np.nonzero(state["score"])
        since = state["since"][keys, channels].astype(np.int64)
        self._rises = _Rises(keys, channels, state["score"][keys, channels], since)
