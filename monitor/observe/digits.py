"""A count for every place, in as little memory as most of them need.

Theory of operation. Of the keys of a fleet most count little, and a few count nearly
all. So counts are kept in base 256, an array a digit, and each array ends at the last
place that has ever had this digit: the keys of large counts are few, and stand among
the first. A count that is small costs a byte, one that is 0 everywhere costs nothing.
"""

import numpy as np

from monitor.observe.arrays import Array, Floats, Ints, widened

#: Digits of a count, which is exact below 256 to the power of them.
MOST_DIGITS = 4

#: Places are made so many at a time.
GRAIN = 1_024


class Digits:
    """Counts by place.

    >>> counts = Digits()
    >>> counts.add(np.array([0, 7]), np.array([300, 2]))
    >>> counts.of(np.array([7, 9, 0])).tolist()
    [2.0, 0.0, 300.0]
    """

    def __init__(self) -> None:
        self._digits: list[Array] = []

    def add(self, places: Ints, counts: Array) -> None:
        """Add to the counts of some places, each at most once."""
        more = counts.astype(np.uint32)
        for digit in range(MOST_DIGITS):
            mine = np.flatnonzero(more)
            if not len(mine):
                return
            if len(mine) < len(more):
                places, more = places[mine], more[mine]
            low = self._digit(digit, int(places.max()) + 1)
            more += low.take(places)
            low[places] = more.astype(np.uint8)
            more >>= np.uint32(8)

    def _digit(self, digit: int, end: int) -> Array:
        if digit == len(self._digits):
            self._digits.append(np.zeros(0, np.uint8))
        if end > len(self._digits[digit]):
            end = -(-end // GRAIN) * GRAIN
            self._digits[digit] = widened(self._digits[digit], end)
        return self._digits[digit]

    def of(self, places: Ints) -> Floats:
        """The counts of some places."""
        total = np.zeros(len(places))
        for digit, low in enumerate(self._digits):
            mine = np.flatnonzero(places < len(low))
            total[mine] += low[places[mine]] * 256.0**digit
        return total

    def first(self, size: int) -> Floats:
        """The counts of the first ``size`` places."""
        total = np.zeros(size)
        for digit, low in enumerate(self._digits):
            total[: len(low)] += low[:size] * 256.0**digit
        return total

    def clear(self, places: Ints) -> None:
        """Set the counts of some places to 0."""
        for low in self._digits:
            low[places[places < len(low)]] = 0

    def state(self) -> list[Array]:
        """What a snapshot needs: for each digit, lowest first, an array; none if 0."""
        missing = MOST_DIGITS - len(self._digits)
        return self._digits + [np.zeros(0, np.uint8)] * missing

    def load(self, state: list[Array]) -> None:
        """Take back what ``state`` gave."""
        self._digits = [low.copy() for low in state if len(low)]
