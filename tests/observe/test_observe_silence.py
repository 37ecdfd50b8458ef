from collections.abc import Callable
from math import cos, pi

import pytest

from monitor.events import Cell, IncidentKind, IncidentState, Scope, Severity
from tests.observe.slow_world import CELLS, DAY, EPOCH, HOUR, SlowRun, Traffic, kinds


def daily(cell: Cell, seconds: float) -> tuple[float, float]:
    """Volume of a day that is nearly silent at night."""
    del cell
    return 400.0 * (1.0 - 0.99 * cos(2 * pi * seconds / DAY)) / 2, 0.01


def office(cell: Cell, seconds: float) -> tuple[float, float]:
    """Nothing from the second campaign at nights and at weekends."""
    day, hour = divmod(seconds, DAY)
    closed = day % 7 >= 5 or not 8 <= hour / HOUR < 18
    return (0.0 if closed and cell.campaign == "c2" else 400.0), 0.01


def without(silent: Callable[[Cell], bool], traffic: Traffic = daily) -> Traffic:
    def mute(cell: Cell, seconds: float) -> tuple[float, float]:
        return (0.0, 0.0) if silent(cell) else traffic(cell, seconds)

    return mute


def test_who_should_send_and_does_not_is_a_ticket_until_it_sends() -> None:
    run = SlowRun("silence")
    assert run.run(9 * DAY + 9 * HOUR, daily) == []
    said = run.run(8 * HOUR, without(lambda cell: cell.source_ip == "i1"))
    told = said[0]
    assert {one.id for one in said} == {told.id}
    assert (told.scope, told.kind) == (Scope(source_ip="i1"), IncidentKind.SILENCE)
    assert (told.state, told.severity) == (IncidentState.OPEN, Severity.TICKET)
    assert told.start == pytest.approx(EPOCH + 9 * DAY + 9 * HOUR, abs=HOUR)
    assert told.attempts > 1_000
    assert "attempts were expected" in told.note
    run.take_over()
    (over,) = run.run(2 * HOUR, daily)
    assert (over.id, over.state) == (told.id, IncidentState.CLOSED)
    assert run.run(2 * DAY, daily) == []


def test_only_the_widest_of_what_is_silent_together_is_told() -> None:
    run = SlowRun("silence")
    run.run(9 * DAY + 9 * HOUR, daily)
    said = run.run(8 * HOUR, without(lambda cell: cell.tenant == "t2"))
    assert kinds(said) == {("silence", "tenant", "t2")}


def test_nights_and_weekends_are_no_silence() -> None:
    run = SlowRun("silence")
    assert run.run(21 * DAY, office) == []


def test_a_key_without_a_week_of_history_owes_nothing() -> None:
    run = SlowRun("silence")
    run.run(5 * DAY, daily)
    assert run.run(DAY, without(lambda cell: cell.campaign == "c1")) == []


def test_a_silent_fleet_is_one_ticket_about_the_pipeline() -> None:
    run = SlowRun("silence")
    run.run(8 * DAY + 9 * HOUR, daily, span=900.0)
    run.run(60.0, daily, span=10.0)
    said = run.run(HOUR, without(lambda cell: cell in CELLS), span=10.0)
    assert kinds(said) == {("silence", "fleet", "")}
    assert said[0].detected_at <= said[0].start + 3000.0
    assert "pipeline" in said[0].note
    (over,) = run.run(60.0, daily, span=10.0)
    assert (over.id, over.state) == (said[0].id, IncidentState.CLOSED)


def test_who_was_away_itself_does_not_call_the_fleet_silent() -> None:
    run = SlowRun("silence")
    run.run(9 * DAY + 9 * HOUR, daily)
    run.seconds += 5 * HOUR
    assert run.run(60.0, without(lambda cell: cell in CELLS), span=10.0) == []
    assert run.run(5 * HOUR, daily) == []


def test_most_of_the_fleet_is_the_fleet() -> None:
    def uneven(cell: Cell, seconds: float) -> tuple[float, float]:
        volume, rate = daily(cell, seconds)
        return (0.1 * volume if cell.campaign == "c1" else volume), rate

    run = SlowRun("silence")
    run.run(9 * DAY + 9 * HOUR, uneven)
    # Some mail is still read: the stream moves on.
    said = run.run(6 * HOUR, without(lambda cell: cell.campaign != "c1", uneven))
    assert kinds(said) == {("silence", "fleet", "")}


def test_what_is_gone_for_days_is_let_go() -> None:
    run = SlowRun("silence")
    run.run(9 * DAY + 9 * HOUR, daily)
    over = without(lambda cell: cell.campaign == "c1")
    said = run.run(6 * DAY, over)
    assert said[-1].state is IncidentState.CLOSED
    assert len({one.id for one in said}) == 1
    assert run.run(6 * DAY, over) == []
