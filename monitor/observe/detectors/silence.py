"""Silence: does a key send nothing although it should?

Each key has a profile of the day: attempts a second in each eighth of it. A gap is
measured in the attempts that the profile lets expect in it, so that a quiet night is a
short gap. Were attempts Poisson, a gap of L expected attempts had a chance of exp(-L):
L is evidence in nats. Mail comes in heaps, so the longest ordinary gap of the key,
times ``FACTOR``, is no evidence at all.

Keys are judged in rows without attempts, as of ``Look.begins``. A key must have been
watched for a week, that a quiet weekend be part of what is ordinary.
"""

import numpy as np

from monitor.events import IncidentKind
from monitor.observe.arrays import (
    Array,
    Bools,
    Floats,
    Ints,
    State,
    slices_of,
    widened,
)
from monitor.observe.channels import WIDTH
from monitor.observe.detectors.look import Look, Reading, no_news
from monitor.observe.policy import WEEK_SECONDS, ObservePolicy

#: Parts of a day, and their length.
PARTS = 8
DAY_SECONDS = 86_400.0
PART_SECONDS = DAY_SECONDS / PARTS

#: A gap becomes suspicious when it is longer than so many of the longest so far.
FACTOR = 3.0

#: No gap is news before so many seconds; shorter ones than the second are not noted.
LEAST_SECONDS = 600.0
NOTED_SECONDS = 60.0

#: The newest day weighs at least this in a profile: it follows growth within a week.
NEWEST_WEIGHT = 0.2

#: The longest gap is forgotten with this time constant.
GAP_MEMORY_SECONDS = 28 * DAY_SECONDS


