"""Heaps: many failures at once that nothing came of.

One decision may settle the fate of a hundred messages within a few seconds, and no
learned size of clumps foretells the largest. What tells a heap from a spike is that it
comes alone. So heaps are counted: moments that said a lot and were followed by no
incident. Where there were more than chance makes, one moment is not believed more than
heaps are rare, unless it is only a multiple of what it expects; a spike goes on, and
has its evidence a moment or two later. Heaps belong to a fleet's channel, not to a key:
where they happen at all, any key's next one may be its first.
"""

from typing import NamedTuple

import numpy as np

from monitor.observe.arrays import Bools, Floats, Ints, Singles, State
from monitor.observe.channels import FEWEST, SLACK, WIDTH
from monitor.observe.detectors.deviance import binomial_gain, deviance
from monitor.observe.detectors.look import AGAINST, FAILED, Look
from monitor.observe.detectors.margin import with_margin, without_margin

#: Evidence in one moment that makes a heap, nats. Where heaps happen no moment may say
#: more than that, nor more than how rare heaps are, but so much at least.
HEAP_NATS, LEAST_NATS = 10.0, 3.0

#: Length of a moment: what was decided at once may be told over some seconds.
MOMENT_SECONDS = 10.0

#: A moment begins with a look that holds so many failures, and more than so many times
#: what is expected: less is no heap.
PAIR, LEAST_LIFT = 2.0, 3.0

#: A heap that no incident has explained after so long came alone.
ALONE_SECONDS = 60.0

#: So many heaps more than chance makes are a habit; time constant of forgetting.
FEW_HEAPS = 5.0
MEMORY_SECONDS = 2 * 86_400.0

#: Moments of a channel that are watched at a time. In a large fleet chance alone makes
#: more: a look may begin as many as fill half of what is free, and those that say most,
#: so that there is room for the next one's.
MOST_MOMENTS = 200

#: Steps of halving that find the failures to which a heap is cut.
_HALVINGS = 12

#: Of each moment: where, since when, what was counted in it and what of its failures
#: was told, and whether it is a heap.
_CHANNEL, _KEY, _SINCE, _FAILED, _EXPECTED, _TRIED, _TOLD, _IS_HEAP = range(8)
_COUNTS = slice(_FAILED, _TOLD)
_PLANES = 8

#: The shape that makes a negative binomial a Poisson.
_NO_SPREAD: Floats = np.array([1e9])


class _Rows(NamedTuple):
    """Counts that may be heaps, and what is known of their keys."""

    failed: Floats
    expected: Floats
    tried: Floats
    phi: Floats
    spread: Floats

    def evidence(self, failed: Floats) -> Floats:
        """Evidence of so many failures, nats."""
        phi = self.phi
        nats = deviance(failed / phi, self.expected / phi, 1.0 / self.spread)
        nats *= binomial_gain(self.tried, failed, self.expected)
        return nats

    def cut(self, nats: float) -> Floats:
        """Failures that are worth so much, or a plain multiple of what is expected."""
        low, high = self.expected, self.failed
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            much = self.evidence(middle) > nats
            low, high = np.where(much, low, middle), np.where(much, middle, high)
        return np.minimum(np.maximum(low, LEAST_LIFT * self.expected), self.failed)


