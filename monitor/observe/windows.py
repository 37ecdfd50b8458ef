"""Sums of each key over the last minute, five minutes, hour and day of event time.

A ring holds buckets, a bucket holds whole slots. A window is a number of buckets, the
newest of which is the one that holds ``now``, so it is always a little shorter than
its name: the newest bucket is still filling. Exactly, for a slot of ``s`` seconds that
began at second ``t``:

* ``1m`` and ``5m``: buckets of ``max(s, 10)`` s (``t`` divided by it, rounded down);
  as many newest ones as fit into 60 and 300 s, at least one;
* ``1h``: the 12 newest buckets of 300 s; ``24h``: the 24 newest buckets of 3,600 s.

Rows of a ring carry the number of the bucket they hold, so slots may come in any
order, and one that is older than its ring reaches is simply no longer counted.
"""

import numpy as np

from monitor.events import COLUMNS
from monitor.observe.arrays import Array, Floats, Ints, State, widened

#: Shortest bucket, seconds; slots below it share one, or a 5-minute ring would be long.
FINE_SECONDS = 10

#: How far a slot may lie ahead of ``now``, seconds: clocks of hosts differ.
FUTURE_SECONDS = 60


class _Ring:
    """The newest buckets of one length. Sums are exact below 2**63."""

    def __init__(self, seconds: int, buckets: int, capacity: int) -> None:
        self.seconds = seconds
        self.stamp: Ints = np.full(buckets + FUTURE_SECONDS // seconds + 1, -1)
        # An hour of the fleet at a million events a second overflows 32 bits.
        exact = np.int64 if seconds > 300 else np.int32
        self.sums: Array = np.zeros((len(self.stamp), capacity, len(COLUMNS)), exact)

    def add(self, bucket: int, keys: Ints, counts: Array) -> None:
        row = bucket % len(self.stamp)
        if self.stamp[row] > bucket:
            return
        if self.stamp[row] < bucket:
            self.stamp[row] = bucket
            self.sums[row] = 0
        self.sums[row, keys] += counts.astype(self.sums.dtype)

    def total(self, head: int, buckets: int, keys: Ints) -> Floats:
        rows = np.flatnonzero((self.stamp > head - buckets) & (self.stamp <= head))
        picked = self.sums[rows[:, None], keys[None, :]]
        total: Floats = picked.sum(axis=0, dtype=np.float64)
        return total


class Windows:
    """The rings of all keys.

    Args:
        slot_seconds: length of a slot.
        capacity: places for keys.
    """

    names = ("1m", "5m", "1h", "24h")

    def __init__(self, slot_seconds: int, capacity: int) -> None:
        self._slot_seconds = slot_seconds
        fine = max(slot_seconds, FINE_SECONDS)
        five = max(1, 300 // fine)
        self._rings = (
            _Ring(fine, five, capacity),
            _Ring(300, 12, capacity),
            _Ring(3600, 24, capacity),
        )
        self._spans = {
            "1m": (self._rings[0], max(1, 60 // fine)),
            "5m": (self._rings[0], five),
            "1h": (self._rings[1], 12),
            "24h": (self._rings[2], 24),
        }

    def add(self, slot: int, keys: Ints, counts: Array) -> None:
        """Add rows ``[keys, COLUMNS]`` of one slot; each key at most once."""
        for ring in self._rings:
            ring.add(slot * self._slot_seconds // ring.seconds, keys, counts)

    def total(self, window: str, now: float, keys: Ints) -> Floats:
        """Sums ``[keys, COLUMNS]`` of a window that ends with the bucket of ``now``."""
        ring, buckets = self._spans[window]
        return ring.total(int(now // ring.seconds), buckets, keys)

    def resize(self, capacity: int) -> None:
        """Make place for more keys."""
        for ring in self._rings:
            ring.sums = widened(ring.sums, capacity, axis=1)

    def forget(self, keys: Ints) -> None:
        """Clear the places of evicted keys."""
        for ring in self._rings:
            ring.sums[:, keys] = 0

    def state(self, size: int) -> State:
        """What a snapshot needs of the first ``size`` places."""
        state: State = {}
        for number, ring in enumerate(self._rings):
            state[f"stamp{number}"] = ring.stamp
            state[f"sums{number}"] = ring.sums[:, :size]
        return state

    def load(self, state: State) -> None:
        """Take back what ``state`` gave."""
        for number, ring in enumerate(self._rings):
            ring.stamp[:] = state[f"stamp{number}"]
            sums = state[f"sums{number}"]
            ring.sums[:, : sums.shape[1]] = sums