class Silence:
    """The rule for mail that is missing: 49 bytes a key.

    Args:
        policy: not used by this rule.
        capacity: places for keys.
    """

    name = "silence"
    kind = IncidentKind.SILENCE
    pace = 7_200.0

    def __init__(self, policy: ObservePolicy, capacity: int) -> None:
        del policy
        self.ceiling: Floats = np.full(WIDTH, np.inf)
        self._profile: Array = np.zeros((capacity, PARTS), np.float32)
        # Attempts in this part of the day, and the longest gap, in expected attempts.
        self._sums: Array = np.zeros((2, capacity), np.float32)
        # First and last attempt; epoch seconds fit into 32 bits until the year 2106.
        self._times: Array = np.zeros((2, capacity), np.uint32)
        self._mute: Bools = np.zeros(capacity, bool)
        self._part = -1
        self._head = 0.0

    def look(self, look: Look) -> Reading:
        """Listen to the rows with attempts, and judge those without."""
        self._head = max(self._head, look.begins)
        tried = look.tried.max(axis=1)
        heard = np.flatnonzero(tried > 0)
        if len(heard):  # else time stands still, as the stream does
            self._turn(int(look.begins // PART_SECONDS))
        self._hear(look.keys[heard], tried[heard], look.begins)
        quiet = np.flatnonzero(tried <= 0)
        if not len(quiet):
            self._mute[look.keys] = False
            return no_news(look)
        score = np.zeros(look.tried.shape)
        score[quiet] = self._score(look.keys[quiet], look.begins)[:, None]
        over = score >= look.threshold
        self._mute[look.keys] = over.any(axis=1)
        since = quiet, self._times[1, look.keys[quiet]]
        starts = dict.fromkeys(np.flatnonzero(over.any(axis=0)).tolist(), since)
        return Reading(score, over, np.zeros_like(over), starts)

    def expected(self, keys: Ints, since: Floats, until: float) -> Floats:
        """Attempts that the profiles let expect in a stretch of time."""
        found = np.empty(len(keys))
        for part in slices_of(len(keys)):
            found[part] = self._expected(keys[part], since[part], until)
        return found

    def _expected(self, keys: Ints, since: Floats, until: float) -> Floats:
        profile = self._profile[keys].astype(float)
        upto = np.hstack([np.zeros((len(keys), 1)), profile.cumsum(axis=1)])

        def count(seconds: Floats) -> Floats:
            part, rest = np.divmod(seconds, PART_SECONDS)
            day, of_day = np.divmod(part.astype(np.int64), PARTS)
            row = np.arange(len(keys))
            parts = day * upto[:, -1] + upto[row, of_day]
            found: Floats = parts * PART_SECONDS + profile[row, of_day] * rest
            return found

        return count(np.full(len(keys), until)) - count(since)

    def gap(self, keys: Ints, until: float) -> tuple[Floats, Floats]:
        """Since when keys are silent, and what was to be expected since."""
        since = self._times[1, keys].astype(float)
        return since, self.expected(keys, since, max(until, self._head))

    def may_be_silent(self, keys: Ints, until: float) -> Ints:
        """Rows of keys that are worth a look: of late they had no attempts."""
        quiet = until - self._times[1, keys].astype(float) >= LEAST_SECONDS
        return np.flatnonzero(quiet | self._mute[keys])

    def seen(self, keys: Ints, seconds: Ints) -> None:
        """Note attempts that no look has shown: of a backlog."""
        last = self._times[1, keys]
        known = last > 0
        self._times[1, keys] = np.where(known, np.maximum(last, seconds), last)

    def _score(self, keys: Ints, until: float) -> Floats:
        first, last = self._times[:, keys].astype(float)
        gap = until - last
        ripe = (last > 0) & (gap >= LEAST_SECONDS) & (last - first >= WEEK_SECONDS)
        score = self.expected(keys, last, until) - FACTOR * self._sums[1, keys]
        return np.where(ripe, np.maximum(score, 0.0), 0.0)

    def _hear(self, keys: Ints, tried: Floats, begins: float) -> None:
        last = self._times[1, keys].astype(float)
        noted = np.flatnonzero(
            (last > 0) & (begins - last >= NOTED_SECONDS) & ~self._mute[keys]
        )
        if len(noted):
            mine = keys[noted]
            gap = self.expected(mine, last[noted], begins)
            self._sums[1, mine] = np.maximum(self._sums[1, mine], gap)
        fresh = keys[last == 0]
        self._times[0, fresh] = begins
        self._times[1, keys] = np.maximum(last, begins)
        self._sums[0, keys] += tried

    def _turn(self, part: int) -> None:
        """Enter a part of the day that is over into the profiles."""
        if part <= self._part:
            return
        # What was watched in part only, or not at all, teaches nothing.
        if part == self._part + 1:
            first = self._times[0].astype(float)
            days = np.maximum(part * PART_SECONDS - first, 0.0) // DAY_SECONDS
            weight = np.maximum(1.0 / (days + 1.0), NEWEST_WEIGHT)
            weight = np.where(self._mute, 0.0, weight)
            mine = self._profile[:, self._part % PARTS]
            mine += weight * (self._sums[0] / PART_SECONDS - mine)
            self._sums[1] *= np.exp(-PART_SECONDS / GAP_MEMORY_SECONDS)
        self._sums[0] = 0.0
        self._part = part

    def reset(self, keys: Ints, channels: Bools) -> None:
        """Take the gaps of keys for ordinary."""
        del channels
        _, gap = self.gap(keys, self._head)
        self._sums[1, keys] = np.maximum(self._sums[1, keys], gap)
        self._mute[keys] = False

    def resize(self, capacity: int) -> None:
        """Make place for more keys."""
        self._profile = widened(self._profile, capacity)
        self._sums = widened(self._sums, capacity, axis=1)
        self._times = widened(self._times, capacity, axis=1)
        self._mute = widened(self._mute, capacity)

    def forget(self, keys: Ints) -> None:
        """Clear the places of evicted keys."""
        self._profile[keys] = 0.0
        self._sums[:, keys] = 0.0
        self._times[:, keys] = 0
        self._mute[keys] = False

    def state(self, size: int) -> State:
        """What a snapshot needs of the first ``size`` places."""
        return {
            "profile": self._profile[:size],
            "sums": self._sums[:, :size],
            "times": self._times[:, :size],
            "mute": self._mute[:size],
            "clock": np.array([float(self._part), self._head]),
        }

    def load(self, state: State) -> None:
        """Take back what ``state`` gave."""
        size = len(state["mute"])
        self._profile[:size] = state["profile"]
        self._sums[:, :size] = state["sums"]
        self._times[:, :size] = state["times"]
        self._mute[:size] = state["mute"]
        self._part, self._head = int(state["clock"][0]), float(state["clock"][1])
