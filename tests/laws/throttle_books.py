"""Independent books on one owner: every directive is checked when it is issued."""

import math

from monitor.events import Action, Directive, Incident, Scope
from monitor.throttle import (
    BOUNCEMON,
    RulingReason,
    Step,
    Table,
    ThrottlePolicy,
    is_human,
    supersedes,
    throttles,
    version,
)
from monitor.throttle.judge import covers
from tests.laws.throttle_world import FLEET, NOW, POLICY, proves

SKEW = POLICY.skew_seconds


class Books:
    """What was heard, ordered and said; readings of a clock that jumps cannot fool."""

    def __init__(self) -> None:
        self.policy = POLICY
        self.epoch = 1
        self.reading = NOW
        self.wall = NOW
        self.settled_at = -math.inf
        self.started = False
        #: What this owner holds to be in force.
        self.own: Table = {}
        self.changes: list[tuple[float, Scope]] = []
        self.pauses: list[float] = []
        self.holds: dict[Scope, float] = {}
        #: What was handed in for each incident, and when its figures were new.
        self.heard: dict[str, list[tuple[Incident, float]]] = {}

    # -- what happened ----------------------------------------------------------

    def advance(self, now: float) -> None:
        step = now - self.wall if self.started else 0.0
        if not self.started:
            self.reading = now
        self.reading += min(max(step, 0.0), SKEW)
        if abs(step) > SKEW:
            self.settled_at = self.reading + SKEW
        self.wall, self.started = now, True

    def hear(self, incident: Incident) -> None:
        age = self.wall - incident.updated_at
        if age >= -SKEW:
            heard = self.heard.setdefault(incident.id, [])
            heard.append((incident, self.reading - max(age, 0.0)))

    def latest(self, incident_id: str) -> Incident | None:
        heard = self.heard.get(incident_id)
        return heard[-1][0] if heard else None

    def takeover(self, held: list[Directive], *, has_snapshot: bool) -> None:
        """Another process goes on: readings become wall times again."""
        by = self.wall - self.reading
        self.settled_at, self.started = -math.inf, False
        self.epoch += 1
        self.holds = {scope: end + by for scope, end in self.holds.items()}
        self.changes = [(moment + by, scope) for moment, scope in self.changes]
        self.pauses = [moment + by for moment in self.pauses]
        self.heard = {
            key: [(one, moment + by) for one, moment in heard]
            for key, heard in self.heard.items()
        }
        if not has_snapshot:
            # The caps start anew, and holds end by the wall.
            self.changes, self.pauses, self.heard = [], [], {}
        for directive in held:
            key = (FLEET, directive.scope)
            if supersedes(directive, self.own.get(key)) or not has_snapshot:
                self.own[key] = directive
                self.holds.pop(directive.scope, None)
                if is_human(directive.actor):
                    self.holds[directive.scope] = directive.expires_at

    # -- what must hold ---------------------------------------------------------

    def check(self, step: Step) -> None:
        for ruling in step.rulings:
            if ruling.reason is RulingReason.EXPIRED and ruling.seq == 0:
                self.holds.pop(ruling.scope, None)
        audited = [one.seq for one in step.rulings if one.applied and one.seq]
        assert [one.seq for one in step.directives] == audited
        for directive in step.directives:
            self.check_form(directive)
            if is_human(directive.actor):
                length = directive.expires_at - directive.issued_at
                self.holds[directive.scope] = self.reading + length
            else:
                self.check_automation(directive)
            self.own[FLEET, directive.scope] = directive

    def check_form(self, directive: Directive) -> None:
        assert directive.fleet == FLEET
        assert directive.scope.kind != "fleet"
        assert all(value != "" for value in directive.scope.values)
        assert directive.issued_at == self.wall
        assert directive.expires_at > directive.issued_at
        assert 0 <= directive.rate_fraction <= 1
        before = [version(one) for one in self.own.values()]
        assert version(directive) > max(before, default=(0, 0))
        assert directive.epoch == self.epoch

    def check_automation(self, directive: Directive) -> None:
        scope, fraction = directive.scope, directive.rate_fraction
        assert directive.expires_at - self.wall <= POLICY.lease_seconds + 1e-3
        before = self.fraction_before(scope)
        if fraction != before:
            self.count_change(directive)
        if not throttles(directive):
            return
        assert directive.mode is self.policy.mode
        assert not self.policy.kill_switch
        assert scope.campaign != "receipts"
        assert scope.kind != "provider" or directive.action is Action.SLOW
        assert not any(covers(held, scope) for held in self.live_holds())
        self.holds.pop(scope, None)
        if fraction < before:
            self.check_stricter(directive, is_new=before >= 1)

    def check_stricter(self, directive: Directive, *, is_new: bool) -> None:
        assert self.reading >= self.settled_at
        others = [
            one
            for (_, scope), one in self.own.items()
            if throttles(one) and not is_human(one.actor) and scope != directive.scope
        ]
        pauses = directive.action is Action.PAUSE
        assert not is_new or len(others) < POLICY.slowed_cap
        assert not pauses or len(others) < POLICY.max_active_directives
        if directive.actor == BOUNCEMON:
            since = self.reading - POLICY.max_age_seconds - 1e-3
            heard = self.heard.get(directive.incident, [])
            fresh = [one for one, moment in heard if moment >= since]
            assert any(proves(one, pause=pauses) for one in fresh)

    def count_change(self, directive: Directive) -> None:
        scope = directive.scope
        self.changes.append((self.reading, scope))
        hour = self.reading - 3_600
        recent = [m for m, where in self.changes if where == scope and m > hour]
        assert len(recent) <= POLICY.max_transitions_per_hour
        if directive.action is Action.PAUSE:
            self.pauses.append(self.reading)
            recent = [m for m in self.pauses if m > self.reading - 600]
            assert len(recent) <= POLICY.max_new_pauses_per_10_min

    # -- what the books say -----------------------------------------------------

    def live_holds(self) -> set[Scope]:
        return {s for s, end in self.holds.items() if end - self.reading >= 1.0}

    def throttled(self) -> dict[Scope, tuple[int, int]]:
        return {x.scope: version(x) for x in self.own.values() if throttles(x)}

    def is_paused(self, scope: Scope) -> bool:
        one = self.own.get((FLEET, scope))
        return one is not None and one.action is Action.PAUSE

    def fraction_before(self, scope: Scope) -> float:
        one = self.own.get((FLEET, scope))
        if one is None or is_human(one.actor) or one.mode is not self.policy.mode:
            return 1.0
        return one.rate_fraction

    def use(self, policy: ThrottlePolicy) -> None:
        self.policy = policy
