import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from monitor.events import (
    Action,
    Command,
    Incident,
    IncidentState,
    Mode,
    Scope,
    Severity,
)
from monitor.throttle import (
    Governor,
    RulingReason,
    Step,
    ThrottlePolicy,
    order_of,
)

NOW = 1_800_000_000.0
CAMPAIGN = Scope(campaign="spring")
WITHIN = Scope(campaign="spring", provider="yahoo")
ALERT = {"actor": "alertmanager", "id": "alert-1/firing/1"}
RESOLVED = {
    "actor": "alertmanager",
    "id": "alert-1/resolved",
    "action": Action.RESUME,
    "rate_fraction": 1.0,
}
MakeIncident = Callable[..., Incident]
MakeCommand = Callable[..., Command]


def said(step: Step) -> list[tuple[Action, str]]:
    return [(one.action, one.actor) for one in step.directives]


def why(step: Step) -> list[tuple[bool, RulingReason]]:
    return [(one.applied, one.reason) for one in step.rulings]


@pytest.fixture
def governor() -> Governor:
    return Governor(ThrottlePolicy(deny_campaigns=("receipts",)), "default", 1)


@pytest.mark.parametrize("scope", [Scope(), Scope(campaign="other")])
def test_what_no_order_can_name_can_be_accepted_and_nothing_is_held(
    governor: Governor, make_command: MakeCommand, scope: Scope
) -> None:
    words = {"action": Action.RESUME, "rate_fraction": 1.0, "accepts": "inc-1"}
    order = make_command(scope, **words)
    step = governor.on_command(order, NOW)
    assert why(step) == [(True, RulingReason.ORDERED)]
    assert (step.rulings[0].source, step.rulings[0].seq) == ("order-1", 0)
    assert said(step) == said(governor.tick(NOW + 1)) == []
    assert why(governor.on_command(order, NOW + 1)) == [(False, RulingReason.DUPLICATE)]


@pytest.mark.parametrize(
    "changes",
    [
        {"accepts": ""},
        {"action": Action.PAUSE, "rate_fraction": 0.0},
        {"actor": "alertmanager"},
    ],
)
def test_only_who_accepts_may_speak_of_the_whole_fleet(
    governor: Governor, make_command: MakeCommand, changes: dict[str, Any]
) -> None:
    words = {"action": Action.RESUME, "rate_fraction": 1.0, "accepts": "inc-1"}
    step = governor.on_command(make_command(Scope(), **(words | changes)), NOW)
    assert why(step) == [(False, RulingReason.FLEET_WIDE)]


def test_a_person_pauses_for_as_long_as_ordered(
    governor: Governor, make_command: MakeCommand
) -> None:
    step = governor.on_command(make_command(CAMPAIGN), NOW + 30)
    (directive,), (ruling,) = step
    assert (directive.action, directive.rate_fraction) == (Action.PAUSE, 0.0)
    assert (directive.actor, directive.incident) == ("alice", "order-1")
    # The lease counts from the order, so a replay of the topic ends with it.
    assert directive.expires_at == NOW + 600
    assert (ruling.applied, ruling.reason) == (True, RulingReason.ORDERED)


def test_the_end_of_a_persons_order_is_said(
    governor: Governor, make_command: MakeCommand
) -> None:
    governor.on_command(make_command(CAMPAIGN), NOW)
    steps = [governor.tick(NOW + passed) for passed in range(30, 700, 30)]
    (step,) = [step for step in steps if step != Step()]
    assert said(step) == [(Action.RESUME, "bouncemon")]
    assert why(step) == [(True, RulingReason.EXPIRED)]
    assert step.rulings[0].now == NOW + 600


