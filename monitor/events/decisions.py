"""What is wrong, and what to do about it."""

from enum import StrEnum

import msgspec

from monitor.events.counts import Channel, Scope
from monitor.events.delivery import Reason


class Severity(StrEnum):
    """How loud an incident is."""

    PAGE = "page"
    TICKET = "ticket"
    INFO = "info"


class IncidentState(StrEnum):
    """Where an incident stands."""

    OPEN = "open"
    RECOVERING = "recovering"
    CLOSED = "closed"


class IncidentKind(StrEnum):
    """What an incident is about. Automation may act on a spike only.

    For the others, which are a person's business, ``note`` says in words what is
    wrong; their channel says nothing, but for a drift's.
    """

    SPIKE = "spike"
    DRIFT = "drift"
    SILENCE = "silence"
    NEW_REPLY = "new_reply"
    GATE = "gate"


class ReasonShare(msgspec.Struct, frozen=True, kw_only=True):
    """One reason's share (0-1) of an incident's replies, with a scrubbed sample."""

    reason: Reason
    share: float
    sample: str = ""


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """One cause, and how bad it is.

    ``rate``, ``rate_low``, ``rate_high`` (95 % interval) and ``baseline`` are 0-1;
    ``lift`` is rate over baseline; ``excess`` is the failures beyond the baseline since
    ``start``; ``share`` is the part of the fleet's excess that this cause explains;
    ``not_affected`` names sibling scopes that look normal; ``note`` is short text with
    numbers. Of a silence, the rates are parts of the expected mail that is missing.
    """

    id: str
    fleet: str
    scope: Scope
    channel: Channel
    state: IncidentState
    severity: Severity
    detector: str
    start: float
    detected_at: float
    updated_at: float
    closed_at: float | None = None
    rate: float
    rate_low: float
    rate_high: float
    baseline: float
    lift: float
    excess: float
    attempts: float
    share: float = 1.0
    reasons: tuple[ReasonShare, ...] = ()
    not_affected: tuple[Scope, ...] = ()
    kind: IncidentKind = IncidentKind.SPIKE
    note: str = ""


class Action(StrEnum):
    """What a directive asks of the sender."""

    SLOW = "slow"
    PAUSE = "pause"
    RESUME = "resume"


class Mode(StrEnum):
    """How far automation may go: only say it, propose it, or do it."""

    OBSERVE = "observe"
    SUGGEST = "suggest"
    ENFORCE = "enforce"


class Directive(msgspec.Struct, frozen=True, kw_only=True):
    """What to do about one scope, as a lease that ends at ``expires_at``.

    Consumers apply a directive only when its ``(epoch, seq)`` is greater than the one
    they hold for the scope, and only when ``mode`` is ``enforce``. ``rate_fraction`` is
    the part of normal traffic that may still flow, 0-1. ``evidence`` is short text with
    numbers; ``actor`` is ``bouncemon``, ``alertmanager`` or a person.
    """

    fleet: str
    scope: Scope
    action: Action
    rate_fraction: float
    reason: str
    incident: str
    evidence: str
    mode: Mode
    actor: str
    epoch: int
    seq: int
    issued_at: float
    expires_at: float


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """An order to the owner of a fleet, from a person or from an alert.

    ``lease_seconds`` bounds how long the order holds; ``id`` makes it idempotent.
    ``accepts`` is the id of an incident that a person takes for the new normal: its
    rate becomes the baseline, and it is closed. The action is then ``resume``.
    """

    id: str
    fleet: str
    scope: Scope
    action: Action
    rate_fraction: float
    reason: str
    actor: str
    issued_at: float
    lease_seconds: float
    accepts: str = ""
