"""Self-calibration of scores by the heights of their own excursions.

If the null model were true, the peaks of a score's excursions would have an exponential
tail of mean 1 nat. A key whose peaks run higher gets its score divided by its own mean.
"""

import numpy as np

from monitor.observe.arrays import (
    Bools,
    Floats,
    Ints,
    Singles,
    State,
    side_by_side,
)
from monitor.observe.by_channel import ByChannel

#: An excursion counts from here, and is over when the score falls below the second.
EXCURSION, OVER = 2.0, 1.0

#: Excursions of mean 1 that the prior weighs.
PRIOR_EXCURSIONS = 15.0

#: A peak counts up to so many scales, so that one real spike does not deafen.
MOST_SCALES = 5.0

#: Scales are set anew once an hour, forget in days, and may grow by half a day at most.
HOUR_SECONDS = 3_600.0
MEMORY_SECONDS = 2 * 86_400.0
GROWTH_AN_HOUR = 1.5 ** (1 / 24)

#: Peaks above this make the fleet's tail, from which false pages are foretold.
HIGH = 6.0


class Tail:
    """Scale of the score of each key and channel, at least 1.

    Args:
        capacity: places for keys.
    """

    def __init__(self, capacity: int) -> None:
        # Running peak, sum of peaks, number of peaks, scale.
        self._all = ByChannel(capacity, (0.0, 0.0, 0.0, 1.0))
        self._due = np.nan
        #: Number of high peaks of the fleet, and the sum of what they exceed HIGH by.
        self.high: Floats = np.zeros(2)

    def scale(self, keys: Ints, channel: int, score: Singles) -> None:
        """Divide the scores of some keys, which ascend, in one channel by their scales,
        in place, and note them. A key whose score stays at 0 need not be among them.
        """
        peaks, total, number, scales = self._all.of(channel)
        mine = side_by_side(keys)
        peak, scale = peaks[mine], scales[mine]
        score /= scale
        np.maximum(peak, score, out=peak)
        low = score < OVER
        ended = np.flatnonzero(low & (peak > EXCURSION))
        if len(ended):
            over, there = peak[ended], keys[ended]
            high = over[over > HIGH].astype(float) - HIGH
            self.high += len(high), high.sum()
            total[there] += np.minimum(over - EXCURSION, MOST_SCALES) * scale[ended]
            number[there] += 1.0
        peak *= ~low
        if mine is keys:
            peaks[mine] = peak

    def drop(self, keys: Ints, channels: Bools) -> None:
        """Forget running peaks: what was found to be real is no tail."""
        for channel, (peaks, *_) in self._all.items():
            if channels[channel]:
                peaks[keys] = 0.0

    def settle(self, now: float) -> None:
        """Once an hour, set the scales anew."""
        if np.isnan(self._due):
            self._due = now + HOUR_SECONDS
        if now < self._due:
            return
        self._due = now + HOUR_SECONDS
        for _, total, number, scale in self._all.values():
            mean = (total + PRIOR_EXCURSIONS) / (number + PRIOR_EXCURSIONS)
            scale[:] = np.clip(mean, 1.0, scale * GROWTH_AN_HOUR)
            total *= np.exp(-HOUR_SECONDS / MEMORY_SECONDS)
            number *= np.exp(-HOUR_SECONDS / MEMORY_SECONDS)

    def resize(self, capacity: int) -> None:
        """Make place for more keys."""
        self._all.resize(capacity)

    def forget(self, keys: Ints) -> None:
        """Set evicted keys back to the prior."""
        self._all.forget(keys)

    def state(self, size: int) -> State:
        """What a snapshot needs of the first ``size`` places."""
        fleet = np.array([self._due, *self.high])
        return {"tail": self._all.all_of(np.arange(size)), "fleet": fleet}

    def load(self, state: State) -> None:
        """Take back what ``state`` gave."""
        self._all.load(state["tail"])
        self._due = float(state["fleet"][0])
        self.high = state["fleet"][1:].copy()
