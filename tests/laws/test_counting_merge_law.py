"""The merge is a join: order is free, twice is once, a snapshot is the state."""

import copy

from hypothesis import given
from hypothesis import strategies as st

from monitor.counting import CountingPolicy, Refusal, TallyMerger, refuse
from monitor.counting.merge_state import Extent
from monitor.events import COLUMNS, Cell, CountDelta, Ledger, Prefix, Tally
from tests.laws.counting_lives import AnyTally, History, histories, shuffled
from tests.laws.counting_log import Sums

SEEDS = st.integers(0, 2**32)
EXTENTS = st.builds(Extent, st.integers(0, 3), st.integers(4, 7))


def give(merger: TallyMerger, tally: AnyTally) -> CountDelta | Ledger | Refusal:
    if isinstance(tally, Tally):
        return merger.merge(tally)
    return merger.merge_ledger(tally)


@given(EXTENTS, EXTENTS)
def test_of_two_prefixes_exactly_one_replaces_the_other(
    one: Extent, other: Extent
) -> None:
    assert (refuse(one, other) is None) != (refuse(other, one) is None) or one == other
    assert refuse(one, one) is Refusal.STALE


@given(EXTENTS, EXTENTS, EXTENTS)
def test_what_replaces_a_prefix_replaces_all_that_it_replaces(
    one: Extent, other: Extent, third: Extent
) -> None:
    if refuse(one, other) is None and refuse(other, third) is None:
        assert refuse(one, third) is None


@given(histories(), SEEDS)
def test_no_delta_is_negative_and_twice_is_once(history: History, seed: int) -> None:
    # That order is free, and what it comes to, is in ``test_counting_restart``.
    merger = TallyMerger(history.lengths.policy)
    for tally in shuffled(history.sent, seed):
        added = give(merger, tally)
        if isinstance(added, Ledger):
            assert min(getattr(added, name) for name in Ledger.__struct_fields__) >= 0
        elif isinstance(added, CountDelta):
            rows = memoryview(added.counts).cast("i")
            assert min(rows, default=0) >= 0
            assert len(rows) == len(added.cells) * len(COLUMNS)
            assert all(row.count > 0 for row in added.reasons)
    before = merger.snapshot()
    assert {give(merger, tally) for tally in history.sent} <= {Refusal.STALE}
    assert merger.snapshot() == before


@given(histories(), SEEDS, st.data())
def test_a_restored_merger_answers_as_the_one_that_was_saved(
    history: History, seed: int, data: st.DataObject
) -> None:
    tallies = shuffled(history.sent, seed)
    at = data.draw(st.integers(0, len(tallies)))
    merger = TallyMerger(history.lengths.policy)
    for tally in tallies[:at]:
        give(merger, tally)
    restored = TallyMerger.restore(merger.policy, merger.snapshot())
    assert restored.watermarks == merger.watermarks
    assert restored.ledger() == merger.ledger()
    for tally in tallies[at:]:
        assert give(restored, tally) == give(merger, tally)
    assert restored.snapshot() == merger.snapshot()


@given(histories(), st.data())
def test_reading_again_from_an_older_snapshot_is_merely_slower(
    history: History, data: st.DataObject
) -> None:
    tallies = history.sent
    saved_at = data.draw(st.integers(0, len(tallies)))
    killed_at = data.draw(st.integers(saved_at, len(tallies)))
    merger, sums = TallyMerger(history.lengths.policy), Sums()
    saved = (merger.snapshot(), copy.deepcopy(sums))
    for index, tally in enumerate(tallies[:killed_at]):
        if index == saved_at:
            saved = (merger.snapshot(), copy.deepcopy(sums))
        sums.take(merger, tally)
        merger.forget()
    offset = saved_at if killed_at > saved_at else 0
    merger, sums = TallyMerger.restore(merger.policy, saved[0]), saved[1]
    for tally in tallies[offset:]:
        sums.take(merger, tally)
    truth = history.truth
    assert (sums.cells, sums.ledger) == (truth.cells, truth.ledger)


@given(st.binary(max_size=60))
def test_bytes_that_are_no_snapshot_are_refused(data: bytes) -> None:
    try:
        merger = TallyMerger.restore(CountingPolicy(), data)
    except ValueError:
        return
    assert merger.watermarks == {}


@given(
    st.binary(max_size=80),
    st.lists(st.sampled_from(list(map(Cell, *["ab"] * 5))), max_size=3),
)
def test_a_matrix_that_does_not_fit_its_cells_is_malformed(
    counts: bytes, cells: list[Cell]
) -> None:
    prefix = Prefix(
        fleet="f", topic="t", partition=0, slot=1, first=0, to=1, watermark=1.0
    )
    merger = TallyMerger(CountingPolicy())
    answer = merger.merge(Tally(prefix=prefix, cells=tuple(cells), counts=counts))
    fits = len(counts) == len(cells) * len(COLUMNS) * 4
    if not fits or len(set(cells)) != len(cells):
        assert answer is Refusal.MALFORMED
