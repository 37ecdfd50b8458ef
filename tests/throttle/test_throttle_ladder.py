from collections.abc import Callable, Iterator

import msgspec
import pytest

from monitor.events import (
    Action,
    Channel,
    Directive,
    Incident,
    IncidentState,
    Mode,
    Reason,
    ReasonShare,
    Scope,
    Severity,
)
from monitor.throttle import Governor, RulingReason, Step, ThrottlePolicy

NOW = 1_800_000_000.0
IP_PROVIDER = Scope(source_ip="203.0.113.7", provider="yahoo")
CAMPAIGN = Scope(campaign="spring")
BAD_LIST = (ReasonShare(reason=Reason.USER_UNKNOWN, share=0.9),)
Make = Callable[..., Incident]


def said(step: Step) -> list[tuple[Action, float]]:
    return [(one.action, one.rate_fraction) for one in step.directives]


def why(step: Step) -> list[tuple[bool, RulingReason]]:
    return [(one.applied, one.reason) for one in step.rulings]


def run(
    governor: Governor, incident: Callable[[float], Incident], seconds: int
) -> Iterator[tuple[float, Directive]]:
    """Hand the incident in again every ten seconds, tick every five."""
    for passed in range(5, seconds + 1, 5):
        now = NOW + passed
        steps = [governor.on_incident(incident(now), now)] if passed % 10 == 0 else []
        for step in (*steps, governor.tick(now)):
            for directive in step.directives:
                yield passed, directive


@pytest.fixture
def governor() -> Governor:
    return Governor(ThrottlePolicy(), "default", 1)


def test_a_new_incident_slows_its_own_scope(
    governor: Governor, make_incident: Make
) -> None:
    step = governor.on_incident(make_incident(IP_PROVIDER), NOW)
    (directive,), (ruling,) = step
    assert directive == Directive(
        fleet="default",
        scope=IP_PROVIDER,
        action=Action.SLOW,
        rate_fraction=0.5,
        reason="block: policy (80% of replies)",
        incident="inc-1",
        evidence="rate 40.00% (35.00% to 45.00%), normal 1.00%, 1000 attempts, "
        "390 failures too many",
        mode=Mode.OBSERVE,
        actor="bouncemon",
        epoch=1,
        seq=1,
        issued_at=NOW,
        expires_at=NOW + 300,
    )
    assert (ruling.applied, ruling.reason) == (True, RulingReason.OPENED)
    assert (ruling.source, ruling.epoch, ruling.seq) == ("inc-1", 1, 1)
    assert governor.active == (directive,)


def test_the_same_update_twice_changes_nothing(
    governor: Governor, make_incident: Make
) -> None:
    governor.on_incident(make_incident(IP_PROVIDER), NOW)
    assert governor.on_incident(make_incident(IP_PROVIDER), NOW + 1) == Step()


def test_block_of_an_ip_at_a_provider_slows_then_pauses(
    governor: Governor, make_incident: Make
) -> None:
    governor.on_incident(make_incident(IP_PROVIDER), NOW)
    moves = [
        (passed, directive.rate_fraction)
        for passed, directive in run(
            governor, lambda now: make_incident(IP_PROVIDER, now), 200
        )
    ]
    assert moves == [(60, 0.1), (180, 0.0)]


def test_an_open_incident_has_its_lease_renewed(
    governor: Governor, make_incident: Make
) -> None:
    governor.on_incident(make_incident(IP_PROVIDER, severity=Severity.TICKET), NOW)
    ends = NOW + 300
    renewals = 0
    for passed, directive in run(
        governor,
        lambda now: make_incident(IP_PROVIDER, now, severity=Severity.TICKET),
        1_000,
    ):
        assert (directive.action, directive.rate_fraction) == (Action.SLOW, 0.5)
        assert NOW + passed <= ends - 60  # In time for a clock that is ahead.
        ends = directive.expires_at
        renewals += 1
    assert renewals == 5


@pytest.mark.parametrize("channel", [Channel.DEFERRAL, Channel.TECHNICAL])
def test_what_passes_by_itself_is_never_paused(
    governor: Governor, make_incident: Make, channel: Channel
) -> None:
    governor.on_incident(make_incident(CAMPAIGN, channel=channel), NOW)
    actions = {
        directive.action
        for _, directive in run(
            governor, lambda now: make_incident(CAMPAIGN, now, channel=channel), 600
        )
    }
    assert actions == {Action.SLOW}


def test_a_provider_wide_cause_slows_that_provider_and_nothing_else(
    governor: Governor, make_incident: Make
) -> None:
    scope = Scope(provider="yahoo")
    first = governor.on_incident(make_incident(scope), NOW)
    assert why(first) == [
        (False, RulingReason.PROVIDER_WIDE),
        (True, RulingReason.OPENED),
    ]
    assert first.rulings[0].action is Action.PAUSE
    heard = [one for _, one in run(governor, lambda t: make_incident(scope, t), 600)]
    assert {one.scope for one in heard} == {scope}
    assert {one.rate_fraction for one in heard} == {0.1}


