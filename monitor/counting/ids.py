"""The event ids one slot has seen: exact while hot, eight bytes each when settled.

A copy of an event carries the same event time, so it meets the original in the same
slot, and the ids can be dropped with the slot: the window of de-duplication *is* the
allowed lateness. No filter with false positives is involved; two different ids are
mistaken for one only if their 64-bit hashes agree, about 3e-10 for a slot of 100,000.
"""

from collections.abc import Collection, Sequence

import numpy as np


class SeenIds:
    """A set of strings that can be packed once it is mostly read.

    >>> ids = SeenIds(limit=10)
    >>> ids.add_all(["a", "b", "a"]), ids.add_all(["c"])
    ([0, 1], None)
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

    def add_all(self, event_ids: Sequence[str]) -> list[int] | None:
        """Remember ids; returns the places of those that are new, ``None`` for all.

        Over the limit an unknown id is let through unremembered, and counted in
        ``overflow``: an event counted twice is better than one lost.
        """
        numbers, hot = [*map(hash, event_ids)], self._hot
        settled = self._settled_among(numbers)
        known = len(hot)
        fits = len(self) + len(numbers) <= self._limit
        if not fits or settled or not hot.isdisjoint(numbers):
            new = self._add_each(numbers, settled)
        else:
            hot.update(numbers)
            if len(hot) - known == len(numbers):
                return None
            new = _firsts(numbers)
        return None if len(new) == len(numbers) else new

    def _add_each(self, numbers: Sequence[int], settled: Collection[int]) -> list[int]:
        """Remember numbers one by one; returns the places of those that are new."""
        new: list[int] = []
        for place, number in enumerate(numbers):
            if number in settled or number in self._hot:
                continue
            new.append(place)
            if len(self) < self._limit:
                self._hot.add(number)
            else:
                self.overflow += 1
        return new

    def _settled_among(self, numbers: Sequence[int]) -> set[int]:
        """Those of the numbers that are packed."""
        if self._settled is None or not numbers:
            return set()
        wanted = np.array(numbers, dtype=np.int64)
        at = np.searchsorted(self._settled, wanted)
        there = self._settled.take(at, mode="clip") == wanted
        return set(wanted[there].tolist())

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


def _firsts(numbers: Sequence[int]) -> list[int]:
    """The places at which a number comes for the first time."""
    first: dict[int, int] = {}
    for place, number in enumerate(numbers):
        first.setdefault(number, place)
    return [*first.values()]
