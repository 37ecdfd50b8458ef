"""The governor of one fleet: incidents and orders in, directives and rulings out."""

from collections.abc import Iterable

import msgspec

from monitor.events import (
    Action,
    Command,
    Directive,
    Incident,
    IncidentState,
    Scope,
)
from monitor.throttle.desk import Desk, Office
from monitor.throttle.judge import Judgement, covers, judge, refuse_age
from monitor.throttle.law import throttles
from monitor.throttle.memory import Claim, Memory
from monitor.throttle.orders import claim_of_command, only_accepts, refuse_command
from monitor.throttle.policy import ThrottlePolicy
from monitor.throttle.rulings import (
    RulingReason,
    Step,
    is_human,
    order_of,
)
from monitor.throttle.snapshot import adopt, pack, unpack
from monitor.throttle.wording import clean


class Governor:
    """Decides what to throttle, for how long, and says why.

    Each scope has claims (what incidents and alerts want) and at most one hold (what a
    person ordered). A hold rules; otherwise the strictest claim that the caps admit.
    Nothing here raises for bad input: a refusal is a ruling.

    Args:
        policy: what automation may do.
        fleet: the fleet this governor owns; the rest is refused.
        epoch: one more than the greatest epoch ever seen for the fleet.
        held: the latest directive of each scope, from the compacted topic.
    """

    def __init__(
        self,
        policy: ThrottlePolicy,
        fleet: str,
        epoch: int,
        held: Iterable[Directive] = (),
    ) -> None:
        self._desk = Desk(Office(fleet, epoch), policy, Memory())
        self._adopt(held)

    @classmethod
    def restore(
        cls,
        policy: ThrottlePolicy,
        fleet: str,
        epoch: int,
        snapshot: bytes,
        held: Iterable[Directive] = (),
    ) -> "Governor":
        """Go on from a snapshot; ``held`` wins where it is newer.

        Raises:
            MonitorError: the bytes are no snapshot of this version and fleet.
        """
        governor = cls(policy, fleet, epoch)
        governor._desk.memory = unpack(snapshot, fleet)
        governor._adopt(held)
        return governor

    def snapshot(self) -> bytes:
        """Return all that this governor remembers, for ``restore``."""
        return pack(self._desk.memory, self._desk.office.fleet)

    @property
    def active(self) -> tuple[Directive, ...]:
        """The slow and pause directives that are in force, a person's too."""
        leases = self._desk.memory.leases.values()
        return tuple(x.directive for x in leases if throttles(x.directive))

    def use(self, policy: ThrottlePolicy) -> None:
        """Go by another policy from the next call on; ``tick`` carries it out.

        A changed mode has everything decided anew, so that a fleet that was only
        observed does not become paused all at once.
        """
        self._desk.policy = policy

    # -- the three doors --------------------------------------------------------

    def on_incident(self, incident: Incident, now: float) -> Step:
        """Take in an incident as it opens, goes on, recovers or closes.

        An open incident must be handed in again, with a new ``updated_at`` and more
        attempts, at least every ``max_age_seconds``: a rung is climbed on new evidence
        only, and a lease is renewed on evidence of at most ``hold_age_seconds``.
        """
        desk = self._desk
        desk.begin(now)
        over = desk.memory.closed.get(incident.id)
        if incident.fleet != desk.office.fleet:
            self._refuse_incident(incident, RulingReason.OTHER_FLEET)
        elif over is not None and incident.updated_at <= over:
            pass  # A late copy of what is over; it was ruled on when it closed.
        elif incident.state is IncidentState.OPEN:
            self._open(incident)
        elif incident.state is IncidentState.RECOVERING:
            self._recover(incident)
        else:
            self._close(incident)
        return desk.step()

    def on_command(self, command: Command, now: float) -> Step:
        """Carry out an order of a person or of Alertmanager, once.

        Who accepts an incident of a scope that no order can name is obeyed, too: then
        nothing is held, and the ruling alone says so.
        """
        desk = self._desk
        desk.begin(now)
        refused = refuse_command(command, desk.memory, desk.policy, now)
        if command.fleet != desk.office.fleet:
            refused = RulingReason.OTHER_FLEET
        accepts = only_accepts(command, refused)
        if refused is not None and not accepts:
            self._refuse_command(command, refused)
            return desk.step()
        desk.memory.remember_order(command.id)
        if accepts:
            claim = _claim_of_words(command)
            desk.note(command.scope, claim, RulingReason.ORDERED, applied=True)
        elif is_human(command.actor):
            self._obey(command)
        elif command.action is Action.RESUME:
            self._withdraw(command)
        else:
            self._demand(command)
        return desk.step()

    def tick(self, now: float) -> Step:
        """Renew, climb and let go; call every second or so.

        A gap longer than ``skew_seconds`` is taken for a clock jump.
        """
        self._desk.begin(now)
        self._desk.memory.sweep()
        for scope in self._desk.memory.scopes():
            self._climb(scope)
            self._desk.settle(scope, RulingReason.EXPIRED)
        return self._desk.step()

    # -- incidents --------------------------------------------------------------

    def _open(self, incident: Incident) -> None:
        desk, memory = self._desk, self._desk.memory
        verdict = judge(incident, desk.policy, desk.now)
        before = memory.scope_of(incident.id)
        late = self._is_late(incident)
        self._follow_name(incident)
        if verdict.refused is not None:
            self._refuse_incident(incident, verdict.refused)
            return
        if before is None and memory.spent.get(incident.id) == incident.attempts:
            self._refuse_incident(incident, RulingReason.STALE)
            return
        if late:
            return  # Delivered out of order.
        known = memory.claims.get(incident.scope, {}).get(incident.id)
        claim = desk.ladder.claim(incident, verdict, known)
        if not memory.put_claim(incident.scope, claim):
            self._refuse_incident(incident, RulingReason.CAP)
            return
        if verdict.held_back is not None:
            self._refuse_incident(incident, verdict.held_back, Action.PAUSE)
        desk.settle(incident.scope, RulingReason.EXPIRED)

    def _is_late(self, incident: Incident) -> bool:
        """True if something newer was heard of an incident before."""
        memory = self._desk.memory
        scope = memory.scope_of(incident.id)
        if scope is None:
            return False
        return incident.updated_at < memory.claims[scope][incident.id].asked_at

    def _follow_name(self, incident: Incident) -> None:
        """Blame may find a better scope: let go of the old one, whatever becomes of the
        new one, which starts afresh.
        """
        before = self._desk.memory.scope_of(incident.id)
        if before is None or before == incident.scope or self._is_late(incident):
            return
        self._desk.memory.drop_claim(before, incident.id)
        self._desk.settle(before, RulingReason.CLOSED)

    def _recover(self, incident: Incident) -> None:
        """Keep what is held, tighten nothing. Probing will start here."""
        memory, policy = self._desk.memory, self._desk.policy
        self._follow_name(incident)
        scope = memory.scope_of(incident.id)
        if scope is None:
            self._refuse_incident(incident, RulingReason.NOT_OPEN)
            return
        if refuse_age(self._desk.now - incident.updated_at, policy) is None:
            known = memory.claims[scope][incident.id]
            kept = self._desk.ladder.held(known, incident)
            memory.put_claim(scope, kept)
        self._desk.settle(scope, RulingReason.EXPIRED)

    def _close(self, incident: Incident) -> None:
        """Let go at once. Probing will put its rungs before this."""
        memory = self._desk.memory
        memory.remember_closed(incident.id, incident.updated_at)
        scope = memory.scope_of(incident.id)
        if scope is None:
            self._refuse_incident(incident, RulingReason.NOT_OPEN)
            return
        memory.drop_claim(scope, incident.id)
        self._desk.settle(scope, RulingReason.CLOSED)

    # -- orders -----------------------------------------------------------------

    def _obey(self, command: Command) -> None:
        """Let a person's order rule its scope and all within it."""
        desk, memory = self._desk, self._desk.memory
        hold = claim_of_command(command, memory, desk.policy, desk.now)
        memory.holds[command.scope] = hold
        desk.issue(command.scope, hold, RulingReason.ORDERED)
        for scope in memory.scopes():
            if covers(command.scope, scope):
                desk.settle(scope, RulingReason.HUMAN_HOLD)

    def _demand(self, command: Command) -> None:
        """File what an alert wants; the same alert seen again prolongs its claim."""
        desk = self._desk
        claim = claim_of_command(command, desk.memory, desk.policy, desk.now)
        if not desk.memory.put_claim(command.scope, claim):
            self._refuse_command(command, RulingReason.CAP)
            return
        if claim.action is not command.action:
            self._refuse_command(command, RulingReason.PROVIDER_WIDE)
        desk.settle(command.scope, RulingReason.EXPIRED)

    def _withdraw(self, command: Command) -> None:
        """End what this alert ordered, and nothing else."""
        desk, scope, source = self._desk, command.scope, order_of(command.id)
        desk.memory.remember_closed(source, command.issued_at)
        claim = desk.memory.drop_claim(scope, source)
        if scope in desk.memory.holds:
            self._refuse_command(command, RulingReason.HUMAN_HOLD)
        elif claim is None:
            self._refuse_command(command, RulingReason.NOT_OWNER)
        desk.settle(scope, RulingReason.CLOSED)

    # -- time -------------------------------------------------------------------

    def _climb(self, scope: Scope) -> None:
        """Take the next rung where this one had its time and did not help."""
        desk, memory = self._desk, self._desk.memory
        lease = memory.leases.get(scope)
        claims = memory.claims.get(scope, {}) if lease is not None else {}
        for claim in list(claims.values()):
            since = lease.since if lease is not None else 0.0
            climbed = desk.ladder.climb(claim, since, desk.fraction(scope))
            if climbed is not None:
                memory.put_claim(scope, climbed)

    # -- refusals and takeover --------------------------------------------------

    def _refuse_incident(
        self, incident: Incident, why: RulingReason, action: Action = Action.SLOW
    ) -> None:
        claim = msgspec.structs.replace(
            self._desk.ladder.claim(incident, Judgement(), None),
            action=action,
            rate_fraction=0.0 if action is Action.PAUSE else 1.0,
        )
        self._desk.refuse(incident.scope, claim, why)

    def _refuse_command(self, command: Command, why: RulingReason) -> None:
        claim = _claim_of_words(command)
        if is_human(command.actor):
            self._desk.note(command.scope, claim, why, applied=False)
        else:
            self._desk.refuse(command.scope, claim, why)

    def _adopt(self, held: Iterable[Directive]) -> None:
        desk = self._desk
        for directive in held:
            if directive.fleet == desk.office.fleet:
                assert directive.epoch <= desk.office.epoch
                adopt(desk.memory, directive, desk.policy)


def _claim_of_words(command: Command) -> Claim:
    """What an order that holds nothing is written down as."""
    human = is_human(command.actor)
    return Claim(
        source=clean(command.id if human else order_of(command.id)),
        actor=clean(command.actor),
        action=command.action,
        rate_fraction=command.rate_fraction,
        reason=clean(command.reason),
        evidence="",
        ends=0.0,
    )
