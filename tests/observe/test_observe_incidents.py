"""A fleet of 30 providers, 40 IPs and 60 campaigns, calm and not so calm."""

import numpy as np
import pytest

from monitor.events import (
    COLUMNS,
    Cell,
    Channel,
    IncidentState,
    Reason,
    Scope,
    Severity,
)
from monitor.observe import Bound, FleetObserver, ObservePolicy
from monitor.observe.channels import CHANNELS
from tests.observe.observe_world import EPOCH, SLOT, Run, Spike, World, delta_of

HISTORY = 1_200.0
CALM = 30.0
BEGIN = HISTORY + CALM

BLOCKED = Scope(source_ip="192.0.2.3", provider="isp1")
BAD_LIST = Scope(campaign="c5")
DEFERRING = Scope(provider="isp4")


def small_world(
    seed: int, *spikes: Spike, a_second: float = 150.0, breathing: float = 0.0
) -> World:
    """A fleet with a tenth of the cells, for what does not need all of them."""
    return World(
        seed,
        providers=12,
        ips=15,
        campaigns=20,
        density=0.1,
        a_second=a_second,
        breathing=breathing,
        spikes=list(spikes),
    )


def small(
    seed: int, *spikes: Spike, a_second: float = 150.0, live: float = 30.0
) -> Run:
    """A small fleet with its history, and some live calm."""
    run = Run(small_world(seed, *spikes, a_second=a_second))
    run.preload(HISTORY)
    run.live(live)
    return run


@pytest.mark.parametrize("seed", [3, 4])
def test_three_incidents_are_told_apart_by_scope_and_channel(seed: int) -> None:
    onsets = {
        (BLOCKED, Channel.BLOCK): BEGIN,
        (BAD_LIST, Channel.HARD): BEGIN + 20.0,
        (DEFERRING, Channel.DEFERRAL): BEGIN + 40.0,
    }
    rates = (0.8, 0.25, 0.7)
    spikes = [
        Spike(scope, channel, rate, start)
        for ((scope, channel), start), rate in zip(onsets.items(), rates, strict=True)
    ]
    run = Run(World(seed, a_second=500.0, spikes=spikes, density=0.04))
    run.preload(HISTORY, partitions=4)
    assert run.live(CALM) == []
    run.live(75.0)
    found = {(i.scope, i.channel): i for i in run.opened.values()}
    assert found.keys() == onsets.keys()
    assert len(run.opened) == 3
    for key, start in onsets.items():
        incident = found[key]
        assert incident.detected_at <= EPOCH + start + 30.0
        assert abs(incident.start - EPOCH - start) <= 15.0
    now = {i.scope: i for i in run.observer.incidents}
    assert now[BLOCKED].reasons[0].reason is Reason.IP_REPUTATION
    assert now[BAD_LIST].reasons[0].reason is Reason.USER_UNKNOWN
    assert now[DEFERRING].reasons[0].sample == "sample of throttled"
    assert now[DEFERRING].severity is Severity.PAGE
    assert now[BAD_LIST].rate_low < 0.25
    assert now[BAD_LIST].rate_high > 0.18
    assert {s.kind for s in now[BAD_LIST].not_affected} == {"campaign"}
    run.live(15.0)  # until it has looked around
    now = {i.scope: i for i in run.observer.incidents}
    siblings = now[BLOCKED].not_affected
    assert siblings
    assert all(s != BLOCKED and s.kind == "ip_provider" for s in siblings)
    assert all((s.source_ip, s.provider) != ("192.0.2.3", "isp1") for s in siblings)


def test_throttling_inside_an_open_incident_is_told() -> None:
    hard = Spike(DEFERRING, Channel.HARD, 0.1, BEGIN)
    throttled = Spike(DEFERRING, Channel.DEFERRAL, 0.6, BEGIN + 180.0)
    run = small(5, hard, throttled)
    run.live(150.0)
    assert {(i.scope, i.channel) for i in run.opened.values()} == {
        (DEFERRING, Channel.HARD)
    }
    run.live(60.0)
    assert (DEFERRING, Channel.DEFERRAL) in {
        (i.scope, i.channel) for i in run.opened.values()
    }


def test_of_two_names_for_the_same_mail_the_shorter_is_told() -> None:
    spike = Spike(BAD_LIST, Channel.HARD, 0.12, BEGIN)
    world = small_world(6, spike, a_second=40.0)
    world.cells = [cell._replace(source_ip="192.0.2.1") for cell in world.cells]
    run = Run(world)
    run.preload(HISTORY)
    run.live(CALM + 120.0)
    assert [i.scope for i in run.observer.incidents] == [BAD_LIST]


@pytest.mark.parametrize("seed", [11, 12])
def test_a_calm_fleet_is_left_alone(seed: int) -> None:
    run = small(seed, live=180.0)
    assert run.said == []
    assert run.observer.stats.expected_false_pages < 3.0


