"""Which offsets wait to be committed, and for how long.

The committed offset trails the newest record by about the allowed lateness, by design
(see ``counting.counter``), so its distance from the end of the log says nothing. What
says something is an offset that *may* be committed, because all that it covers is
acknowledged, and that is not: committing should then take a second or two.
"""

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from faust.types import TP

#: Waiting offsets kept of one partition: one a slot, so hours of them, and the watchdog
#: bears an hour at most. Beyond it the newest two become one, so that the wait never
#: looks shorter than it is.
MAX_OFFERS = 10_000


class Offer(NamedTuple):
    """An offset that may be committed, ``since`` a time of the monotonic clock."""

    offset: int
    since: float


class CommitWatch:
    """What may be committed, what is, and how long the difference has stood.

    All times are seconds of one monotonic clock. Fed in the worker's event loop;
    ``delay`` may be asked for from any thread.

    >>> watch, tp = CommitWatch(), TP("delivery.events", 0)
    >>> watch.opened(tp, 100)
    >>> watch.offered(tp, 120, now=5.0)
    >>> watch.delay(now=12.0)
    7.0
    >>> watch.committed({tp: 120})
    >>> watch.delay(now=13.0)
    0.0
    """

    def __init__(self) -> None:
        self._committed: dict[TP, int] = {}
        self._offers: dict[TP, deque[Offer]] = {}
        self._since: dict[TP, float] = {}

    def opened(self, tp: TP, committed: int) -> None:
        """A partition was assigned, and its group's offset asked for."""
        self._committed[tp] = committed
        self._offers.setdefault(tp, deque())
        self._settle(tp)

    def forget(self, tp: TP) -> None:
        """Another worker has the partition now."""
        for book in (self._committed, self._offers, self._since):
            book.pop(tp, None)

    def offered(self, tp: TP, offset: int, now: float) -> None:
        """From ``now`` on an offset may be committed; said again, it changes nothing.

        A partition that is not ours any more has nothing to wait for.
        """
        offers = self._offers.get(tp)
        if offers is None or offset <= self._committed[tp]:
            return
        if not offers:
            offers.append(Offer(offset, now))
        elif offset > offers[-1].offset:
            if len(offers) == MAX_OFFERS:
                now = offers.pop().since
            offers.append(Offer(offset, now))
        self._settle(tp)

    def committed(self, offsets: Mapping[TP, int]) -> None:
        """The group's coordinator has taken a commit."""
        for tp in offsets.keys() & self._committed.keys():
            self._committed[tp] = max(self._committed[tp], offsets[tp])
            self._settle(tp)

    def delay(self, now: float) -> float:
        """How long the offset that waits longest has waited; 0 if none does."""
        # The copy is made in one step, so the watchdog's thread may ask as well.
        since = self._since.copy()
        return max(0.0, now - min(since.values(), default=now))

    def _settle(self, tp: TP) -> None:
        """Drop what is committed; note since when the oldest of the rest waits."""
        offers, committed = self._offers[tp], self._committed[tp]
        while offers and offers[0].offset <= committed:
            offers.popleft()
        if offers:
            self._since[tp] = offers[0].since
        else:
            self._since.pop(tp, None)
