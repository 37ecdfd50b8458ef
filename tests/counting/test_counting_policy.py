"""Slots, lateness and what follows from them, at their boundaries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.counting import CountingPolicy
from monitor.counting.policy import MAX_OPEN_SLOTS
from monitor.errors import ConfigError

POLICY = CountingPolicy(10.0, 600.0, 60.0)
NOON = 1_795_348_800.0
SLOT = int(NOON) // 10

#: Lengths that the settings allow, and a log time in whole milliseconds.
POLICIES = st.builds(
    lambda slot, slots, tolerance: CountingPolicy(slot, slot * slots, tolerance),
    st.integers(1, 300),
    st.integers(1, 100),
    st.integers(0, 300),
)
TIMES = st.integers(1_500_000_000_000, 2_500_000_000_000).map(lambda ms: ms / 1000)


@pytest.mark.parametrize(
    ("seconds", "slot"),
    [(NOON, SLOT), (NOON - 0.001, SLOT - 1), (NOON + 9.999, SLOT), (-0.001, -1)],
)
def test_a_slot_includes_its_begin_and_not_its_end(seconds: float, slot: int) -> None:
    assert POLICY.slot_of(seconds) == slot


def test_a_slot_takes_events_until_the_lateness_is_over() -> None:
    closing = POLICY.closing_time(SLOT + 1)
    assert closing == NOON + 10 + 600
    assert POLICY.first_open_slot(closing - 0.001) == SLOT
    assert POLICY.first_open_slot(closing) == SLOT + 1


def test_a_slot_is_whole_if_no_fast_clock_can_have_reached_it() -> None:
    assert POLICY.first_whole_slot(NOON - 60.001) == SLOT
    assert POLICY.first_whole_slot(NOON - 60.0) == SLOT + 1


@given(POLICIES, TIMES)
def test_when_the_ledger_begins_every_open_slot_is_whole(
    policy: CountingPolicy, log_time: float
) -> None:
    whole = policy.first_whole_slot(log_time)
    first_ledger = policy.first_whole_ledger(log_time) * policy.slot_seconds
    assert policy.first_open_slot(first_ledger) >= whole
    assert first_ledger > log_time + policy.allowed_lateness_seconds


@given(POLICIES, TIMES, st.floats(-1e5, 1e5))
def test_no_more_slots_are_open_than_the_policy_says(
    policy: CountingPolicy, log_time: float, offset: float
) -> None:
    newest = policy.slot_of(log_time + policy.future_tolerance_seconds)
    open_slots = newest - policy.first_open_slot(log_time) + 1
    assert open_slots <= policy.max_open_slots


@pytest.mark.parametrize(
    ("lengths", "word"),
    [
        ((0.0, 600.0, 60.0), "slot_seconds"),
        ((-1.0, 600.0, 60.0), "slot_seconds"),
        ((10.0, 9.0, 60.0), "shorter than one slot"),
        ((10.0, 600.0, -1.0), "future_tolerance_seconds"),
        ((1.0, 86_400.0, 0.0), f"{MAX_OPEN_SLOTS} slots"),
        ((1.0, 60.0, 86_400.0), f"{MAX_OPEN_SLOTS} slots"),
    ],
)
def test_lengths_that_make_no_sense_are_refused(
    lengths: tuple[float, float, float], word: str
) -> None:
    with pytest.raises(ConfigError, match=word):
        CountingPolicy(*lengths)


def test_a_day_of_lateness_is_allowed_with_the_usual_slots() -> None:
    policy = CountingPolicy(10.0, 86_400.0, 60.0)
    assert policy.max_open_slots <= MAX_OPEN_SLOTS
