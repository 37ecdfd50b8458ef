"""Sums of each key over the last minute, five minutes, hour and day of event time.

A ring holds buckets, a bucket holds whole slots. A window is a number of buckets, the
newest of which is the one that holds ``now``, so it is always a little shorter than
its name: the newest bucket is still filling. Exactly: where a slot has ``s`` seconds, a
bucket has ``max(s, shortest)``. A slot is in the bucket in which it begins, and a
window is as many of the newest buckets as fit into it, at least one.

====== =============== ===================
window seconds         shortest bucket, s
====== =============== ===================
1m     60              10
5m     300             30
1h     3,600           300
24h    86,400          7,200
====== =============== ===================

Rows of a ring carry the number of the bucket they hold, so slots may come in any
order, and one that is older than its ring reaches is simply no longer counted.
"""

import numpy as np

from monitor.events import COLUMNS
from monitor.observe.arrays import Array, Floats, Ints, State
from monitor.observe.digits import MOST_DIGITS, Digits

#: Of each window its length and its shortest bucket, seconds: memory is by the bucket,
#: so there are about a dozen each.
SPANS = {"1m": (60, 10), "5m": (300, 30), "1h": (3_600, 300), "24h": (86_400, 7_200)}

#: How far a slot may lie ahead of ``now``, seconds: clocks of hosts differ.
FUTURE_SECONDS = 60


def _no_sums() -> list[Digits]:
    return [Digits() for _ in COLUMNS]


class _Ring:
    """The newest buckets of one length. Sums are exact below 2**32 a bucket: two hours
    of a fleet at half a million events a second.
    """

    def __init__(self, seconds: int, buckets: int) -> None:
        self.seconds = seconds
        self._buckets = buckets
        self.stamp: Ints = np.full(buckets + FUTURE_SECONDS // seconds + 1, -1)
        self.sums = [_no_sums() for _ in self.stamp]

    def bucket(self, seconds: int) -> list[Digits] | None:
        """The sums of the bucket of a time, to add to; none if it is too old."""
        bucket = seconds // self.seconds
        row = bucket % len(self.stamp)
        if self.stamp[row] > bucket:
            return None
        if self.stamp[row] < bucket:
            self.stamp[row] = bucket
            self.sums[row] = _no_sums()
        return self.sums[row]

    def let_go(self, now: float) -> None:
        """Free what is older than the window that ends with the bucket of ``now``, or
        with the newest one if ``now`` is later: a clock that jumps does no harm.
        """
        head = min(int(now // self.seconds), int(self.stamp.max()))
        old = (self.stamp >= 0) & (self.stamp <= head - self._buckets)
        for row in np.flatnonzero(old):
            self.stamp[row], self.sums[row] = -1, _no_sums()

    def held(self, now: float) -> list[list[Digits]]:
        """The buckets of the window that ends with the bucket of ``now``."""
        head = int(now // self.seconds)
        held = (self.stamp > head - self._buckets) & (self.stamp <= head)
        return [self.sums[row] for row in np.flatnonzero(held)]


class Windows:
    """The rings of all keys.

    Args:
        slot_seconds: length of a slot.
        capacity: places for keys.
    """

    names = tuple(SPANS)

    def __init__(self, slot_seconds: int, capacity: int) -> None:
        self._slot_seconds = slot_seconds
        self._capacity = capacity
        self._rings: dict[str, _Ring] = {}
        for name, (seconds, shortest) in SPANS.items():
            bucket = max(slot_seconds, shortest)
            self._rings[name] = _Ring(bucket, max(1, seconds // bucket))

    def add(self, slot: int, keys: Ints, counts: Array) -> None:
        """Add rows ``[keys, COLUMNS]`` of one slot; each key at most once."""
        begin = slot * self._slot_seconds
        buckets = [ring.bucket(begin) for ring in self._rings.values()]
        held = [sums for sums in buckets if sums is not None]
        for column, *sums in zip(counts.T, *held, strict=True):
            mine = np.flatnonzero(column)
            places, more = keys[mine], column[mine]
            for digits in sums if len(mine) else ():
                digits.add(places, more)

    def let_go(self, now: float) -> None:
        """Free what no window that ends at ``now`` or later holds."""
        for ring in self._rings.values():
            ring.let_go(now)

    def total(self, window: str, now: float, keys: Ints) -> Floats:
        """Sums ``[keys, COLUMNS]`` of a window that ends with the bucket of ``now``."""
        total = np.zeros((len(keys), len(COLUMNS)))
        for sums in self._rings[window].held(now):
            for counts, column in zip(sums, total.T, strict=True):
                column += counts.of(keys)
        return total

    def column(self, window: str, now: float, column: int) -> Floats:
        """One column of a window's sums, of all places."""
        total = np.zeros(self._capacity)
        for sums in self._rings[window].held(now):
            total += sums[column].first(self._capacity)
        return total

    def resize(self, capacity: int) -> None:
        """Make place for more keys."""
        self._capacity = capacity

    def forget(self, keys: Ints) -> None:
        """Clear the places of evicted keys."""
        for ring in self._rings.values():
            for sums in ring.sums:
                for counts in sums:
                    counts.clear(keys)

    def state(self) -> State:
        """What a snapshot needs: digits as they are, end to end, and their numbers."""
        state: State = {}
        for name, ring in self._rings.items():
            held = [counts.state() for sums in ring.sums for counts in sums]
            digits = [low for counts in held for low in counts]
            state[f"stamp_{name}"] = ring.stamp
            state[f"places_{name}"] = np.array([len(low) for low in digits])
            state[f"digits_{name}"] = np.concatenate(digits)
        return state

    def load(self, state: State) -> None:
        """Take back what ``state`` gave."""
        for name, ring in self._rings.items():
            ring.stamp[:] = state[f"stamp_{name}"]
            ends = np.cumsum(state[f"places_{name}"])
            digits = iter(np.split(state[f"digits_{name}"], ends[:-1]))
            for sums in ring.sums:
                for counts in sums:
                    counts.load([next(digits) for _ in range(MOST_DIGITS)])
