"""Brings the directive of each scope in line with what is claimed for it."""

from typing import NamedTuple

from monitor.events import Action, Directive, Mode, Scope
from monitor.throttle.admission import Choice, Situation, choose
from monitor.throttle.judge import covers
from monitor.throttle.ladder import Ladder
from monitor.throttle.law import throttles
from monitor.throttle.memory import Claim, Lease, Memory
from monitor.throttle.policy import ThrottlePolicy
from monitor.throttle.rulings import BOUNCEMON, Ruling, RulingReason, Step, is_human
from monitor.throttle.snapshot import cut


class Office(NamedTuple):
    """Whose desk it is."""

    fleet: str
    epoch: int


class Desk:
    """Settles scopes: a person's hold rules, else the strictest admitted claim.

    One call of the governor is ``begin``, any number of changes to ``memory`` each
    followed by ``settle``, then ``step``. Every directive has its ruling.
    """

    def __init__(self, office: Office, policy: ThrottlePolicy, memory: Memory) -> None:
        self.office = office
        self.policy = policy
        self.memory = memory
        self.now = 0.0
        self._directives: list[Directive] = []
        self._rulings: list[Ruling] = []

    def begin(self, now: float) -> None:
        """Move the clock; the first time, cut what was promised for too long."""
        clock = self.memory.clock
        first = not clock.started
        clock.advance(now, self.policy.skew_seconds)
        if first:
            cut(self.memory, self.policy)
        self.now = now

    @property
    def ladder(self) -> Ladder:
        """The ladder as it stands at this moment."""
        return Ladder(self.policy, self.memory.clock, self.now)

    def step(self) -> Step:
        """Hand over what was decided since the last time."""
        step = Step(tuple(self._directives), tuple(self._rulings))
        self._directives.clear()
        self._rulings.clear()
        return step

    def fraction(self, scope: Scope) -> float:
        """Return what automation lets through under the present mode; 1 is free."""
        lease = self.memory.leases.get(scope)
        if lease is None or scope not in self.memory.automatic:
            return 1.0
        directive = lease.directive
        return directive.rate_fraction if directive.mode is self.policy.mode else 1.0

    def settle(self, scope: Scope, why: RulingReason) -> None:
        """Issue what the claims of a scope call for, if anything.

        ``why`` is what the ruling says when nothing is claimed and the scope let go.
        """
        self._expire(scope)
        hold = self.memory.holds.get(scope)
        gate = self._gate(scope)
        if hold is not None:
            self._refuse_claims(scope, RulingReason.HUMAN_HOLD)
            if not self._is_carried(scope, hold):
                self.issue(scope, hold, RulingReason.ORDERED)
        elif gate is not None:
            self._refuse_claims(scope, gate)
            self._let_go(scope, gate)
        else:
            self._follow(scope, self._choose(scope), why)

    def issue(self, scope: Scope, claim: Claim, why: RulingReason) -> None:
        """Send a directive, book the change, write the ruling."""
        memory, reading = self.memory, self.memory.clock.reading
        old = memory.leases.get(scope)
        human = is_human(claim.actor)
        ends = claim.ends if human else self._lease_end(claim)
        directive = self._directive(scope, claim, ends - reading)
        if not human and self.fraction(scope) != claim.rate_fraction:
            memory.count_change(scope, claim.action is Action.PAUSE)
        same = old is not None and old.directive.rate_fraction == claim.rate_fraction
        since = old.since if old is not None and same else reading
        renew_at = max(reading, ends - self.policy.renew_before)
        memory.put_lease(scope, Lease(directive, ends, renew_at, since))
        self._directives.append(directive)
        self._rulings.append(_ruling(directive, why, applied=True))

    def refuse(self, scope: Scope, claim: Claim, why: RulingReason) -> None:
        """Write down that a claim was refused, once for each source and reason."""
        if self.memory.first_refusal(claim.source, why):
            self.note(scope, claim, why, applied=False)

    def note(
        self, scope: Scope, claim: Claim, why: RulingReason, *, applied: bool
    ) -> None:
        """Write a ruling that comes without a directive."""
        directive = self._directive(scope, claim, 0.0, seq=0)
        self._rulings.append(_ruling(directive, why, applied=applied))

    # -- one scope --------------------------------------------------------------

    def _expire(self, scope: Scope) -> None:
        memory, reading = self.memory, self.memory.clock.reading
        hold = memory.holds.get(scope)
        if hold is not None and hold.is_over(reading):
            del memory.holds[scope]
            if hold.action is Action.RESUME:
                # Nothing is left to release, but the audit must say that it is over.
                self.note(scope, hold, RulingReason.EXPIRED, applied=True)
        for source, claim in list(memory.claims.get(scope, {}).items()):
            if claim.is_over(reading):
                memory.drop_claim(scope, source)
                memory.remember_spent(claim)

    def _gate(self, scope: Scope) -> RulingReason | None:
        """Say what keeps automation off a scope altogether, or None."""
        if self.policy.kill_switch:
            return RulingReason.KILL_SWITCH
        if self.policy.spares(scope.campaign):
            return RulingReason.DENYLIST
        if any(covers(held, scope) for held in self.memory.holds):
            return RulingReason.HUMAN_HOLD
        return None

    def _choose(self, scope: Scope) -> Choice:
        memory = self.memory
        claims = memory.claims.get(scope)
        if not claims:
            return Choice(None)
        situation = Situation(
            fraction=self.fraction(scope),
            reading=memory.clock.reading,
            settled=memory.clock.settled,
            changes=memory.changes_of(scope),
            elsewhere=len(memory.automatic) - (scope in memory.automatic),
            pauses=memory.recent_pauses(),
        )
        return choose(claims.values(), situation, self.policy)

    def _follow(self, scope: Scope, choice: Choice, why: RulingReason) -> None:
        for claim, reason in choice.refused:
            self.refuse(scope, claim, reason)
        wanted = choice.claim
        if wanted is None:
            reasons = (reason for _, reason in choice.refused)
            self._let_go(scope, next(reasons, why))
        elif wanted.rate_fraction != self.fraction(scope):
            self.issue(scope, wanted, self._why(scope, wanted))
        elif self._is_due(scope, wanted):
            self.issue(scope, wanted, RulingReason.RENEWED)

    def _why(self, scope: Scope, wanted: Claim) -> RulingReason:
        fraction = self.fraction(scope)
        if wanted.rate_fraction > fraction:
            return RulingReason.EASED
        if wanted.actor != BOUNCEMON:
            return RulingReason.ORDERED
        return RulingReason.OPENED if fraction >= 1 else RulingReason.CLIMBED

    def _is_due(self, scope: Scope, wanted: Claim) -> bool:
        lease, reading = self.memory.leases[scope], self.memory.clock.reading
        if lease.directive.epoch < self.office.epoch:
            return True  # Say it again as the new owner, so that a zombie loses.
        left = lease.directive.expires_at - self.now
        near = reading >= lease.renew_at or left <= self.policy.renew_before
        return near and self._lease_end(wanted) > lease.ends

    def _is_carried(self, scope: Scope, hold: Claim) -> bool:
        lease = self.memory.leases.get(scope)
        if lease is None:
            return False
        said, mode = lease.directive, self._mode(scope, hold)
        wanted = (hold.source, hold.action, mode, self.office.epoch)
        return (said.incident, said.action, said.mode, said.epoch) == wanted

    def _refuse_claims(self, scope: Scope, why: RulingReason) -> None:
        for claim in self.memory.claims.get(scope, {}).values():
            self.refuse(scope, claim, why)

    def _let_go(self, scope: Scope, why: RulingReason) -> None:
        lease = self.memory.leases.get(scope)
        if lease is None or not throttles(lease.directive):
            return
        free = Claim(
            source=lease.directive.incident,
            actor=BOUNCEMON,
            action=Action.RESUME,
            rate_fraction=1.0,
            reason=str(why),
            evidence="",
            ends=self.memory.clock.reading + self.policy.lease_seconds,
        )
        self.issue(scope, free, why)

    # -- words ------------------------------------------------------------------

    def _lease_end(self, claim: Claim) -> float:
        """Automation promises one lease at a time, whatever the claim may last."""
        return min(claim.ends, self.memory.clock.reading + self.policy.lease_seconds)

    def _mode(self, scope: Scope, claim: Claim) -> Mode:
        """Find the mode to stamp.

        A person's order is the approval that ``suggest`` asks for. A release carries
        the mode of what it ends, or consumers would not act on it.
        """
        mode, lease = self.policy.mode, self.memory.leases.get(scope)
        if is_human(claim.actor):
            return mode if mode is Mode.OBSERVE else Mode.ENFORCE
        if claim.action is Action.RESUME and lease is not None:
            return lease.directive.mode
        return mode

    def _directive(
        self, scope: Scope, claim: Claim, seconds: float, seq: int | None = None
    ) -> Directive:
        if seq is None:
            self.memory.seq += 1
            seq = self.memory.seq
            assert seconds > 0
        return Directive(
            fleet=self.office.fleet,
            scope=scope,
            action=claim.action,
            rate_fraction=claim.rate_fraction,
            reason=claim.reason,
            incident=claim.source,
            evidence=claim.evidence,
            mode=self._mode(scope, claim),
            actor=claim.actor,
            epoch=self.office.epoch,
            seq=seq,
            issued_at=self.now,
            expires_at=self.now + seconds,
        )


def _ruling(directive: Directive, why: RulingReason, *, applied: bool) -> Ruling:
    return Ruling(
        now=directive.issued_at,
        fleet=directive.fleet,
        scope=directive.scope,
        applied=applied,
        reason=why,
        action=directive.action,
        rate_fraction=directive.rate_fraction,
        actor=directive.actor,
        source=directive.incident,
        mode=directive.mode,
        epoch=directive.epoch,
        seq=directive.seq,
        detail=directive.evidence or directive.reason,
    )