@pytest.mark.parametrize("seed", [21, 22])
def test_a_fleet_without_any_history_is_left_alone(seed: int) -> None:
    run = Run(small_world(seed))
    run.live(720.0, span=5.0)
    assert run.said == []
    assert run.observer.stats.baseline_age_seconds >= 700.0


def test_a_fleet_whose_rates_breathe_is_left_alone() -> None:
    run = Run(small_world(31, a_second=100.0, breathing=0.15))
    run.preload(HISTORY)
    run.live(300.0, span=2.0)
    assert run.said == []


@pytest.mark.parametrize("seed", [0, 1, 4])
def test_two_causes_that_first_look_like_the_whole_fleet_are_told_apart(
    seed: int,
) -> None:
    causes = {Scope(provider="isp0"), Scope(tenant="t1")}
    spikes = [Spike(cause, Channel.HARD, 0.12, BEGIN) for cause in causes]
    world = World(seed, 8, 10, 30, a_second=600.0, density=0.3, spikes=spikes)
    run = Run(world)
    run.preload(HISTORY)
    run.live(CALM)
    told = run.live(90.0)
    assert causes <= {incident.scope for incident in run.observer.incidents}
    assert Scope() not in {incident.scope for incident in run.observer.incidents}
    assert len({incident.id for incident in told}) <= 3


@pytest.mark.parametrize("seed", [41, 42])
def test_tenfold_at_five_a_second_is_found_in_time(seed: int) -> None:
    scope = Scope(provider="isp6")
    world = small_world(seed)
    mine = world.inside(scope)
    world.weight[mine] *= 5.0 / (150.0 * world.weight[mine].sum())
    world.base[Channel.HARD][mine] = 0.03
    world.spikes.append(Spike(scope, Channel.HARD, 0.30, BEGIN))
    run = Run(world)
    run.preload(HISTORY)
    run.live(CALM)
    run.live(20.0)
    assert [i.scope for i in run.opened.values()] == [scope]


def test_what_is_bad_from_birth_is_found_by_its_limit() -> None:
    scope = Scope(campaign="c19")
    run = small(51)
    world = run.world
    mine = world.inside(scope)
    # A campaign that nobody has seen yet: two mails a second, a fifth of them bounce.
    world.cells = [
        cell._replace(campaign="new") if own else cell
        for cell, own in zip(world.cells, mine, strict=True)
    ]
    world.weight[mine] *= 2.0 / (150.0 * world.weight[mine].sum())
    world.base[Channel.HARD][mine] = 0.20
    run.live(120.0)
    (incident,) = run.opened.values()
    assert incident.scope == Scope(campaign="new")
    assert incident.channel is Channel.HARD
    assert incident.detector == "limit"


def test_a_provider_that_lights_a_thousand_keys_is_one_incident_at_once() -> None:
    outage = Spike(Scope(provider="isp0"), Channel.DEFERRAL, 0.9, BEGIN)
    run = Run(World(61, a_second=500.0, spikes=[outage]))
    run.preload(HISTORY)
    run.live(CALM)
    told = run.live(5.0)
    assert {(i.scope, i.channel) for i in told} == {(outage.scope, Channel.DEFERRAL)}
    run.live(40.0)
    assert len(run.opened) == 1
    assert max(i.excess for i in run.said) > 1_000


def test_what_affects_everybody_is_the_fleet() -> None:
    run = small(62, Spike(Scope(), Channel.CONFIG, 0.3, HISTORY + 30.0))
    run.live(20.0)
    assert [(i.scope, i.channel) for i in run.opened.values()] == [
        (Scope(), Channel.CONFIG)
    ]


@pytest.mark.parametrize(
    ("channel", "also", "named"),
    [
        (Channel.BLOCK, Channel.DEFERRAL, Channel.BLOCK),  # 4xx for reputation
        (Channel.TECHNICAL, Channel.DEFERRAL, Channel.DEFERRAL),  # 4xx, busy server
        (Channel.TECHNICAL, None, Channel.TECHNICAL),
        (Channel.BOUNCE, None, Channel.BOUNCE),  # mailboxes full
        (Channel.COMPLAINT, None, Channel.COMPLAINT),
    ],
)
def test_replies_that_count_twice_are_one_incident_with_the_telling_name(
    channel: Channel, also: Channel | None, named: Channel
) -> None:
    run = small(65, Spike(Scope(provider="isp1"), channel, 0.4, BEGIN, also=also))
    run.live(60.0)
    assert [(i.scope, i.channel) for i in run.opened.values()] == [
        (Scope(provider="isp1"), named)
    ]


