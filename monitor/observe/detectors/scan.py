"""A grid of CUSUMs: for each rate multiplier the likeliest start of such a change.

For a multiplier ``r`` the log-likelihood ratio of "the rate is r times what it should
be" is summed look by look and set to 0 when it falls below. What was counted since it
last stood at 0 is the candidate window of that multiplier (Page 1954; a grid of seven
loses less than 1 % against all multipliers).

The ratio is linear in the counts, so the sums of a window give its evidence, and only
they are kept. Most pairs of a key and a channel have no failure in a look and no
evidence from before; they stay at 0 and cost nothing. The others are taken a few
thousand at a time, channel by channel and with the keys last, so that what is worked
on stays in the processor's cache.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from monitor.observe.arrays import Array, Bools, Floats, Ints, Singles, State, widened
from monitor.observe.channels import WIDTH

#: Rate multipliers of the grid.
MULTIPLIERS: Singles = np.array([1.3, 1.6, 2.0, 3.0, 5.0, 10.0, 25.0], np.float32)

#: What each window keeps: failures, what speaks against (expected failures, or
#: successes), attempts.
FAILED, AGAINST, TRIED = range(3)

#: Keys worked on at a time: 100 kB an array of the grid.
CHUNK = 4_096

#: Neighbouring places are worked on where they lie if at least this part of them is in
#: the look: that is cheaper than to fetch them one by one, and changes no other.
DENSE = 0.4

#: Rounding could leave a ghost of evidence after long; below this is none.
_GHOST = 1e-6


class Candidates(NamedTuple):
    """Candidate windows of some keys in one channel.

    ``rows`` are those keys' rows of the look, and ``peak`` is the best evidence of
    each. ``evidence`` is ``[multipliers, places]``, ``start`` too, in epoch seconds,
    ``sums`` is ``[3, multipliers, places]``, in the order of ``FAILED``, ``AGAINST``,
    ``TRIED``; ``places`` tells each row's. Valid until the next ones are asked for.
    """

    rows: Ints
    peak: Singles
    places: Ints
    evidence: Singles
    sums: Singles
    start: Array


class Scan:
    """State of the grid for all keys: 112 bytes a key and channel.

    Args:
        capacity: places for keys.
        failed: evidence of one failure, ``[channels, multipliers]``.
        against: evidence of one of what speaks against, never above 0.
    """

    def __init__(self, capacity: int, failed: Floats, against: Floats) -> None:
        shape = (WIDTH, 3, len(MULTIPLIERS), capacity)
        self._weights = np.array([failed, against], np.float32)[..., None]
        self._sums: Array = np.zeros(shape, np.float32)
        # Epoch seconds fit into 32 bits until the year 2106.
        self._start: Array = np.zeros(shape[:1] + shape[2:], np.uint32)
        self._alive: Bools = np.zeros((WIDTH, capacity), bool)

    def news(self, keys: Ints, channel: int, failed: Floats) -> Ints:
        """Rows of a look that can have any evidence: all others stay at 0."""
        return np.flatnonzero((failed > 0) | self._alive[channel][keys])

    def step(
        self,
        begins: float,
        channel: int,
        places: tuple[Ints, Ints],
        counts: tuple[Singles, ...],
    ) -> Iterator[Candidates]:
        """Add a look; yields the windows of some thousand keys at a time.

        Args:
            begins: event time from which its counts are.
            channel: column of the channel.
            places: rows of the look that have news, and their keys, each once.
            counts: failures, what speaks against, attempts, of those rows.
        """
        moment = np.uint32(max(begins, 1.0))
        rows, keys = places
        for first in range(0, len(rows), CHUNK):
            part = slice(first, first + CHUNK)
            some = tuple(count[part] for count in counts)
            yield self._add(moment, channel, (rows[part], keys[part]), some)

    def _add(
        self,
        moment: np.uint32,
        channel: int,
        mine: tuple[Ints, Ints],
        counts: tuple[Singles, ...],
    ) -> Candidates:
        rows, keys = mine
        low, high = int(keys.min()), int(keys.max()) + 1
        sums, start, alive = self._sums[channel], self._start[channel], self._alive
        fits = len(keys) >= DENSE * (high - low)
        if fits:
            places = keys - low
            sums, start = sums[..., low:high], start[..., low:high]
        else:
            places = np.arange(len(keys))
            sums, start = sums.take(keys, axis=-1), start.take(keys, axis=-1)
        # Products instead of masks: where windows open and close is hard to foresee,
        # for a processor, too. A window that is shut stands at 0 throughout.
        start += (start == 0) * moment
        new = np.zeros((len(sums), 1, start.shape[1]), np.float32)
        for side, count in zip(new, counts, strict=True):
            side[0, places] = count
        sums += new
        evidence = self._weights[0, channel] * sums[FAILED]
        evidence += self._weights[1, channel] * sums[AGAINST]
        kept = evidence > _GHOST
        as_one = kept.astype(np.float32)
        evidence *= as_one
        sums *= as_one
        start *= kept
        peak = evidence.max(axis=0)
        if fits:
            alive[channel, low:high] = peak > 0
        else:
            alive[channel, keys] = peak > 0
            _put(self._sums[channel], keys, sums)
            _put(self._start[channel], keys, start)
        return Candidates(rows, peak[places], places, evidence, sums, start)

    def reset(self, keys: Ints, channels: Bools) -> None:
        """Start anew."""
        for channel in np.flatnonzero(channels):
            live = keys[self._alive[channel, keys]]  # the others stand at 0
            self._sums[channel][..., live] = 0.0
            self._start[channel][:, live] = 0
            self._alive[channel, live] = False

    def resize(self, capacity: int) -> None:
        """Make place for more keys."""
        sums, start = self._sums, self._start
        self._sums = np.zeros((*sums.shape[:-1], capacity), sums.dtype)
        self._start = np.zeros((*start.shape[:-1], capacity), start.dtype)
        # Few windows are open, and memory that is never touched costs nothing.
        for channel, alive in enumerate(self._alive):
            live = np.flatnonzero(alive)
            _put(self._sums[channel], live, sums[channel].take(live, axis=-1))
            _put(self._start[channel], live, start[channel].take(live, axis=-1))
        self._alive = widened(self._alive, capacity, axis=1)

    def forget(self, keys: Ints) -> None:
        """Clear the places of evicted keys."""
        self.reset(keys, np.ones(WIDTH, bool))

    def state(self, size: int) -> State:
        """What a snapshot needs of the first ``size`` places: windows that are open."""
        channels, places = np.nonzero(self._alive[:, :size])
        return {
            "channels": channels.astype(np.int8),
            "places": places.astype(np.int32),
            "sums": self._sums[channels, ..., places],
            "start": self._start[channels, :, places],
        }

    def load(self, state: State) -> None:
        """Take back what ``state`` gave; of an older snapshot there may be nothing."""
        if "places" not in state:
            return
        channels, places = state["channels"], state["places"]
        self._sums[channels, ..., places] = state["sums"]
        self._start[channels, :, places] = state["start"]
        self._alive[channels, places] = True


def _put(planes: Array, places: Ints, values: Array) -> None:
    """``planes[..., places] = values``, several times as fast."""
    rows = planes.reshape(-1, planes.shape[-1])
    for row, mine in zip(rows, values.reshape(len(rows), -1), strict=True):
        row[places] = mine
