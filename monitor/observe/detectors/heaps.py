"""Heaps: many failures at once that nothing came of.

One decision may settle the fate of a hundred messages within a look, and no learned
size of clumps foretells the largest. What tells a heap from a spike is that it comes
alone. So heaps are counted: looks that said a lot and were followed by no incident.
Where there were more than chance makes, one look is not believed more than that, unless
it is only a multiple of what it expects; a spike goes on, and has its evidence a look
or two later. Heaps belong to a fleet's channel, not to a key: where they happen at all,
any key's next one may be its first.
"""

from typing import NamedTuple

import numpy as np

from monitor.observe.arrays import Array, Bools, Floats, Ints, Singles, State
from monitor.observe.channels import FEWEST, SLACK, WIDTH
from monitor.observe.detectors.deviance import binomial_gain, deviance
from monitor.observe.detectors.look import AGAINST, FAILED, Look

#: Evidence in one look that makes a heap, nats. Where heaps happen no look may say more
#: than that, nor more than how rare heaps are, but so much at least.
HEAP_NATS, LEAST_NATS = 10.0, 3.0

#: Failures that are no more than so many times what is expected are no heap.
LEAST_LIFT = 3.0

#: A heap that no incident has explained after so long came alone.
ALONE_SECONDS = 60.0

#: So many heaps more than chance makes are a habit; time constant of forgetting.
FEW_HEAPS = 5.0
MEMORY_SECONDS = 2 * 86_400.0

#: Heaps that wait for their end at a time; more at once are no chance.
MOST_WAITING = 1_000

#: Steps of halving that find the failures to which a heap is cut.
_HALVINGS = 12

_NONE = np.zeros((3, 0))

#: What waits: channel, key, time.
_CHANNEL, _KEY, _SINCE = range(3)


class _Rows(NamedTuple):
    """Counts of one look that may be heaps, and what is known of their keys."""

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
        return np.maximum(low, LEAST_LIFT * self.expected)


class Heaps:
    """Counts heaps by channel, and cuts them where they happen."""

    def __init__(self) -> None:
        #: Heaps that came alone, and looks with failures, by channel.
        self._alone: Floats = np.zeros(WIDTH)
        self._looks: Floats = np.zeros(WIDTH)
        self._waiting: Array = _NONE
        self._settled = np.nan

    @property
    def happen(self) -> Bools:
        """Where there were more than chance makes, by channel."""
        happen: Bools = self._alone > FEW_HEAPS + self._looks * np.exp(-HEAP_NATS)
        return happen

    def cut(self, look: Look, channel: int, rows: Ints, counts: Singles) -> None:
        """Note the heaps among the counts ``[3, rows]`` of some rows of a look, and
        cut them if there were such before.
        """
        failed = counts[FAILED]
        self._looks[channel] += np.count_nonzero(failed)
        places = np.flatnonzero(failed >= FEWEST[channel])
        places = places[failed[places] > LEAST_LIFT * counts[AGAINST, places]]
        places = places[look.known[rows[places], channel]]
        if not len(places):
            return
        mine = rows[places]
        failed, expected, tried = counts[:, places].astype(float)
        phi = look.phi[mine, channel].astype(float)
        spread = look.cv2[mine, channel] + phi / look.info[mine, channel]
        heaps = _Rows(failed, expected + SLACK[channel], tried, phi, spread)
        high = heaps.evidence(failed) > HEAP_NATS
        if not high.any():
            return
        places, heaps = places[high], _Rows(*(of[high] for of in heaps))
        self._wait(look, channel, look.keys[mine[high]])
        if self.happen[channel]:
            cut = heaps.cut(self._worth(channel))
            counts[FAILED, places] = np.minimum(cut, heaps.failed)

    def _worth(self, channel: int) -> float:
        """What one heap says, nats: no more than how rare they are."""
        rare = float(np.log(self._looks[channel] / self._alone[channel]))
        return min(max(rare, LEAST_NATS), HEAP_NATS)

    def _wait(self, look: Look, channel: int, keys: Ints) -> None:
        same = self._waiting[_CHANNEL] == channel
        new = keys[~np.isin(keys, self._waiting[_KEY, same])]
        new = new[: MOST_WAITING - self._waiting.shape[1]]
        entry = np.full((3, len(new)), float(channel))
        entry[_KEY], entry[_SINCE] = new, look.now
        self._waiting = np.hstack([self._waiting, entry])

    def settle(self, now: float) -> None:
        """Count the heaps that have come alone."""
        if self._waiting.size:
            over = now >= self._waiting[_SINCE] + ALONE_SECONDS
            channels = self._waiting[_CHANNEL, over].astype(int)
            self._alone += np.bincount(channels, minlength=WIDTH)
            self._waiting = self._waiting[:, ~over]
        if now > self._settled:
            fade = np.exp(-(now - self._settled) / MEMORY_SECONDS)
            self._alone *= fade
            self._looks *= fade
        self._settled = now

    def drop(self, keys: Ints, channels: Bools) -> None:
        """Forget what waits: it was part of an incident."""
        if self._waiting.size:
            channel, key = self._waiting[:_SINCE].astype(int)
            self._waiting = self._waiting[:, ~(channels[channel] & np.isin(key, keys))]

    def state(self) -> State:
        """What a snapshot needs."""
        counts = np.array([self._alone, self._looks])
        return {
            "heaps": counts,
            "heaps_waiting": self._waiting,
            "heaps_settled": np.array([self._settled]),
        }

    def load(self, state: State) -> None:
        """Take back what ``state`` gave; older snapshots have nothing."""
        if "heaps" in state:
            self._alone, self._looks = np.array(state["heaps"])
            self._waiting = np.array(state["heaps_waiting"])
            self._settled = float(state["heaps_settled"][0])