@pytest.mark.parametrize(
    ("scope", "channel", "reason"),
    [
        (Scope(), Channel.BLOCK, RulingReason.FLEET_WIDE),
        (Scope(provider="yahoo"), Channel.CONFIG, RulingReason.TICKET_ONLY),
        (Scope(tenant=""), Channel.BLOCK, RulingReason.UNADDRESSABLE),
    ],
)
def test_some_incidents_only_get_a_ruling(
    governor: Governor,
    make_incident: Make,
    scope: Scope,
    channel: Channel,
    reason: RulingReason,
) -> None:
    step = governor.on_incident(make_incident(scope, channel=channel), NOW)
    assert step.directives == ()
    assert why(step) == [(False, reason)]
    # Said once, not every ten seconds.
    again = make_incident(scope, NOW + 10, channel=channel)
    assert governor.on_incident(again, NOW + 10) == Step()


def test_a_bad_list_is_paused_at_once(governor: Governor, make_incident: Make) -> None:
    incident = make_incident(CAMPAIGN, channel=Channel.HARD, reasons=BAD_LIST)
    assert said(governor.on_incident(incident, NOW)) == [(Action.PAUSE, 0.0)]


def test_growing_evidence_may_skip_to_the_pause(
    governor: Governor, make_incident: Make
) -> None:
    hard = {"channel": Channel.HARD, "reasons": BAD_LIST}
    few = make_incident(CAMPAIGN, attempts=100.0, **hard)
    assert said(governor.on_incident(few, NOW)) == [(Action.SLOW, 0.5)]
    many = make_incident(CAMPAIGN, NOW + 10, **hard)
    assert said(governor.on_incident(many, NOW + 10)) == [(Action.PAUSE, 0.0)]


def test_closing_resumes_at_once_and_for_good(
    governor: Governor, make_incident: Make
) -> None:
    governor.on_incident(make_incident(IP_PROVIDER), NOW)
    closed = make_incident(IP_PROVIDER, NOW + 20, state=IncidentState.CLOSED)
    step = governor.on_incident(closed, NOW + 20)
    assert said(step) == [(Action.RESUME, 1.0)]
    assert why(step) == [(True, RulingReason.CLOSED)]
    assert governor.active == ()
    late = make_incident(IP_PROVIDER, NOW + 10)
    assert governor.on_incident(late, NOW + 21) == Step()
    assert governor.on_incident(closed, NOW + 22) == Step()
    # Reopened by newer evidence, it is dealt with again.
    newer = make_incident(IP_PROVIDER, NOW + 30)
    assert said(governor.on_incident(newer, NOW + 30)) == [(Action.SLOW, 0.5)]


def test_recovering_holds_what_is_held_and_climbs_no_further(
    governor: Governor, make_incident: Make
) -> None:
    def recovering(now: float) -> Incident:
        return make_incident(IP_PROVIDER, now, state=IncidentState.RECOVERING)

    governor.on_incident(make_incident(IP_PROVIDER), NOW)
    heard = [one for _, one in run(governor, recovering, 400)]
    assert [one.rate_fraction for one in heard] == [0.5, 0.5]
    # A copy from before the recovery does not start it again.
    late = make_incident(IP_PROVIDER, NOW + 380)
    assert governor.on_incident(late, NOW + 401) == Step()


@pytest.mark.parametrize("state", [IncidentState.RECOVERING, IncidentState.CLOSED])
def test_what_was_never_seen_open_starts_nothing(
    governor: Governor, make_incident: Make, state: IncidentState
) -> None:
    step = governor.on_incident(make_incident(CAMPAIGN, state=state), NOW)
    assert step.directives == ()
    assert why(step) == [(False, RulingReason.NOT_OPEN)]


def test_a_rung_needs_newer_evidence_to_be_climbed(
    governor: Governor, make_incident: Make
) -> None:
    governor.on_incident(make_incident(IP_PROVIDER), NOW)
    for passed in range(10, 110, 10):
        governor.on_incident(make_incident(IP_PROVIDER), NOW + passed)
        assert governor.tick(NOW + passed) == Step()


def test_updates_without_new_attempts_neither_climb_nor_hold_for_ever(
    governor: Governor, make_incident: Make
) -> None:
    governor.on_incident(make_incident(IP_PROVIDER, attempts=1_000.0), NOW)
    heard = [
        (passed, directive.rate_fraction)
        for passed, directive in run(
            governor, lambda now: make_incident(IP_PROVIDER, now, attempts=1e3), 2_500
        )
    ]
    assert {fraction for _, fraction in heard[:-1]} == {0.5}
    assert heard[-1] == (1_800, 1.0)