class Heaps:
    """Counts heaps by channel, and cuts them where they happen."""

    def __init__(self) -> None:
        #: Heaps that came alone, and looks with failures, by channel.
        self._alone: Floats = np.zeros(WIDTH)
        self._looks: Floats = np.zeros(WIDTH)
        self._table: Floats = np.zeros((_PLANES, WIDTH * MOST_MOMENTS))
        self._used = 0
        #: Moments that found no place in the table.
        self.unwatched = 0
        self._settled = np.nan

    @property
    def _moments(self) -> Floats:
        """Those in use."""
        return self._table[:, : self._used]

    @property
    def happen(self) -> Bools:
        """Where there were more than chance makes, by channel."""
        happen: Bools = self._alone > FEW_HEAPS + self._looks * np.exp(-HEAP_NATS)
        return happen

    def cut(
        self, look: Look, channel: int, places: tuple[Ints, Ints], counts: Singles
    ) -> None:
        """Note the heaps in a look, and cut them if there were such before.

        Args:
            look: the look.
            channel: column of the channel.
            places: rows that have news, and their keys, ascending.
            counts: of those rows, ``[3, rows]``; failures are cut in place.
        """
        rows, keys = places
        self._looks[channel] += np.count_nonzero(counts[FAILED] > 0)
        self._begin(look, channel, places, counts)
        mine = self._going_on(channel, look.now)
        at = np.searchsorted(keys, self._moments[_KEY, mine].astype(np.int64))
        at = np.minimum(at, len(keys) - 1)
        here = keys[at] == self._moments[_KEY, mine]
        mine, at = mine[here], at[here]
        if not len(mine):
            return
        self._moments[_COUNTS, mine] += counts[:, at]
        new = counts[FAILED, at].astype(float)
        told = self._told(look, channel, mine, rows[at])
        through = np.clip(told - self._moments[_TOLD, mine], 0.0, new)
        self._moments[_TOLD, mine] += through
        counts[FAILED, at] = through

    def _begin(
        self, look: Look, channel: int, places: tuple[Ints, Ints], counts: Singles
    ) -> None:
        """Begin a moment where more has failed than usually, unless one goes on."""
        rows, keys = places
        pairs = np.flatnonzero(counts[FAILED] >= PAIR)
        failed, usual = counts[FAILED].take(pairs), counts[AGAINST].take(pairs)
        many = np.flatnonzero(failed > LEAST_LIFT * usual)
        many = many[look.known[rows[pairs[many]], channel]]
        going = self._moments[_KEY, self._going_on(channel, look.now)]
        going = going.astype(np.int64)
        many = many[~np.isin(keys[pairs[many]], going, kind="table")]
        held = np.count_nonzero(self._moments[_CHANNEL] == channel)
        room = (MOST_MOMENTS - held + 1) // 2
        nats = deviance(failed[many], usual[many], _NO_SPREAD)
        most = many[np.argsort(-nats, kind="stable")[:room]]
        new = np.sort(keys[pairs[most]])
        self.unwatched += len(many) - len(new)
        first, self._used = self._used, self._used + len(new)
        entry = self._moments[:, first:]
        entry[:] = 0.0
        entry[_CHANNEL], entry[_KEY], entry[_SINCE] = channel, new, look.now

    def _going_on(self, channel: int, now: float) -> Ints:
        here = self._moments[_CHANNEL] == channel
        here &= self._moments[_SINCE] > now - MOMENT_SECONDS
        return np.flatnonzero(here)

    def _told(self, look: Look, channel: int, mine: Ints, rows: Ints) -> Floats:
        """What may be told of the failures of some moments."""
        failed, expected, tried = self._moments[_COUNTS, mine]
        phi = look.phi[rows, channel].astype(float)
        spread = look.cv2[rows, channel] + phi / look.info[rows, channel]
        allowed = with_margin(without_margin(expected)) + SLACK[channel]
        counts = _Rows(failed, allowed, tried, phi, spread)
        high = counts.evidence(failed) > HEAP_NATS
        high &= (failed > LEAST_LIFT * expected) & (failed >= FEWEST[channel])
        told: Floats = failed.copy()
        if high.any():
            self._note(mine[high])
            if self.happen[channel]:
                heaps = _Rows(*(of[high] for of in counts))
                told[high] = heaps.cut(self._worth(channel))
        return told

    def _note(self, mine: Ints) -> None:
        """Note heaps of one channel; what goes on is one heap."""
        channel, key = self._moments[:_SINCE, mine]
        same = (self._moments[_CHANNEL] == channel[0]) & (self._moments[_IS_HEAP] > 0)
        again = np.isin(key, self._moments[_KEY, same])
        self._moments[_IS_HEAP, mine[~again]] = 1.0

    def _worth(self, channel: int) -> float:
        """What one heap says, nats: no more than how rare they are."""
        rare = float(np.log(self._looks[channel] / self._alone[channel]))
        return min(max(rare, LEAST_NATS), HEAP_NATS)

    def settle(self, now: float) -> None:
        """Count the heaps that have come alone."""
        if self._used:
            heap, age = self._moments[_IS_HEAP] > 0, now - self._moments[_SINCE]
            alone = heap & (age >= ALONE_SECONDS)
            channels = self._moments[_CHANNEL, alone].astype(int)
            # Those of one look have one cause: an outage that was not told, say.
            self._alone += np.bincount(channels, minlength=WIDTH) > 0
            over = alone | (~heap & (age >= MOMENT_SECONDS))
            self._keep(~over)
        if now > self._settled:
            fade = np.exp(-(now - self._settled) / MEMORY_SECONDS)
            self._alone *= fade
            self._looks *= fade
        self._settled = now

    def drop(self, keys: Ints, channels: Bools) -> None:
        """Forget moments: they were part of an incident."""
        if self._used:
            channel, key = self._moments[:_SINCE].astype(int)
            self._keep(~(channels[channel] & np.isin(key, keys)))

    def _keep(self, kept: Bools) -> None:
        left = self._moments[:, kept]
        self._used = left.shape[1]
        self._moments[:] = left

    def state(self) -> State:
        """What a snapshot needs."""
        return {
            "heaps": np.array([self._alone, self._looks]),
            "heaps_now": self._moments.copy(),
            "heaps_settled": np.array([self._settled]),
        }

    def load(self, state: State) -> None:
        """Take back what ``state`` gave."""
        self._alone, self._looks = np.array(state["heaps"])
        self._used = state["heaps_now"].shape[1]
        self._moments[:] = state["heaps_now"]
        self._settled = float(state["heaps_settled"][0])