def test_a_backlog_never_alarms_but_detection_works_right_after_it() -> None:
    old = Spike(Scope(provider="isp2"), Channel.BLOCK, 0.6, 300.0, 420.0)
    new = Spike(Scope(provider="isp3"), Channel.BLOCK, 0.6, HISTORY)
    run = small(71, old, new, live=0.0)
    told = run.live(10.0)
    assert {i.scope for i in told} == {new.scope}
    assert run.observer.stats.stale_deltas > 100


def test_events_that_come_late_are_found_as_well() -> None:
    spike = Spike(Scope(provider="isp3"), Channel.BLOCK, 0.5, HISTORY + 60.0)
    run = small(72, spike, live=0.0)
    # Time runs on while the mail of the last 45 seconds is still on its way.
    lag = 45.0
    for _ in range(100):
        for delta in run.world.deltas(run.seconds, 1.0):
            run.observer.apply(delta)
        run.seconds += 1.0
        run.said += run.observer.tick(EPOCH + run.seconds + lag)
    (incident,) = run.opened.values()
    assert incident.scope == spike.scope
    assert abs(incident.start - EPOCH - spike.start) <= 15.0


def baseline_of(run: Run, scope: Scope) -> float:
    rates = run.observer.rates(100)
    (rate,) = [r for r in rates if (r.kind, r.key, r.window) == (*named(scope), "1m")]
    return rate.baseline[CHANNELS.index(Channel.DEFERRAL)]


def named(scope: Scope) -> tuple[str, str]:
    return scope.kind, scope.key


def test_an_incident_recovers_closes_and_is_reopened() -> None:
    first = Spike(DEFERRING, Channel.DEFERRAL, 0.7, BEGIN, BEGIN + 60.0)
    again = Spike(DEFERRING, Channel.DEFERRAL, 0.7, BEGIN + 600.0)
    run = small(81, first, again, a_second=100.0)
    normal = baseline_of(run, DEFERRING)
    run.live(600.0, span=3.0)
    states = [i.state for i in run.said]
    assert states[0] is IncidentState.OPEN
    assert IncidentState.RECOVERING in states
    assert states[-1] is IncidentState.CLOSED
    assert len(run.opened) == 1
    assert baseline_of(run, DEFERRING) == pytest.approx(normal, rel=0.3)
    assert run.said[-1].baseline == pytest.approx(normal, rel=0.3)
    told = run.live(30.0)
    assert told[0].state is IncidentState.OPEN
    assert told[0].id == run.said[0].id


def test_taking_over_at_any_time_changes_nothing() -> None:
    spike = Spike(DEFERRING, Channel.DEFERRAL, 0.7, BEGIN, BEGIN + 45.0)
    run, other = small(91, spike), small(91, spike)
    for _ in range(10):
        assert run.live(8.0) == other.live(8.0)
        other.take_over()
        assert len(other.observer.incidents) == len(run.observer.incidents)
    assert len(run.opened) == 1
    assert [i.state for i in run.observer.incidents] == [IncidentState.RECOVERING]
    # NaN is not NaN, but their texts are equal.
    assert repr(run.observer.rates(20)) == repr(other.observer.rates(20))


def test_more_scopes_than_places_are_survived() -> None:
    spike = Spike(Scope(provider="isp0"), Channel.DEFERRAL, 0.9, BEGIN)
    world = small_world(95, spike)
    run = Run(world, max_keys=120, max_leaves=150)
    run.preload(HISTORY)
    run.live(CALM)
    assert run.said == []
    run.live(20.0)
    stats = run.observer.stats
    assert stats.keys <= 120
    assert stats.leaves <= 150
    assert stats.bitten[Bound.SCOPES] > 0
    assert stats.bitten[Bound.CELLS] > 0
    assert [i.scope for i in run.opened.values()] == [spike.scope]
    (fleet,) = [
        r for r in run.observer.rates(5) if r.kind == "fleet" and r.window == "1h"
    ]
    assert fleet.attempts > 150 * 1_200 * 0.9


def test_a_tick_that_evicts_what_it_has_just_counted_goes_on() -> None:
    observer = FleetObserver("default", ObservePolicy(max_keys=64, max_leaves=64))
    rows = np.zeros((30, len(COLUMNS)), np.int32)
    rows[:, :2] = 9, 1
    rows[:, 2:] = 2
    first = int(EPOCH) // SLOT
    for tick in range(8):
        for part in range(3):
            slot, many = first + 3 * tick + part, (30, 10, 20)[part]
            cells = [Cell(f"p{slot}", f"i{n}-{slot}", "c", "", "") for n in range(many)]
            observer.apply(delta_of(slot, cells, rows[:many]))
        observer.tick(EPOCH + SLOT * (3 * tick + 3))
    assert observer.stats.bitten[Bound.SCOPES] > 300
    sent = {r.key: r.attempts for r in observer.rates(99) if r.window == "5m"}
    assert sent[""] == 8 * 60 * 9
    assert {count for key, count in sent.items() if key.startswith("i")} == {9.0}
