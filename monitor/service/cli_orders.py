"""``bouncemon orders``: a person's word on what may flow; it wins over automation."""

import getpass
import re
from collections.abc import Sequence
from secrets import token_hex
from typing import Annotated, NamedTuple

import typer

from monitor.errors import ConfigError, MonitorError
from monitor.events import (
    SCOPE_DIMENSIONS,
    Action,
    Command,
    Incident,
    IncidentKind,
    IncidentState,
    Scope,
)
from monitor.service.assembly import fleet_policy
from monitor.service.cli_counts import UNITS
from monitor.service.cli_options import ConfigOption, settings_from
from monitor.service.clock import monotonic, now
from monitor.service.orders import give_order, read_incidents
from monitor.service.settings import Settings
from monitor.service.settings_words import nearest
from monitor.throttle import is_human
from monitor.throttle.judge import refuse_selector

orders_app = typer.Typer(
    help="Slow, pause or resume traffic by hand; a person's order wins over automation."
)

#: Names of a scope's dimensions as people write them, and its fields.
_FIELDS = dict(zip(SCOPE_DIMENSIONS, Scope.__struct_fields__, strict=True))
_KNOWN = {**_FIELDS, "source_ip": "source_ip"}

_SPAN = re.compile(r"(\d{1,6})([smhd])")
_PERCENT = re.compile(r"(\d{1,2}(?:\.\d{1,4})?)%")

ScopeArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="SCOPE...",
        help=f"One scope: name=value pairs; names: {', '.join(SCOPE_DIMENSIONS)}.",
        show_default=False,
    ),
]
ForOption = Annotated[
    str, typer.Option("--for", metavar="SPAN", help="How long: 90s, 15m, 2h, 1d.")
]
ReasonOption = Annotated[str, typer.Option(help="Why; goes to the audit.")]
FleetOption = Annotated[str, typer.Option(help="The fleet to order.")]
ActorOption = Annotated[
    str, typer.Option("--as", help="Who orders it; else the user's name.")
]
WaitOption = Annotated[
    float,
    typer.Option(min=0.0, max=600.0, help="Seconds to wait for the ruling; 0: none."),
]
RateOption = Annotated[
    str, typer.Option(help="Part of normal traffic that may flow, over 0 %.")
]


class _Wish(NamedTuple):
    """What to do, with which scope of which fleet."""

    action: Action
    rate_fraction: float
    scope: Scope
    fleet: str
    accepts: str = ""


class _Words(NamedTuple):
    """What every order is given with, as it was typed."""

    span: str
    reason: str
    actor: str


@orders_app.command()
def pause(
    scope: ScopeArgument,
    span: ForOption = "1h",
    reason: ReasonOption = "by hand",
    fleet: FleetOption = "default",
    actor: ActorOption = "",
    wait: WaitOption = 10.0,
    config: ConfigOption = None,
) -> None:
    """Let nothing of a scope flow for a while.

    Exit status 1 if the order was refused, or nobody ruled on it in time.
    """
    wish = _Wish(Action.PAUSE, 0.0, read_scope(scope), fleet)
    _give(settings_from(config), wish, _Words(span, reason, actor), wait)


@orders_app.command()
def slow(
    scope: ScopeArgument,
    rate: RateOption = "50%",
    span: ForOption = "1h",
    reason: ReasonOption = "by hand",
    fleet: FleetOption = "default",
    actor: ActorOption = "",
    wait: WaitOption = 10.0,
    config: ConfigOption = None,
) -> None:
    """Let a part of a scope's traffic flow for a while.

    Exit status 1 if the order was refused, or nobody ruled on it in time.
    """
    wish = _Wish(Action.SLOW, read_part(rate), read_scope(scope), fleet)
    _give(settings_from(config), wish, _Words(span, reason, actor), wait)


@orders_app.command()
def resume(
    scope: ScopeArgument,
    span: ForOption = "1h",
    reason: ReasonOption = "by hand",
    fleet: FleetOption = "default",
    actor: ActorOption = "",
    wait: WaitOption = 10.0,
    config: ConfigOption = None,
) -> None:
    """Let a scope's traffic flow, and keep automation off it for a while.

    Exit status 1 if the order was refused, or nobody ruled on it in time.
    """
    wish = _Wish(Action.RESUME, 1.0, read_scope(scope), fleet)
    _give(settings_from(config), wish, _Words(span, reason, actor), wait)


@orders_app.command()
def accept(
    incident_id: Annotated[str, typer.Argument(metavar="INCIDENT_ID")],
    span: ForOption = "1h",
    reason: ReasonOption = "the new normal",
    actor: ActorOption = "",
    wait: WaitOption = 10.0,
    config: ConfigOption = None,
) -> None:
    """Take an incident for the new normal: it is closed, its rate is the baseline.

    Its scope is resumed, if an order can name it. A rate above an absolute limit cannot
    be accepted; that limit is a setting. Nor can a shut gate: it opens when the counts
    are well. Exit status 1 if the incident is not closed in time.
    """
    settings = settings_from(config)
    one = _open_incident(settings, incident_id)
    wish = _Wish(Action.RESUME, 1.0, one.scope, one.fleet, one.id)
    _give(settings, wish, _Words(span, reason, actor), wait)
    if wait and not _closes(settings, one.id, wait):
        raise MonitorError(
            f"incident {one.id} is still open after {wait:g} s: its rate is above an"
            " absolute limit, or nobody observes it (see: observe.limits)"
        )


