from collections.abc import Callable
from dataclasses import replace

import pytest

from monitor.errors import MonitorError
from monitor.events import (
    Action,
    Channel,
    Command,
    Directive,
    Incident,
    IncidentState,
    Mode,
    Reason,
    ReasonShare,
    Scope,
)
from monitor.throttle import (
    Governor,
    RulingReason,
    Step,
    Table,
    ThrottlePolicy,
    apply,
    supersedes,
)

NOW = 1_800_000_000.0
POLICY = ThrottlePolicy(mode=Mode.ENFORCE)
CAMPAIGN = Scope(campaign="spring")
IP_PROVIDER = Scope(source_ip="203.0.113.7", provider="yahoo")
BAD_LIST = (ReasonShare(reason=Reason.USER_UNKNOWN, share=0.9),)
Make = Callable[..., Incident]


def fractions(step: Step) -> list[float]:
    return [one.rate_fraction for one in step.directives]


def test_a_new_owner_keeps_the_leases_and_says_them_as_his(
    make_incident: Make,
) -> None:
    first = Governor(POLICY, "default", 1)
    (old,) = first.on_incident(make_incident(IP_PROVIDER), NOW).directives
    second = Governor(POLICY, "default", 2, [old])
    assert second.active == (old,)
    (new,) = second.tick(NOW + 5).directives
    assert supersedes(new, old)
    assert (new.epoch, new.seq) == (2, 2)
    assert new.expires_at == old.expires_at
    assert (new.scope, new.rate_fraction) == (old.scope, old.rate_fraction)
    assert second.tick(NOW + 6) == Step()


def test_an_adopted_lease_climbs_on_when_its_incident_is_heard(
    make_incident: Make, make_directive: Callable[..., Directive]
) -> None:
    held = make_directive(IP_PROVIDER, rate_fraction=0.1)
    governor = Governor(POLICY, "default", 2, [held])
    for passed in range(0, 130, 10):
        assert fractions(governor.tick(NOW + passed)) in ([], [0.1])
    governor.on_incident(make_incident(IP_PROVIDER, NOW + 130), NOW + 130)
    assert fractions(governor.tick(NOW + 131)) == [0.0]


def test_an_adopted_lease_ends_when_nobody_speaks_for_it(
    make_directive: Callable[..., Directive],
) -> None:
    governor = Governor(POLICY, "default", 2, [make_directive(IP_PROVIDER)])
    steps = [(t, governor.tick(NOW + t)) for t in range(0, 400, 20)]
    ends = [(t, step) for t, step in steps if 1.0 in fractions(step)]
    ((passed, step),) = ends
    assert passed == 300
    assert step.rulings[0].reason is RulingReason.EXPIRED


def test_a_lease_that_ended_long_ago_is_released(
    make_directive: Callable[..., Directive],
) -> None:
    held = make_directive(IP_PROVIDER, NOW - 5_000)
    governor = Governor(POLICY, "default", 2, [held])
    assert fractions(governor.tick(NOW)) == [1.0]


def test_a_promise_of_a_wild_clock_is_cut(
    make_directive: Callable[..., Directive],
) -> None:
    held = make_directive(IP_PROVIDER, NOW + 86_400, epoch=7)
    governor = Governor(POLICY, "default", 8, [held])
    (directive,) = governor.tick(NOW).directives
    assert directive.expires_at == NOW + 300


def test_a_persons_hold_survives_the_owner(
    make_command: Callable[..., Command], make_incident: Make
) -> None:
    first = Governor(POLICY, "default", 1)
    order = make_command(CAMPAIGN, action=Action.RESUME, lease_seconds=3_600.0)
    (old,) = first.on_command(order, NOW).directives
    second = Governor(POLICY, "default", 2, [old])
    (again,) = second.tick(NOW + 10).directives
    assert (again.actor, again.action, again.epoch) == ("alice", Action.RESUME, 2)
    assert again.expires_at == old.expires_at
    step = second.on_incident(make_incident(CAMPAIGN, NOW + 20), NOW + 20)
    assert step.directives == ()
    assert [one.reason for one in step.rulings] == [RulingReason.HUMAN_HOLD]


def test_seq_goes_on_above_the_highest_ever_seen(
    make_incident: Make, make_directive: Callable[..., Directive]
) -> None:
    held = [
        make_directive(IP_PROVIDER, action=Action.RESUME, rate_fraction=1.0, seq=41),
        make_directive(CAMPAIGN, fleet="emea", seq=99),
    ]
    governor = Governor(POLICY, "default", 2, held)
    (directive,) = governor.on_incident(make_incident(CAMPAIGN), NOW).directives
    assert (directive.epoch, directive.seq) == (2, 42)


