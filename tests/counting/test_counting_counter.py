"""One partition's counter, example by example; the laws are in ``tests/laws``."""

import pytest

from monitor.counting import (
    CountingPolicy,
    Flush,
    InputPartition,
    PartitionCounter,
    SlotMaker,
)
from monitor.counting import (
    counter as counter_module,
)
from monitor.counting import slot as slot_module
from monitor.events import Cell
from tests.counting.one_record import Countable, record

POLICY = CountingPolicy(10.0, 30.0, 5.0)
NOON = 1_795_348_800.0
SLOT = int(NOON) // 10
CELL = Cell("yahoo", "192.0.2.1", "spring", "acme", "")


def make(position: int = 0, *, start: bool = True) -> PartitionCounter:
    source = InputPartition("default", "delivery.events", 3)
    return PartitionCounter(
        POLICY, source, position=position, from_log_start=start, slots=SlotMaker(str)
    )


def event(name: str, seconds: float, columns: tuple[int, ...] = (0, 1)) -> Countable:
    return Countable(name, NOON + seconds, CELL, columns)


def booked(counter: PartitionCounter) -> dict[str, int]:
    """The ledger without zeros and without what is the same everywhere."""
    names = ("counted", "duplicates", "late", "excluded", "future")
    return {name: counter.totals[name] for name in names if counter.totals[name]}


def slots(flush: Flush) -> list[int]:
    """Slots of the tallies, counted from noon."""
    return [tally.prefix.slot - SLOT for tally in flush.tallies]


@pytest.mark.parametrize(
    ("log_time", "outcome"),
    [(39.999, "counted"), (40.0, "late"), (40.001, "late"), (10_000.0, "late")],
)
def test_an_event_is_late_from_the_end_of_its_slot_and_the_lateness(
    log_time: float, outcome: str
) -> None:
    counter = make()
    record(counter, 0, NOON + log_time, [])
    record(counter, 1, NOON + log_time, [event("a", 9.999)])
    assert booked(counter) == {outcome: 1}


def test_lateness_is_judged_by_the_log_time_not_by_the_records_own() -> None:
    counter = make()
    record(counter, 0, NOON + 40, [])
    record(counter, 1, NOON + 10, [event("a", 9), event("b", 10)])
    assert booked(counter) == {"late": 1, "counted": 1}


@pytest.mark.parametrize(
    ("ahead", "slot"), [(4.999, 1), (5.0, 1), (5.001, 0), (1e9, 0)]
)
def test_an_event_too_far_ahead_is_counted_at_the_time_of_its_record(
    ahead: float, slot: int
) -> None:
    counter = make()
    record(counter, 0, NOON + 7, [event("a", 7 + ahead)])
    assert slots(counter.flush()) == [slot]
    assert counter.totals["future"] == (slot == 0)


def test_a_copy_is_known_until_its_slot_is_closed() -> None:
    counter = make()
    record(counter, 0, NOON, [event("a", 0), event("a", 0), event("b", 0)])
    record(counter, 1, NOON + 39.999, [event("a", 0)])
    record(counter, 2, NOON + 40, [event("a", 0)])
    assert booked(counter) == {"counted": 2, "duplicates": 2, "late": 1}


def test_a_copy_of_an_excluded_event_is_a_duplicate() -> None:
    counter = make()
    record(counter, 0, NOON, [event("a", 0, ()), event("a", 0)])
    assert booked(counter) == {"excluded": 1, "duplicates": 1}
    assert counter.flush().tallies == ()


def test_the_same_id_at_two_times_is_two_events() -> None:
    counter = make()
    record(counter, 0, NOON, [event("a", 0), event("a", -0.001)])
    assert booked(counter) == {"counted": 2}


def test_records_without_events_are_ignored_or_invalid() -> None:
    counter = make()
    record(counter, 0, NOON, [])
    record(counter, 1, NOON, [], invalid=2)
    record(counter, 2, NOON, [event("a", 0)], invalid=1)
    totals = counter.totals
    assert [totals[name] for name in ("records", "ignored", "invalid", "events")] == [
        3,
        1,
        3,
        1,
    ]


