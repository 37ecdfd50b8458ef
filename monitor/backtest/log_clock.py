"""The log time of a recording, which carries event times only.

In production a record's Kafka timestamp says when it came. A recording has none, so a
record counts as having come at its own event time if that is the largest so far, and
else at the largest so far: what is out of order is as late as it would have been.

One broken clock must not make all honest events after it late. A record that is ahead
by more than ``AHEAD_SECONDS`` therefore waits until ``WITNESSES`` records in a row say
the same, as they do after a real gap. If an honest record comes first, those that
waited are taken for what they are: wrong clocks, counted at the log time.
"""

import heapq
from collections.abc import Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

#: An event time may run ahead of the others so far before it needs witnesses: what is
#: behind it by less is not late yet, at the default allowed lateness.
AHEAD_SECONDS = 600.0

#: Records in a row that must agree on a jump, or at the very beginning on a time.
WITNESSES = 20

T = TypeVar("T")


class Placed(NamedTuple, Generic[T]):
    """An item and the log time at which it came; never falls."""

    moment: float
    item: T


class LogClock(Generic[T]):
    """Gives the records of one file their log times.

    >>> clock = LogClock[str]()
    >>> [clock.push(60.0 * n, "x") for n in range(20)][-1][-1]
    Placed(moment=1140.0, item='x')
    """

    def __init__(self) -> None:
        self._now: float | None = None
        self._held: list[tuple[float | None, T]] = []

    def push(self, time: float | None, item: T) -> list[Placed[T]]:
        """Take one record; returns those whose log time is known now, in order.

        Args:
            time: its event time; None if it has no event.
            item: the record.
        """
        if self._now is not None and not self._held and self._is_near(time):
            self._now = self._now if time is None else max(self._now, time)
            return [Placed(self._now, item)]
        self._held.append((time, item))
        if self._now is not None and self._is_near(time) and time is not None:
            return self._let_go(self._now)
        if len(self._held) >= WITNESSES:
            return self._jump()
        return []

    def rest(self) -> list[Placed[T]]:
        """The records that still wait, when there are no more."""
        placed: list[Placed[T]] = []
        while self._held:
            placed += self._jump()
        return placed

    def _is_near(self, time: float | None) -> bool:
        return time is None or (
            self._now is not None and time <= self._now + AHEAD_SECONDS
        )

    def _jump(self) -> list[Placed[T]]:
        """Believe the earliest of the waiting times, and try them all anew."""
        held, self._held = self._held, []
        times = [time for time, _ in held if time is not None]
        self._now = max(self._now or 0.0, min(times, default=0.0))
        return [placed for time, item in held for placed in self.push(time, item)]

    def _let_go(self, now: float) -> list[Placed[T]]:
        """What waited came at the log time, whatever it says."""
        placed = []
        for time, item in self._held:
            if time is not None and self._is_near(time):
                now = max(now, time)
            placed.append(Placed(now, item))
        self._now, self._held = now, []
        return placed


def merged(streams: list[Iterator[Placed[T]]]) -> Iterable[Placed[T]]:
    """Several files as one recording, by log time; of equals the first file's first."""
    if len(streams) == 1:
        return streams[0]
    return heapq.merge(*streams, key=lambda placed: placed.moment)