def test_a_zombie_loses_against_what_its_successor_said(
    make_incident: Make,
) -> None:
    zombie = Governor(POLICY, "default", 1)
    table: Table = {}
    for directive in zombie.on_incident(make_incident(CAMPAIGN), NOW).directives:
        apply(table, directive)
    owner = Governor(POLICY, "default", 2, table.values())
    for directive in owner.tick(NOW + 1).directives:
        assert apply(table, directive)
    for number in range(50):
        now = NOW + 10 + number
        incident = make_incident(CAMPAIGN, now, channel=Channel.HARD, reasons=BAD_LIST)
        for directive in zombie.on_incident(incident, now).directives:
            assert not apply(table, directive)
        for directive in zombie.tick(now).directives:
            assert not apply(table, directive)
    assert table["default", CAMPAIGN].epoch == 2


def test_a_snapshot_goes_on_as_if_nothing_had_happened(
    make_incident: Make, make_command: Callable[..., Command]
) -> None:
    one = Governor(POLICY, "default", 1)
    order = make_command(Scope(tenant="acme"))
    one.on_command(order, NOW)
    one.on_incident(make_incident(IP_PROVIDER), NOW)
    gone = make_incident(CAMPAIGN, id="gone")
    one.on_incident(gone, NOW)
    closed = make_incident(CAMPAIGN, NOW + 1, id="gone", state=IncidentState.CLOSED)
    one.on_incident(closed, NOW + 1)
    two = Governor.restore(POLICY, "default", 1, one.snapshot())
    assert two.active == one.active
    duplicate = two.on_command(order, NOW + 2)
    assert [ruling.reason for ruling in duplicate.rulings] == [RulingReason.DUPLICATE]
    assert two.on_incident(gone, NOW + 2) == Step()
    one.tick(NOW + 2)
    for passed in range(10, 1_000, 10):
        now = NOW + passed
        incident = make_incident(IP_PROVIDER, now)
        assert two.on_incident(incident, now) == one.on_incident(incident, now)
        assert two.tick(now) == one.tick(now)


def test_the_topic_is_newer_than_the_snapshot(
    make_incident: Make, make_command: Callable[..., Command]
) -> None:
    one = Governor(POLICY, "default", 1)
    one.on_incident(make_incident(IP_PROVIDER), NOW)
    one.on_incident(make_incident(CAMPAIGN, id="inc-2"), NOW)
    snapshot = one.snapshot()
    closed = make_incident(IP_PROVIDER, NOW + 5, state=IncidentState.CLOSED)
    held = list(one.on_incident(closed, NOW + 5).directives)
    order = make_command(CAMPAIGN, NOW + 6)
    held += one.on_command(order, NOW + 6).directives
    two = Governor.restore(POLICY, "default", 2, snapshot, held)
    assert [(x.scope, x.actor) for x in two.active] == [(CAMPAIGN, "alice")]
    (again,) = two.tick(NOW + 10).directives
    assert (again.scope, again.actor, again.epoch) == (CAMPAIGN, "alice", 2)


@pytest.mark.parametrize("data", [b"", b"\xc1", b"[]", b"\x81\xa1v\x02", b"\x90" * 99])
def test_bytes_that_are_no_snapshot_are_refused(data: bytes) -> None:
    with pytest.raises(MonitorError):
        Governor.restore(POLICY, "default", 1, data)


def test_another_fleets_snapshot_is_refused() -> None:
    other = Governor(POLICY, "emea", 1).snapshot()
    with pytest.raises(MonitorError, match="emea"):
        Governor.restore(POLICY, "default", 1, other)


def test_a_changed_mode_has_everything_decided_anew(make_incident: Make) -> None:
    watching = ThrottlePolicy(max_new_pauses_per_10_min=2)
    governor = Governor(watching, "default", 1)

    def feed(now: float) -> None:
        for number in range(4):
            incident = make_incident(
                Scope(campaign=f"c{number}"),
                now,
                id=f"inc-{number}",
                channel=Channel.HARD,
                reasons=BAD_LIST,
            )
            governor.on_incident(incident, now)
        governor.tick(now)

    for passed in range(0, 1_500, 30):
        feed(NOW + passed)
    assert [one.action for one in governor.active] == [Action.PAUSE] * 4
    governor.use(replace(watching, mode=Mode.ENFORCE))
    feed(NOW + 1_500)
    enforced = [one for one in governor.active if one.mode is Mode.ENFORCE]
    assert len(enforced) == 4
    assert sum(one.action is Action.PAUSE for one in enforced) == 2
