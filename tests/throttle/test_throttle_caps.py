from collections.abc import Callable

import pytest

from monitor.events import (
    Action,
    Channel,
    Command,
    Directive,
    Incident,
    IncidentState,
    Reason,
    ReasonShare,
    Scope,
)
from monitor.throttle import Governor, Ruling, RulingReason, Step, ThrottlePolicy
from monitor.throttle.memory import MAX_CLAIMS, MAX_HOLDS, MAX_REMEMBERED

NOW = 1_800_000_000.0
CAMPAIGN = Scope(campaign="spring")
BAD_LIST = (ReasonShare(reason=Reason.USER_UNKNOWN, share=0.9),)
FIRST = (RulingReason.OPENED, RulingReason.CLIMBED)
Make = Callable[..., Incident]


@pytest.fixture
def bad_list(make_incident: Make) -> Callable[..., Incident]:
    def make(number: int, now: float = NOW, **changes: object) -> Incident:
        return make_incident(
            Scope(campaign=f"list-{number}"),
            now,
            id=f"inc-{number}",
            channel=Channel.HARD,
            reasons=BAD_LIST,
            **changes,
        )

    return make


def paused(governor: Governor) -> list[Directive]:
    return [one for one in governor.active if one.action is Action.PAUSE]


def refusals(steps: list[Step]) -> list[RulingReason]:
    return [one.reason for step in steps for one in step.rulings if not one.applied]


def test_a_mass_spike_pauses_no_more_than_the_cap(bad_list: Make) -> None:
    policy = ThrottlePolicy(max_active_directives=20, max_new_pauses_per_10_min=500)
    governor = Governor(policy, "default", 1)
    steps = [governor.on_incident(bad_list(number), NOW) for number in range(500)]
    assert len(paused(governor)) == 20
    assert len(governor.active) == 200
    assert refusals(steps) == [RulingReason.CAP] * 480
    slowed = [one for one in governor.active if one.action is Action.SLOW]
    assert {one.rate_fraction for one in slowed} == {0.1}
    assert len({one.scope for one in governor.active}) == 200


def test_room_under_the_cap_is_used_while_the_evidence_is_fresh(
    bad_list: Make,
) -> None:
    governor = Governor(ThrottlePolicy(max_active_directives=1), "default", 1)
    for number in range(2):
        governor.on_incident(bad_list(number), NOW)
    over = bad_list(0, NOW + 10, state=IncidentState.CLOSED)
    governor.on_incident(over, NOW + 10)
    governor.tick(NOW + 11)
    assert [one.scope.campaign for one in paused(governor)] == ["list-1"]


def test_new_pauses_are_rationed_by_time(bad_list: Make) -> None:
    policy = ThrottlePolicy(max_new_pauses_per_10_min=3)
    governor = Governor(policy, "default", 1)
    pauses: list[float] = []
    for passed in range(0, 1_500, 30):
        now = NOW + passed
        steps = [governor.on_incident(bad_list(n, now), now) for n in range(8)]
        for step in (*steps, governor.tick(now)):
            pauses += [
                now
                for one in step.rulings
                if one.action is Action.PAUSE and one.reason in FIRST
            ]
    assert len(pauses) == 8
    for moment in pauses:
        assert sum(moment - 600 < other <= moment for other in pauses) <= 3


def test_a_flapping_scope_is_left_alone_for_the_rest_of_the_hour(
    make_incident: Make,
) -> None:
    governor = Governor(ThrottlePolicy(max_transitions_per_hour=6), "default", 1)
    rulings: list[Ruling] = []
    for number in range(60):
        now = NOW + 50 * number
        one = make_incident(CAMPAIGN, now, id=f"inc-{number}")
        over = make_incident(
            CAMPAIGN, now + 20, id=f"inc-{number}", state=IncidentState.CLOSED
        )
        rulings += governor.on_incident(one, now).rulings
        rulings += governor.on_incident(over, now + 20).rulings
    applied = [one.reason for one in rulings if one.applied]
    assert applied == [RulingReason.OPENED, RulingReason.CLOSED] * 3
    assert {one.reason for one in rulings if not one.applied} == {RulingReason.FLAP}
    assert governor.active == ()


def test_the_flap_cap_keeps_room_for_the_release(make_incident: Make) -> None:
    governor = Governor(ThrottlePolicy(max_transitions_per_hour=4), "default", 1)
    changes = 0
    fraction = 1.0
    for passed in range(0, 3_500, 10):
        now = NOW + passed
        hard = make_incident(CAMPAIGN, now, id="a")
        soft = make_incident(CAMPAIGN, now, id="b", channel=Channel.DEFERRAL)
        steps = [governor.on_incident(hard, now), governor.on_incident(soft, now)]
        if passed == 300:
            over = make_incident(CAMPAIGN, now, id="a", state=IncidentState.CLOSED)
            steps.append(governor.on_incident(over, now))
        for step in (*steps, governor.tick(now)):
            for one in step.directives:
                changes += one.rate_fraction != fraction
                fraction = one.rate_fraction
    assert changes == 4
    assert fraction == 1.0


def test_claims_are_bounded(make_incident: Make) -> None:
    governor = Governor(ThrottlePolicy(), "default", 1)
    steps = [
        governor.on_incident(make_incident(Scope(campaign=f"c{n}"), id=f"inc-{n}"), NOW)
        for n in range(MAX_CLAIMS + 1)
    ]
    assert refusals([steps[-1]]) == [RulingReason.CAP]
    assert steps[-1].directives == ()
    # One that is known may still be updated.
    again = make_incident(Scope(campaign="c0"), NOW + 1, id="inc-0")
    assert governor.on_incident(again, NOW + 1) == Step()


def test_holds_and_memory_are_bounded(make_command: Callable[..., Command]) -> None:
    governor = Governor(ThrottlePolicy(), "default", 1)
    for number in range(MAX_HOLDS + 1):
        order = make_command(Scope(tenant=f"t{number}"), id=f"o{number}")
        step = governor.on_command(order, NOW)
    assert refusals([step]) == [RulingReason.CAP]
    size = len(governor.snapshot())
    for number in range(2 * MAX_REMEMBERED):
        order = make_command(CAMPAIGN, id=f"alert-{number}/resolved", actor="x")
        governor.on_command(order, NOW)
    assert len(governor.snapshot()) < size + 64 * MAX_REMEMBERED