def test_a_flush_holds_only_what_changed() -> None:
    counter = make()
    record(counter, 0, NOON, [event("a", 0), event("b", 10.0 - 5.001)])
    record(counter, 1, NOON + 10, [event("c", 10)])
    assert slots(counter.flush()) == [0, 1]
    record(counter, 2, NOON + 10, [event("a", 0)])
    flush = counter.flush()
    assert slots(flush) == []
    assert [ledger.ledger.duplicates for ledger in flush.ledgers] == [1]
    assert counter.flush() == Flush((), (), 3, None)


def test_a_slot_is_closed_by_a_quiet_hour_and_its_last_tally_is_sent() -> None:
    counter = make()
    record(counter, 0, NOON, [event("a", 0)])
    record(counter, 1, NOON + 3600, [event("b", 3600)])
    assert slots(counter.flush()) == [0, 360]
    assert counter.open_slots == 1
    assert counter.remembered_ids == 1


def test_offsets_may_have_gaps_but_never_go_back() -> None:
    counter = make(position=5)
    record(counter, 9, NOON, [event("a", 0)])
    assert counter.position == 10
    with pytest.raises(AssertionError, match="log order"):
        record(counter, 9, NOON, [])


def test_a_checkpoint_may_be_committed_when_all_before_it_is_closed() -> None:
    counter = make()
    record(counter, 0, NOON, [event("a", 0)])
    assert counter.flush().commit is None
    # Who starts at 0 counts from noon + 10 on, and keeps the ledger from noon + 50 on.
    record(counter, 1, NOON + 49.999, [event("b", 40)])
    assert counter.flush().commit is None
    record(counter, 2, NOON + 50, [])
    assert counter.flush().commit == 0
    # Who starts at 1 or 2 counts from noon + 60 on, and keeps it from noon + 100 on.
    record(counter, 3, NOON + 99.999, [])
    assert counter.flush().commit == 0
    record(counter, 4, NOON + 100, [])
    assert counter.flush().commit == 2
    counter.committed(2)
    assert counter.flush().commit == 2


def test_an_heir_counts_whole_slots_and_then_keeps_the_ledger() -> None:
    counter = make(position=7, start=False)
    assert counter.replaying
    record(counter, 7, NOON, [event("a", 0), event("b", 5)])
    assert counter.replayed["counted"] == 2
    assert counter.flush() == Flush((), (), 8, None)
    record(counter, 8, NOON + 5, [event("c", 10)])
    flush = counter.flush()
    assert slots(flush) == [1]
    assert flush.ledgers == ()
    record(counter, 9, NOON + 49.999, [])
    assert counter.replaying
    record(counter, 10, NOON + 50, [event("d", 50), event("e", 10)])
    assert not counter.replaying
    ledger = counter.flush().ledgers[0]
    assert (ledger.prefix.first, ledger.prefix.to) == (10, 11)
    assert (ledger.ledger.counted, ledger.ledger.late) == (1, 1)
    assert counter.totals["records"] == 1


def test_ids_over_the_bound_are_counted_as_such(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slot_module, "MAX_IDS_PER_SLOT", 2)
    counter = make()
    record(counter, 0, NOON, [event(name, 0) for name in "abccb"])
    assert counter.id_overflow == 2
    assert booked(counter) == {"counted": 4, "duplicates": 1}


def test_checkpoints_are_bounded_and_the_newest_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(counter_module, "MAX_CHECKPOINTS", 8)
    counter = make()
    for number in range(100):
        record(counter, number, NOON + 10 * number, [])
    # The newest that is old enough: five slots of 10 s back.
    assert counter.flush().commit == 94


def test_ids_of_cold_slots_are_packed_and_still_known() -> None:
    counter = make()
    record(counter, 0, NOON, [event("a", 0)])
    record(counter, 1, NOON + 31, [event("a", 0), event("b", 0), event("b", 0)])
    assert booked(counter) == {"counted": 2, "duplicates": 2}
