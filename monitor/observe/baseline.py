"""The rate that is normal for each key and channel, learned and shrunk to its parents.

Theory of operation. Counts first wait (``LAG_SECONDS``), so that the last minutes do
not explain themselves away, then flow into a long memory (a day) and a short one (an
hour). All three forget exponentially, slot by slot. That makes the baseline a *linear*
filter of the counts: what a slot adds depends on its age only, so slots may come in
any order, and a backlog teaches the same whether it comes at once or as it happened.

A key with few failures of its own leans on its parents: providers on the fleet; IPs,
campaigns, tenants and segments on the mix of providers they send to; a pair on the
product of its two halves. ``info`` is how many failures stand behind a rate.
"""

from math import exp

import numpy as np

from monitor.observe.arrays import (
    Array,
    Bools,
    Floats,
    Ints,
    State,
    parts_of,
    roll_up,
    widened,
)
from monitor.observe.channels import PRIOR, WIDTH
from monitor.observe.keys import (
    FLEET,
    KINDS,
    NOWHERE,
    PAIRS,
    PROVIDER,
    SEGMENT,
    TENANT,
    Catalog,
)

#: How long counts wait before they teach: longer than a spike takes to be found.
LAG_SECONDS = 600.0

#: Time constants of the two memories.
SHORT_SECONDS = 3_600.0
LONG_SECONDS = 86_400.0

#: Failures that a parent's rate counts for. Siblings whose rates vary by a factor of
#: two (log-normal) differ by 0.6 of their mean: 1 / 0.6**2.
K_POP = 2.5

#: Most failures that the long memory counts for against the short one: after some
#: hundred of its own failures, the last hour is believed.
MOST_LONG = 100.0

#: A quiet hour does not make the normal rate lower than this part of the day's.
LEAST_OF_LONG = 0.9

#: A single key's rate against the rate of its mix: a pair may not inherit more, since
#: effects of an IP and of the campaign that alone uses it would count twice.
EFFECT_RANGE = (0.2, 5.0)

#: No rate is taken for more certain than this, or nothing could exceed it.
HIGHEST_RATE = 0.9

_TINY = 1e-12


