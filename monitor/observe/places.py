"""Places in arrays for labels, looked up thousands at a time.

Theory of operation. A label is a row of 64-bit integers, a place is where its owner
stands in every array of this room. Labels are found by open addressing with double
hashing: each probe is one pass over all labels that are still looked for, and with a
table that is never more than half full few are left after the third. A hit counts only
if the label itself is the same. A place that is given up leaves a mark in the table,
so that those behind it are found; marks go when the table is made anew.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar, overload

import numpy as np
import numpy.typing as npt

from monitor.observe.arrays import (
    NOWHERE,
    Array,
    Bools,
    Ints,
    roomy,
    slices_of,
    widened,
)

#: Places to start with.
FIRST_PLACES = 256

#: What a table holds where nobody is, and where somebody was; ``EMPTY`` ends a search.
_EMPTY, _LEFT = -1, -2

#: The table is made anew with so many entries a label, when it is half full.
_ROOM = 4

#: Odd numbers without a pattern: one a word of a label, and one for the sum.
_MIXERS = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64
)
_LAST_MIXER = np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)

_Noun = TypeVar("_Noun")


class Places:
    """Gives labels places, the lowest free ones first.

    Args:
        words: integers that make a label.

    >>> places = Places(1)
    >>> places.take(np.array([[7], [9]])), places.find(np.array([[9], [8]]))
    (array([0, 1]), array([ 1, -1]))
    """

    def __init__(self, words: int) -> None:
        self.end = 0
        self.taken: Bools = np.zeros(FIRST_PLACES, bool)
        self._labels: Ints = np.zeros((words, FIRST_PLACES), np.int64)
        self._free: Ints = np.zeros(0, np.int64)
        self._table: Array = np.full(_ROOM * FIRST_PLACES, _EMPTY, np.int32)
        self._used = 0

    def __len__(self) -> int:
        return self.end - len(self._free)

    def labels(self, places: Ints | slice) -> Ints:
        """The labels of some places, ``[places, words]``."""
        found: Ints = self._labels[:, places].T
        return found

    def find(self, labels: Ints) -> Ints:
        """The places of labels ``[rows, words]``, ``NOWHERE`` for those without."""
        places = np.empty(len(labels), np.int64)
        for part in slices_of(len(labels)):
            found = self._probe(labels[part])
            places[part] = np.where(found >= 0, self._table[found], NOWHERE)
        return places

    def take(self, labels: Ints) -> Ints:
        """Give places to labels that have none; each must be there once."""
        reused, self._free = np.split(self._free, [min(len(labels), len(self._free))])
        first, self.end = self.end, self.end + len(labels) - len(reused)
        places: Ints = np.concatenate([reused, np.arange(first, self.end)])
        if self.end > len(self.taken):
            capacity = roomy(self.end)
            self.taken = widened(self.taken, capacity)
            self._labels = widened(self._labels, capacity, axis=1)
        self._labels[:, places] = labels.T
        self.taken[places] = True
        self._used += len(places)
        if 2 * self._used > len(self._table):
            self._make_anew()
        else:
            self._enter(places)
        return places

    def drop(self, places: Ints) -> None:
        """Take places back, each once."""
        self._table[self._probe(self.labels(places))] = _LEFT
        self.taken[places] = False
        self._free = np.sort(np.concatenate([self._free, places]))

    def load(self, labels: Ints, taken: Bools) -> None:
        """Hold exactly these, place by place; where none is taken, a place is free."""
        self.end = len(labels)
        capacity = max(FIRST_PLACES, self.end)
        self._labels = widened(labels.T, capacity, axis=1)
        self.taken = widened(taken, capacity)
        self._free = np.flatnonzero(~taken)
        self._make_anew()

    def _probe(self, labels: Ints) -> Ints:
        """Where in the table labels stand, ``NOWHERE`` for those that do not."""
        found = np.full(len(labels), NOWHERE)
        left = np.arange(len(labels))
        at, step = self._start(labels)
        while len(left):
            places = self._table[at]
            same = places >= 0
            for mine, theirs in zip(labels.T, self._labels, strict=True):
                same &= theirs[places] == mine[left]
            found[left[same]] = at[same]
            on = np.flatnonzero(~same & (places != _EMPTY))
            left, step = left[on], step[on]
            at = at[on] + step & len(self._table) - 1
        return found

    def _enter(self, places: Ints) -> None:
        """Enter places into the table; their labels are not in it."""
        at, step = self._start(self.labels(places))
        while len(places):
            empty = self._table[at] == _EMPTY
            self._table[at[empty]] = places[empty]  # of two for one, the last gets it
            on = np.flatnonzero(self._table[at] != places)
            places, step = places[on], step[on]
            at = at[on] + step & len(self._table) - 1

    def _make_anew(self) -> None:
        places = np.flatnonzero(self.taken)
        size = 1 << int(_ROOM * max(len(places), FIRST_PLACES) - 1).bit_length()
        self._table = np.full(size, _EMPTY, np.int32)
        self._used = len(places)
        self._enter(places)

    def _start(self, labels: Ints) -> tuple[Ints, Ints]:
        """Where to look first for each label, and how far to go from there."""
        mixed = _mixed(labels)
        mask = np.uint64(len(self._table) - 1)
        # An odd step meets every entry of a table whose length is a power of two.
        step = (mixed & mask).astype(np.int64) | 1
        return (mixed >> _HALF & mask).astype(np.int64), step


class Made(Sequence[_Noun | None], Generic[_Noun]):
    """Reads like a list by place; each noun is made when it is asked for.

    Args:
        places: which places are taken; there is ``None`` in the others.
        make: what makes the noun of a place.
    """

    def __init__(self, places: Places, make: Callable[[int], _Noun]) -> None:
        self._places, self._make = places, make

    def __len__(self) -> int:
        return self._places.end

    @overload
    def __getitem__(self, place: int) -> _Noun | None: ...

    @overload
    def __getitem__(self, place: slice) -> list[_Noun | None]: ...

    def __getitem__(self, place: int | slice) -> _Noun | list[_Noun | None] | None:
        if isinstance(place, slice):
            return [self[one] for one in range(len(self))[place]]
        at = range(len(self))[place]
        return self._make(at) if self._places.taken[at] else None

    def __iter__(self) -> Iterator[_Noun | None]:
        return map(self.__getitem__, range(len(self)))


def firsts(labels: Ints) -> Ints:
    """Rows at which each distinct label is for the first time, ascending."""
    mixed = np.sort(_mixed(labels))
    if (mixed[1:] != mixed[:-1]).all():
        return np.arange(len(labels))
    return np.sort(np.unique(labels, axis=0, return_index=True)[1])


def _mixed(labels: Ints) -> npt.NDArray[np.uint64]:
    """A number of each label; those of two labels are rarely the same."""
    words = labels.astype(np.uint64)
    mixed: npt.NDArray[np.uint64] = words[:, 0] * _MIXERS[0]
    for word in range(1, words.shape[1]):
        mixed += words[:, word] * _MIXERS[word]
    mixed ^= mixed >> _HALF
    mixed *= _LAST_MIXER
    return mixed
