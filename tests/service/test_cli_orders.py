"""Orders by hand and the list of incidents, without a broker."""

import json
from pathlib import Path

import msgspec
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from monitor.events import (
    Action,
    Channel,
    Command,
    Incident,
    IncidentKind,
    IncidentState,
    Mode,
    Scope,
    Severity,
)
from monitor.service import cli, cli_incidents, cli_orders
from monitor.service.cli_orders import read_part, read_scope, read_span
from monitor.service.settings import Settings
from monitor.throttle import Ruling, RulingReason

NOW = 1_795_348_800.0


def incident(number: int, scope: Scope, state: IncidentState) -> Incident:
    return Incident(
        id=f"i{number}",
        fleet="default",
        scope=scope,
        channel=Channel.HARD,
        state=state,
        severity=Severity.TICKET,
        detector="drift",
        start=NOW - 60,
        detected_at=NOW + number,
        updated_at=NOW + number,
        rate=0.25,
        rate_low=0.2,
        rate_high=0.3,
        baseline=0.01,
        lift=25.0,
        excess=100.0,
        attempts=400.0,
        kind=IncidentKind.DRIFT,
        note="rises since Monday" if number == 1 else "",
    )


KNOWN = [
    incident(1, Scope(provider="yahoo"), IncidentState.OPEN),
    incident(2, Scope(campaign="spring"), IncidentState.CLOSED),
    incident(3, Scope(), IncidentState.OPEN),
    msgspec.structs.replace(
        incident(4, Scope(), IncidentState.OPEN),
        kind=IncidentKind.GATE,
        note="no new incidents are opened",
    ),
]


class Desk:
    """Takes orders in the place of Kafka."""

    def __init__(self) -> None:
        self.orders: list[Command] = []
        self.waits: list[float] = []
        self.reason: RulingReason | None = RulingReason.ORDERED
        self.closing = True

    def incidents(self, _: Settings) -> list[Incident]:
        """All incidents; those that were accepted are closed."""
        accepted = {order.accepts for order in self.orders if self.closing}
        closed = IncidentState.CLOSED
        return [
            msgspec.structs.replace(one, state=closed) if one.id in accepted else one
            for one in KNOWN
        ]

    def __call__(self, _: Settings, command: Command, wait: float) -> Ruling | None:
        self.orders.append(command)
        self.waits.append(wait)
        if self.reason is None:
            return None
        return Ruling(
            now=NOW,
            fleet=command.fleet,
            scope=command.scope,
            applied=self.reason is RulingReason.ORDERED,
            reason=self.reason,
            action=command.action,
            rate_fraction=command.rate_fraction,
            actor=command.actor,
            source=command.id,
            mode=Mode.SUGGEST,
            epoch=1,
        )


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BOUNCEMON_CONFIG", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(cli_orders, "now", lambda: NOW)
    desk = Desk()
    monkeypatch.setattr(cli_orders, "give_order", desk)
    for module in (cli_orders, cli_incidents):
        monkeypatch.setattr(module, "read_incidents", desk.incidents)
    return desk


