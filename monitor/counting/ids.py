"""The event ids one slot has seen: exact while hot, eight bytes each when settled.

A copy of an event carries the same event time, so it meets the original in the same
slot, and the ids can be dropped with the slot: the window of de-duplication *is* the
allowed lateness. No filter with false positives is involved; two different ids are
mistaken for one only if their 64-bit hashes agree, about 3e-10 for a slot of 100,000.
"""

from collections.abc import Sequence

import numpy as np


class SeenIds:
    """A set of strings that can be packed once it is mostly read.

    >>> ids = SeenIds(limit=10)
    >>> ids.add("a"), ids.add("a")
    (True, False)
    """

    __slots__ = ("_hot", "_limit", "_settled", "overflow")

    def __init__(self, limit: int) -> None:
        self._hot: set[int] = set()
        self._settled: np.ndarray | None = None
        self._limit = limit
        self.overflow = 0

    def __len__(self) -> int:
        settled = 0 if self._settled is None else len(self._settled)
        return len(self._hot) + settled

    def add(self, event_id: str) -> bool:
        """Remember an id; false if it was there already.

        Over the limit an unknown id is let through unremembered, and counted in
        ``overflow``: an event counted twice is better than one lost.
        """
        number = hash(event_id)
        if number in self._hot or self._in_settled(number):
            return False
        if len(self) >= self._limit:
            self.overflow += 1
            return True
        self._hot.add(number)
        return True

    def add_all(self, event_ids: Sequence[str]) -> list[int] | None:
        """Remember ids; returns the places of those that are new, ``None`` for all."""
        numbers = set(map(hash, event_ids))
        if (
            len(numbers) == len(event_ids) <= self._limit - len(self)
            and self._settled is None
            and self._hot.isdisjoint(numbers)
        ):
            self._hot |= numbers
            return None
        new = [place for place, one in enumerate(event_ids) if self.add(one)]
        return None if len(new) == len(event_ids) else new

    def settle(self) -> None:
        """Pack what was added so far; membership stays the same."""
        if not self._hot:
            return
        packed = np.fromiter(self._hot, dtype=np.int64, count=len(self._hot))
        if self._settled is not None:
            packed = np.concatenate((self._settled, packed))
        packed.sort()
        self._settled = packed
        self._hot = set()

    def _in_settled(self, number: int) -> bool:
        if self._settled is None:
            return False
        at = int(np.searchsorted(self._settled, number))
        return at < len(self._settled) and int(self._settled[at]) == number
