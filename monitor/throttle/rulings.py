"""The audit: one line for each decision, the refused ones too."""

from enum import StrEnum
from typing import NamedTuple

import msgspec

from monitor.events import Action, Directive, Mode, Scope

#: The two actors that are not people.
BOUNCEMON = "bouncemon"
ALERTMANAGER = "alertmanager"


class RulingReason(StrEnum):
    """Why the governor decided as it did; closed, so it can be a metric label."""

    # A directive was issued.
    OPENED = "opened"
    CLIMBED = "climbed"
    RENEWED = "renewed"
    EASED = "eased"
    CLOSED = "closed"
    ORDERED = "ordered"
    # A directive was issued to let go, or one was refused.
    EXPIRED = "expired"
    KILL_SWITCH = "kill_switch"
    HUMAN_HOLD = "human_hold"
    DENYLIST = "denylist"
    FLAP = "flap"
    # Something was refused.
    CAP = "cap"
    PAUSE_RATE = "pause_rate"
    LOW_EVIDENCE = "low_evidence"
    LOW_SEVERITY = "low_severity"
    TICKET_ONLY = "ticket_only"
    STALE = "stale"
    CLOCK_JUMP = "clock_jump"
    PROVIDER_WIDE = "provider_wide"
    FLEET_WIDE = "fleet_wide"
    UNADDRESSABLE = "unaddressable"
    NOT_OPEN = "not_open"
    NOT_OWNER = "not_owner"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"
    BAD_COMMAND = "bad_command"
    OTHER_FLEET = "other_fleet"


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """One audit line: who wanted what for which scope, and what came of it.

    ``applied`` is false for a refusal. ``source`` is the incident's or the order's id.
    ``epoch`` and ``seq`` are those of the directive that was issued; ``seq`` is 0 when
    none was. An incident or an alert hears each refusal once, however often it asks.
    """

    now: float
    fleet: str
    scope: Scope
    applied: bool
    reason: RulingReason
    action: Action
    rate_fraction: float
    actor: str
    source: str
    mode: Mode
    epoch: int
    seq: int = 0
    detail: str = ""


class Step(NamedTuple):
    """What came of one call; write the rulings before sending the directives."""

    directives: tuple[Directive, ...] = ()
    rulings: tuple[Ruling, ...] = ()


def is_human(actor: str) -> bool:
    """True when an order comes from a person."""
    return actor not in (BOUNCEMON, ALERTMANAGER)


def order_of(command_id: str) -> str:
    """Return the order that a command belongs to: its id up to the first ``/``.

    An alert repeats its order under new ids (``order/firing/17``) and ends it under
    another (``order/resolved``).

    >>> order_of("alert-9c/firing/17")
    'alert-9c'
    """
    return command_id.partition("/")[0]
