"""The daily and weekly rhythm of rates: a factor for every hour of the week.

Theory of operation. A *row* is a scope and a channel with so many failures a day that
its rhythm can be seen. It remembers the attempts and failures of the last four weeks,
hour by hour, and which of them were part of an incident. Once a day it plans its week
(``rhythm``), leaning on the row of its parent: a single scope on the fleet, a pair on
its own half if that has a row, else on its provider. What has no row, or one with less
than a week behind it, takes the factors of its parent; without one, 1.

The baseline learns what is left when the factor is taken out, and what is normal now is
the baseline times the factor, so neither is taught what the other knows. What changes
within days is the baseline's matter: only changes from hour to hour need a rhythm.
"""

from collections.abc import Mapping

import numpy as np

from monitor.observe.arrays import (
    NOWHERE,
    Array,
    Bools,
    Floats,
    Ints,
    State,
    widened,
)
from monitor.observe.channels import WIDTH
from monitor.observe.keys import FLEET, PAIRS, Catalog
from monitor.observe.rhythm import DAY_HOURS, WEEK_HOURS, WEEKS, planned

HOUR_SECONDS = 3_600.0

#: Failures a day from which a scope has a row, five an hour; and below which it loses
#: it to another: not before, since many scopes rest at weekends.
FEWEST_A_DAY, TOO_FEW_A_DAY = 120.0, 30.0

#: Most rows, of 3 kB each: what an observer of any size can spare.
MOST_ROWS = 1_024

#: Rows are made so many at a time; row 0 is nobody's, and always 1.
GRAIN = 64
NO_ROW = 0

#: An hour is suspect if incidents explain this part of its attempts.
SUSPECT_PART = 0.05

#: Factors change over so many seconds on either side of the full hour.
RAMP_SECONDS = 900.0

#: Counts are kept in 16 bits, divided by these: exact to 0.05 %, up to 300,000 attempts
#: and 19,000 failures a second.
_UNIT_TRIED, _UNIT_FAILED = 16_384.0, 1_024.0
_MOST_HALF = float(np.finfo(np.float16).max)

#: First hour of a row that has been planned: a week is behind it for good.
_PLANNED = NOWHERE

#: Hours that are kept.
_HOURS = WEEKS * WEEK_HOURS

#: Planes of the two open hours: all, and what incidents explain of it.
_TRIED, _FAILED, _TRIED_BAD, _FAILED_BAD = range(4)
_PLANES = 4


