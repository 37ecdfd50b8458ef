import msgspec
import pytest

from monitor.events import (
    COLUMNS,
    Action,
    Cell,
    Channel,
    Directive,
    Ledger,
    Mode,
    Outcome,
    Scope,
    Severity,
)
from monitor.events import Incident as Told
from monitor.service.counts import CountsReport
from monitor.service.demo.incidents import Incident
from monitor.service.demo.replies import Fate
from monitor.service.demo.sightings import Sightings
from monitor.service.demo.truth import Truth
from monitor.service.demo.verdict import DemoReport, judge
from tests.tools.incidents import make_incident

PAIR = Scope(source_ip="203.0.113.11", provider="yahoo")
SLOW = Scope(provider="apple")
CELL = Cell("yahoo", "203.0.113.11", "c", "t", "s")

INJECTED = (
    Incident("pair", PAIR, Channel.BLOCK, Fate.IP_BLOCKED, 0.7, 100.0, 200.0),
    Incident(
        "all", SLOW, Channel.DEFERRAL, Fate.THROTTLED, 0.6, 120.0, 200.0, Action.SLOW
    ),
)


def told(scope: Scope, channel: Channel, name: str) -> Told:
    return make_incident(
        id=name,
        scope=scope,
        channel=channel,
        severity=Severity.PAGE,
        start=100.0,
        detected_at=105.0,
        updated_at=105.0,
    )


def directive(scope: Scope, action: Action) -> Directive:
    return Directive(
        fleet="default",
        scope=scope,
        action=action,
        rate_fraction=0.5,
        reason="x",
        incident="i",
        evidence="",
        mode=Mode.ENFORCE,
        actor="bouncemon",
        epoch=1,
        seq=1,
        issued_at=0.0,
        expires_at=9e9,
    )


@pytest.fixture
def heard() -> Sightings:
    heard = Sightings()
    heard.hear_incident(told(PAIR, Channel.BLOCK, "1"), 104.0)
    heard.hear_incident(told(SLOW, Channel.DEFERRAL, "2"), 123.5)
    heard.hear_directive(directive(PAIR, Action.SLOW), 104.5)
    heard.hear_directive(directive(SLOW, Action.SLOW), 124.0)
    heard.hear_directive(directive(Scope(), Action.RESUME), 125.0)
    return heard


@pytest.fixture
def truth() -> Truth:
    truth = Truth()
    truth.count(CELL, Outcome.DELIVERED)
    truth.count(CELL, Outcome.BOUNCED)
    truth.duplicate()
    truth.lateness()
    return truth


def counts(unaccounted: int = 0, **changes: int) -> CountsReport:
    row = dict.fromkeys(COLUMNS, 0) | {
        "attempts": 2,
        "delivered": 1,
        "bounce": 1,
        "hard": 1,
    }
    row |= {name: value for name, value in changes.items() if name in row}
    ledger = {"events": 4, "counted": 2, "duplicates": 1, "late": 1}
    ledger |= {name: value for name, value in changes.items() if name in ledger}
    key = (CELL.provider, CELL.source_ip, CELL.campaign)
    return CountsReport([(key, row)], Ledger(**ledger), unaccounted)


def test_all_well(heard: Sightings, truth: Truth) -> None:
    report = judge(INJECTED, heard, truth, counts())
    assert report.ok
    assert report.problems == ()
    pair, slow = report.incidents
    assert (pair.found, pair.seconds, pair.scope) == (
        True,
        4.0,
        "ip_provider 203.0.113.11|yahoo",
    )
    assert slow.directive is not None
    assert (slow.directive.action, slow.directive.seconds) == ("slow", 4.0)
    line = msgspec.json.decode(msgspec.json.encode(report))
    assert (line["produced"], line["counted"], line["unaccounted"]) == (4, 2, 0)
    assert line["incidents"][0]["directive"]["scope"].endswith("yahoo")


def problem(report: DemoReport) -> str:
    assert not report.ok
    return "; ".join(report.problems)


def test_a_missed_incident(heard: Sightings, truth: Truth) -> None:
    heard.incidents.pop("1")
    assert "missed: pair (heard of: never)" in problem(
        judge(INJECTED, heard, truth, counts())
    )


def test_an_incident_found_too_late(heard: Sightings, truth: Truth) -> None:
    heard.incidents["1"] = heard.incidents["1"]._replace(at=131.0)
    report = judge(INJECTED, heard, truth, counts())
    assert report.incidents[0].seconds == 31.0
    assert "missed: pair (heard of: 31 s)" in problem(report)


@pytest.mark.parametrize(
    ("scope", "channel"),
    [
        (SLOW, Channel.BOUNCE),
        (Scope(provider="yahoo"), Channel.BLOCK),
        (PAIR, Channel.BLOCK),
    ],
)
def test_an_incident_that_nobody_injected(
    heard: Sightings, truth: Truth, scope: Scope, channel: Channel
) -> None:
    heard.hear_incident(told(scope, channel, "3"), 140.0)
    report = judge(INJECTED, heard, truth, counts())
    assert len(report.extra_incidents) == 1
    assert "not injected" in problem(report)


def test_updates_of_an_incident_are_no_second_one(
    heard: Sightings, truth: Truth
) -> None:
    heard.hear_incident(told(PAIR, Channel.BLOCK, "1"), 150.0)
    assert judge(INJECTED, heard, truth, counts()).ok


@pytest.mark.parametrize(
    ("scope", "action"),
    [(Scope(provider="yahoo"), Action.SLOW), (SLOW, Action.PAUSE)],
)
def test_a_wrong_directive(
    heard: Sightings, truth: Truth, scope: Scope, action: Action
) -> None:
    heard.hear_directive(directive(scope, action), 140.0)
    report = judge(INJECTED, heard, truth, counts())
    assert len(report.wrong_directives) == 1
    assert "a wrong directive" in problem(report)


def test_a_scope_that_was_never_throttled(heard: Sightings, truth: Truth) -> None:
    del heard.directives[1]
    assert "not throttled: all" in problem(judge(INJECTED, heard, truth, counts()))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("events", "events: the monitor says 9, the sender 4"),
        ("counted", "counted: the monitor says 9, the sender 2"),
        ("late", "late: the monitor says 9"),
        ("duplicates", "duplicates: the monitor says 9"),
        ("attempts", "cells whose counts differ: 1"),
        ("complaint", "cells whose counts differ: 1"),
    ],
)
def test_counts_that_do_not_add_up(
    heard: Sightings, truth: Truth, name: str, words: str
) -> None:
    assert words in problem(judge(INJECTED, heard, truth, counts(**{name: 9})))


def test_unaccounted_events_and_cells_that_one_side_lacks(
    heard: Sightings, truth: Truth
) -> None:
    report = judge(INJECTED, heard, truth, counts(unaccounted=1))
    assert "unaccounted events: 1" in problem(report)
    empty = CountsReport([], counts().ledger, 0)
    assert judge(INJECTED, heard, truth, empty).wrong_cells == 1