def test_a_persons_word_beats_automation_until_it_ends(
    governor: Governor, make_command: MakeCommand, make_incident: MakeIncident
) -> None:
    governor.on_incident(make_incident(CAMPAIGN), NOW)
    order = make_command(
        CAMPAIGN, NOW + 1, action=Action.RESUME, lease_seconds=100.0, id="free"
    )
    step = governor.on_command(order, NOW + 1)
    assert said(step) == [(Action.RESUME, "alice")]
    assert why(step) == [
        (True, RulingReason.ORDERED),
        (False, RulingReason.HUMAN_HOLD),
    ]
    for passed in range(2, 100, 7):
        again = make_incident(CAMPAIGN, NOW + passed)
        assert governor.on_incident(again, NOW + passed) == Step()
        assert governor.tick(NOW + passed) == Step()
    step = governor.tick(NOW + 101)
    assert said(step) == [(Action.SLOW, "bouncemon")]
    assert why(step) == [(True, RulingReason.EXPIRED), (True, RulingReason.OPENED)]


def test_a_persons_word_covers_what_lies_within(
    governor: Governor, make_command: MakeCommand, make_incident: MakeIncident
) -> None:
    governor.on_incident(make_incident(WITHIN), NOW)
    order = make_command(CAMPAIGN, NOW + 1, action=Action.RESUME)
    step = governor.on_command(order, NOW + 1)
    assert [(one.scope, one.action) for one in step.directives] == [
        (CAMPAIGN, Action.RESUME),
        (WITHIN, Action.RESUME),
    ]
    assert governor.on_incident(make_incident(WITHIN, NOW + 5), NOW + 5) == Step()


def test_orders_count_once_and_the_later_word_stands(
    governor: Governor, make_command: MakeCommand
) -> None:
    later = make_command(CAMPAIGN, NOW + 5, id="two", action=Action.RESUME)
    governor.on_command(later, NOW + 6)
    step = governor.on_command(later, NOW + 7)
    assert (said(step), why(step)) == ([], [(False, RulingReason.DUPLICATE)])
    step = governor.on_command(make_command(CAMPAIGN, NOW, id="one"), NOW + 8)
    assert (said(step), why(step)) == ([], [(False, RulingReason.SUPERSEDED)])


@pytest.mark.parametrize(
    ("scope", "changes", "reason"),
    [
        (Scope(), {}, RulingReason.FLEET_WIDE),
        (Scope(campaign="*"), {}, RulingReason.UNADDRESSABLE),
        (CAMPAIGN, {"fleet": "emea"}, RulingReason.OTHER_FLEET),
        (CAMPAIGN, {"id": ""}, RulingReason.BAD_COMMAND),
        (CAMPAIGN, {"actor": " "}, RulingReason.BAD_COMMAND),
        (CAMPAIGN, {"actor": "bouncemon"}, RulingReason.BAD_COMMAND),
        (CAMPAIGN, {"lease_seconds": 0.0}, RulingReason.BAD_COMMAND),
        (CAMPAIGN, {"lease_seconds": math.nan}, RulingReason.BAD_COMMAND),
        (CAMPAIGN, {"lease_seconds": math.inf}, RulingReason.BAD_COMMAND),
        (CAMPAIGN, {"issued_at": math.nan}, RulingReason.BAD_COMMAND),
        (CAMPAIGN, {"issued_at": NOW - 600}, RulingReason.EXPIRED),
        (
            CAMPAIGN,
            {"action": Action.SLOW, "rate_fraction": 1.0},
            RulingReason.BAD_COMMAND,
        ),
        (
            CAMPAIGN,
            {"action": Action.SLOW, "rate_fraction": math.nan},
            RulingReason.BAD_COMMAND,
        ),
        (Scope(campaign="receipts"), ALERT, RulingReason.DENYLIST),
        (Scope(), ALERT, RulingReason.FLEET_WIDE),
        (CAMPAIGN, RESOLVED, RulingReason.NOT_OWNER),
    ],
)
def test_orders_that_are_refused(
    governor: Governor,
    make_command: MakeCommand,
    scope: Scope,
    changes: dict[str, Any],
    reason: RulingReason,
) -> None:
    step = governor.on_command(make_command(scope, **changes), NOW)
    assert step.directives == ()
    assert why(step) == [(False, reason)]


def test_a_person_may_do_what_automation_may_not(
    governor: Governor, make_command: MakeCommand
) -> None:
    for number, scope in enumerate((Scope(campaign="receipts"), Scope(provider="x"))):
        order = make_command(scope, id=f"order-{number}")
        assert said(governor.on_command(order, NOW)) == [(Action.PAUSE, "alice")]


