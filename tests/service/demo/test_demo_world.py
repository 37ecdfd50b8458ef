import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.classify import Classifier
from monitor.events import (
    Action,
    BounceClass,
    Cell,
    DeliveryEvent,
    Directive,
    Mode,
    Outcome,
    Reason,
    Scope,
)
from monitor.providers import ProviderMatcher
from monitor.service.demo.brakes import Brakes
from monitor.service.demo.cast import Cast
from monitor.service.demo.incidents import Incident, injected
from monitor.service.demo.replies import OUTCOMES, REPLIES, Fate
from monitor.service.demo.truth import Truth
from monitor.service.demo.world import Record, World, WorldPolicy
from monitor.sources import open_source

MakeWorld = Callable[..., World]

decode = open_source("canonical")

LATENESS = 600.0


def events_of(log: Iterable[Record]) -> list[DeliveryEvent]:
    events = []
    for record in log:
        decoded = decode(record.value)
        assert not decoded.invalid
        events.append(decoded.events[0])
    return events


def recount(log: Sequence[Record]) -> Truth:
    """Count again from the bytes alone."""
    matcher, truth, seen = ProviderMatcher.builtin(), Truth(), set()
    for record, event in zip(log, events_of(log), strict=True):
        assert event.event_id == record.key
        provider = matcher.match(event.recipient_domain)
        cell = Cell(
            provider, event.source_ip, event.campaign, event.tenant, event.segment
        )
        if record.log_time - event.event_time > LATENESS:
            truth.lateness()
        elif event.event_id in seen:
            truth.duplicate()
        else:
            truth.count(cell, event.outcome)
        seen.add(event.event_id)
    return truth


def test_the_same_seed_gives_the_same_log(
    make_world: MakeWorld, live_from: float
) -> None:
    first = make_world(seed=3, history=200).advance(live_from)
    assert first == make_world(seed=3, history=200).advance(live_from)
    assert first != make_world(seed=4, history=200).advance(live_from)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.floats(0, 60), max_size=8))
def test_the_steps_of_the_clock_do_not_matter(steps: list[float]) -> None:
    def world() -> World:
        cast = Cast.drawn(Random(1))
        return World(WorldPolicy(1, 1e9, 1e9 + 30, 50.0), cast, Brakes())

    whole, parts = world(), world()
    log: list[Record] = []
    for moment in [*sorted(steps), 60]:
        log += parts.advance(1e9 + moment)
    assert log == whole.advance(1e9 + 60)
    assert parts.truth == whole.truth


def test_the_truth_equals_a_recount(make_world: MakeWorld, live_from: float) -> None:
    world = make_world()
    log = world.advance(live_from + 60)
    assert recount(log) == world.truth
    assert world.truth.produced == len(log)
    assert world.truth.late > 3
    assert world.truth.duplicates > 30


def test_sums_of_the_truth(make_world: MakeWorld, live_from: float) -> None:
    world = make_world()
    world.advance(live_from)
    (total,) = world.truth.by(()).values()
    assert total["attempts"] + total["complaint"] == world.truth.counted
    assert total["attempts"] == sum(
        total[name] for name in ("delivered", "deferral", "bounce")
    )
    by_provider = world.truth.by(("provider",)).values()
    assert sum((Counter(row) for row in by_provider), Counter()) == total


def test_the_log_is_in_order_and_copies_are_byte_for_byte(
    make_world: MakeWorld, live_from: float
) -> None:
    log = make_world().advance(live_from + 30)
    assert all(a.log_time <= b.log_time for a, b in pairwise(log))
    assert log[-1].log_time < live_from + 30
    values: dict[str, set[bytes]] = {}
    for record in log:
        values.setdefault(record.key, set()).add(record.value)
    assert all(len(copies) == 1 for copies in values.values())


def test_no_event_lies_between_in_time_and_late(
    make_world: MakeWorld, live_from: float
) -> None:
    log = make_world().advance(live_from + 60)
    for record, event in zip(log, events_of(log), strict=True):
        age = record.log_time - event.event_time
        assert 0 < age < LATENESS / 2 or age > LATENESS + 30


def test_normal_traffic_has_the_promised_rates(
    make_world: MakeWorld, live_from: float
) -> None:
    world = make_world(rate=100, share=1.0, history=300)
    events = events_of(world.advance(live_from))
    outcomes = Counter(event.outcome for event in events)
    total = len(events)
    assert 0.02 < outcomes[Outcome.DEFERRED] / total < 0.045
    assert 0.012 < outcomes[Outcome.BOUNCED] / total < 0.028
    assert outcomes[Outcome.COMPLAINED] / total < 0.001
    assert total == pytest.approx(100 * 300, rel=0.25)
    assert max(event.attempt for event in events) >= 2


