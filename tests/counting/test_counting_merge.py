"""The merger, example by example; the laws are in ``tests/laws``."""

import numpy as np
import pytest

from monitor.counting import (
    LOUD_REFUSALS,
    CountingPolicy,
    InputPartition,
    PartitionCounter,
    Refusal,
    SlotMaker,
    TallyMerger,
)
from monitor.counting import merge as merge_module
from monitor.events import (
    COLUMNS,
    Cell,
    CountDelta,
    Ledger,
    LedgerTally,
    Prefix,
    Reason,
    ReasonCount,
    Tally,
)
from tests.counting.one_record import Countable, record

POLICY = CountingPolicy()
NOON = 1_795_348_800.0
SLOT = int(NOON) // 10
A = Cell("yahoo", "192.0.2.1", "spring", "acme", "")
B = Cell("gmx", "192.0.2.1", "spring", "acme", "")


def new_counter() -> PartitionCounter:
    source = InputPartition("default", "delivery.events", 0)
    return PartitionCounter(
        POLICY, source, position=0, from_log_start=True, slots=SlotMaker(str)
    )


def prefix(first: int, to: int, slot: int = SLOT, partition: int = 0) -> Prefix:
    return Prefix(
        fleet="default",
        topic="delivery.events",
        partition=partition,
        slot=slot,
        first=first,
        to=to,
        watermark=NOON + to,
    )


def tally(first: int, to: int, cells: dict[Cell, int], slot: int = SLOT) -> Tally:
    """So many attempts a cell."""
    counts = np.zeros((len(cells), len(COLUMNS)), dtype="<i4")
    counts[:, 0] = list(cells.values())
    return Tally(
        prefix=prefix(first, to, slot), cells=tuple(cells), counts=counts.tobytes()
    )


def ledger(first: int, to: int, counted: int, watermark: float) -> LedgerTally:
    changed = prefix(first, to)
    at = Prefix(
        **{
            name: getattr(changed, name)
            for name in Prefix.__struct_fields__
            if name != "watermark"
        },
        watermark=watermark,
    )
    return LedgerTally(prefix=at, ledger=Ledger(events=counted, counted=counted))


def attempts(answer: CountDelta | Refusal) -> dict[Cell, int]:
    assert isinstance(answer, CountDelta)
    matrix = np.frombuffer(answer.counts, dtype="<i4").reshape(-1, len(COLUMNS))
    return dict(zip(answer.cells, matrix[:, 0].tolist(), strict=True))


def test_a_longer_tally_adds_what_it_has_more() -> None:
    merger = TallyMerger(POLICY)
    assert attempts(merger.merge(tally(3, 9, {A: 2}))) == {A: 2}
    assert attempts(merger.merge(tally(3, 12, {A: 2, B: 1}))) == {B: 1}
    assert attempts(merger.merge(tally(3, 13, {B: 1, A: 5}))) == {A: 3}
    assert merger.imbalance() == {("delivery.events", 0): 6}


@pytest.mark.parametrize(
    ("new", "refusal"),
    [
        (tally(3, 9, {A: 2}), Refusal.STALE),
        (tally(3, 8, {A: 1}), Refusal.STALE),
        (tally(4, 20, {A: 9}), Refusal.COVERS_LESS),
        (tally(4, 9, {A: 1}), Refusal.COVERS_LESS),
        (tally(3, 10, {A: 1}), Refusal.SHRUNK),
        (tally(3, 10, {B: 9}), Refusal.SHRUNK),
        (tally(2, 8, {A: 1}), Refusal.SHRUNK),
    ],
)
def test_what_covers_less_or_takes_away_changes_nothing(
    new: Tally, refusal: Refusal
) -> None:
    merger = TallyMerger(POLICY)
    merger.merge(tally(3, 9, {A: 2}))
    assert merger.merge(new) is refusal
    assert attempts(merger.merge(tally(3, 21, {A: 3}))) == {A: 1}


def test_a_tally_that_began_earlier_replaces_one_that_began_later() -> None:
    merger = TallyMerger(POLICY)
    merger.merge(tally(5, 10, {A: 1}))
    assert attempts(merger.merge(tally(3, 8, {A: 2}))) == {A: 1}
    assert merger.merge(tally(5, 99, {A: 9})) is Refusal.COVERS_LESS


def test_partitions_are_counted_apart() -> None:
    merger = TallyMerger(POLICY)
    merger.merge(tally(3, 9, {A: 2}))
    other = tally(3, 9, {A: 2})
    moved = Tally(
        prefix=prefix(3, 9, partition=1), cells=other.cells, counts=other.counts
    )
    assert attempts(merger.merge(moved)) == {A: 2}


def test_only_stale_is_quiet() -> None:
    assert set(Refusal) - LOUD_REFUSALS == {Refusal.STALE}


def test_evidence_grows_by_what_is_new() -> None:
    def with_reason(to: int, count: int) -> Tally:
        plain = tally(3, to, {A: to})
        row = ReasonCount(
            provider="yahoo",
            source_ip="192.0.2.1",
            campaign="spring",
            reason=Reason.POLICY,
            count=count,
            sample="no",
        )
        return Tally(
            prefix=plain.prefix, cells=plain.cells, counts=plain.counts, reasons=(row,)
        )

    merger = TallyMerger(POLICY)
    found = []
    for to, count in ((4, 1), (5, 1), (6, 4)):
        answer = merger.merge(with_reason(to, count))
        assert isinstance(answer, CountDelta)
        found.append([row.count for row in answer.reasons])
    assert found == [[1], [], [3]]


