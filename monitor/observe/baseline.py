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
    side_by_side,
    slices_of,
    used,
    widened,
)
from monitor.observe.by_channel import ByChannel
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
    """Learned rates; ``rate`` and ``info`` as of ``refresh``. All is kept channel by
    channel.

    Args:
        slot_seconds: length of a slot.
        capacity: places for keys.
    """

    def __init__(self, slot_seconds: float, capacity: int) -> None:
        self._seconds = slot_seconds
        self.head: int | None = None
        self.first: int | None = None
        self._end = 0  # of the places that were ever in use
        # Stages: waiting, short, long. 32 bits will do: a slot adds or takes a
        # ten-thousandth of a sum, not a ten-millionth. Denominators of all channels,
        # numerators of those that ever had any.
        self._tried: Array = np.zeros((3, WIDTH, capacity), np.float32)
        self._failed = ByChannel(capacity, (0.0, 0.0, 0.0))
        prior = np.repeat(PRIOR.astype(np.float32)[:, None], capacity, axis=1)
        self._rate: Array = prior
        self._info: Array = np.full((WIDTH, capacity), K_POP, np.float32)
        self._mix: Array = prior.copy()

    @property
    def rate(self) -> Array:
        """What is normal, ``[keys, channels]``."""
        return self._rate.T

    @property
    def info(self) -> Array:
        """Failures that stand behind the rates, ``[keys, channels]``."""
        return self._info.T

    @property
    def learned(self) -> Array:
        """Attempts (complaints: delivered) behind the long memory."""
        learned: Array = self._tried[2].T
        return learned

    @property
    def failures(self) -> dict[int, Array]:
        """Failures in the long memory, those of a day, by channel that has any."""
        return {channel: long for channel, (*_, long) in self._failed.items()}

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
        stay, *memories = self._response(steps)
        for stages in (*self._tried.swapaxes(0, 1), *self._failed.values()):
            waiting, *sums = stages[:, : self._end]
            if max(of.max(initial=0) for of in (waiting, sums[-1])) == 0:
                continue
            for memory, (arrived, kept) in zip(sums, memories, strict=True):
                memory *= kept
                memory += waiting * arrived
            waiting *= stay
        self.head = slot

    def add(self, slot: int, keys: Ints, tried: Floats, failed: Floats) -> None:
        """Add counts of one slot, whose keys ascend; any slot up to the newest."""
        assert self.head is not None
        assert self.first is not None
        assert slot <= self.head
        self.first = min(self.first, slot)
        self._end = max(self._end, int(keys.max(initial=NOWHERE)) + 1)
        stay, (to_short, _), (to_long, _) = self._response(self.head - slot)
        places = side_by_side(keys)
        columns = [(self._tried[:, one], tried[:, one]) for one in used(tried)]
        columns += [(self._failed.of(one), failed[:, one]) for one in used(failed)]
        for stages, counts in columns:
            added = counts.astype(np.float32)
            for sums, part in zip(stages, (stay, to_short, to_long), strict=True):
                if part:  # of the newest slot nothing has arrived yet
                    sums[places] += added * np.float32(part)

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
        for channel in np.flatnonzero(channels).tolist():
            self._tried[0, channel, keys] = 0.0
            if channel in self._failed:
                self._failed.of(channel)[0, keys] = 0.0

    def relearn(
        self, keys: Ints, channels: Bools, tried: Floats, failed: Floats
    ) -> None:
        """Take the rates of some counts for those of all memories."""
        rate = (failed + K_POP) / (tried + K_POP / self.rate[keys])
        for channel in np.flatnonzero(channels).tolist():
            known = self._tried[:, channel, keys] * rate[:, channel]
            self._failed.of(channel)[:, keys] = known

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
            if kind in PAIRS:
                for part in slices_of(len(keys)):
                    mine = keys[part]
                    self._shrink(mine, self._products(mine, catalog))
            elif len(keys):
                parents = self._parents(kind, keys, catalog)
                wide = np.broadcast_to(parents, (WIDTH, len(keys)))
                for part in slices_of(len(keys)):
                    self._shrink(keys[part], wide[:, part])

    def _parents(self, kind: int, keys: Ints, catalog: Catalog) -> Array:
        """The rates that single keys lean on, ``[channels, keys]``."""
        if kind == FLEET:
            return PRIOR[:, None]
        if kind in (PROVIDER, TENANT, SEGMENT):
            return self._fleet
        pair = next(pair for pair, single in PAIRS.items() if single == kind)
        return self._mixes(keys, catalog.members(pair), catalog)

    @property
    def _fleet(self) -> Array:
        fleet: Array = self._rate[:, FLEET, None]
        return fleet

    def _mixes(self, keys: Ints, pairs: Ints, catalog: Catalog) -> Array:
        """Rates of the providers that single keys send to, weighted by volume."""
        parts = catalog.key_parts[pairs]
        place = np.full(self._rate.shape[1] + 1, NOWHERE)  # the last place is NOWHERE's
        place[keys] = np.arange(len(keys))
        known = (place[parts[:, 0]] != NOWHERE) & (parts[:, 1] != NOWHERE)
        pairs, parts = pairs[known], parts[known]
        single, providers = place[parts[:, 0]], parts[:, 1]
        there = np.bincount(single, minlength=len(keys)) > 0
        for channel, (waiting, hour, _) in enumerate(self._tried.swapaxes(0, 1)):
            volume = waiting.take(pairs) + hour.take(pairs)
            failing = volume * self._rate[channel].take(providers)
            tried, failed = (
                np.bincount(single, of, len(keys)) for of in (volume, failing)
            )
            fleet = self._fleet[channel]
            mix = (failed + _TINY * fleet) / (tried + _TINY)
            self._mix[channel, keys] = np.where(there, mix, fleet)
        mixes: Array = self._mix.take(keys, axis=1)
        return mixes

    def _products(self, keys: Ints, catalog: Catalog) -> Array:
        """The provider's rate times the effect of the pair's other half."""
        own, provider = catalog.key_parts[keys].T
        known = self._rate.take(provider, axis=1)
        rate = np.where(provider < 0, self._fleet, known)
        effect = self._rate.take(own, axis=1) / self._mix.take(own, axis=1)
        np.clip(effect, *EFFECT_RANGE, out=effect)
        product = rate * np.where(own < 0, 1.0, effect)
        capped: Array = np.minimum(product, HIGHEST_RATE)
        return capped

    def _shrink(self, keys: Ints, parents: Array) -> None:
        tried_short, tried_long = self._tried[1:].take(keys, axis=2)
        _, failed_short, failed_long = self._failed.all_of(keys)
        own = failed_long + K_POP
        long = own / (tried_long + K_POP / parents)
        weight = np.minimum(MOST_LONG, own)
        short = (failed_short + weight) / (tried_short + weight / long)
        rate = np.maximum(short, LEAST_OF_LONG * long)
        self._rate[:, keys] = np.minimum(rate, HIGHEST_RATE)
        self._info[:, keys] = failed_short + weight

    def resize(self, capacity: int) -> None:
        """Make place for more keys."""
        have = self._rate.shape[1]
        self._tried = widened(self._tried, capacity, axis=2)
        self._failed.resize(capacity)
        self._rate = widened(self._rate, capacity, axis=1)
        self._info = widened(self._info, capacity, axis=1)
        self._mix = widened(self._mix, capacity, axis=1)
        self._rate[:, have:] = self._mix[:, have:] = self._fleet
        self._info[:, have:] = K_POP

    def forget(self, keys: Ints) -> None:
        """Clear the places of evicted keys."""
        self._tried[..., keys] = 0.0
        self._failed.forget(keys)
        self._rate[:, keys] = self._mix[:, keys] = self._fleet
        self._info[:, keys] = K_POP

    def state(self, size: int) -> State:
        """What a snapshot needs of the first ``size`` places."""
        slots = (self.first, self.head)
        sums = self._tried[..., :size], self._failed.all_of(np.arange(size))
        return {
            "slots": np.array([NOWHERE if slot is None else slot for slot in slots]),
            "sums": np.array(sums).transpose(1, 0, 3, 2),
            "rates": np.array(
                [every[:, :size].T for every in (self._rate, self._info, self._mix)]
            ),
        }

    def load(self, state: State) -> None:
        """Take back what ``state`` gave."""
        first, head = (None if slot < 0 else int(slot) for slot in state["slots"])
        self.first, self.head = first, head
        tried, failed = state["sums"].transpose(1, 0, 3, 2)
        self._end = size = tried.shape[2]
        self._tried[..., :size] = tried
        self._failed.load(failed)
        for every, saved in zip(
            (self._rate, self._info, self._mix), state["rates"], strict=True
        ):
            every[:, :size] = saved.T
