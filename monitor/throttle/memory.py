"""What the governor remembers; every part of it is bounded."""

from collections import deque
from itertools import chain
from typing import TypeVar

import msgspec

from monitor.events import Action, Directive, Scope
from monitor.throttle.clock import Clock
from monitor.throttle.law import throttles
from monitor.throttle.rulings import RulingReason, is_human

T = TypeVar("T")

#: Wants kept at once; far above what may be throttled, so that none is overlooked.
MAX_CLAIMS = 2_000
#: Orders of people kept at once; each was typed by somebody.
MAX_HOLDS = 200
#: Command ids, closed incidents and refusals kept: hours of a very bad day.
MAX_REMEMBERED = 4_096
#: Spans of the two rate caps, in seconds.
PAUSE_SPAN = 600.0
CHANGE_SPAN = 3_600.0
#: What has less than this left, in seconds, is over.
LEAST_SECONDS = 1.0


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What one incident, alert or person wants for one scope.

    Times are clock readings but for ``asked_at``, the wall time of the incident's
    update or of the command. The claim is dropped at ``ends``; past ``fresh_until`` it
    starts and tightens nothing. ``heard`` is when its latest evidence came in, which
    rested on ``attempts``; ``entered`` is when its rung began.
    """

    source: str
    actor: str
    action: Action
    rate_fraction: float
    reason: str
    evidence: str
    ends: float
    heard: float = 0.0
    fresh_until: float = 0.0
    entered: float = 0.0
    asked_at: float = 0.0
    attempts: float = 0.0
    rung: int = 0
    top: int = 0

    def is_over(self, reading: float) -> bool:
        """True when nothing worth a lease is left of the claim."""
        return self.ends - reading < LEAST_SECONDS

    def shifted(self, by: float) -> "Claim":
        """Return the claim with its readings moved."""
        return msgspec.structs.replace(
            self,
            ends=self.ends + by,
            heard=self.heard + by,
            fresh_until=self.fresh_until + by,
            entered=self.entered + by,
        )


class Lease(msgspec.Struct, frozen=True):
    """The latest directive of a scope, with the readings that rule it.

    ``since`` is when its action and fraction came into force.
    """

    directive: Directive
    ends: float
    renew_at: float
    since: float

    def shifted(self, by: float) -> "Lease":
        """Return the lease with its readings moved."""
        return Lease(
            self.directive, self.ends + by, self.renew_at + by, self.since + by
        )


class Memory:
    """The governor's state; every part of it is bounded."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.seq = 0
        self.leases: dict[Scope, Lease] = {}
        self.holds: dict[Scope, Claim] = {}
        self.claims: dict[Scope, dict[str, Claim]] = {}
        self.orders: dict[str, None] = {}
        self.closed: dict[str, float] = {}
        self.spent: dict[str, float] = {}
        self.refused: dict[str, set[RulingReason]] = {}
        self.pauses: deque[float] = deque()
        self.changes: dict[Scope, deque[float]] = {}
        #: Scopes that automation throttles at present.
        self.automatic: set[Scope] = set()

    # -- the parts --------------------------------------------------------------

    def scopes(self) -> list[Scope]:
        """Every scope somebody wants or holds something for, oldest claim first."""
        return list(dict.fromkeys(chain(self.claims, self.holds, self.leases)))

    def put_lease(self, scope: Scope, lease: Lease) -> None:
        """Replace the lease of a scope."""
        self.leases[scope] = lease
        directive = lease.directive
        if throttles(directive) and not is_human(directive.actor):
            self.automatic.add(scope)
        else:
            self.automatic.discard(scope)

    def all_claims(self) -> list[tuple[Scope, Claim]]:
        """Every claim with its scope."""
        return [
            (scope, claim)
            for scope, claims in self.claims.items()
            for claim in claims.values()
        ]

    def put_claim(self, scope: Scope, claim: Claim) -> bool:
        """Keep a claim; False when there is no room for a new one."""
        known = self.claims.get(scope, {})
        full = sum(len(claims) for claims in self.claims.values()) >= MAX_CLAIMS
        if full and claim.source not in known:
            return False
        self.claims.setdefault(scope, {})[claim.source] = claim
        return True

    def drop_claim(self, scope: Scope, source: str) -> Claim | None:
        """Forget a claim and its refusals; None when there was none."""
        claims = self.claims.get(scope, {})
        claim = claims.pop(source, None)
        if not claims:
            self.claims.pop(scope, None)
        if claim is not None:
            self.refused.pop(source, None)
        return claim

    def scope_of(self, source: str) -> Scope | None:
        """Return the scope that an incident's claim is filed under."""
        found = (scope for scope, claims in self.claims.items() if source in claims)
        return next(found, None)

    def remember_order(self, command_id: str) -> None:
        """Keep a command's id, forgetting the oldest."""
        self.orders[command_id] = None
        _trim(self.orders)

    def remember_closed(self, incident_id: str, updated_at: float) -> None:
        """Keep when an incident or alert ended, so that no late copy reopens it."""
        self.closed[incident_id] = updated_at
        _trim(self.closed)

    def remember_spent(self, claim: Claim) -> None:
        """Keep on how many attempts an outdated claim rested: that proves no more."""
        self.spent[claim.source] = claim.attempts
        _trim(self.spent)

    def first_refusal(self, source: str, reason: RulingReason) -> bool:
        """True when this source has not heard this refusal before."""
        heard = self.refused.setdefault(source, set())
        _trim(self.refused)
        if reason in heard:
            return False
        heard.add(reason)
        return True

    # -- the rate caps ----------------------------------------------------------

    def changes_of(self, scope: Scope) -> int:
        """Automatic changes of a scope within the last hour."""
        since = self.clock.reading - CHANGE_SPAN
        return sum(moment > since for moment in self.changes.get(scope, ()))

    def recent_pauses(self) -> int:
        """Automatic pauses begun within the last ten minutes."""
        since = self.clock.reading - PAUSE_SPAN
        return sum(moment > since for moment in self.pauses)

    def count_change(self, scope: Scope, is_pause: bool) -> None:
        """Book one automatic change of a scope."""
        self.changes.setdefault(scope, deque()).append(self.clock.reading)
        if is_pause:
            self.pauses.append(self.clock.reading)

    def sweep(self) -> None:
        """Forget what no rule asks for any more."""
        reading = self.clock.reading
        while self.pauses and self.pauses[0] <= reading - PAUSE_SPAN:
            self.pauses.popleft()
        for scope, moments in list(self.changes.items()):
            while moments and moments[0] <= reading - CHANGE_SPAN:
                moments.popleft()
            if not moments:
                del self.changes[scope]
        over = [
            scope
            for scope, lease in self.leases.items()
            if not throttles(lease.directive) and lease.ends <= reading
        ]
        for scope in over:
            del self.leases[scope]


def _trim(remembered: dict[str, T]) -> None:
    while len(remembered) > MAX_REMEMBERED:
        del remembered[next(iter(remembered))]