def test_evidence_of_two_texts_grows_apart() -> None:
    def said(to: int, **counts: int) -> Tally:
        plain = tally(3, to, {A: to})
        rows = tuple(
            ReasonCount(
                provider="yahoo",
                source_ip="192.0.2.1",
                campaign="spring",
                reason=Reason.POLICY,
                count=count,
                sample="no",
                template=template,
            )
            for template, count in counts.items()
        )
        return Tally(
            prefix=plain.prefix, cells=plain.cells, counts=plain.counts, reasons=rows
        )

    merger = TallyMerger(POLICY)
    merger.merge(said(4, t1=2))
    merger = TallyMerger.restore(POLICY, merger.snapshot())
    answer = merger.merge(said(5, t1=3, t2=7))
    assert isinstance(answer, CountDelta)
    assert [(row.template, row.count) for row in answer.reasons] == [
        ("t1", 1),
        ("t2", 7),
    ]


def test_a_flush_is_one_cut_of_the_log() -> None:
    """Cells go by event time and ledgers by log time: they must not be cut apart."""
    counter = new_counter()
    merger = TallyMerger(POLICY)
    for offset in range(60):
        one = Countable(f"e{offset}", NOON + offset - 3, A, (0, 1))
        record(counter, offset, NOON + offset, [one])
        if offset % 7:
            continue
        done = counter.flush()
        for written in done.tallies:
            merger.merge(written)
        for booked in done.ledgers:
            merger.merge_ledger(booked)
        assert not any(merger.imbalance().values())
        assert sum(one.ledger.counted for one in done.ledgers)


def test_a_slot_keeps_its_details_until_a_ledger_shows_it_settled() -> None:
    """A flush of a quiet partition spans hours; it is merged one tally at a time."""
    counter = new_counter()
    merger = TallyMerger(POLICY)

    def flush() -> list[Tally]:
        done = counter.flush()
        for one in done.ledgers:
            merger.merge_ledger(one)
        return list(done.tallies)

    def note(offset: int, kafka: float, seconds: float) -> None:
        one = Countable(f"e{offset}", NOON + seconds, A, (0, 1))
        record(counter, offset, NOON + kafka, [one])

    note(0, 0, 0)
    note(1, 10, 10)
    for one in flush():
        merger.merge(one)
    note(2, 11, 0)
    note(3, 12, 10)
    note(4, 36_000, 36_000)
    done = counter.flush()
    for one in done.tallies:
        assert attempts(merger.merge(one)) == {A: 1}
        merger.forget()
    assert merger.detailed_slots == 3
    for last in done.ledgers:
        merger.merge_ledger(last)
    merger.forget()
    assert merger.detailed_slots == 1
    assert merger.imbalance() == {("delivery.events", 0): 0}


def test_a_tally_for_a_forgotten_slot_is_known_as_stale_or_refused_loudly() -> None:
    merger = TallyMerger(POLICY)
    merger.merge(tally(3, 9, {A: 2}))
    merger.merge_ledger(ledger(3, 9, 2, watermark=NOON + 10_000))
    merger.forget()
    merger = TallyMerger.restore(POLICY, merger.snapshot())
    assert merger.detailed_slots == 0
    assert merger.merge(tally(3, 9, {A: 2})) is Refusal.STALE
    assert merger.merge(tally(3, 10, {A: 3})) is Refusal.CLOSED
    assert merger.merge(tally(4, 10, {A: 3})) is Refusal.COVERS_LESS


def test_prefixes_of_closed_slots_are_bounded_and_the_newest_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(merge_module, "MAX_CLOSED_SLOTS", 2)
    merger = TallyMerger(POLICY)
    for slot in (SLOT, SLOT + 2, SLOT + 1):
        merger.merge(tally(3, 9, {A: 2}, slot))
    merger.merge_ledger(ledger(3, 9, 6, watermark=NOON + 10_000))
    merger.forget()
    assert merger.merge(tally(3, 9, {A: 2}, SLOT + 1)) is Refusal.STALE
    assert merger.merge(tally(3, 9, {A: 2}, SLOT + 2)) is Refusal.STALE
    assert attempts(merger.merge(tally(3, 9, {A: 2}, SLOT))) == {A: 2}


def test_ledgers_follow_the_same_law_and_balance_the_cells() -> None:
    merger = TallyMerger(POLICY)
    merger.merge(tally(3, 9, {A: 2}))
    added = merger.merge_ledger(ledger(3, 9, 2, NOON))
    assert isinstance(added, Ledger)
    assert added.counted == 2
    assert merger.imbalance() == {("delivery.events", 0): 0}
    assert merger.merge_ledger(ledger(3, 9, 2, NOON)) is Refusal.STALE
    assert merger.merge_ledger(ledger(4, 10, 9, NOON)) is Refusal.COVERS_LESS
    assert merger.merge_ledger(ledger(3, 11, 5, NOON)) == Ledger(events=3, counted=3)
    assert merger.ledger() == Ledger(events=5, counted=5)
    assert merger.imbalance() == {("delivery.events", 0): 3}
