"""Sums of each key over the last minute, five minutes, hour and day of event time.

A ring holds buckets, a bucket holds whole slots. A window is a number of buckets, the
newest of which is the one that holds ``now``, so it is always a little shorter than
its name: the newest bucket is still filling. Exactly, for a slot of ``s`` seconds that
began at second ``t``:

* ``1m`` and ``5m``: buckets of ``max(s, 10)`` s (``t`` divided by it, rounded down);
  as many newest ones as fit into 60 and 300 s, at least one;
* ``1h``: the 12 newest buckets of 300 s; ``24h``: the 24 newest buckets of 3,600 s.

Rows of a ring carry the number of the bucket they hold, so slots may come in any
order, and one that is older than its ring reaches is simply no longer counted. A row
is made when its bucket begins, and holds only the places that there are by then.
"""

import numpy as np

from monitor.events import COLUMNS
from monitor.observe.arrays import Array, Floats, Ints, State, widened

#: Shortest bucket, seconds; slots below it share one, or a 5-minute ring would be long.
FINE_SECONDS = 10

#: How far a slot may lie ahead of ``now``, seconds: clocks of hosts differ.
FUTURE_SECONDS = 60

_NO_SUMS: Array = np.zeros((0, len(COLUMNS)), np.uint32)


class _Ring:
    """The newest buckets of one length. Sums are exact below 2**32 a bucket: an hour of
    a fleet at a million events a second.
    """

    def __init__(self, seconds: int, buckets: int) -> None:
        self.seconds = seconds
        self.stamp: Ints = np.full(buckets + FUTURE_SECONDS // seconds + 1, -1)
        self.sums: list[Array] = [_NO_SUMS] * len(self.stamp)

    def add(self, bucket: int, keys: Ints, counts: Array, capacity: int) -> None:
        row = bucket % len(self.stamp)
        if self.stamp[row] > bucket:
            return
        if self.stamp[row] < bucket:
            self.stamp[row] = bucket
            self.sums[row] = _NO_SUMS
        if len(self.sums[row]) < capacity:
            self.sums[row] = widened(self.sums[row], capacity)
        self.sums[row][keys] += counts

    def held(self, head: int, buckets: int) -> list[Array]:
        rows = np.flatnonzero((self.stamp > head - buckets) & (self.stamp <= head))
        return [self.sums[row] for row in rows]


class Windows:
    """The rings of all keys.

    Args:
        slot_seconds: length of a slot.
        capacity: places for keys.
    """

    names = ("1m", "5m", "1h", "24h")

    def __init__(self, slot_seconds: int, capacity: int) -> None:
        self._slot_seconds = slot_seconds
        self._capacity = capacity
        fine = max(slot_seconds, FINE_SECONDS)
        five = max(1, 300 // fine)
        self._rings = (_Ring(fine, five), _Ring(300, 12), _Ring(3600, 24))
        self._spans = {
            "1m": (self._rings[0], max(1, 60 // fine)),
            "5m": (self._rings[0], five),
            "1h": (self._rings[1], 12),
            "24h": (self._rings[2], 24),
        }

    def add(self, slot: int, keys: Ints, counts: Array) -> None:
        """Add rows ``[keys, COLUMNS]`` of one slot; each key at most once."""
        narrow = counts.astype(np.uint32)
        for ring in self._rings:
            bucket = slot * self._slot_seconds // ring.seconds
            ring.add(bucket, keys, narrow, self._capacity)

    def total(self, window: str, now: float, keys: Ints) -> Floats:
        """Sums ``[keys, COLUMNS]`` of a window that ends with the bucket of ``now``."""
        total = np.zeros((len(keys), len(COLUMNS)))
        for sums in self._held(window, now):
            if len(sums) == self._capacity:
                total += sums[keys]
            else:
                old = np.flatnonzero(keys < len(sums))
                total[old] += sums[keys[old]]
        return total

    def column(self, window: str, now: float, column: int) -> Floats:
        """One column of a window's sums, of all places."""
        total = np.zeros(self._capacity)
        for sums in self._held(window, now):
            total[: len(sums)] += sums[:, column]
        return total

    def _held(self, window: str, now: float) -> list[Array]:
        ring, buckets = self._spans[window]
        return ring.held(int(now // ring.seconds), buckets)

    def resize(self, capacity: int) -> None:
        """Make place for more keys."""
        self._capacity = capacity

    def forget(self, keys: Ints) -> None:
        """Clear the places of evicted keys."""
        for ring in self._rings:
            for sums in ring.sums:
                sums[keys[keys < len(sums)]] = 0

    def state(self, size: int) -> State:
        """What a snapshot needs of the first ``size`` places."""
        state: State = {}
        for number, ring in enumerate(self._rings):
            state[f"stamp{number}"] = ring.stamp
            used = np.flatnonzero(ring.stamp >= 0)
            held = np.zeros((len(used), size, len(COLUMNS)), np.uint32)
            state[f"sums{number}"] = held
            for row, at in zip(held, used, strict=True):
                sums = ring.sums[at][:size]
                row[: len(sums)] = sums
        return state

    def load(self, state: State) -> None:
        """Take back what ``state`` gave."""
        for number, ring in enumerate(self._rings):
            ring.stamp[:] = state[f"stamp{number}"]
            held = np.flatnonzero(ring.stamp >= 0)
            for row, saved in zip(held, state[f"sums{number}"], strict=True):
                ring.sums[row] = widened(saved, self._capacity)
