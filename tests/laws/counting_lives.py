"""Workers that count one partition one after the other, or one behind the other's back.

A *life* begins at the start of the log, at any commit that was offered before, or as a
counter that was parked and goes on. It ends when it likes, perhaps in mid-flush. The
last one reads to the end of the log.
"""

import random
from dataclasses import dataclass, field
from typing import NamedTuple

from hypothesis import strategies as st

from monitor.counting import PartitionCounter, TallyMerger
from monitor.events import LedgerTally, Tally
from tests.laws.counting_log import (
    Entry,
    Lengths,
    Recount,
    Sums,
    feed,
    make_counter,
    recount,
    written,
)
from tests.laws.counting_strategies import LENGTHS, cuts, logs

AnyTally = Tally | LedgerTally


class Life(NamedTuple):
    """Where one counter starts, what it reads, and how it ends.

    ``start`` picks from what there is to start from; after each of ``cuts`` records it
    flushes. ``killed`` tallies of its last flush were sent; ``None``: all of them.
    """

    start: int
    cuts: list[int]
    killed: int | None


@dataclass
class History:
    """What all lives sent, and the commits they offered."""

    lengths: Lengths
    log: list[Entry]
    sent: list[AnyTally] = field(default_factory=list)
    commits: list[int] = field(default_factory=list)
    parked: list[PartitionCounter] = field(default_factory=list)

    @property
    def truth(self) -> Recount:
        return recount(self.log, self.lengths)

    def live(self, life: Life) -> None:
        counter = self._counter(life.start)
        if counter in self.parked:
            self.parked.remove(counter)
        for cut in life.cuts:
            feed(counter, self.log[:cut])
            flush = counter.flush()
            if life.killed is not None and cut == life.cuts[-1]:
                # What a flush loses, its counter never says again: it must die.
                self.sent += written(flush)[: life.killed]
                return
            self.sent += written(flush)
            if flush.commit is not None:
                self.commits.append(flush.commit)
        self.parked.append(counter)

    def _counter(self, start: int) -> PartitionCounter:
        ways = [*self.commits, *self.parked, None]
        way = ways[start % len(ways)]
        if isinstance(way, PartitionCounter):
            return way
        return make_counter(self.lengths, way or 0, start=way is None)


@st.composite
def histories(draw: st.DrawFn) -> History:
    """A log, and some lives that counted it."""
    lengths = draw(st.sampled_from(LENGTHS))
    log = draw(logs(lengths))
    history = History(lengths, log)
    starts = st.integers(0, 1000)
    for _ in range(draw(st.integers(0, 4))):
        killed = draw(st.one_of(st.none(), st.integers(0, 6)))
        end = draw(st.integers(1, len(log)))
        history.live(Life(draw(starts), draw(cuts(log[:end])), killed))
    history.live(Life(draw(starts), draw(cuts(log)), None))
    return history


def merged(history: History, tallies: list[AnyTally]) -> Sums:
    """All tallies merged by one merger that forgets nothing."""
    merger, sums = TallyMerger(history.lengths.policy), Sums()
    for tally in tallies:
        sums.take(merger, tally)
    return sums


def shuffled(tallies: list[AnyTally], seed: int) -> list[AnyTally]:
    """In another order, and about a third of them twice."""
    rng = random.Random(seed)
    more = [*tallies, *(one for one in tallies if rng.random() < 0.3)]
    rng.shuffle(more)
    return more


def without_superseded(tallies: list[AnyTally], seed: int) -> list[AnyTally]:
    """Some of those left out that a longer one makes needless."""
    rng = random.Random(seed)
    longest: dict[tuple[type, int], int] = {}
    for tally in tallies:
        key = (type(tally), tally.prefix.slot)
        longest[key] = max(longest.get(key, 0), tally.prefix.to)
    return [
        one
        for one in tallies
        if one.prefix.to == longest[type(one), one.prefix.slot] or rng.random() < 0.5
    ]