def test_the_longest_order_is_cut(
    governor: Governor, make_command: MakeCommand
) -> None:
    order = make_command(CAMPAIGN, lease_seconds=1e9, issued_at=NOW + 1e6)
    (directive,) = governor.on_command(order, NOW).directives
    assert directive.expires_at == NOW + 86_400


def test_an_alert_throttles_by_leases_like_any_automation(
    governor: Governor, make_command: MakeCommand
) -> None:
    order = make_command(CAMPAIGN, **ALERT, lease_seconds=900.0)
    (directive,) = governor.on_command(order, NOW).directives
    assert (directive.action, directive.actor) == (Action.PAUSE, "alertmanager")
    assert directive.incident == "alert-1"
    assert directive.expires_at == NOW + 300
    heard = [
        (passed, one.action)
        for passed in range(10, 1_200, 10)
        for one in governor.tick(NOW + passed).directives
    ]
    # Renewed while the alert's own lease lasts, then let go.
    assert heard[-1] == (900, Action.RESUME)
    assert {action for _, action in heard[:-1]} == {Action.PAUSE}


def test_an_alert_said_again_goes_on(
    governor: Governor, make_command: MakeCommand
) -> None:
    for passed in range(0, 3_000, 60):
        command = make_command(
            CAMPAIGN,
            NOW + passed,
            actor="alertmanager",
            id=f"alert-1/firing/{passed}",
            lease_seconds=120.0,
        )
        step = governor.on_command(command, NOW + passed)
        assert all(one.action is Action.PAUSE for one in step.directives)
        again = governor.on_command(command, NOW + passed + 1)
        assert again.directives == ()
        governor.tick(NOW + passed + 30)
        assert [one.action for one in governor.active] == [Action.PAUSE]


def test_a_resolved_alert_ends_its_own_order_only(
    governor: Governor, make_command: MakeCommand, make_incident: MakeIncident
) -> None:
    governor.on_command(make_command(CAMPAIGN, **ALERT), NOW)
    other = {"actor": "alertmanager", "id": "alert-2/firing/1"}
    slow = {"action": Action.SLOW, "rate_fraction": 0.3}
    assert not governor.on_command(make_command(CAMPAIGN, **other, **slow), NOW)[0]
    governor.on_incident(make_incident(CAMPAIGN, severity=Severity.TICKET), NOW)
    step = governor.on_command(make_command(CAMPAIGN, NOW + 9, **RESOLVED), NOW + 9)
    assert [one.rate_fraction for one in step.directives] == [0.3]
    ended = make_command(CAMPAIGN, NOW + 10, **(RESOLVED | {"id": "alert-2/resolved"}))
    step = governor.on_command(ended, NOW + 10)
    assert [(x.rate_fraction, x.actor) for x in step.directives] == [(0.5, "bouncemon")]
    # The incident is not the alert's to end.
    third = make_command(CAMPAIGN, NOW + 11, **(RESOLVED | {"id": "alert-3/resolved"}))
    step = governor.on_command(third, NOW + 11)
    assert (said(step), why(step)) == ([], [(False, RulingReason.NOT_OWNER)])


def test_an_alert_never_ends_a_persons_hold(
    governor: Governor, make_command: MakeCommand
) -> None:
    governor.on_command(make_command(CAMPAIGN), NOW)
    step = governor.on_command(make_command(CAMPAIGN, NOW + 1, **ALERT), NOW + 1)
    assert (said(step), why(step)) == ([], [(False, RulingReason.HUMAN_HOLD)])
    step = governor.on_command(make_command(CAMPAIGN, NOW + 2, **RESOLVED), NOW + 2)
    assert (said(step), why(step)) == ([], [(False, RulingReason.HUMAN_HOLD)])
    assert [(one.action, one.actor) for one in governor.active] == [
        (Action.PAUSE, "alice")
    ]


