"""Each bound of an observer has a counter of its own, and a takeover begins at 0."""

from monitor.observe import Bound, FleetObserver, ObservePolicy
from monitor.observe.book import Book
from monitor.observe.case import Writer
from monitor.observe.memory import Memory
from monitor.observe.policy import DEFAULT_LIMITS
from monitor.observe.watch import Watch


def test_each_bound_is_told_by_what_it_is_of() -> None:
    policy = ObservePolicy()
    memory, book = Memory(policy), Book(Writer("default", 10, DEFAULT_LIMITS))
    watch = Watch(policy, memory, book)
    memory.catalog.evicted_keys, memory.catalog.evicted_leaves = 1, 2
    memory.catalog.overflow, memory.leaves.dropped = 3, 4
    memory.reasons.refused = 5
    book.refused, book.dropped = 6, 7
    watch.rounds.tickets.refused, watch.rounds.replies.dropped = 8, 9
    watch.heaps[0].unwatched = 10
    assert memory.bitten | book.bitten | watch.bitten == {
        Bound.SCOPES: 1,
        Bound.CELLS: 2,
        Bound.NEWCOMERS: 3,
        Bound.SLOTS: 4,
        Bound.REASONS: 5,
        Bound.INCIDENTS: 6,
        Bound.CLOSED: 7,
        Bound.TICKETS: 8,
        Bound.TEXTS: 9,
        Bound.MOMENTS: 10,
    }


def test_an_observer_tells_of_all_bounds() -> None:
    stats = FleetObserver("default", ObservePolicy()).stats
    assert stats.bitten == dict.fromkeys(Bound, 0)