class Season:
    """Factors by which rates differ from hour to hour.

    Args:
        slot_seconds: length of a slot.
        capacity: places for keys.
    """

    def __init__(self, slot_seconds: float, capacity: int) -> None:
        self._slot_seconds = slot_seconds
        # The row that a key reads its factor from.
        self._row: Array = np.full((capacity, WIDTH), NO_ROW, np.int16)
        # Of each row its key (NOWHERE: free), channel, first hour, and parent's row.
        self._key: Ints = np.full(1, NOWHERE)
        self._channel: Ints = np.zeros(1, np.int64)
        self._first: Ints = np.zeros(1, np.int64)
        self._up: Ints = np.zeros(1, np.int64)
        # Attempts, below 0 in suspect hours, and failures.
        self._kept: Array = np.zeros((2, 1, _HOURS), np.float16)
        self._factors: Array = np.ones((1, WEEK_HOURS), np.float16)
        self._open: Floats = np.zeros((2, _PLANES, 1))
        self._hour = self._turned = NOWHERE
        #: Scopes and channels with failures enough for a row that found none.
        self.refused = 0

    @property
    def rows(self) -> int:
        """How many scopes and channels have a row."""
        return int(np.count_nonzero(self._key >= 0))

    def factors(self, slot: int, keys: Ints | slice = slice(None)) -> Array:
        """Factors of keys in a slot, ``[keys, channels]``, or a single 1 for all,
        32-bit as rates are.
        """
        now = self._at((slot + 0.5) * self._slot_seconds)
        if (now == 1.0).all():
            return np.ones((1, 1), np.float32)
        factors: Array = now.astype(np.float32)[self._row[keys]]
        return factors

    def _at(self, seconds: float) -> Floats:
        """Factor of each row at a time, smooth from hour to hour."""
        hour, into = divmod(seconds, HOUR_SECONDS)
        cell, left = int(hour) % WEEK_HOURS, HOUR_SECONDS - into
        own: Floats = self._factors[:, cell].astype(np.float64)
        near, step = (into, -1) if into < left else (left, 1)
        if near >= RAMP_SECONDS:
            return own
        weight = 0.5 * (1.0 - near / RAMP_SECONDS)
        return own + weight * (self._factors[:, (cell + step) % WEEK_HOURS] - own)

    # -- what is seen -----------------------------------------------------------

    def note(self, slot: int, keys: Ints, tried: Floats, failed: Floats) -> None:
        """Take in all counts of a slot; keys ascend."""
        hour = self._hour_of(slot)
        if hour > self._hour:
            self._begin(hour)
        self._add(hour, keys, (_TRIED, tried), (_FAILED, failed))

    def explained(self, slot: int, keys: Ints, tried: Floats, failed: Floats) -> None:
        """Of the counts of a slot, those that open incidents explain."""
        hour = self._hour_of(slot)
        self._add(hour, keys, (_TRIED_BAD, tried), (_FAILED_BAD, failed))

    def drop(self, keys: Ints, channels: Bools) -> None:
        """An incident is found: the open hours of these keys are suspect."""
        mine = np.isin(self._key, keys) & channels[self._channel]
        self._open[:, _TRIED_BAD, mine] = np.inf

    def _hour_of(self, slot: int) -> int:
        return int(slot * self._slot_seconds // HOUR_SECONDS)

    def _add(self, hour: int, keys: Ints, *planes: tuple[int, Floats]) -> None:
        if hour < self._hour - 1 or not len(keys):
            return
        place = np.minimum(np.searchsorted(keys, self._key), len(keys) - 1)
        mine = np.flatnonzero(keys[place] == self._key)
        for plane, counts in planes:
            added = counts[place[mine], self._channel[mine]]
            self._open[hour % 2, plane, mine] += added

    def _begin(self, hour: int) -> None:
        """Begin an hour: what is older than the one before it goes into the weeks."""
        if self._hour == NOWHERE:
            self._hour = hour
        if hour - self._hour > _HOURS:
            self._open[:] = 0.0
        for new in range(max(self._hour + 1, hour - _HOURS), hour + 1):
            self._enter(new - 2)
            self._open[new % 2] = 0.0
        self._hour = hour

    def _enter(self, hour: int) -> None:
        tried, failed, tried_bad, failed_bad = self._open[hour % 2]
        suspect = tried_bad > SUSPECT_PART * tried
        # Of a suspect hour all is kept: if it returns, it counts as it was.
        tried = np.where(suspect, -tried, tried - tried_bad) / _UNIT_TRIED
        failed = np.where(suspect, failed, failed - failed_bad) / _UNIT_FAILED
        for kept, counts in zip(self._kept, (tried, failed), strict=True):
            kept[:, hour % _HOURS] = np.clip(counts, -_MOST_HALF, _MOST_HALF)

    # -- what comes of it -------------------------------------------------------

    def turn(self, catalog: Catalog, failures: Mapping[int, Array]) -> None:
        """Once an hour: give rows and take them, and plan the weeks that are due.

        Args:
            catalog: the keys.
            failures: of the last day by channel, ``[keys]``, where there are any.
        """
        if self._turned == self._hour:
            return
        passed = min(self._hour - self._turned, DAY_HOURS)
        self._turned = self._hour
        self._admit(failures)
        self.link(catalog, np.arange(len(catalog.scopes)))
        self._plan(passed)

    def _admit(self, failures: Mapping[int, Array]) -> None:
        """Rows for those who fail most; parents, who fail more, come first."""
        wanted, keys, channels = self._wanted(failures)
        taken = np.flatnonzero(self._key >= 0)
        if len(taken) + wanted >= MOST_ROWS:
            few = [row for row in taken.tolist() if self._fails_little(row, failures)]
            self._free(np.array(few, int))
            taken = np.setdiff1d(taken, few)
        self._widen(min(1 + len(taken) + wanted, MOST_ROWS))
        room = min(MOST_ROWS - 1 - len(taken), wanted)
        free = np.flatnonzero(self._key[1:] < 0)[:room] + 1
        self.refused = wanted - len(free)
        self._key[free], self._channel[free] = keys[: len(free)], channels[: len(free)]
        self._first[free] = self._hour

    def _wanted(self, failures: Mapping[int, Array]) -> tuple[int, Ints, Ints]:
        """How many keys and channels without a row should have one, and those that fail
        most, at least as many as there can be rows.
        """
        wanted, found = 0, [np.zeros((3, 0))]
        for channel, of_day in failures.items():
            fails = of_day >= FEWEST_A_DAY
            fails[self._key[(self._key >= 0) & (self._channel == channel)]] = False
            keys = np.flatnonzero(fails)
            wanted += len(keys)
            most = keys[np.argsort(-of_day[keys], kind="stable")[:MOST_ROWS]]
            found.append(np.array([of_day[most], most, np.full(len(most), channel)]))
        counts, keys, channels = np.concatenate(found, axis=1)
        order = np.lexsort((channels, keys, -counts))
        return wanted, keys[order].astype(int), channels[order].astype(int)

    def _fails_little(self, row: int, failures: Mapping[int, Array]) -> bool:
        of_day = failures.get(int(self._channel[row]))
        return of_day is None or bool(of_day[self._key[row]] < TOO_FEW_A_DAY)

    def link(self, catalog: Catalog, keys: Ints) -> None:
        """Find the rows that keys read from; their parents have theirs already."""
        if not self.rows:
            return
        kinds = catalog.key_kind[keys]
        pair, there = np.isin(kinds, tuple(PAIRS)), kinds >= 0
        self._row[keys[kinds == FLEET]] = NO_ROW
        for level in (kinds == FLEET, there & ~pair & (kinds != FLEET), pair):
            mine = keys[level]
            own, provider = self._row[np.maximum(catalog.key_parts[mine].T, FLEET)]
            self._row[mine] = np.where(own != self._row[FLEET], own, provider)
            rows = np.flatnonzero(np.isin(self._key, mine))
            at = self._key[rows], self._channel[rows]
            self._up[rows] = self._row[at]
            self._row[at] = rows

    def _plan(self, hours: int) -> None:
        """Plan the weeks of the rows that were due in the last hours: one a day."""
        taken = np.flatnonzero(self._key >= 0)
        due = self._hour - self._first[taken] > WEEK_HOURS
        due &= (self._hour - taken) % DAY_HOURS < hours
        rows = taken[due]
        if len(rows):
            tried, failed = self._kept[:, rows][..., self._by_age()].astype(np.float64)
            self._factors[rows] = planned(
                np.abs(tried) * _UNIT_TRIED,
                failed * _UNIT_FAILED,
                tried < 0,
                self._factors[self._up[rows]].astype(np.float64),
            )
            self._first[rows] = _PLANNED
        young = taken[self._first[taken] != _PLANNED]
        for _ in range(2):  # a pair may lean on a single that leans on the fleet
            self._factors[young] = self._factors[self._up[young]]

    def _by_age(self) -> Ints:
        """Where the hours of the week are kept, ``[WEEKS, WEEK_HOURS]``, newest first.

        The newest that has been entered is the one before the two open ones.
        """
        newest = self._hour - 2
        back = (newest - np.arange(WEEK_HOURS)) % WEEK_HOURS
        return (newest - back - WEEK_HOURS * np.arange(WEEKS)[:, None]) % _HOURS

    # -- places -----------------------------------------------------------------

    def _widen(self, rows: int) -> None:
        have = len(self._key)
        if rows <= have:
            return
        rows = -(-rows // GRAIN) * GRAIN
        self._key, self._channel = (
            widened(self._key, rows),
            widened(self._channel, rows),
        )
        self._first, self._up = widened(self._first, rows), widened(self._up, rows)
        self._kept = widened(self._kept, rows, axis=1)
        self._factors = widened(self._factors, rows)
        self._open = widened(self._open, rows, axis=2)
        self._free(np.arange(have, rows))

    def _free(self, rows: Ints) -> None:
        self._key[rows] = NOWHERE
        self._kept[:, rows] = 0.0
        self._factors[rows] = 1.0
        self._open[..., rows] = 0.0

    def resize(self, capacity: int) -> None:
        """Make place for more keys."""
        self._row = widened(self._row, capacity)

    def forget(self, keys: Ints) -> None:
        """Free the rows of evicted keys; a pair goes with its halves."""
        self._row[keys] = NO_ROW
        self._free(np.flatnonzero(np.isin(self._key, keys)))

    def state(self) -> State:
        """What a snapshot needs."""
        clock = self._hour, self._turned, self.refused
        return {
            "rows": np.array([self._key, self._channel, self._first]),
            "kept": self._kept,
            "factors": self._factors,
            "open": self._open,
            "clock": np.array(clock),
        }

    def load(self, state: State, catalog: Catalog) -> None:
        """Take back what ``state`` gave."""
        self._key, self._channel, self._first = state["rows"]
        self._kept, self._factors = state["kept"], state["factors"]
        self._open = state["open"]
        self._up = np.zeros_like(self._key)
        self._hour, self._turned, self.refused = state["clock"].tolist()
        self.link(catalog, np.arange(len(catalog.scopes)))