class Baseline:
    """Learned rates ``[keys, channels]``; ``rate`` and ``info`` as of ``refresh``.

    Args:
        slot_seconds: length of a slot.
        capacity: places for keys.
    """

    def __init__(self, slot_seconds: float, capacity: int) -> None:
        self._seconds = slot_seconds
        self.head: int | None = None
        self.first: int | None = None
        # Stages (waiting, short, long) x (denominators, numerators). 32 bits will do:
        # a slot adds or takes a ten-thousandth of a sum, not a ten-millionth.
        self._sums: Array = np.zeros((3, 2, capacity, WIDTH), np.float32)
        prior = PRIOR.astype(np.float32)
        self.rate: Array = np.tile(prior, (capacity, 1))
        self.info: Array = np.full((capacity, WIDTH), K_POP, np.float32)
        self._mix: Array = np.tile(prior, (capacity, 1))

    @property
    def learned(self) -> Array:
        """Attempts (complaints: delivered) behind the long memory."""
        learned: Array = self._sums[2, 0]
        return learned

    @property
    def failures(self) -> Floats:
        """Failures in the long memory: those of a day."""
        failures: Floats = self._sums[2, 1]
        return failures

    @property
    def age_seconds(self) -> float:
        """How much event time has been seen."""
        if self.head is None or self.first is None:
            return 0.0
        return (self.head - self.first + 1) * self._seconds

    def advance(self, slot: int) -> None:
        """Let time pass until ``slot``; does nothing if it is not the newest."""
        if self.head is None:
            self.head = self.first = slot
        steps = slot - self.head
        if steps <= 0:
            return
        stay, (to_short, short), (to_long, long) = self._response(steps)
        waiting, hour, day = self._sums
        hour *= short
        hour += waiting * to_short
        day *= long
        day += waiting * to_long
        waiting *= stay
        self.head = slot

    def add(self, slot: int, keys: Ints, tried: Floats, failed: Floats) -> None:
        """Add counts of one slot, each key at most once; any slot up to the newest."""
        assert self.head is not None
        assert self.first is not None
        assert slot <= self.head
        self.first = min(self.first, slot)
        stay, (to_short, _), (to_long, _) = self._response(self.head - slot)
        for stage, part in enumerate((stay, to_short, to_long)):
            if part:  # of the newest slot nothing has arrived in the memories yet
                for side, counts in enumerate((tried, failed)):
                    self._sums[stage, side, keys] += _times(counts, part)

    def _response(
        self, steps: int
    ) -> tuple[float, tuple[float, float], tuple[float, float]]:
        """What is left waiting of 1 after some slots, and for each memory how much of
        it has arrived there and how much of the memory itself is left.
        """
        stay = exp(-self._seconds / LAG_SECONDS)
        memories = []
        for tau in (SHORT_SECONDS, LONG_SECONDS):
            keep = exp(-self._seconds / tau)
            kept, stayed = keep**steps, stay**steps
            memories.append(((1 - stay) * (kept - stayed) / (keep - stay), kept))
        return stay**steps, memories[0], memories[1]

    def drop(self, keys: Ints, channels: Bools) -> None:
        """Forget what waits: it was part of an incident, not of what is normal."""
        self._sums[0][:, keys] *= ~channels

    def relearn(
        self, keys: Ints, channels: Bools, tried: Floats, failed: Floats
    ) -> None:
        """Take the rates of some counts for those of all memories."""
        rate = (failed + K_POP) / (tried + K_POP / self.rate[keys])
        known = self._sums[:, 0, keys] * rate
        self._sums[:, 1, keys] = np.where(channels, known, self._sums[:, 1, keys])

    def refresh(self, catalog: Catalog, only: Ints | None = None) -> None:
        """Compute ``rate`` and ``info`` anew, parents before children.

        Args:
            catalog: the keys.
            only: places of those that are new; without them, all are computed.
        """
        for kind in range(len(KINDS)):
            keys = catalog.members(kind)
            if only is not None:
                keys = only[catalog.key_kind[only] == kind]
            if len(keys):
                parents = self._parents(kind, keys, catalog)
                wide = np.broadcast_to(parents, (len(keys), WIDTH))
                for part in parts_of(len(keys)):
                    self._shrink(keys[part], wide[part])

    def _parents(self, kind: int, keys: Ints, catalog: Catalog) -> Array:
        """The rates that keys of a kind lean on, ``[keys, channels]``."""
        if kind == FLEET:
            return PRIOR[None, :]
        if kind in (PROVIDER, TENANT, SEGMENT):
            fleet: Array = self.rate[:1]
            return fleet
        if kind in PAIRS:
            return self._products(keys, catalog)
        pair = next(pair for pair, single in PAIRS.items() if single == kind)
        return self._mixes(keys, catalog.members(pair), catalog)

    def _mixes(self, keys: Ints, pairs: Ints, catalog: Catalog) -> Array:
        """Rates of the providers that single keys send to, weighted by volume."""
        parts = catalog.key_parts[pairs]
        place = np.full(len(self.rate) + 1, NOWHERE)  # the last place is NOWHERE's
        place[keys] = np.arange(len(keys))
        known = (place[parts[:, 0]] != NOWHERE) & (parts[:, 1] != NOWHERE)
        pairs, parts = pairs[known], parts[known]
        volume = self._sums[0, 0, pairs] + self._sums[1, 0, pairs]
        groups = place[parts[:, :1]]
        met, tried = roll_up(groups, volume)
        _, failed = roll_up(groups, volume * self.rate[parts[:, 1]])
        self._mix[keys] = self.rate[0]
        little = _TINY * self.rate[0]
        self._mix[keys[met]] = (failed + little) / (tried + _TINY)
        mixes: Array = self._mix[keys]
        return mixes

    def _products(self, keys: Ints, catalog: Catalog) -> Array:
        """The provider's rate times the effect of the pair's other half."""
        own, provider = catalog.key_parts[keys].T
        rate = np.where(provider[:, None] < 0, self.rate[0], self.rate[provider])
        effect = np.clip(self.rate[own] / self._mix[own], *EFFECT_RANGE)
        product = rate * np.where(own[:, None] < 0, 1.0, effect)
        capped: Array = np.minimum(product, HIGHEST_RATE)
        return capped

    def _shrink(self, keys: Ints, parents: Array) -> None:
        hour, day = self._sums[1:]
        tried_short, failed_short = hour[0, keys], hour[1, keys]
        tried_long, failed_long = day[0, keys], day[1, keys]
        own = failed_long + K_POP
        long = own / (tried_long + K_POP / parents)
        weight = np.minimum(MOST_LONG, own)
        short = (failed_short + weight) / (tried_short + weight / long)
        rate = np.maximum(short, LEAST_OF_LONG * long)
        self.rate[keys] = np.minimum(rate, HIGHEST_RATE)
        self.info[keys] = failed_short + weight

    def resize(self, capacity: int) -> None:
        """Make place for more keys."""
        have = len(self.rate)
        self._sums = widened(self._sums, capacity, axis=2)
        self.rate = widened(self.rate, capacity)
        self.info = widened(self.info, capacity)
        self._mix = widened(self._mix, capacity)
        self.rate[have:] = self._mix[have:] = self.rate[0]
        self.info[have:] = K_POP

    def forget(self, keys: Ints) -> None:
        """Clear the places of evicted keys."""
        self._sums[:, :, keys] = 0.0
        self.rate[keys] = self._mix[keys] = self.rate[0]
        self.info[keys] = K_POP

    def state(self, size: int) -> State:
        """What a snapshot needs of the first ``size`` places."""
        slots = (self.first, self.head)
        return {
            "slots": np.array([NOWHERE if slot is None else slot for slot in slots]),
            "sums": self._sums[:, :, :size],
            "rates": np.array([self.rate, self.info, self._mix])[:, :size],
        }

    def load(self, state: State) -> None:
        """Take back what ``state`` gave."""
        first, head = (None if slot < 0 else int(slot) for slot in state["slots"])
        self.first, self.head = first, head
        sums = state["sums"]
        size = sums.shape[2]
        self._sums[:, :, :size] = sums
        self.rate[:size], self.info[:size], self._mix[:size] = state["rates"]


def _times(counts: Floats, part: float) -> Array:
    """A part of some counts, 32-bit."""
    narrow = counts.astype(np.float32)
    narrow *= np.float32(part)
    return narrow
