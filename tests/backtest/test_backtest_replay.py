import json
from dataclasses import replace

import msgspec
import pytest

from monitor.events import Severity
from monitor.observe import ObservePolicy
from monitor.pipeline import FleetPolicy
from tests.backtest.backtest_runs import Run, run_counts, run_events
from tests.backtest.backtest_world import EPOCH, World

#: Some history, two bad minutes, and time to get well again.
WORLD = World(seed=2, seconds=1_050, onset=610, end=670, a_second=24.0)


@pytest.fixture(scope="module")
def recording() -> bytes:
    return WORLD.ndjson()


@pytest.fixture(scope="module")
def from_events(recording: bytes) -> Run:
    return run_events(recording)


def test_an_incident_is_found_where_it_is(from_events: Run) -> None:
    [found], summary = from_events
    assert (found.scope.kind, found.channel) == ("ip_provider", "block")
    assert (found.scope.source_ip, found.scope.provider) == ("203.0.113.2", "yahoo")
    # A change is dated to the slot of ten seconds that it is in, at worst.
    assert EPOCH + WORLD.onset - 10 <= found.onset < EPOCH + WORLD.onset + 10
    assert found.onset < found.detected_at <= found.onset + 20
    assert found.closed_at is not None
    assert EPOCH + WORLD.end < found.closed_at < EPOCH + WORLD.seconds
    assert found.severity is Severity.PAGE
    assert 0.3 < found.rate < 0.6
    assert found.baseline < 0.01
    assert found.share > 0.8
    assert found.reasons[0].reason == "ip_reputation"
    assert not found.reopened
    assert (summary.incidents, summary.pages, summary.open_at_end) == (1, 1, 0)
    assert summary.events == summary.counted == summary.records > 20_000
    assert summary.span_seconds == WORLD.seconds
    assert summary.key_days == pytest.approx(35 * WORLD.seconds / 86_400, rel=0.01)
    assert 0 < summary.expected_false_pages < 0.1


def test_counts_of_the_same_mail_give_the_same_incidents(from_events: Run) -> None:
    found, summary = run_counts(WORLD.csv(), 1)
    # Counts hold no replies.
    expected = [msgspec.structs.replace(one, reasons=()) for one in from_events[0]]
    assert msgspec.json.encode(found) == msgspec.json.encode(expected)
    assert summary.key_days == from_events[1].key_days
    assert summary.threshold == from_events[1].threshold


def test_the_same_recording_gives_the_same_bytes(recording: bytes) -> None:
    once, again = (run_events(recording, step=10) for _ in range(2))
    assert msgspec.json.encode(once) == msgspec.json.encode(again)
    [found], summary = once
    assert found.scope.kind == "ip_provider"
    assert found.detected_at % 10 == 0
    assert summary.span_seconds == WORLD.seconds
    # One partition's log each, as it would be dumped.
    lines = recording.splitlines(keepends=True)
    files = [b"".join(lines[part::3]) for part in range(3)]
    assert run_events(*files, step=10) == once


@pytest.mark.parametrize("step", [1, 10, 60, 300, 3600])
def test_slots_of_any_length(step: int) -> None:
    unit = max(step, 20)
    world = World(
        seed=2,
        seconds=45 * unit,
        onset=35 * unit,
        end=44 * unit,
        a_second=900.0 / unit,
    )
    [found], summary = run_counts(world.csv(step), step)
    assert (found.scope.kind, found.channel) == ("ip_provider", "block")
    assert abs(found.onset - EPOCH - world.onset) < max(step, 10)
    assert found.onset < found.detected_at <= found.onset + max(20, 2 * step)
    assert summary.span_seconds == world.seconds


def test_what_is_open_at_the_end_is_told() -> None:
    world = replace(WORLD, seconds=660)
    [found], summary = run_counts(world.csv(10), 10)
    assert found.closed_at is None
    assert summary.open_at_end == 1


def test_an_incident_without_mail_ends_in_the_gap() -> None:
    stopped = replace(WORLD, seconds=660)
    later = f"{EPOCH + 20_000},yahoo,203.0.113.9,c9,100,0,0,0,0\n"
    [found], _ = run_counts(stopped.csv(10) + later, 10)
    assert found.closed_at == pytest.approx(EPOCH + 660 + 900, abs=10)


def test_late_and_double_events_and_bad_lines_are_counted() -> None:
    world = World(seconds=700, onset=10_000)
    lines = world.ndjson().splitlines(keepends=True)
    late = json.dumps(
        {"event_id": "late", "event_time": EPOCH + 1, "outcome": "delivered"}
    ).encode()
    whole = b"".join([*lines, lines[-1], late, b"\n", b"{nonsense\n", b"\n", b"[1]\n"])
    found, summary = run_events(whole, step=10)
    assert found == []
    assert (summary.late, summary.duplicates, summary.invalid) == (1, 1, 2)
    assert summary.events == len(lines) + 2
    assert summary.counted == len(lines)


def test_nothing_at_all_is_no_crash() -> None:
    assert run_events(b"")[1].events == 0
    assert run_events(b"x\n" * 50)[1].invalid == 50


def test_late_rows_teach_and_do_not_harm() -> None:
    rows = World(seconds=900, onset=10_000).csv(10).splitlines(keepends=True)
    [header, *body] = rows
    moved = [*body[200:], *body[:200]]
    _, summary = run_counts("".join([header, *moved]), 10)
    assert summary.rows == len(body)


def test_the_policy_is_obeyed() -> None:
    without_ips = ObservePolicy(dimensions=("provider",), detectors=("nb_glr",))
    [found], _ = run_counts(WORLD.csv(10), 10, FleetPolicy(observe=without_ips))
    assert (found.scope.kind, found.scope.key) == ("provider", "yahoo")
    deaf = ObservePolicy(detectors=("limit",), limits={})
    assert run_counts(WORLD.csv(10), 10, FleetPolicy(observe=deaf))[0] == []