def test_a_pause_in_full(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    argv = "orders pause provider=yahoo ip=192.0.2.1 --for 2h --as alice --wait 3"
    assert cli.run([*argv.split(), "--reason", "they asked"]) == 0
    (order,) = desk.orders
    assert desk.waits == [3.0]
    assert order == Command(
        id=order.id,
        fleet="default",
        scope=Scope(provider="yahoo", source_ip="192.0.2.1"),
        action=Action.PAUSE,
        rate_fraction=0.0,
        reason="they asked",
        actor="alice",
        issued_at=NOW,
        lease_seconds=7200.0,
    )
    said = f"order {order.id}: pause ip_provider 192.0.2.1|yahoo for 2h: ordered"
    assert capsys.readouterr().out.startswith(said)


@pytest.mark.parametrize(
    ("words", "action", "part"),
    [
        ("slow campaign=spring --rate 10%", Action.SLOW, 0.1),
        ("slow campaign=spring", Action.SLOW, 0.5),
        ("resume campaign=spring", Action.RESUME, 1.0),
    ],
)
def test_the_other_orders(words: str, action: Action, part: float, desk: Desk) -> None:
    assert cli.run(["orders", *words.split(), "--as", "bob"]) == 0
    (order,) = desk.orders
    assert (order.action, order.rate_fraction) == (action, part)
    assert (order.lease_seconds, order.accepts) == (3600.0, "")


def test_no_two_orders_have_one_id(desk: Desk) -> None:
    for _ in range(3):
        assert cli.run(["orders", "pause", "provider=yahoo", "--as", "bob"]) == 0
    assert len({order.id for order in desk.orders}) == 3


@pytest.mark.parametrize(
    ("incident_id", "scope"), [("i1", Scope(provider="yahoo")), ("i3", Scope())]
)
def test_an_incident_is_accepted_with_its_own_scope(
    incident_id: str, scope: Scope, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["orders", "accept", incident_id, "--as", "alice"]) == 0
    (order,) = desk.orders
    assert (order.accepts, order.scope) == (incident_id, scope)
    assert (order.action, order.reason) == (Action.RESUME, "the new normal")
    assert f": accept incident {incident_id} for 1h: ordered" in capsys.readouterr().out


def test_an_incident_that_stays_open_is_not_taken_for_accepted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.closing = False
    times = iter((NOW, NOW + 1, NOW + 9, NOW + 11))
    monkeypatch.setattr(cli_orders, "monotonic", lambda: next(times))
    assert cli.run(["orders", "accept", "i1", "--as", "alice"]) == 1
    assert "i1 is still open after 10 s" in capsys.readouterr().err
    assert len(desk.orders) == 1


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        ("accept i9", 1, "no incident i9 (see: bouncemon incidents)"),
        ("accept i2", 1, "i2 is closed already"),
        ("accept i4", 1, "i4 cannot be accepted: no new incidents are opened"),
        ("pause", 2, "SCOPE"),
        ("pause yahoo", 2, "yahoo: give a scope as provider=yahoo"),
        ("pause provder=yahoo", 2, "did you mean provider?"),
        ("pause provider=a provider=b", 2, "provider is there twice"),
        ("pause provider=*", 2, "no order can name it: unaddressable"),
        ("pause ip=a --for soon", 2, "--for soon: give a span as 90s, 15m, 2h or 1d"),
        ("pause ip=a --for 2d", 2, "--for 2d: at most 24h"),
        ("pause ip=a --fleet x", 2, "--fleet x: no input has it"),
        ("pause ip=a --as alertmanager", 2, "by a person's name"),
        ("slow ip=a --rate 0%", 2, "--rate 0%: give a part as 10%"),
        ("slow ip=a --rate 2", 2, "--rate 2: give a part as 10%"),
    ],
)
def test_what_cannot_be_ordered_is_said_in_one_line(
    words: str, status: int, says: str, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["orders", *words.split()]
    assert cli.run(argv if "--as" in words else [*argv, "--as", "bob"]) == status
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bouncemon: error: ")
    assert says in line
    assert desk.orders == []


def test_an_order_that_is_refused_or_not_heard_fails(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    order = ["orders", "pause", "provider=yahoo", "--as", "bob"]
    desk.reason = RulingReason.SUPERSEDED
    assert cli.run(order) == 1
    assert "refused: superseded" in capsys.readouterr().err
    desk.reason = None
    assert cli.run(order) == 1
    assert "nobody ruled on it within 10 s" in capsys.readouterr().err
    assert cli.run([*order, "--wait", "0"]) == 0


def test_who_has_no_name_must_give_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert cli.run(["orders", "pause", "provider=yahoo"]) == 2
    monkeypatch.setattr("getpass.getuser", lambda: "carol")
    assert cli.run(["orders", "pause", "provider=yahoo"]) == 0
    assert [order.actor for order in desk.orders] == ["carol"]


def test_incidents_for_people_and_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["incidents"]) == 0
    table = capsys.readouterr().out
    for words in ("provider yahoo", "rises since Monday", "25.0%, normal 1.0%", "i2"):
        assert words in table
    assert cli.run(["incidents", "--open", "--format", "ndjson"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["v"], line["id"]) for line in lines] == [
        (1, "i1"),
        (1, "i3"),
        (1, "i4"),
    ]
    assert cli.run(["incidents", "--fleet", "other", "--format", "ndjson"]) == 0
    assert capsys.readouterr().out == ""


@given(st.lists(st.text(max_size=12), max_size=4), st.text(max_size=9))
def test_any_words_are_read_or_refused(pairs: list[str], text: str) -> None:
    readings = (lambda: read_span(text), lambda: read_part(text))
    for reading in (lambda: all(read_scope(pairs).key), *readings):
        try:
            assert reading() > 0
        except typer.BadParameter:
            continue


@given(st.integers(1, 999_999), st.sampled_from("smhd"))
def test_spans(number: int, unit: str) -> None:
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86_400}[unit]
    assert read_span(f"{number}{unit}") == number * seconds