def read_scope(pairs: Sequence[str]) -> Scope:
    """Read ``provider=yahoo ip=192.0.2.1``.

    Raises:
        BadParameter: a name is unknown or there twice, or the scope names nobody.
    """
    fields: dict[str, str] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        field = _KNOWN.get(name.strip())
        if field is None:
            hint = nearest(name, list(_FIELDS))
            raise typer.BadParameter(f"{pair}: give a scope as provider=yahoo; {hint}")
        if field in fields:
            raise typer.BadParameter(f"{pair}: {name} is there twice")
        fields[field] = value.strip()
    return _addressable(Scope(**fields))


def read_span(text: str) -> float:
    """Read ``2h`` as seconds.

    Raises:
        BadParameter: the text is no span.
    """
    match = _SPAN.fullmatch(text.strip())
    if match is None or not int(match[1]):
        raise typer.BadParameter(f"--for {text}: give a span as 90s, 15m, 2h or 1d")
    return float(int(match[1]) * UNITS[match[2]])


def read_part(text: str) -> float:
    """Read ``10%`` as 0.1.

    Raises:
        BadParameter: the text is no part between nothing and all.
    """
    match = _PERCENT.fullmatch(text.strip())
    if match is None or not float(match[1]):
        raise typer.BadParameter(f"--rate {text}: give a part as 10%, below 100%")
    return float(match[1]) / 100.0


def _addressable(scope: Scope) -> Scope:
    refused = refuse_selector(scope)
    if refused is not None:
        raise typer.BadParameter(
            f"{scope.kind} {scope.key}: no order can name it: {refused.value}"
        )
    return scope


def _open_incident(settings: Settings, incident_id: str) -> Incident:
    known = {one.id: one for one in read_incidents(settings)}
    found = known.get(incident_id)
    if found is None:
        raise MonitorError(f"no incident {incident_id} (see: bouncemon incidents)")
    if found.state is IncidentState.CLOSED:
        raise MonitorError(f"incident {incident_id} is closed already")
    if found.kind is IncidentKind.GATE:
        raise MonitorError(f"incident {incident_id} cannot be accepted: {found.note}")
    return found


def _closes(settings: Settings, incident_id: str, wait: float) -> bool:
    """Whether an incident is closed in time; each look reads the topic, which waits."""
    deadline = monotonic() + wait
    while monotonic() < deadline:
        known = {one.id: one.state for one in read_incidents(settings)}
        if known.get(incident_id) is IncidentState.CLOSED:
            return True
    return False


def _give(settings: Settings, wish: _Wish, words: _Words, wait: float) -> None:
    """Send the order, and say what came of it."""
    order = _command(settings, wish, words)
    ruling = give_order(settings, order, wait)
    what = f"order {order.id}: {_worded(order)}"
    if ruling is not None and not ruling.applied:
        raise MonitorError(f"{what}: refused: {ruling.reason.value}")
    if ruling is None and wait:
        raise MonitorError(
            f"{what}: sent, but nobody ruled on it within {wait:g} s (is a worker up?)"
        )
    said = f"{ruling.reason.value}, mode {ruling.mode.value}" if ruling else "sent"
    typer.echo(f"{what} for {words.span}: {said}")


def _worded(order: Command) -> str:
    if order.accepts:
        return f"accept incident {order.accepts}"
    return f"{order.action.value} {order.scope.kind} {order.scope.key}"


def _command(settings: Settings, wish: _Wish, words: _Words) -> Command:
    longest = fleet_policy(settings).throttle.max_order_seconds
    lease = read_span(words.span)
    if lease > longest:
        raise typer.BadParameter(
            f"--for {words.span}: at most {longest / UNITS['h']:g}h; give it again then"
        )
    return Command(
        id=f"order-{token_hex(8)}",
        fleet=_known_fleet(settings, wish.fleet),
        scope=wish.scope,
        action=wish.action,
        rate_fraction=wish.rate_fraction,
        reason=words.reason,
        actor=_person(words.actor),
        issued_at=now(),
        lease_seconds=lease,
        accepts=wish.accepts,
    )


def _known_fleet(settings: Settings, fleet: str) -> str:
    fleets = sorted({one.fleet for one in settings.inputs})
    if fleet not in fleets:
        raise ConfigError(f"--fleet {fleet}: no input has it; {nearest(fleet, fleets)}")
    return fleet


def _person(name: str) -> str:
    """Who gives the order; automation has names of its own."""
    try:
        name = (name or getpass.getuser()).strip()
    except (KeyError, OSError):  # a user without a name, as in many containers
        name = ""
    if not name or not is_human(name):
        raise typer.BadParameter("--as: say who orders it, by a person's name")
    return name
