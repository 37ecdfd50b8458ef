"""The governor under random incidents, orders, clock jumps, takeovers and zombies."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from monitor.events import (
    Action,
    Command,
    Directive,
    Incident,
    IncidentState,
    Mode,
    Scope,
)
from monitor.throttle import (
    ALERTMANAGER,
    Governor,
    Step,
    Table,
    ThrottlePolicy,
    admission,
    apply,
    desk,
    is_human,
    judge,
    orders,
    supersedes,
    version,
)
from monitor.throttle.clock import Clock
from monitor.throttle.desk import Desk
from tests.laws.throttle_books import Books
from tests.laws.throttle_world import (
    FLEET,
    IDS,
    NOW,
    ODD_INCIDENTS,
    POLICY,
    REAL,
    SCOPES,
    bad_list,
)

IDS_DRAWN = st.sampled_from(IDS)
#: What an order may have; ``age`` is how long ago it was given.
ODD_ORDERS: tuple[dict[str, Any], ...] = (
    {},
    {"lease_seconds": 700.0},
    {"lease_seconds": 1e6},
    {"lease_seconds": 0.0},
    {"age": 80.0},
    {"age": 1e5},
    {"rate_fraction": 0.0},
    {"rate_fraction": 0.7},
    {"repeats": True},
)


class GovernorMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.governor = Governor(POLICY, FLEET, 1)
        self.zombies: list[Governor] = []
        self.books = Books()
        #: What consumers hold, and all that was ever said to them.
        self.table: Table = {}
        self.topic: list[Directive] = []
        self.orders = 0
        self.is_sound = True

    @initialize(mode=st.sampled_from(Mode))
    def choose_mode(self, mode: Mode) -> None:
        self.use(replace(POLICY, mode=mode))

    # -- what may happen --------------------------------------------------------

    @rule(seconds=st.sampled_from((1.0, 5.0, 30.0, 60.0)), times=st.integers(1, 12))
    def time_passes(self, seconds: float, times: int) -> None:
        for _ in range(times):
            self.tick(seconds)

    @rule(hour=st.sampled_from((3_600.0, -3_600.0)))
    def clock_jumps(self, hour: float) -> None:
        before = {scope for scope in SCOPES if self.books.is_paused(scope)}
        self.tick(hour)
        assert {scope for scope in SCOPES if self.books.is_paused(scope)} <= before

    @rule(
        first=st.integers(0, 5),
        scopes=st.lists(st.sampled_from(REAL), min_size=1, max_size=6, unique=True),
        minutes=st.sampled_from((0, 0, 4)),
    )
    def bad_lists(self, first: int, scopes: list[Scope], minutes: int) -> None:
        for _ in range(2 * minutes + 1):
            for number, scope in enumerate(scopes, first):
                self.hand_in(bad_list(IDS[number % len(IDS)], scope, self.now))
            self.tick(30.0)

    @rule(scope=st.sampled_from(REAL), seconds=st.sampled_from((10.0, 50.0)))
    def flapping(self, scope: Scope, seconds: float) -> None:
        for _ in range(3):
            self.tick(seconds)
            incident = bad_list(IDS[0], scope, self.now)
            self.hand_in(incident)
            self.tick(1.0)
            self.hand_in(_again(incident, self.now, IncidentState.CLOSED))

    @rule(
        incident_id=IDS_DRAWN,
        scope=st.sampled_from(SCOPES),
        age=st.sampled_from((0.0, 5.0, 100.0, -30.0)),
        odd=st.sampled_from(ODD_INCIDENTS),
    )
    def odd_incident(
        self, incident_id: str, scope: Scope, age: float, odd: dict[str, Any]
    ) -> None:
        incident = bad_list(incident_id, scope, self.now - age)
        self.hand_in(msgspec.structs.replace(incident, **odd))

    @rule(scope=st.sampled_from(REAL), age=st.sampled_from((130.0, 1e4, -130.0)))
    def untimely_incident(self, scope: Scope, age: float) -> None:
        self.hand_in(bad_list(IDS[-1], scope, self.now - age))

    @rule(incident_id=IDS_DRAWN, minutes=st.integers(1, 12))
    def incident_goes_on(self, incident_id: str, minutes: int) -> None:
        known = self.books.latest(incident_id)
        for _ in range(2 * minutes):
            self.tick(30.0)
            if known is not None:
                self.hand_in(_again(known, self.now, known.state))

    @rule(
        scope=st.sampled_from(SCOPES),
        action=st.sampled_from(Action),
        actor=st.sampled_from(("alice", "bob", ALERTMANAGER, ALERTMANAGER)),
        odd=st.sampled_from(ODD_ORDERS),
    )
    def order(
        self, scope: Scope, action: Action, actor: str, odd: dict[str, Any]
    ) -> None:
        changes = dict(odd)
        age = changes.pop("age", 0.0)
        self.orders += not changes.pop("repeats", False)
        alert = f"alert-{SCOPES.index(scope)}/firing/{self.orders}"
        command = Command(
            id=alert if actor == ALERTMANAGER else f"{actor}-{self.orders}",
            fleet=FLEET,
            scope=scope,
            action=action,
            rate_fraction=0.3,
            reason="ordered",
            actor=actor,
            issued_at=self.now - age,
            lease_seconds=90.0,
        )
        command = msgspec.structs.replace(command, **changes)
        step = self.take(self.governor.on_command(command, self.now))
        if actor == ALERTMANAGER and action is Action.RESUME:
            ended = {x.scope for x in step.directives if not is_human(x.actor)}
            assert not ended & self.books.live_holds()

    @rule(scopes=st.lists(st.sampled_from(REAL), min_size=1, unique=True))
    def alerts(self, scopes: list[Scope]) -> None:
        for scope in scopes:
            self.order(scope, Action.PAUSE, ALERTMANAGER, {})

    @rule(action=st.sampled_from(Action), incident_id=IDS_DRAWN)
    def incident_within_an_order(self, action: Action, incident_id: str) -> None:
        self.order(Scope(provider="yahoo"), action, "alice", {})
        for scope in REAL:
            if scope.provider is not None:
                self.hand_in(bad_list(incident_id, scope, self.now))

    @rule(on=st.booleans())
    def kill_switch(self, on: bool) -> None:
        self.use(replace(self.books.policy, kill_switch=on))
        self.tick(1.0)
        assert not on or all(is_human(one.actor) for one in self.governor.active)

    @rule(mode=st.sampled_from(Mode))
    def change_mode(self, mode: Mode) -> None:
        self.use(replace(self.books.policy, mode=mode))

    @rule(seconds=st.sampled_from((1.0, 20.0)), has_snapshot=st.booleans())
    def takeover(self, seconds: float, has_snapshot: bool) -> None:
        snapshot, held = self.governor.snapshot(), list(self.table.values())
        self.zombies = [self.governor, *self.zombies][:2]
        self.books.takeover(held, has_snapshot=has_snapshot)
        policy, epoch = self.books.policy, self.books.epoch
        self.governor = (
            Governor.restore(policy, FLEET, epoch, snapshot, held)
            if has_snapshot
            else Governor(policy, FLEET, epoch, held)
        )
        self.tick(seconds)

    @precondition(lambda self: self.zombies)
    @rule(which=st.integers(0, 1), incident_id=IDS_DRAWN)
    def zombie_speaks(self, which: int, incident_id: str) -> None:
        zombie = self.zombies[which % len(self.zombies)]
        said = list(zombie.tick(self.now).directives)
        known = self.books.latest(incident_id)
        if known is not None:
            again = _again(known, self.now, known.state)
            said += zombie.on_incident(again, self.now).directives
        for directive in said:
            present = self.table.get((FLEET, directive.scope))
            wins = apply(self.table, directive)
            self.topic.append(directive)
            assert wins is supersedes(directive, present)
            assert not wins or present is None or present.epoch < self.books.epoch

    # -- what must hold ---------------------------------------------------------

    @invariant()
    def active_is_what_was_said(self) -> None:
        active = {one.scope: version(one) for one in self.governor.active}
        assert active == self.books.throttled()

    def teardown(self) -> None:
        """Delivered in any order, twice over, the topic makes the consumers' table;
        and when nobody speaks any more, everything is let go."""
        if not self.is_sound:
            return
        late: Table = {}
        for directive in (*reversed(self.topic), *self.topic):
            apply(late, directive)
        assert late == self.table
        for _ in range(int(POLICY.max_order_seconds / 50) + 2):
            self.tick(50.0)
        assert self.governor.active == ()

    # -- helpers ----------------------------------------------------------------

    def tick(self, seconds: float) -> None:
        self.now += seconds
        self.take(self.governor.tick(self.now))

    def hand_in(self, incident: Incident) -> None:
        self.books.advance(self.now)
        self.books.hear(incident)
        self.take(self.governor.on_incident(incident, self.now))

    def take(self, step: Step) -> Step:
        self.is_sound = False
        self.books.advance(self.now)
        self.books.check(step)
        for directive in step.directives:
            apply(self.table, directive)
            self.topic.append(directive)
        self.is_sound = True
        return step

    def use(self, policy: ThrottlePolicy) -> None:
        self.books.use(policy)
        self.governor.use(policy)


def _again(incident: Incident, now: float, state: IncidentState) -> Incident:
    attempts = incident.attempts + 1
    return msgspec.structs.replace(
        incident, updated_at=now, state=state, attempts=attempts
    )


GovernorMachine.TestCase.settings = settings(
    max_examples=200,
    stateful_step_count=30,
    deadline=None,
    # Explaining a failure of a machine takes minutes and says little.
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
)
TestGovernor = GovernorMachine.TestCase


@pytest.mark.parametrize(
    ("place", "name", "broken"),
    [
        (admission, "_refuse_pause", lambda *_: None),
        (admission, "_refuse_stricter", lambda *_: None),
        (admission, "_CHANGES_NEEDED", 1),
        (judge, "refuse_age", lambda *_: None),
        (judge, "refuse_selector", lambda *_: None),
        (orders, "is_provider_wide", lambda *_: False),
        (desk, "covers", lambda *_: False),
        (Clock, "settled", property(lambda _: True)),
        (Desk, "_gate", lambda *_: None),
        (Desk, "_lease_end", lambda _, claim: claim.ends),
    ],
)
def test_the_machine_sees_a_broken_governor(
    monkeypatch: pytest.MonkeyPatch,
    place: object,
    name: str,
    broken: Callable[..., object] | property | int,
) -> None:
    monkeypatch.setattr(place, name, broken)
    quick = settings(
        max_examples=600,
        stateful_step_count=30,
        deadline=None,
        phases=(Phase.generate,),
        derandomize=True,
        database=None,
        report_multiple_bugs=False,
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(GovernorMachine, settings=quick)