def test_a_firing_copy_that_comes_after_the_end_is_refused(
    governor: Governor, make_command: MakeCommand
) -> None:
    governor.on_command(make_command(CAMPAIGN, **ALERT), NOW)
    governor.on_command(make_command(CAMPAIGN, NOW + 1, **RESOLVED), NOW + 1)
    late = make_command(CAMPAIGN, NOW + 2, **(ALERT | {"id": "alert-1/firing/2"}))
    step = governor.on_command(late, NOW + 2)
    assert (said(step), why(step)) == ([], [(False, RulingReason.NOT_OPEN)])
    governor.tick(NOW + 45)
    # Found again after Alertmanager lost sight of it, it is meant.
    found = make_command(CAMPAIGN, NOW + 90, **(ALERT | {"id": "alert-1/firing/9"}))
    assert said(governor.on_command(found, NOW + 90)) == [
        (Action.PAUSE, "alertmanager")
    ]


def test_an_alert_slows_a_provider_but_never_pauses_it(
    governor: Governor, make_command: MakeCommand
) -> None:
    step = governor.on_command(make_command(Scope(provider="yahoo"), **ALERT), NOW)
    assert [(x.action, x.rate_fraction) for x in step.directives] == [
        (Action.SLOW, 0.1)
    ]
    assert why(step) == [
        (False, RulingReason.PROVIDER_WIDE),
        (True, RulingReason.ORDERED),
    ]


@pytest.mark.parametrize(
    ("mode", "automatic", "ordered"),
    [
        (Mode.OBSERVE, Mode.OBSERVE, Mode.OBSERVE),
        (Mode.SUGGEST, Mode.SUGGEST, Mode.ENFORCE),
        (Mode.ENFORCE, Mode.ENFORCE, Mode.ENFORCE),
    ],
)
def test_the_mode_is_on_every_directive(
    make_command: MakeCommand,
    make_incident: MakeIncident,
    mode: Mode,
    automatic: Mode,
    ordered: Mode,
) -> None:
    governor = Governor(ThrottlePolicy(mode=mode), "default", 1)
    first = governor.on_incident(make_incident(WITHIN), NOW)
    closed = make_incident(WITHIN, NOW + 1, state=IncidentState.CLOSED)
    second = governor.on_incident(closed, NOW + 1)
    assert {one.mode for step in (first, second) for one in step[0]} == {automatic}
    (directive,), (ruling,) = governor.on_command(make_command(CAMPAIGN), NOW + 2)
    assert directive.mode is ruling.mode is ordered


def test_the_kill_switch_lets_go_of_all_automation_and_of_no_person(
    governor: Governor, make_command: MakeCommand, make_incident: MakeIncident
) -> None:
    governor.on_incident(make_incident(WITHIN), NOW)
    governor.on_command(make_command(Scope(tenant="acme"), **ALERT), NOW)
    governor.on_command(make_command(Scope(tenant="duff")), NOW)
    policy = ThrottlePolicy()
    governor.use(replace(policy, kill_switch=True))
    step = governor.tick(NOW + 1)
    assert said(step) == [(Action.RESUME, "bouncemon")] * 2
    assert [one.actor for one in governor.active] == ["alice"]
    new = make_incident(Scope(campaign="autumn"), NOW + 2, id="inc-2")
    step = governor.on_incident(new, NOW + 2)
    assert (said(step), why(step)) == ([], [(False, RulingReason.KILL_SWITCH)])
    assert said(governor.on_command(make_command(CAMPAIGN, NOW, id="x"), NOW + 2))
    governor.use(policy)
    # Both alerts' and incidents' evidence is fresh still, so they act again.
    scopes = {one.scope for one in governor.tick(NOW + 3).directives}
    assert scopes == {Scope(tenant="acme"), Scope(campaign="autumn")}


def test_texts_from_outside_are_cut_and_printable(
    governor: Governor, make_command: MakeCommand
) -> None:
    order = make_command(CAMPAIGN, reason="a\nb\x1b[31m\u202e" + "x" * 9_999)
    (directive,) = governor.on_command(order, NOW).directives
    assert directive.reason.startswith("a b [31m x")
    assert len(directive.reason) == 256


def test_order_of() -> None:
    assert order_of("alert-1/firing/7") == order_of("alert-1/resolved") == "alert-1"
    assert order_of("plain") == "plain"
