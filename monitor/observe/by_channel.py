"""Numbers of keys that only some channels need."""

from collections.abc import ItemsView, Sequence, ValuesView

import numpy as np

from monitor.observe.arrays import Array, Ints, Singles, widened
from monitor.observe.channels import WIDTH


class ByChannel:
    """Some 32-bit numbers a key, channel by channel; a channel costs no memory before
    it is asked for.

    Args:
        capacity: places for keys.
        begin: what the numbers of a key are at first; there are as many *planes*.

    >>> sums = ByChannel(3, (0.0, 1.0))
    >>> sums.of(2)[0] += 7.0
    >>> [channel for channel, _ in sums.items()], sums.all_of(np.arange(1))[:, 1:3, 0]
    ([2], array([[0., 7.],
           [1., 1.]], dtype=float32))
    """

    def __init__(self, capacity: int, begin: Sequence[float]) -> None:
        self._capacity = capacity
        self._begin: Singles = np.array(begin, np.float32)[:, None]
        self._held: dict[int, Array] = {}

    def __contains__(self, channel: int) -> bool:
        return channel in self._held

    def of(self, channel: int) -> Array:
        """The numbers of a channel, ``[planes, keys]``, to be written to."""
        if channel not in self._held:
            self._held[channel] = np.repeat(self._begin, self._capacity, axis=1)
        return self._held[channel]

    def items(self) -> ItemsView[int, Array]:
        """Channels that have been asked for, and their numbers."""
        return self._held.items()

    def values(self) -> ValuesView[Array]:
        """The numbers of those channels."""
        return self._held.values()

    def all_of(self, keys: Ints) -> Array:
        """The numbers of some keys, ``[planes, channels, keys]``, a copy."""
        found: Array = np.empty((len(self._begin), WIDTH, len(keys)), np.float32)
        found[:] = self._begin[..., None]
        for channel, numbers in self.items():
            found[:, channel] = numbers.take(keys, axis=1)
        return found

    def resize(self, capacity: int) -> None:
        """Make place for more keys."""
        have, self._capacity = self._capacity, capacity
        for channel, numbers in self.items():
            self._held[channel] = widened(numbers, capacity, axis=1)
            self._held[channel][:, have:] = self._begin

    def forget(self, keys: Ints) -> None:
        """Let keys be as they were at first."""
        for numbers in self.values():
            numbers[:, keys] = self._begin

    def load(self, saved: Array) -> None:
        """Take back what ``all_of`` gave of the first keys."""
        told = (saved != self._begin[..., None]).any(axis=(0, 2))
        for channel in np.flatnonzero(told).tolist():
            self.of(channel)[:, : saved.shape[2]] = saved[:, channel]
