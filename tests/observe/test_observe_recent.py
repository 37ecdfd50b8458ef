import numpy as np
import pytest

from monitor.events import COLUMNS, Reason, ReasonCount, Scope
from monitor.observe import recent
from monitor.observe.arrays import Array
from monitor.observe.recent import RecentLeaves, RecentReasons, concerns

SLOTS = 90  # a quarter of an hour


def counts(*attempts: int) -> Array:
    rows = np.zeros((len(attempts), len(COLUMNS)), np.int32)
    rows[:, 0] = attempts
    return rows


def held(leaves: RecentLeaves, since: int = 0) -> dict[tuple[int, int], int]:
    sums: dict[tuple[int, int], int] = {}
    rows = leaves.since(since)
    for slot, leaf, row in zip(*(a.tolist() for a in rows), strict=True):
        sums[slot, leaf] = sums.get((slot, leaf), 0) + row[0]
    return sums


def test_rows_are_kept_for_the_horizon_in_any_order() -> None:
    leaves = RecentLeaves(10.0)
    for slot in (100, 98, 100, 99):
        leaves.add(slot, np.array([1, 2]), counts(5, 7))
    assert held(leaves, 99) == {(99, 1): 5, (99, 2): 7, (100, 1): 10, (100, 2): 14}
    leaves.add(98 + SLOTS, np.array([1]), counts(1))
    assert min(held(leaves))[0] == 99
    leaves.add(98, np.array([1]), counts(1))
    assert (98, 1) not in held(leaves)
    assert leaves.rows == len(leaves.since(0).leaves)


def test_many_pieces_of_a_slot_are_put_together() -> None:
    leaves = RecentLeaves(10.0)
    for _ in range(recent.MAX_PIECES * 3):
        leaves.add(7, np.array([1, 2]), counts(1, 2))
    assert leaves.rows <= 2 * (recent.MAX_PIECES + 1)
    pieces = recent.MAX_PIECES * 3
    assert held(leaves) == {(7, 1): pieces, (7, 2): 2 * pieces}


def test_rows_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "MAX_ROWS", 10)
    leaves = RecentLeaves(10.0)
    for slot in range(20):
        leaves.add(slot, np.arange(4), counts(1, 1, 1, 1))
    assert leaves.rows == 8
    assert {slot for slot, _ in held(leaves)} == {18, 19}
    leaves.add(20, np.arange(40), counts(*[1] * 40))
    assert {slot for slot, _ in held(leaves)} == {20}
    assert leaves.dropped == 20


def test_evicted_leaves_leave_nothing_to_their_successors() -> None:
    leaves = RecentLeaves(10.0)
    leaves.add(1, np.array([1, 2]), counts(5, 7))
    leaves.add(2, np.array([2]), counts(9))
    leaves.forget(np.array([2]))
    assert held(leaves) == {(1, 1): 5}
    assert leaves.rows == 1


def test_a_snapshot_holds_the_same_rows() -> None:
    leaves, copy = RecentLeaves(10.0), RecentLeaves(10.0)
    for slot in (3, 1, 3):
        leaves.add(slot, np.array([1, 2]), counts(5, 7))
    copy.load(leaves.state())
    assert held(copy) == held(leaves)
    assert copy.rows == leaves.rows


def reason(campaign: str, count: int, sample: str = "") -> ReasonCount:
    return ReasonCount(
        provider="p",
        source_ip="i",
        campaign=campaign,
        reason=Reason.POLICY,
        count=count,
        sample=sample,
    )


def test_reasons_are_summed_by_name_and_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recent, "MAX_REASONS", 2)
    reasons = RecentReasons(10.0)
    reasons.add(5, [reason("a", 1, "old"), reason("a", 2, "new"), reason("a", 4)])
    reasons.add(5, [reason("b", 1), reason("c", 1)])
    reasons.add(4, [reason("a", 100)])
    kept = {one.campaign: (one.count, one.sample) for one in reasons.since(5)}
    assert kept == {"a": (7, "new"), "b": (1, "")}
    assert reasons.refused == 1
    copy = RecentReasons(10.0)
    copy.load(reasons.state())
    assert copy.since(0) == reasons.since(0)
    reasons.add(5 + SLOTS, [reason("a", 3)])
    assert [one.count for one in reasons.since(0)] == [3]


@pytest.mark.parametrize(
    ("scope", "want"),
    [
        (Scope(), True),
        (Scope(provider="p", source_ip="i"), True),
        (Scope(campaign="a"), True),
        (Scope(campaign="b"), False),
        (Scope(provider="q"), False),
        (Scope(tenant="t"), True),  # not known of a reason
    ],
)
def test_which_reasons_concern_a_scope(scope: Scope, want: bool) -> None:
    assert concerns(scope, reason("a", 1)) is want
