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
from monitor.observe.arrays import Array, Floats, Ints, State
from monitor.observe.digits import Digits

#: Shortest bucket, seconds; slots below it share one, or a 5-minute ring would be long.
FINE_SECONDS = 10

#: How far a slot may lie ahead of ``now``, seconds: clocks of hosts differ.
FUTURE_SECONDS = 60


def _no_sums() -> list[Digits]:
    return [Digits() for _ in COLUMNS]


class _Ring:
    """The newest buckets of one length. Sums are exact below 2**32 a bucket: an hour of
    a fleet at a million events a second.
    """

    def __init__(self, seconds: int, buckets: int) -> None:
        self.seconds = seconds
        self.stamp: Ints = np.full(buckets + FUTURE_SECONDS // seconds + 1, -1)
        self.sums = [_no_sums() for _ in self.stamp]

    def add(self, bucket: int, keys: Ints, counts: Array) -> None:
        row = bucket % len(self.stamp)
        if self.stamp[row] > bucket:
            return
        if self.stamp[row] < bucket:
            self.stamp[row] = bucket
            self.sums[row] = _no_sums()
        for sums, column in zip(self.sums[row], counts.T, strict=True):
            sums.add(keys, column)

    def held(self, head: int, buckets: int) -> list[list[Digits]]:
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
        for ring in self._rings:
            bucket = slot * self._slot_seconds // ring.seconds
            ring.add(bucket, keys, counts)

    def total(self, window: str, now: float, keys: Ints) -> Floats:
        """Sums ``[keys, COLUMNS]`` of a window that ends with the bucket of ``now``."""
        total = np.zeros((len(keys), len(COLUMNS)))
        for sums in self._held(window, now):
            for counts, column in zip(sums, total.T, strict=True):
                column += counts.of(keys)
        return total

    def column(self, window: str, now: float, column: int) -> Floats:
        """One column of a window's sums, of all places."""
        total = np.zeros(self._capacity)
        for sums in self._held(window, now):
            total += sums[column].first(self._capacity)
        return total

    def _held(self, window: str, now: float) -> list[list[Digits]]:
        ring, buckets = self._spans[window]
        return ring.held(int(now // ring.seconds), buckets)

    def resize(self, capacity: int) -> None:
        """Make place for more keys."""
        self._capacity = capacity

    def forget(self, keys: Ints) -> None:
        """Clear the places of evicted keys."""
        for ring in self._rings:
            for sums in ring.sums:
                for counts in sums:
                    counts.clear(keys)

    def state(self, size: int) -> State:
        """What a snapshot needs of the first ``size`` places."""
        state: State = {}
        for number, ring in enumerate(self._rings):
            state[f"stamp{number}"] = ring.stamp
            used = np.flatnonzero(ring.stamp >= 0)
            held = np.zeros((len(used), size, len(COLUMNS)), np.uint32)
            state[f"sums{number}"] = held
            for row, at in zip(held, used, strict=True):
                for column, counts in zip(row.T, ring.sums[at], strict=True):
                    column[:] = counts.first(size)
        return state

    def load(self, state: State) -> None:
        """Take back what ``state`` gave."""
        for number, ring in enumerate(self._rings):
            ring.stamp[:] = state[f"stamp{number}"]
            held = np.flatnonzero(ring.stamp >= 0)
            for row, saved in zip(held, state[f"sums{number}"], strict=True):
                ring.sums[row] = _no_sums()
                keys = np.arange(len(saved))
                for counts, column in zip(ring.sums[row], saved.T, strict=True):
                    counts.add(keys, column)
