from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from monitor.backtest.log_clock import AHEAD_SECONDS, WITNESSES, LogClock, merged

YEAR = 365 * 86_400.0
BASE = 1_767_571_200.0

Times = Sequence[float | None]


def placed(times: Times) -> list[tuple[float, int]]:
    clock = LogClock[int]()
    out = [one for place, time in enumerate(times) for one in clock.push(time, place)]
    out += clock.rest()
    return [(one.moment, one.item) for one in out]


@given(st.lists(st.none() | st.floats(0, 2e9, allow_nan=False), max_size=80))
def test_whatever_the_times_each_record_comes_once_and_time_never_falls(
    times: list[float | None],
) -> None:
    out = placed(times)
    assert [item for _, item in out] == list(range(len(times)))
    moments = [moment for moment, _ in out]
    assert moments == sorted(moments)


@given(st.lists(st.floats(0, AHEAD_SECONDS), min_size=1, max_size=80))
def test_the_log_time_is_the_largest_so_far(steps: list[float]) -> None:
    start = BASE - AHEAD_SECONDS
    out = placed([start, *(BASE - step for step in steps)])
    assert out[-1][0] == max(start, *(BASE - step for step in steps))


def test_one_wrong_clock_makes_nobody_late() -> None:
    honest: list[float | None] = [BASE + second for second in range(100)]
    times = [*honest[:50], BASE + YEAR, *honest[50:]]
    moments = [moment for moment, _ in placed(times)]
    assert moments[50] == BASE + 49
    assert moments[-1] == BASE + 99


def test_a_first_record_from_the_future_is_not_believed() -> None:
    times = [BASE + YEAR, *(BASE + second for second in range(100))]
    moments = [moment for moment, _ in placed(times)]
    assert moments[0] == BASE
    assert moments[-1] == BASE + 99


def test_a_first_record_from_long_ago_delays_nothing() -> None:
    times = [1.0, *(BASE + second for second in range(100))]
    assert placed(times)[-1][0] == BASE + 99


def test_a_gap_is_believed_when_enough_records_say_so() -> None:
    night = [BASE + second for second in range(50)]
    day = [BASE + 30_000 + second for second in range(WITNESSES)]
    clock = LogClock[float]()
    for time in night:
        clock.push(time, time)
    waiting = [clock.push(time, time) for time in day]
    assert waiting[:-1] == [[]] * (WITNESSES - 1)
    assert [(one.moment, one.item) for one in waiting[-1]] == [(t, t) for t in day]


def test_the_end_of_a_recording_needs_no_witnesses() -> None:
    times = [*(BASE + second for second in range(50)), BASE + 5_000.0, BASE + 9_000.0]
    assert [moment for moment, _ in placed(times)] == times


def test_files_are_read_side_by_side() -> None:
    def stream(times: list[float], name: str) -> LogClock[str]:
        clock = LogClock[str]()
        for time in times:
            clock.push(time, name)
        return clock

    one, other = stream([BASE, BASE + 2], "one"), stream([BASE + 1, BASE + 3], "other")
    out = merged([iter(one.rest()), iter(other.rest())])
    assert [item for _, item in out] == ["one", "other", "one", "other"]
