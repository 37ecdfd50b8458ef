"""Deltas that wait for the next tick, slot by slot."""

from collections.abc import Iterator

import numpy as np

from monitor.events import COLUMNS, CountDelta
from monitor.observe.arrays import Array

#: Most slots one tick takes in, so that it stays about a second long in a backlog. The
#: rest waits for the next tick, oldest first.
MAX_SLOTS_A_TICK = 60

_INT32 = np.dtype("<i4")


class Inbox:
    """Deltas by slot, in the order they came."""

    def __init__(self) -> None:
        self._slots: dict[int, list[CountDelta]] = {}

    def add(self, delta: CountDelta) -> None:
        """Keep a delta until its slot is taken."""
        self._slots.setdefault(delta.slot, []).append(delta)

    @property
    def slots(self) -> int:
        """How many slots wait."""
        return len(self._slots)

    @property
    def deltas(self) -> list[CountDelta]:
        """All that waits."""
        return [delta for deltas in self._slots.values() for delta in deltas]

    def take(self, newest: int) -> Iterator[tuple[int, list[CountDelta]]]:
        """Hand out and forget the oldest slots, ascending.

        A slot beyond ``newest`` is handed out as if it were that one: a clock that is
        so far ahead is wrong, and its counts are not.
        """
        for slot in sorted(self._slots)[:MAX_SLOTS_A_TICK]:
            yield min(slot, newest), self._slots.pop(slot)


def matrix(delta: CountDelta) -> Array:
    """The counts of a delta, ``[cells, COLUMNS]``."""
    counts = np.frombuffer(delta.counts, _INT32).reshape(-1, len(COLUMNS))
    assert len(counts) == len(delta.cells)
    return counts