def test_a_silent_observer_ends_every_throttle(
    governor: Governor, make_incident: Make
) -> None:
    governor.on_incident(make_incident(IP_PROVIDER), NOW)
    released = [
        (passed, step)
        for passed in range(10, 4_000, 10)
        for step in [governor.tick(NOW + passed)]
        if (Action.RESUME, 1.0) in said(step)
    ]
    ((passed, step),) = released
    assert passed == 1_800
    assert why(step) == [(True, RulingReason.EXPIRED)]
    assert governor.active == ()


def test_the_strictest_of_two_incidents_rules_and_eases_when_it_ends(
    governor: Governor, make_incident: Make
) -> None:
    slow = {"id": "slow", "channel": Channel.DEFERRAL}
    hard = {"id": "hard", "channel": Channel.HARD, "reasons": BAD_LIST}
    governor.on_incident(make_incident(CAMPAIGN, **slow), NOW)
    step = governor.on_incident(make_incident(CAMPAIGN, NOW + 1, **hard), NOW + 1)
    assert said(step) == [(Action.PAUSE, 0.0)]
    assert why(step) == [(True, RulingReason.CLIMBED)]
    closed = make_incident(CAMPAIGN, NOW + 2, state=IncidentState.CLOSED, **hard)
    step = governor.on_incident(closed, NOW + 2)
    assert said(step) == [(Action.SLOW, 0.5)]
    assert why(step) == [(True, RulingReason.EASED)]


def test_a_better_blamed_scope_replaces_the_old_one(
    governor: Governor, make_incident: Make
) -> None:
    governor.on_incident(make_incident(Scope(source_ip="203.0.113.7")), NOW)
    step = governor.on_incident(make_incident(IP_PROVIDER, NOW + 10), NOW + 10)
    assert [(one.scope, one.action) for one in step.directives] == [
        (Scope(source_ip="203.0.113.7"), Action.RESUME),
        (IP_PROVIDER, Action.SLOW),
    ]


@pytest.mark.parametrize("jump", [3_600.0, -3_600.0])
def test_a_clock_jump_tightens_nothing(
    governor: Governor, make_incident: Make, jump: float
) -> None:
    governor.on_incident(make_incident(IP_PROVIDER), NOW)
    governor.tick(NOW + 50)
    moved = NOW + 50 + jump
    # The observer's clock jumped along, so its evidence looks fresh.
    step = governor.on_incident(make_incident(IP_PROVIDER, moved), moved)
    steps = [step, *(governor.tick(moved + passed) for passed in range(0, 60, 10))]
    heard = [one for each in steps for one in said(each)]
    assert all(one == (Action.SLOW, 0.5) for one in heard)
    other = make_incident(CAMPAIGN, moved + 55, id="inc-2")
    step = governor.on_incident(other, moved + 55)
    assert why(step) == [(False, RulingReason.CLOCK_JUMP)]


def test_after_a_jump_the_lease_is_said_anew(
    governor: Governor, make_incident: Make
) -> None:
    governor.on_incident(make_incident(IP_PROVIDER), NOW)
    (directive,) = governor.tick(NOW + 3_600).directives
    assert directive.action is Action.SLOW
    assert directive.expires_at == NOW + 3_900


def test_another_fleets_incident_is_not_ours(
    governor: Governor, make_incident: Make
) -> None:
    step = governor.on_incident(make_incident(CAMPAIGN, fleet="emea"), NOW)
    assert step.directives == ()
    assert why(step) == [(False, RulingReason.OTHER_FLEET)]


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"scope": CAMPAIGN}, RulingReason.DENYLIST),
        (
            {"scope": Scope(provider="yahoo", campaign="c"), "attempts": 9.0},
            RulingReason.LOW_EVIDENCE,
        ),
        ({"scope": CAMPAIGN, "state": IncidentState.RECOVERING}, RulingReason.NOT_OPEN),
    ],
)
def test_an_incident_that_is_named_anew_lets_go_of_its_old_name(
    changes: dict[str, object], refusal: RulingReason, make_incident: Make
) -> None:
    governor = Governor(ThrottlePolicy(deny_campaigns=("spring",)), "default", 1)
    wide = Scope(tenant="shop")
    assert said(governor.on_incident(make_incident(wide), NOW)) == [(Action.SLOW, 0.5)]
    anew = msgspec.structs.replace(make_incident(wide, NOW + 5.0), **changes)
    late = msgspec.structs.replace(anew, updated_at=NOW - 1.0)
    assert not governor.on_incident(late, NOW + 5.0).directives
    step = governor.on_incident(anew, NOW + 5.0)
    assert [(one.scope, one.action) for one in step.directives] == [
        (wide, Action.RESUME)
    ]
    assert refusal in [ruling.reason for ruling in step.rulings]
    assert not governor.active
