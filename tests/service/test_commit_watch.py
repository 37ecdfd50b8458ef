"""How long an offset that may be committed has waited for it."""

from collections import deque

import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from monitor.service import commits
from monitor.service.commits import CommitWatch

ONE, TWO = TP("delivery.events", 0), TP("delivery.events", 1)


@pytest.fixture
def watch() -> CommitWatch:
    watch = CommitWatch()
    watch.opened(ONE, 100)
    watch.opened(TWO, 100)
    return watch


def test_before_the_first_checkpoint_is_old_enough_nothing_waits(
    watch: CommitWatch,
) -> None:
    assert watch.delay(now=1e6) == 0.0
    watch.offered(ONE, 100, now=1.0)
    assert watch.delay(now=1e6) == 0.0, "a takeover offers what is committed already"


def test_the_delay_runs_from_the_first_moment_at_which_a_commit_was_possible(
    watch: CommitWatch,
) -> None:
    watch.offered(ONE, 120, now=10.0)
    watch.offered(ONE, 120, now=11.0)
    watch.offered(ONE, 150, now=20.0)
    assert watch.delay(now=25.0) == 15.0
    watch.committed({ONE: 120})
    assert watch.delay(now=25.0) == 5.0
    watch.committed({ONE: 150})
    assert watch.delay(now=25.0) == 0.0


def test_the_worst_partition_counts(watch: CommitWatch) -> None:
    watch.offered(ONE, 120, now=10.0)
    watch.offered(TWO, 130, now=12.0)
    assert watch.delay(now=20.0) == 10.0
    watch.committed({ONE: 120})
    assert watch.delay(now=20.0) == 8.0


def test_a_partition_that_went_away_has_nothing_to_wait_for(
    watch: CommitWatch,
) -> None:
    watch.offered(ONE, 120, now=10.0)
    watch.forget(ONE)
    watch.offered(ONE, 130, now=11.0)  # a flush that was on its way
    watch.committed({ONE: 130})
    assert watch.delay(now=99.0) == 0.0


def test_an_assignment_tells_what_is_committed_really(watch: CommitWatch) -> None:
    watch.offered(ONE, 120, now=10.0)
    watch.opened(ONE, 110)
    assert watch.delay(now=20.0) == 10.0
    watch.opened(ONE, 120)
    assert watch.delay(now=20.0) == 0.0
    watch.committed({ONE: 120})
    watch.opened(ONE, 90)  # the group's offsets were lost or reset
    watch.offered(ONE, 120, now=30.0)
    assert watch.delay(now=31.0) == 1.0


def test_memory_is_bounded_and_the_wait_never_looks_shorter(
    watch: CommitWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "MAX_OFFERS", 3)
    for step in range(100):
        watch.offered(ONE, 200 + step, now=float(step))
    assert len(watch._offers[ONE]) == 3
    assert watch.delay(now=100.0) == 100.0
    watch.committed({ONE: 201})
    assert watch.delay(now=100.0) == 98.0
    watch.committed({ONE: 299})
    assert watch.delay(now=100.0) == 0.0


@given(st.lists(st.tuples(st.booleans(), st.integers(101, 130)), max_size=60))
def test_the_delay_is_the_age_of_the_oldest_offer_beyond_the_commit(
    story: list[tuple[bool, int]],
) -> None:
    watch, committed = CommitWatch(), 100
    watch.opened(ONE, committed)
    heard: deque[tuple[int, float]] = deque()
    for moment, (offer, offset) in enumerate(story):
        if offer:
            # The counter's offers only ever go forward.
            offset = max(offset, heard[-1][0] if heard else 0)
            watch.offered(ONE, offset, float(moment))
            heard.append((offset, float(moment)))
        else:
            watch.committed({ONE: offset})
            committed = max(committed, offset)
        waiting = [since for offset, since in heard if offset > committed]
        assert watch.delay(moment + 1.0) == (
            moment + 1.0 - min(waiting, default=moment + 1.0)
        )
