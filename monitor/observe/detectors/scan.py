"""A grid of CUSUMs: for each rate multiplier the likeliest start of such a change.

For a multiplier ``r`` the log-likelihood ratio of "the rate is r times what it should
be" is summed look by look and set to 0 when it falls below. What was counted since it
last stood at 0 is the candidate window of that multiplier (Page 1954). A rise between
two multipliers loses up to a tenth of its evidence in the sums, but nothing in the
window, which is judged by itself.

The ratio is linear in the counts, so the sums of a window give its evidence, and only
they are kept (``grid``).
"""

from typing import NamedTuple

import numpy as np

from monitor.observe.arrays import Array, Bools, Floats, Ints, Singles, State
from monitor.observe.channels import WIDTH
from monitor.observe.detectors.grid import MULTIPLIERS, Grid


class Candidates(NamedTuple):
    """Candidate windows of those keys in one channel that are near a line.

    ``rows`` are those keys' rows of the look, ``at`` their places among all that were
    added. ``evidence`` is ``[multipliers, rows]``,
    ``start`` too, in epoch seconds; ``sums`` is ``[kept, multipliers, rows]``, in the
    order of ``FAILED``, ``AGAINST``, ``TRIED``. Where no window is open, all is 0.
    """

    rows: Ints
    at: Ints
    evidence: Singles
    sums: Singles
    start: Array


class Scan:
    """State of the grid for all keys: 4 bytes a key in channels that ever failed, and
    104 more while a window is open there, or for every key once many are; 80 more if
    attempts are not kept.

    Args:
        capacity: places for keys.
        failed: evidence of one failure, ``[channels, multipliers]``.
        against: evidence of one of what speaks against, never above 0.
        kept: how many sums are kept of a window; two are all but the attempts.
    """

    def __init__(
        self, capacity: int, failed: Floats, against: Floats, kept: int = 3
    ) -> None:
        weights = np.array([failed, against], np.float32)[..., None]
        self._channels = [Grid(capacity, weights[:, n], kept) for n in range(WIDTH)]

    def news(self, keys: Ints, failed: Floats) -> list[Ints]:
        """For each channel the rows of a look that may have evidence: all others stay
        at 0. Keys ascend.
        """
        every = np.arange(len(keys))
        return [
            grid.news(every, keys, failed[:, channel])
            for channel, grid in enumerate(self._channels)
        ]

    def step(
        self,
        begins: float,
        channel: int,
        places: tuple[Ints, Ints],
        counts: Singles,
        line: Floats | float,
    ) -> tuple[Singles, Candidates]:
        """Add a look.

        Args:
            begins: event time from which its counts are.
            channel: column of the channel.
            places: rows of the look that have news, and their keys, each once.
            counts: of those rows, ``[kept, rows]``, see ``Look.counts``.
            line: evidence above 0 that is looked into, of those rows or of all.

        Returns:
            The best evidence of each row, and the windows of those on the line.
        """
        rows, keys = places
        grid, moment = self._channels[channel], np.uint32(max(begins, 1.0))
        peak = grid.add(keys, counts, moment)
        near = np.flatnonzero(peak >= line)
        return peak, Candidates(rows[near], near, *grid.windows(keys[near]))

    def reset(self, keys: Ints, channels: Bools) -> None:
        """Start anew."""
        for channel in np.flatnonzero(channels).tolist():
            self._channels[channel].clear(keys)

    def resize(self, capacity: int) -> None:
        """Make place for more keys."""
        for grid in self._channels:
            grid.resize(capacity)

    def forget(self, keys: Ints) -> None:
        """Clear the places of evicted keys."""
        self.reset(keys, np.ones(WIDTH, bool))

    def state(self, size: int) -> State:
        """What a snapshot needs of the first ``size`` places: windows that are open."""
        del size  # what is open is within it
        held = [grid.held() for grid in self._channels]
        keys, kept, start = map(np.concatenate, zip(*held, strict=True))
        # Of the same shape, whatever is kept: what is not compresses to nothing.
        sums = np.zeros((len(keys), 3, len(MULTIPLIERS)), np.float32)
        sums[:, : kept.shape[1]] = kept
        return {
            "channels": np.repeat(np.arange(WIDTH), [len(one[0]) for one in held]),
            "places": keys,
            "sums": sums,
            "start": start,
        }

    def load(self, state: State) -> None:
        """Take back what ``state`` gave."""
        for channel, grid in enumerate(self._channels):
            mine = state["channels"] == channel
            grid.load(*(state[name][mine] for name in ("places", "sums", "start")))
