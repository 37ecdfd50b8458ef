"""A counter says what a plain recount of the log says, and never more than it read."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.counting import Flush, TallyMerger
from tests.laws.counting_log import (
    Entry,
    Lengths,
    Sums,
    as_batch,
    assert_equal,
    feed,
    make_counter,
    recount,
    touched_slots,
    written,
)
from tests.laws.counting_strategies import logs_with_flushes

#: These look at every flush, so half of the examples see as much.
FEWER = settings(max_examples=50)


@given(logs_with_flushes())
def test_the_merged_tallies_are_the_plain_recount(
    case: tuple[Lengths, list[list[Entry]]],
) -> None:
    lengths, parts = case
    log = [entry for part in parts for entry in part]
    counter = make_counter(lengths)
    merger, sums = TallyMerger(lengths.policy), Sums()
    for part in parts:
        feed(counter, part)
        for tally in written(counter.flush()):
            sums.take(merger, tally)
    truth = recount(log, lengths)
    assert_equal(sums, truth)
    assert +counter.totals == +truth.ledger
    assert not sums.refusals


@given(logs_with_flushes())
def test_after_each_flush_everything_is_accounted_for(
    case: tuple[Lengths, list[list[Entry]]],
) -> None:
    lengths, parts = case
    counter = make_counter(lengths)
    merger, sums = TallyMerger(lengths.policy), Sums()
    read: list[Entry] = []
    for part in parts:
        feed(counter, part)
        read += part
        for tally in written(counter.flush()):
            sums.take(merger, tally)
        assert_equal(sums, recount(read, lengths))
        assert not any(merger.imbalance().values())
        ledger = sums.ledger
        booked = ("counted", "duplicates", "late", "excluded")
        assert ledger["events"] == sum(ledger[name] for name in booked)
        events = sum(n for (_, _, column), n in sums.cells.items() if column in (0, 7))
        assert events == ledger["counted"]


@FEWER
@given(logs_with_flushes())
def test_prefixes_say_what_they_cover(
    case: tuple[Lengths, list[list[Entry]]],
) -> None:
    lengths, parts = case
    counter = make_counter(lengths)
    firsts: dict[tuple[type, int], int] = {}
    tos: Counter[tuple[type, int]] = Counter()
    for part in parts:
        feed(counter, part)
        flush = counter.flush()
        assert flush.position == counter.position
        assert not part or counter.position == part[-1].offset + 1
        for tally in written(flush):
            key, prefix = (type(tally), tally.prefix.slot), tally.prefix
            assert prefix.first < prefix.to <= flush.position
            assert firsts.setdefault(key, prefix.first) == prefix.first
            assert prefix.to > tos[key], "a tally that says nothing new"
            tos[key] = prefix.to
            assert prefix.watermark == counter.log_time


@FEWER
@given(logs_with_flushes())
def test_memory_is_bounded_by_the_open_slots(
    case: tuple[Lengths, list[list[Entry]]],
) -> None:
    lengths, parts = case
    counter = make_counter(lengths)
    for part in parts:
        feed(counter, part)
        counter.flush()
        assert counter.open_slots <= lengths.policy.max_open_slots
        assert counter.remembered_ids <= sum(len(e.events) for p in parts for e in p)
        assert counter.flush() == Flush(
            (), (), counter.position, counter.flush().commit
        )


@given(logs_with_flushes())
def test_a_commit_is_offered_only_when_all_before_it_is_final_and_flushed(
    case: tuple[Lengths, list[list[Entry]]],
) -> None:
    lengths, parts = case
    log = [entry for part in parts for entry in part]
    whole = recount(log, lengths)
    counter = make_counter(lengths)
    merger, sums = TallyMerger(lengths.policy), Sums()
    offered = -1
    for part in parts:
        feed(counter, part)
        flush = counter.flush()
        for tally in written(flush):
            sums.take(merger, tally)
        if flush.commit is None:
            continue
        assert flush.commit >= offered, "commits go forward"
        offered = flush.commit
        assert flush.commit < flush.position
        before = [entry for entry in log if entry.offset < flush.commit]
        slots = touched_slots(before, lengths)
        final = {key: n for key, n in whole.cells.items() if key[0] in slots}
        have = {key: n for key, n in sums.cells.items() if key[0] in slots}
        assert have == final


@FEWER
@given(logs_with_flushes(), st.data())
def test_an_acknowledged_commit_changes_only_what_is_offered_next(
    case: tuple[Lengths, list[list[Entry]]], data: st.DataObject
) -> None:
    lengths, parts = case
    told, untold = make_counter(lengths), make_counter(lengths)
    for part in parts:
        feed(told, part)
        feed(untold, part)
        mine, other = told.flush(), untold.flush()
        assert mine == other
        if mine.commit is not None and data.draw(st.booleans()):
            told.committed(mine.commit)


@given(logs_with_flushes())
def test_how_the_log_is_cut_into_batches_changes_nothing(
    case: tuple[Lengths, list[list[Entry]]],
) -> None:
    lengths, parts = case
    whole, single = make_counter(lengths), make_counter(lengths)
    for part in parts:
        whole.take(as_batch(part))
        for entry in part:
            single.take(as_batch([entry]))
        assert whole.flush() == single.flush()
    assert whole.totals == single.totals
