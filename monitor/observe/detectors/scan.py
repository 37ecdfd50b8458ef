"""A grid of CUSUMs: for each rate multiplier the likeliest start of such a change.

For a multiplier ``r`` the log-likelihood ratio of "the rate is r times what it should
be" is summed look by look and set to 0 when it falls below. What was counted since it
last stood at 0 is the candidate window of that multiplier (Page 1954; a grid of seven
loses less than 1 % against all multipliers).
"""

from typing import NamedTuple

import numpy as np

from monitor.observe.arrays import Array, Bools, Floats, Ints, Singles, State, widened
from monitor.observe.channels import WIDTH

#: Rate multipliers of the grid.
MULTIPLIERS: Singles = np.array([1.3, 1.6, 2.0, 3.0, 5.0, 10.0, 25.0], np.float32)

#: What each window keeps: evidence, attempts, failures, expected failures.
_EVIDENCE, _TRIED, _FAILED, _EXPECTED = range(4)


class Candidates(NamedTuple):
    """Candidate windows of some keys, each ``[rows, multipliers, channels]``."""

    evidence: Singles
    tried: Singles
    failed: Singles
    expected: Singles
    start: Floats


class Scan:
    """State of the grid for all keys: 140 bytes a key and channel.

    Args:
        capacity: places for keys.
    """

    def __init__(self, capacity: int) -> None:
        shape = (capacity, 4, len(MULTIPLIERS), WIDTH)
        self._sums: Array = np.zeros(shape, np.float32)
        # Epoch seconds fit into 32 bits until the year 2106.
        self._start: Array = np.zeros(shape[:1] + shape[2:], np.uint32)

    def step(
        self, begins: float, keys: Ints, gain: Floats, counts: tuple[Floats, ...]
    ) -> Candidates:
        """Add a look.

        Args:
            begins: event time from which its counts are.
            keys: places, each once.
            gain: log-likelihood ratio of the look for each multiplier,
                ``[rows, multipliers, channels]``.
            counts: attempts, failures, expected failures, each ``[rows, channels]``.
        """
        sums, start = self._sums[keys], self._start[keys]
        began = sums[:, _EVIDENCE] <= 0.0
        start[began] = np.uint32(max(begins, 0.0))
        sums[:, _EVIDENCE] += gain
        for place, count in enumerate(counts, _TRIED):
            sums[:, place] += count[:, None, :]
        # Rounding could leave a ghost of evidence after long; below 1e-6 is none.
        sums *= (sums[:, _EVIDENCE] > 1e-6)[:, None]
        self._sums[keys], self._start[keys] = sums, start
        evidence, tried, failed, expected = (sums[:, place] for place in range(4))
        return Candidates(evidence, tried, failed, expected, start.astype(float))

    def reset(self, keys: Ints, channels: Bools) -> None:
        """Start anew."""
        self._sums[keys] *= ~channels

    def resize(self, capacity: int) -> None:
        """Make place for more keys."""
        self._sums = widened(self._sums, capacity)
        self._start = widened(self._start, capacity)

    def forget(self, keys: Ints) -> None:
        """Clear the places of evicted keys."""
        self._sums[keys] = 0.0

    def state(self, size: int) -> State:
        """What a snapshot needs of the first ``size`` places."""
        return {"sums": self._sums[:size], "start": self._start[:size]}

    def load(self, state: State) -> None:
        """Take back what ``state`` gave."""
        size = len(state["sums"])
        self._sums[:size] = state["sums"]
        self._start[:size] = state["start"]
