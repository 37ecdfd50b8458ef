"""Where the windows of one channel stand (``scan``), and how a look is added to them.

Most pairs of a key and a channel have no failure in a look and no evidence from before;
they stay at 0 and cost nothing, not even a place: the windows of a channel stand close
together, in any order, and a key has a place there while one of its windows is open.
Once many keys have one, they all get one, each its own: then a look is added where the
windows are, and nothing has to be looked up.

Keys come last in all arrays, and a few thousand of them are worked on at a time, so
that these stay in the processor's cache.
"""

from functools import lru_cache

import numpy as np

from monitor.observe.arrays import (
    NOWHERE,
    Array,
    Ints,
    Singles,
    roomy,
    slices_of,
)
from monitor.observe.detectors.look import AGAINST, FAILED

#: Rate multipliers of the grid.
MULTIPLIERS: Singles = np.array([1.3, 1.6, 2.0, 3.0, 5.5, 15.0], np.float32)

#: Every key has its own place if at least this part of them has an open window: that is
#: cheaper than to fetch the windows one by one.
AT_HOME = 0.25

#: Windows at their own places are worked on where they are if at least this part of
#: those between the first and the last is in the look; it changes no other.
DENSE = 0.4

#: Places are made anew, without gaps, if fewer than this part is in use; where every
#: key has its own, that is seen once in so many steps.
SPARSE, STEPS = 0.25, 4_096

#: Epoch seconds fit into 32 bits until the year 2106.
_END = np.uint32(2**32 - 1)

_FIRST_PLACES = 256


