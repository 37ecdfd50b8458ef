"""Starting again anywhere changes nothing: cells, evidence and ledger are the same."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from monitor.counting import TallyMerger
from tests.laws.counting_lives import (
    AnyTally,
    History,
    histories,
    merged,
    shuffled,
    without_superseded,
)
from tests.laws.counting_log import (
    Sums,
    assert_equal,
    feed,
    make_counter,
    recount,
    written,
)

SEEDS = st.integers(0, 2**32)


@given(histories(), SEEDS)
def test_any_chain_of_restarts_in_any_order_gives_the_plain_recount(
    history: History, seed: int
) -> None:
    tallies = shuffled(history.sent, seed)
    assert_equal(merged(history, tallies), history.truth)
    # What a longer tally covers may be lost as well.
    fewer = without_superseded(tallies, seed)
    assert_equal(merged(history, fewer), history.truth)


@given(histories())
def test_nothing_that_was_sent_contradicts_the_single_counter(
    history: History,
) -> None:
    # Purity (I1): a tally that two counters wrote for the same prefix is the same.
    by_prefix: dict[tuple[type, int, int, int], AnyTally] = {}
    for tally in history.sent:
        prefix = msgspec.structs.replace(tally.prefix, watermark=0.0)
        content = msgspec.structs.replace(tally, prefix=prefix)
        key = (type(tally), prefix.slot, prefix.first, prefix.to)
        assert by_prefix.setdefault(key, content) == content


@given(histories(), st.data())
def test_the_tallies_before_a_commit_and_those_of_its_heir_are_enough(
    history: History, data: st.DataObject
) -> None:
    """The first worker dies after any flush; what it sent later never arrives."""
    lengths, log = history.lengths, history.log
    counter, sent, offers = make_counter(lengths), [], []
    for cut in range(1, len(log) + 1):
        feed(counter, log[:cut])
        flush = counter.flush()
        sent += written(flush)
        if flush.commit is not None:
            offers.append((flush.commit, len(sent)))
    if not offers:
        return
    commit, arrived = data.draw(st.sampled_from(offers))
    heir = make_counter(lengths, commit, start=False)
    feed(heir, log)
    tallies = [*sent[:arrived], *written(heir.flush())]
    assert_equal(merged(history, tallies), recount(log, lengths))


@given(histories(), st.sets(st.integers(0, 200)))
def test_a_merger_may_forget_and_be_restored_at_any_time(
    history: History, moments: set[int]
) -> None:
    merger, sums = TallyMerger(history.lengths.policy), Sums()
    for index, tally in enumerate(history.sent):
        sums.take(merger, tally)
        if index % 201 in moments:
            merger.forget()
            merger = TallyMerger.restore(merger.policy, merger.snapshot())
    assert_equal(sums, history.truth)
    assert not any(merger.imbalance().values())