def test_history_is_thinner_but_equal_in_rates(
    make_world: MakeWorld, live_from: float
) -> None:
    world = make_world(rate=100, share=0.25, history=200)
    past = len(world.advance(live_from))
    live = len(world.advance(live_from + 200))
    assert past / live == pytest.approx(0.25, rel=0.3)


def share_of(events: Sequence[DeliveryEvent], one: Incident) -> float:
    """Part of the first attempts in an incident's scope that met its fate."""
    matcher = ProviderMatcher.builtin()
    texts = {reply.text.split("{")[0] for reply in REPLIES[one.fate]}
    hit = tried = 0
    for event in events:
        cell = Cell(
            matcher.match(event.recipient_domain),
            event.source_ip,
            event.campaign,
            event.tenant,
            event.segment,
        )
        if one.scope.contains(cell) and event.attempt == 1:
            tried += 1
            hit += any(text in event.diagnostic for text in texts)
    assert tried > 150
    return hit / tried


def test_incidents_strike_as_promised_and_end(
    make_world: MakeWorld, cast: Cast, live_from: float
) -> None:
    world = make_world(rate=400, history=60)
    incidents = [
        one._replace(starts=live_from, ends=live_from + 60)
        for one in injected(cast, live_from, 60.0)
    ]
    world.strike(incidents)
    world.advance(live_from)
    during = events_of(world.advance(live_from + 60))
    shares = [share_of(during, one) for one in incidents]
    assert shares == pytest.approx([0.70, 0.34, 0.60], abs=0.12)
    world.advance(live_from + 70)
    after = events_of(world.advance(live_from + 130))
    assert all(share_of(after, one) < 0.1 for one in incidents)


@pytest.mark.parametrize(
    ("fate", "reasons"),
    [
        (Fate.GREYLISTED, {Reason.GREYLISTED}),
        (Fate.THROTTLED, {Reason.THROTTLED}),
        (Fate.UNKNOWN_USER, {Reason.USER_UNKNOWN}),
        (Fate.MAILBOX_FULL, {Reason.MAILBOX_FULL}),
        (Fate.SPAM, {Reason.SPAM_CONTENT}),
        (Fate.IP_BLOCKED, {Reason.IP_REPUTATION}),
    ],
)
def test_replies_are_read_as_they_are_meant(fate: Fate, reasons: set[Reason]) -> None:
    classifier = Classifier()
    for reply in REPLIES[fate]:
        text = reply.text.format(ip="203.0.113.11", domain="gmail.com", id="a1b2c3")
        verdict = classifier.classify(
            f"{reply.code} {reply.status} {text}",
            reply_code=reply.code,
            enhanced_status=reply.status,
        )
        assert verdict.reason in reasons
        assert (verdict.bounce_class is BounceClass.HARD) == (fate is Fate.UNKNOWN_USER)


def test_every_fate_has_an_outcome_and_replies() -> None:
    assert set(OUTCOMES) == set(Fate) == set(REPLIES)


def directive(scope: Scope, fraction: float, seq: int = 1) -> Directive:
    return Directive(
        fleet="default",
        scope=scope,
        action=Action.SLOW if fraction < 1 else Action.RESUME,
        rate_fraction=fraction,
        reason="",
        incident="",
        evidence="",
        mode=Mode.ENFORCE,
        actor="bouncemon",
        epoch=1,
        seq=seq,
        issued_at=0.0,
        expires_at=2e9,
    )


def test_the_sender_obeys(make_world: MakeWorld, live_from: float) -> None:
    brakes = Brakes()
    scope = Scope(provider="google_consumer")
    world = make_world(rate=300, history=20, share=1.0, brakes=brakes)

    def attempts(until: float) -> int:
        before = world.truth.by(("provider",)).get(("google_consumer",), Counter())
        world.advance(until)
        after = world.truth.by(("provider",))["google_consumer",]
        return after["attempts"] - before["attempts"]

    free = attempts(live_from)
    assert brakes.apply(directive(scope, 0.2))
    assert not brakes.apply(directive(scope, 0.0, seq=1))
    slowed = attempts(live_from + 20)
    assert slowed / free == pytest.approx(0.2, abs=0.1)
    assert world.held > 0
    brakes.apply(directive(scope, 1.0, seq=2))
    assert attempts(live_from + 40) / free == pytest.approx(1, abs=0.25)


def test_records_hold_no_address(make_world: MakeWorld, live_from: float) -> None:
    log = make_world(history=60).advance(live_from)
    assert all("@" not in json.dumps(json.loads(record.value)) for record in log)