class Grid:
    """The windows of one channel: those that are open, close together, or those of
    all keys, each at its own place.

    A window is some 32-bit words: its sums, which are floats, and how long before
    ``_END`` it began, seconds. All are 0 where it is shut: so one maximum dates those
    that open, unless a look begins before the last, and one mask shuts those that end.

    Args:
        capacity: places for keys.
        weights: evidence of one failure, and of one of what speaks against.
        kept: how many sums are kept of a window.
    """

    def __init__(self, capacity: int, weights: Singles, kept: int) -> None:
        #: Of the evidence with its sign turned: then the first bit tells what is open.
        #: No -0 is among them, which minus 0 would be.
        self._costs = np.float32(0) - weights
        self._capacity = capacity
        #: Where the windows of a key are; nothing as long as no key has any.
        self._place: Array = np.zeros(0, np.int32)
        self._owner: Array = np.zeros(0, np.int32)
        self._words: Array = np.zeros((kept + 1, len(MULTIPLIERS), 0), np.uint32)
        #: The first so many of these places are free; the last of them goes first.
        self._free: Array = np.zeros(0, np.int32)
        self._left = self._steps = 0
        self._at_home = False
        #: No window began later; and whether this look begins before one.
        self._newest, self._late = np.uint32(0), False

    def news(self, rows: Ints, keys: Ints, failed: Array) -> Ints:
        """Those of all rows that fail or may have an open window."""
        if self._at_home:
            return rows
        failing = failed > 0
        if len(self._place):
            failing |= self._place.take(keys) >= 0
        return np.flatnonzero(failing)

    def add(self, keys: Ints, counts: Singles, moment: np.uint32) -> Singles:
        """Add counts ``[kept, keys]``; returns the best evidence of each key."""
        if self._at_home:
            self._recount()
        self._late = bool(moment < self._newest)
        self._newest = max(self._newest, moment)
        if self._at_home:
            return self._go_on_at_home(keys, counts, moment)
        peak = np.zeros(len(keys), np.float32)
        places = self._places_of(keys)
        held = np.flatnonzero(places >= 0)
        if len(held):
            mine = places[held].astype(np.int64)
            peak[held] = self._go_on(mine, counts.take(held, 1), moment)
            over = held[peak[held] == 0.0]
            self.leave(keys[over], places[over])
        new = np.flatnonzero(places < 0)
        for part in slices_of(len(new)):
            mine = new[part]
            peak[mine] = self._open(keys[mine], counts.take(mine, 1), moment)
        return peak

    def _places_of(self, keys: Ints) -> Array:
        if not len(self._place):
            self._place = np.full(self._capacity, NOWHERE, np.int32)
        return self._place.take(keys)

    def _open(self, keys: Ints, counts: Singles, moment: np.uint32) -> Singles:
        """Open windows of keys that have none; most shut again at once."""
        cost = self._cost(counts[:, None])
        peak = _peak(cost)
        alive = np.flatnonzero(peak)
        if len(alive):
            places = self._seat(keys[alive])
            words = np.empty((*self._words.shape[:-1], len(alive)), np.uint32)
            words[:-1] = counts.take(alive, 1).view(np.uint32)[:, None]
            words[-1] = _END - moment
            words &= _open_ones(cost.take(alive, 1))
            _put(self._words, places, words)
        return peak

    def _seat(self, keys: Ints) -> Ints:
        """Places for keys that have none."""
        if len(keys) > self._left and not self._at_home:
            self._make_anew(len(keys))
        if self._at_home:
            return keys
        last, self._left = self._left, self._left - len(keys)
        places = self._free[self._left : last][::-1]  # in the order of the keys
        self._place[keys] = places
        self._owner[places] = keys
        return places.astype(np.int64)

    def _go_on(self, places: Ints, counts: Singles, moment: np.uint32) -> Singles:
        """Add counts ``[kept, places]`` to windows, fetched one by one."""
        words = self._words.take(places, -1)
        peak = self._add(words, counts, moment)
        _put(self._words, places, words)
        return peak

    def _go_on_at_home(self, keys: Ints, counts: Singles, moment: np.uint32) -> Singles:
        """Add counts ``[kept, keys]`` to the windows of keys, which ascend."""
        first, end = int(keys[0]), int(keys[-1]) + 1
        if len(keys) < DENSE * (end - first):
            return self._go_on(keys, counts, moment)
        gaps = len(keys) < end - first
        if gaps:
            known, counts = counts, np.zeros((len(counts), end - first), np.float32)
            _put(counts, keys - first, known)
        peak = np.empty(end - first, np.float32)
        for part in slices_of(end - first):
            there = slice(first + part.start, min(first + part.stop, end))
            peak[part] = self._add(self._words[..., there], counts[:, part], moment)
        return peak.take(keys - first) if gaps else peak

    def _add(self, words: Array, counts: Singles, moment: np.uint32) -> Singles:
        sums, began = _parts(words)
        if self._late:
            began += (_END - moment) * (began == 0)
        else:
            # Against a row of it: against the one number it takes three times as long.
            np.maximum(began, np.full_like(began[0], _END - moment), out=began)
        sums += counts[:, None]
        cost = self._cost(sums)
        words &= _open_ones(cost)
        return _peak(cost)

    def _cost(self, sums: Array) -> Singles:
        cost: Singles = self._costs[0] * sums[FAILED]
        cost += self._costs[1] * sums[AGAINST]
        return cost

    def windows(self, keys: Ints) -> tuple[Singles, Array, Array]:
        """Evidence, sums and starts of the windows of keys that have one open."""
        sums, began = _parts(self._words.take(self._place[keys], -1))
        return -self._cost(sums), sums, _dated(began)

    def clear(self, keys: Ints) -> None:
        """Shut the windows of keys."""
        if len(self._place):
            places = self._place.take(keys).astype(np.int64)
            open_ = places >= 0
            keys, places = keys[open_], places[open_]
            self._words[..., places] = 0
            self.leave(keys, places)

    def leave(self, keys: Ints, places: Ints) -> None:
        """Take back the places of keys whose windows are all shut."""
        if self._at_home:
            return
        self._place[keys] = NOWHERE
        self._owner[places] = NOWHERE
        self._free[self._left : self._left + len(places)] = places
        self._left += len(places)
        used, room = len(self._owner) - self._left, len(self._owner)
        if room > _FIRST_PLACES and used < SPARSE * room:
            self._make_anew(0)

    def resize(self, capacity: int) -> None:
        """Make place for more keys."""
        self._capacity = capacity
        if len(self._place):
            self._make_anew(0)

    def held(self) -> tuple[Ints, Array, Array]:
        """Keys with open windows, ascending, and their sums and starts, keys first."""
        places = np.flatnonzero(self._words[FAILED].any(axis=0))
        places = places[np.argsort(self._owner[places])]
        sums, began = _parts(self._words[..., places])
        return self._owner[places], sums.transpose(2, 0, 1), _dated(began).T

    def load(self, keys: Ints, sums: Array, start: Array) -> None:
        """Take back what ``held`` gave, or more sums than are kept."""
        if len(keys):
            self._places_of(keys)
            places = self._seat(keys)
            held, _ = _parts(self._words)
            held[..., places] = sums[:, : len(held)].transpose(1, 2, 0)
            self._words[-1][:, places] = (_END - start.T) * (start.T > 0)
            self._newest = max(self._newest, start.max())

    def _recount(self) -> None:
        """Now and then, see whether it is worth while that every key has a place."""
        self._steps += 1
        if self._steps % STEPS == 0:
            used = np.count_nonzero(self._words[FAILED].any(axis=0))
            if used < SPARSE * AT_HOME * self._capacity:
                self._make_anew(0)

    def _make_anew(self, more: int) -> None:
        """Close the gaps, in the order of the keys, and make room for so many more; or
        give every key its own place.
        """
        keys, sums, start = self.held()
        shape = self._words.shape[:-1]
        self._words = self._words[..., :0].copy()  # before more is made
        wanted = len(keys) + more
        self._at_home = wanted > AT_HOME * self._capacity
        room = max(_FIRST_PLACES, roomy(wanted))
        if self._at_home:
            room = self._capacity
            self._place = self._owner = _own_places(room)
            self._free, self._left = np.zeros(0, np.int32), 0
        else:
            self._place = np.full(self._capacity, NOWHERE, np.int32)
            self._owner = np.full(room, NOWHERE, np.int32)
            self._free = np.arange(room, dtype=np.int32)[::-1].copy()
            self._left = room
        self._words = np.zeros((*shape, room), np.uint32)
        self.load(keys, sums, start)


def _parts(words: Array) -> tuple[Array, Array]:
    """Sums and beginnings of windows, to be written to."""
    return words[:-1].view(np.float32), words[-1]


def _peak(cost: Singles) -> Singles:
    """The best evidence of each key, at least 0."""
    peak: Singles = np.abs(cost.min(axis=0, initial=0.0))
    return peak


def _open_ones(cost: Singles) -> Array:
    """All bits where a window stays open, none where it is shut: a float's first bit is
    its sign, and no cost is -0.
    """
    return (cost.view(np.int32) >> np.int32(31)).view(np.uint32)


def _dated(began: Array) -> Array:
    """When windows began, epoch seconds; 0 where they are shut."""
    return (_END - began) * (began > 0)


@lru_cache(maxsize=2)
def _own_places(room: int) -> Array:
    """The place of each key, if it is its own; the same for all channels."""
    places = np.arange(room, dtype=np.int32)
    places.flags.writeable = False
    return places


def _put(planes: Array, places: Ints, values: Array) -> None:
    """``planes[..., places] = values``, several times as fast."""
    rows = planes.reshape(-1, planes.shape[-1])
    for row, mine in zip(rows, values.reshape(len(rows), -1), strict=True):
        row[places] = mine
