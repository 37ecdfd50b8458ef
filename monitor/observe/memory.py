"""All that is remembered of a fleet's counts, key by key and leaf by leaf."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from monitor.events import Cells, CountDelta
from monitor.observe.arrays import (
    Array,
    Bools,
    Ints,
    State,
    roll_up,
    roomy,
    rows_of,
    slices_of,
    widened,
)
from monitor.observe.baseline import HIGHEST_RATE, Baseline
from monitor.observe.bounds import Bitten, Bound
from monitor.observe.channels import WIDTH, split
from monitor.observe.dispersion import BLOCK_SECONDS, Dispersion
from monitor.observe.inbox import matrix
from monitor.observe.keys import FIRST_PLACES, Catalog
from monitor.observe.lateness import Lateness
from monitor.observe.policy import ObservePolicy
from monitor.observe.recent import RecentLeaves, RecentReasons
from monitor.observe.season import Season
from monitor.observe.survey import Survey
from monitor.observe.windows import Windows

#: Attempts behind a baseline without which it is nobody's normal: with fewer, a key
#: cannot be told from its parents.
KNOWN_ATTEMPTS = 200.0

#: A fleet's own normal needs so much event time.
WARM_UP_SECONDS = 600.0

#: How fast a baseline learns where something may be wrong.
WARM_GATE = 0.02


class Sums(NamedTuple):
    """Counts of one slot by key that no open incident explains.

    ``tried`` and ``failed`` are ``[keys, channels]``, 32-bit, kept channel by channel.
    """

    slot: int
    keys: Ints
    tried: Array
    failed: Array

    def without(self, gone: Ints) -> "Sums":
        """The same, but for keys that were evicted since."""
        return self.part(np.flatnonzero(~np.isin(self.keys, gone)))

    def part(self, rows: Ints | slice) -> "Sums":
        """Some of the rows."""
        return Sums(self.slot, self.keys[rows], self.tried[rows], self.failed[rows])


class Rows(NamedTuple):
    """Counts of one slot by leaf: their keys, and ``[rows, COLUMNS]``."""

    slot: int
    leaf_keys: Array
    counts: Array


class Keyed(Protocol):
    """What has a place for every key."""

    def resize(self, capacity: int) -> None:
        """Make place for more keys."""

    def forget(self, keys: Ints) -> None:
        """Clear the places of evicted keys."""


class Memory:
    """Places, windows, baselines and recent leaf counts.

    Args:
        policy: bounds and lengths.
    """

    def __init__(self, policy: ObservePolicy) -> None:
        self._policy = policy
        self.capacity = FIRST_PLACES
        slot = policy.slot_seconds
        self.catalog = Catalog(policy.dimensions, policy.max_keys, policy.max_leaves)
        self.windows = Windows(slot, self.capacity)
        self.baseline = Baseline(slot, self.capacity)
        self.season = Season(slot, self.capacity)
        self.dispersion = Dispersion(self.capacity)
        self.leaves = RecentLeaves(slot)
        self.reasons = RecentReasons(slot)
        #: Where something may be wrong, ``[keys, channels]``: learned from slowly.
        self.warm: Bools = np.zeros((self.capacity, WIDTH), bool)
        self._keyed: list[Keyed] = [
            self.windows,
            self.baseline,
            self.season,
            self.dispersion,
        ]
        self._refreshed: tuple[int, int] | None = None
        self._lateness = Lateness()
        self._gone: Ints = np.zeros(0, np.int64)

    @property
    def bitten(self) -> Bitten:
        """How often the bounds of what is kept here were met."""
        return {
            Bound.SCOPES: self.catalog.evicted_keys,
            Bound.CELLS: self.catalog.evicted_leaves,
            Bound.NEWCOMERS: self.catalog.overflow,
            Bound.SLOTS: self.leaves.dropped,
            Bound.REASONS: self.reasons.refused,
        }

    def attach(self, keyed: Keyed) -> None:
        """Keep the places of one more component in step."""
        self._keyed.append(keyed)

    def seat(self, slot: int, deltas: Sequence[CountDelta]) -> Rows:
        """Give the cells of a slot their places, and enter their counts."""
        tables = [Cells.of(delta.cells) for delta in deltas]
        leaves = self.catalog.seat_all(tables, slot)
        self._settle()
        for delta in deltas:
            self.reasons.add(slot, delta.reasons)
        counts = np.concatenate([matrix(delta) for delta in deltas])
        if len(deltas) > 1:
            # Of a leaf most input partitions have some: once is enough for the rest.
            leaves, counts = roll_up(leaves[:, None], counts, np.int32)
        self.leaves.add(slot, leaves, counts)
        return Rows(slot, self.catalog.leaf_keys[leaves], counts)

    def enter(self, rows: Rows, explained: Bools) -> Sums:
        """Add a slot's rows to the windows.

        Args:
            rows: of one slot.
            explained: per row, the channels that open incidents explain.

        Returns:
            What is left to judge and to learn from.
        """
        keys, counts = roll_up(rows.leaf_keys, rows.counts, np.int32)
        self.windows.add(rows.slot, keys, counts)
        tried, failed = split(counts, np.float32)
        self.season.note(rows.slot, keys, tried, failed)
        mine = np.flatnonzero(explained.any(axis=1))
        if len(mine):
            taken = np.hstack(split(rows.counts[mine])) * np.tile(explained[mine], 2)
            theirs, gone = roll_up(rows.leaf_keys[mine], taken)
            self.season.explained(rows.slot, theirs, gone[:, :WIDTH], gone[:, WIDTH:])
            place = np.searchsorted(keys, theirs)
            tried[place] -= gone[:, :WIDTH]
            failed[place] -= gone[:, WIDTH:]
            for left in (tried, failed):
                np.maximum(left, 0, out=left)
        return Sums(rows.slot, keys, tried, failed)

    def take_gone(self) -> Ints:
        """Places of keys that were evicted since the last call."""
        gone, self._gone = self._gone, self._gone[:0]
        return gone

    def learn(self, sums: Sums, stale: bool = False) -> None:
        """Teach baselines and dispersion what is normal.

        Args:
            sums: counts of one slot.
            stale: they are of a backlog, or too late to alarm.
        """
        self.baseline.advance(sums.slot)
        varies = self._is_timely(sums, stale)
        for part in slices_of(len(sums.keys)):
            self._learn(sums.part(part), varies)

    def _is_timely(self, sums: Sums, stale: bool) -> bool:
        """Whether counts come about when others do, or in a backlog one after the
        other: else they would be an odd lot in the block of another minute.
        """
        assert self.baseline.head is not None
        slots = max(0, self.baseline.head - sums.slot - 1)
        late = float(slots * self._policy.slot_seconds)
        if not stale:
            late = self._lateness.after(late, float(sums.tried[:, 0].sum()))
        return late < BLOCK_SECONDS

    def _learn(self, sums: Sums, varies: bool) -> None:
        keys, warm = sums.keys, self.warm[sums.keys]
        gate = np.where(warm.T, np.float32(WARM_GATE), np.float32(1.0)).T
        # What the hour makes of a rate is not for the baseline to learn again.
        tried = sums.tried * self.season.factors(sums.slot, keys)
        self.baseline.add(sums.slot, keys, tried * gate, sums.failed * gate)
        if varies:
            info = rows_of(self.baseline.info, keys)
            # Where a score is high, too: leaving out the peaks of a rate that breathes
            # would make it look calm.
            expected = tried * rows_of(self.baseline.rate, keys)
            known = self.known(keys)
            self.dispersion.add(keys, sums.failed, expected, info, known)

    def relearn(self, keys: Ints, channels: Bools, slot: int) -> None:
        """Take the rates of keys since a slot, of the last hour at most, for normal."""
        rows = self.leaves.since(slot)
        found, counts = roll_up(self.catalog.leaf_keys[rows.leaves], rows.counts)
        mine = np.isin(found, keys)
        tried, failed = split(counts[mine])
        tried = tried * self.season.factors(slot, found[mine])
        self.baseline.relearn(found[mine], channels, tried, failed)
        self.baseline.refresh(self.catalog)

    def refresh(self, slot: int) -> None:
        """Bring rates up to date if time has passed or keys have come."""
        state = slot, self.catalog.admitted
        if self._refreshed == state:
            return
        new = self.catalog.take_new()
        self.season.link(self.catalog, new)
        self.season.turn(self.catalog, self.baseline.failures)
        if self._refreshed is not None and self._refreshed[0] == slot:
            self.baseline.refresh(self.catalog, only=new)
        else:
            self.baseline.advance(slot)
            self.baseline.refresh(self.catalog)
        self._refreshed = state
        self.windows.let_go(slot * self._policy.slot_seconds)
        now = (slot + 1) * self._policy.slot_seconds
        size = len(self.catalog.scopes)
        info, warm = self.baseline.info[:size], self.warm[:size]
        self.dispersion.close_block(now, info, warm)

    def refresh_in_backlog(self, slot: int) -> None:
        """The same about once a minute of event time, while catching up."""
        if self._refreshed is None or (
            (slot - self._refreshed[0]) * self._policy.slot_seconds >= BLOCK_SECONDS
        ):
            self.refresh(slot)

    def normal(self, slot: int, keys: Ints | slice = slice(None)) -> Array:
        """Rates that are normal in a slot, ``[keys, channels]``; to be read at once,
        since they may not be a copy.
        """
        rate = self.baseline.rate
        mine = rate[keys] if isinstance(keys, slice) else rows_of(rate, keys)
        factors = self.season.factors(slot, keys)
        if factors.size == 1:
            return mine
        normal: Array = np.minimum(mine * factors, HIGHEST_RATE)
        return normal

    def survey(self, slot: int) -> Survey:
        """What the leaves have counted since a slot, and what is normal there."""
        return Survey(self.catalog, self.normal(slot), self.leaves.since(slot))

    def known(self, keys: Ints) -> Bools:
        """Where a baseline has been learned, ``[keys, channels]``."""
        if self.baseline.age_seconds < WARM_UP_SECONDS:
            return np.zeros((len(keys), WIDTH), bool)
        known: Bools = rows_of(self.baseline.learned, keys) >= KNOWN_ATTEMPTS
        return known

    def state(self) -> dict[str, State]:
        """What a snapshot needs, by component; reasons and names go apart."""
        size = len(self.catalog.scopes)
        return {
            "catalog": self.catalog.state(),
            "windows": self.windows.state(),
            "baseline": self.baseline.state(size),
            "season": self.season.state(),
            "dispersion": self.dispersion.state(size),
            "leaves": self.leaves.state(),
            "memory": {
                "warm": self.warm[:size],
                "refreshed": np.array(self._refreshed or (-1, -1)),
                "lateness": np.array([self._lateness.seconds, self._lateness.volume]),
            },
        }

    def load(
        self,
        names: Sequence[str],
        parts: Mapping[str, State],
    ) -> None:
        """Take back what ``state`` gave."""
        self.catalog.load(names, parts["catalog"])
        self._settle()
        self.windows.load(parts["windows"])
        self.baseline.load(parts["baseline"])
        self.season.load(parts["season"], self.catalog)
        self.dispersion.load(parts["dispersion"])
        self.leaves.load(parts["leaves"])
        own = parts["memory"]
        self.warm[: len(own["warm"])] = own["warm"]
        slot, admitted = own["refreshed"].tolist()
        self._refreshed = (slot, admitted)
        if "lateness" in own:  # snapshots of version 4 were once without it
            self._lateness.seconds, self._lateness.volume = own["lateness"].tolist()

    def _settle(self) -> None:
        """Follow the catalog: clear the places of the evicted, make new ones."""
        leaves, keys = self.catalog.take_gone()
        if len(leaves):
            self.leaves.forget(leaves)
        if len(keys):
            self._forget(keys[keys < self.capacity])
        places = len(self.catalog.scopes)
        if places > self.capacity:
            self._resize(roomy(places))

    def _forget(self, keys: Ints) -> None:
        self.warm[keys] = False
        self._gone = np.concatenate([self._gone, keys])
        for keyed in self._keyed:
            keyed.forget(keys)

    def _resize(self, capacity: int) -> None:
        self.capacity = capacity
        self.warm = widened(self.warm, capacity)
        for keyed in self._keyed:
            keyed.resize(capacity)
