"""Tickets: what a person should look into, and automation leaves alone.

A spike is an incident with books of its own (``case``): its mail is left out of what is
judged and learned. A ticket is only told: it hides no mail, so a spike within a scope
that drifts is still found. The rule that filed it says when it is over.
"""

import hashlib

import msgspec
import numpy as np

from monitor.events import (
    Channel,
    Incident,
    IncidentKind,
    IncidentState,
    ReasonShare,
    Scope,
    Severity,
)
from monitor.observe.arrays import State
from monitor.observe.case import ID_DIGITS
from monitor.observe.interval import rate_interval

#: Most open tickets; nobody reads more, and what is the matter is seen by then.
MOST_OPEN = 30

#: What is over opens again, instead of a new one, for so long.
REOPEN_SECONDS = 3_600.0

#: Tickets are for days: while only numbers change they are told again this often.
UPDATE_SECONDS = 600.0

_TINY = 1e-9


class Matter(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule has to say.

    ``detail`` tells matters of one kind, scope and channel apart; ``failed`` of
    ``attempts`` is the rate now, which ``baseline`` is compared with.
    """

    kind: IncidentKind
    scope: Scope
    note: str
    start: float
    channel: Channel = Channel.BOUNCE
    detail: str = ""
    severity: Severity = Severity.TICKET
    attempts: float = 0.0
    failed: float = 0.0
    baseline: float = 0.0
    reasons: tuple[ReasonShare, ...] = ()

    @property
    def name(self) -> tuple[str, ...]:
        """What makes two matters the same ticket."""
        kind, scope = self.scope.kind, self.scope.key
        return (self.kind.value, kind, scope, self.channel.value, self.detail)


class Ticket(msgspec.Struct):
    """A matter while it lives."""

    id: str
    matter: Matter
    detected_at: float
    closed_at: float | None = None
    written_at: float = 0.0
    has_news: bool = True

    @property
    def is_open(self) -> bool:
        """True until it is closed."""
        return self.closed_at is None


class Tickets:
    """Open and lately closed tickets of one fleet.

    Args:
        fleet: its name.
    """

    def __init__(self, fleet: str) -> None:
        self._fleet = fleet
        self._tickets: dict[tuple[str, ...], Ticket] = {}
        self.refused = 0

    @property
    def open(self) -> list[Ticket]:
        """Those not closed, in the order of their filing."""
        return [ticket for ticket in self._tickets.values() if ticket.is_open]

    def of(self, kind: IncidentKind) -> list[Ticket]:
        """The open ones of a kind."""
        return [ticket for ticket in self.open if ticket.matter.kind is kind]

    def find(self, ticket_id: str) -> Ticket | None:
        """The open ticket of this id."""
        return next((one for one in self.open if one.id == ticket_id), None)

    def tell(self, matter: Matter, now: float) -> None:
        """File a matter, or bring its ticket up to date; refused if there are many."""
        known = self._tickets.get(matter.name)
        if known is not None and known.is_open:
            start = known.matter.start
            known.matter = msgspec.structs.replace(matter, start=start)
        elif len(self.open) >= MOST_OPEN:
            self.refused += 1
        elif known is not None:
            known.matter, known.closed_at, known.has_news = matter, None, True
        else:
            number = self._id(matter)
            self._tickets[matter.name] = Ticket(number, matter, now)

    def close(self, ticket: Ticket, now: float) -> None:
        """It is over."""
        ticket.closed_at, ticket.has_news = now, True

    def turn(self, now: float) -> list[Incident]:
        """Write those that have news, and forget what was closed long ago."""
        written = []
        for ticket in self._tickets.values():
            due = ticket.is_open and now - ticket.written_at >= UPDATE_SECONDS
            if ticket.has_news or due:
                ticket.has_news, ticket.written_at = False, now
                written.append(self._write(ticket, now))
        self._tickets = {
            name: ticket
            for name, ticket in self._tickets.items()
            if ticket.closed_at is None or now - ticket.closed_at <= REOPEN_SECONDS
        }
        return written

    def incidents(self) -> list[Incident]:
        """The open ones as they were last written."""
        return [self._write(ticket, ticket.written_at) for ticket in self.open]

    def _write(self, ticket: Ticket, now: float) -> Incident:
        matter = ticket.matter
        mean = low = high = 0.0
        if matter.attempts > 0:
            baseline = min(max(matter.baseline, _TINY), 1.0)
            mean, low, high = rate_interval(matter.failed, matter.attempts, baseline)
        return Incident(
            id=ticket.id,
            fleet=self._fleet,
            scope=matter.scope,
            channel=matter.channel,
            state=IncidentState.OPEN if ticket.is_open else IncidentState.CLOSED,
            severity=matter.severity,
            detector=matter.kind.value,
            start=matter.start,
            detected_at=ticket.detected_at,
            updated_at=now,
            closed_at=ticket.closed_at,
            rate=mean,
            rate_low=low,
            rate_high=high,
            baseline=matter.baseline,
            lift=mean / matter.baseline if matter.baseline > 0 else 1.0,
            excess=max(0.0, matter.failed - matter.attempts * matter.baseline),
            attempts=matter.attempts,
            reasons=matter.reasons,
            kind=matter.kind,
            note=matter.note,
        )

    def _id(self, matter: Matter) -> str:
        parts = (self._fleet, *matter.name, str(int(matter.start)))
        digest = hashlib.sha256("\x00".join(parts).encode())
        return digest.hexdigest()[:ID_DIGITS]

    def state(self) -> State:
        """What a snapshot needs."""
        packed = msgspec.msgpack.encode(list(self._tickets.values()))
        return {"tickets": np.frombuffer(packed, np.uint8)}

    def load(self, state: State) -> None:
        """Take back what ``state`` gave."""
        saved = msgspec.msgpack.decode(state["tickets"].tobytes(), type=list[Ticket])
        self._tickets = {ticket.matter.name: ticket for ticket in saved}
