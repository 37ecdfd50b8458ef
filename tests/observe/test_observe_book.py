from typing import Any

import numpy as np
import pytest

from monitor.events import (
    SCOPE_DIMENSIONS,
    Cell,
    Channel,
    IncidentState,
    Reason,
    ReasonCount,
    Scope,
    Severity,
)
from monitor.observe import DEFAULT_LIMITS, Bound
from monitor.observe import book as room
from monitor.observe.book import (
    MOST_OPEN,
    WIDEN_SECONDS,
    Batch,
    Book,
    covers,
    inside,
    keys_of,
)
from monitor.observe.case import STANDING_SECONDS, UPDATE_SECONDS, Case, Writer
from monitor.observe.channels import CHANNELS, WIDTH
from monitor.observe.inquiry import Finding
from monitor.observe.keys import Catalog
from monitor.observe.survey import SlotCounts

NOW = 1_767_571_200.0
SLOT = int(NOW) // 10
P, C = Scope(provider="p1"), Scope(campaign="c1")
PAIR = Scope(provider="p1", source_ip="i1")
CELLS = [
    Cell(provider, ip, campaign, "t", "")
    for provider in ("p1", "p2")
    for ip in ("i1", "i2")
    for campaign in ("c1", "c2")
]


def finding(scope: Scope, channel: Channel = Channel.HARD, **changes: Any) -> Finding:
    tried, failed = (40.0,) * WIDTH, (10.0,) * WIDTH
    fields: dict[str, Any] = {
        "scope": scope,
        "channel": channel,
        "channels": (channel, Channel.BOUNCE),
        "detector": "nb_glr",
        "start": NOW - 15.0,
        "baseline": 0.01,
        "good": 0.01,
        "share": 0.9,
        "counts": (SlotCounts(SLOT - 2, tried, failed),),
        "not_affected": (),
        "lead": 9.0,
    }
    return Finding(**(fields | changes))


def book() -> Book:
    return Book(Writer("default", 10, DEFAULT_LIMITS))


def filed(on: Book, what: Finding, now: float = NOW) -> Case:
    case = on.file(what, now)
    assert case is not None
    return case


def catalog() -> Catalog:
    catalog = Catalog(SCOPE_DIMENSIONS, 100, 100)
    catalog.seat(CELLS, SLOT)
    return catalog


def mail(on: Book, now: float, tried: float, failed: float) -> None:
    """Mail of every cell, at one rate in every channel."""
    keys = catalog()
    rows = keys.leaf_keys[keys.seat(CELLS, SLOT)]
    shape = (len(CELLS), WIDTH)
    batch = Batch(int(now // 10), rows, np.full(shape, tried), np.full(shape, failed))
    on.count(batch, now, keys)


def test_a_new_cause_is_a_new_incident() -> None:
    on = book()
    filed(on, finding(P))
    (incident,) = on.turn(NOW)
    assert (incident.scope, incident.channel) == (P, Channel.HARD)
    assert incident.state is IncidentState.OPEN
    assert incident.severity is Severity.TICKET
    assert incident.attempts == 40.0
    assert incident.excess == pytest.approx(9.6)
    assert incident.rate_low < incident.rate < incident.rate_high
    assert incident.lift == pytest.approx(incident.rate / 0.01)
    assert on.incidents(NOW) == [incident]


def test_ids_are_stable_and_tell_causes_apart() -> None:
    def id_of(what: Finding) -> str:
        return filed(book(), what).id

    assert id_of(finding(P)) == id_of(finding(P, start=NOW - 12.0))
    others = [
        finding(C),
        finding(P, Channel.BLOCK),
        finding(P, start=NOW - 25.0),
        finding(Scope(tenant="p1")),
    ]
    assert len({id_of(finding(P)), *map(id_of, others)}) == 5
    same = Book(Writer("other", 10, DEFAULT_LIMITS))
    assert filed(same, finding(P)).id != id_of(finding(P))


def test_updates_are_told_at_most_every_ten_seconds() -> None:
    on = book()
    filed(on, finding(P))
    told = [second for second in range(31) if on.turn(NOW + second)]
    assert told == [0, 10, 20, 30]
    assert UPDATE_SECONDS == 10.0


def test_a_consequence_belongs_to_its_cause() -> None:
    on = book()
    cause = filed(on, finding(P, Channel.DEFERRAL))
    inner = Scope(provider="p1", campaign="c1")
    assert on.file(finding(inner, Channel.TECHNICAL), NOW) is cause
    assert Channel.TECHNICAL in cause.channels
    assert filed(on, finding(inner, Channel.HARD)) is not cause
    assert filed(on, finding(C, Channel.DEFERRAL)) is not cause
    assert len(on.open) == 3
    bad = filed(on, finding(Scope(provider="p2")))
    assert on.file(finding(Scope(provider="p2"), Channel.BOUNCE), NOW) is bad
    # Throttling is no consequence of bad addresses.
    assert filed(on, finding(Scope(provider="p2"), Channel.DEFERRAL)) is not bad


def test_a_wider_cause_takes_over_a_narrower_one_that_began_with_it() -> None:
    on = book()
    narrow = filed(on, finding(PAIR))
    on.turn(NOW)
    assert on.file(finding(P), NOW + 5.0) is narrow
    assert narrow.scope == P
    (told,) = on.turn(NOW + 5.0)
    assert (told.id, told.scope) == (narrow.id, P)
    later = book()
    first = filed(later, finding(PAIR))
    assert later.file(finding(P, start=NOW + 900.0), NOW + 915.0) is not first


def test_a_closed_incident_is_reopened_within_the_hour() -> None:
    on = book()
    case = filed(on, finding(P))
    (closed,) = [i for i in run_dry(on, NOW) if i.state is IncidentState.CLOSED]
    assert closed.closed_at is not None
    assert on.open == []
    assert on.file(finding(P, start=NOW + 2000.0), NOW + 2010.0) is case
    (told,) = on.turn(NOW + 2010.0)
    assert (told.id, told.state, told.closed_at) == (case.id, IncidentState.OPEN, None)


def test_after_the_hour_it_is_a_new_one() -> None:
    on = book()
    case = filed(on, finding(P))
    run_dry(on, NOW)
    on.turn(NOW + 5000.0)
    assert on.cases == []
    again = filed(on, finding(P, start=NOW + 5000.0), NOW + 5010.0)
    assert again.id != case.id


def run_dry(on: Book, now: float) -> list[Any]:
    """A quarter of an hour without mail."""
    return [i for second in range(0, 910, 10) for i in on.turn(now + second)]


def test_without_mail_an_incident_does_not_stay_open_for_ever() -> None:
    on = book()
    filed(on, finding(P))
    told = run_dry(on, NOW)
    assert told[-1].state is IncidentState.CLOSED
    assert told[-1].closed_at == NOW + 900.0


def test_recovery_is_told_and_so_is_a_relapse() -> None:
    on = book()
    filed(on, finding(P))
    states = []
    for second, failed in enumerate([5.0] * 5 + [0.0] * 15 + [8.0] * 15 + [0.0] * 400):
        mail(on, NOW + second, 10.0, failed)
        states += [incident.state for incident in on.turn(NOW + second)]
    changes = [a for a, b in zip(states, [None, *states], strict=False) if a is not b]
    assert changes == [
        IncidentState.OPEN,
        IncidentState.RECOVERING,
        IncidentState.OPEN,
        IncidentState.RECOVERING,
        IncidentState.CLOSED,
    ]


def test_many_failures_make_a_page_and_few_do_not() -> None:
    on = book()
    filed(on, finding(P))
    assert on.turn(NOW)[0].severity is Severity.TICKET
    mail(on, NOW + 1, 10.0, 8.0)
    (told,) = on.turn(NOW + 1)
    assert told.severity is Severity.PAGE
    slight = book()
    many = (SlotCounts(SLOT - 2, (10_000.0,) * WIDTH, (300.0,) * WIDTH),)
    filed(slight, finding(P, counts=many, baseline=0.02))
    assert slight.turn(NOW)[0].severity is Severity.TICKET


def test_mail_inside_an_open_incident_is_explained_in_its_channels_only() -> None:
    on, keys = book(), catalog()
    filed(on, finding(PAIR, Channel.BLOCK))
    rows = keys.leaf_keys[keys.seat(CELLS, SLOT)]
    explained = on.explained(rows, keys)
    mine = np.array([PAIR.contains(cell) for cell in CELLS])
    block, bounce = CHANNELS.index(Channel.BLOCK), CHANNELS.index(Channel.BOUNCE)
    assert (explained[:, block] == mine).all()
    assert (explained[:, bounce] == mine).all()
    assert explained.sum() == 2 * mine.sum()
    run_dry(on, NOW)
    assert not on.explained(rows, keys).any()


def test_a_value_that_nobody_knows_has_no_mail() -> None:
    keys = catalog()
    assert not inside(Scope(provider="p9"), keys.leaf_keys, keys).any()
    assert inside(Scope(), keys.leaf_keys, keys).all()


def test_keys_in_a_scope_and_those_that_have_nothing_else() -> None:
    keys = catalog()
    touched, own = (
        {keys.scopes[place] for place in places} for places in keys_of(PAIR, keys)
    )
    assert touched >= {Scope(), P, C, Scope(source_ip="i1"), PAIR}
    assert Scope(provider="p2") not in touched
    assert own == {PAIR}


def test_counts_before_the_onset_are_not_the_incidents() -> None:
    on = book()
    case = filed(on, finding(P))
    mail(on, NOW - 60.0, 10.0, 5.0)
    assert case.tried == 40.0


def test_reasons_are_those_of_the_scope_with_a_sample() -> None:
    on = book()
    case = filed(on, finding(PAIR, Channel.BLOCK))

    def reason(ip: str, why: Reason, count: int, sample: str) -> ReasonCount:
        return ReasonCount(
            provider="p1",
            source_ip=ip,
            campaign="c",
            reason=why,
            count=count,
            sample=sample,
        )

    on.note_reasons(
        SLOT,
        [
            reason("i1", Reason.IP_REPUTATION, 6, "550 blocked"),
            reason("i1", Reason.POLICY, 1, ""),
            # No such reply can be a block.
            reason("i1", Reason.MAILBOX_FULL, 70, "full"),
            reason("i1", Reason.IP_REPUTATION, 3, ""),
            reason("i2", Reason.MAILBOX_FULL, 90, "full"),
        ],
    )
    on.note_reasons(SLOT - 90, [reason("i1", Reason.EXPIRED, 90, "before")])
    first, second = case.reasons.top()
    assert first.reason is Reason.IP_REPUTATION
    assert first.share == pytest.approx(0.9)
    assert first.sample == "550 blocked"
    assert (second.reason, second.sample) == (Reason.POLICY, "")


def test_the_book_is_bounded() -> None:
    on = book()
    for number in range(MOST_OPEN + 3):
        on.file(finding(Scope(campaign=f"c{number}")), NOW)
    assert len(on.open) == MOST_OPEN
    assert on.bitten == {Bound.INCIDENTS: 3, Bound.CLOSED: 0}


def test_of_closed_incidents_the_latest_are_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room, "MOST_CLOSED", 2)
    on = book()
    cases = [filed(on, finding(Scope(campaign=f"c{n}"))) for n in range(5)]
    # The first one lives longest: mail keeps it open for another minute.
    for second in range(0, 1_000, 10):
        if second < 60:
            cases[0].recovery.add(NOW + second, 40.0, 20.0)
        on.turn(NOW + second)
    assert on.open == []
    kept = {case.id for case in on.lately_closed(NOW + 1_000.0)}
    assert kept == {cases[0].id, cases[4].id}
    assert on.bitten == {Bound.INCIDENTS: 0, Bound.CLOSED: 3}


@pytest.mark.parametrize(
    ("outer", "inner", "want"),
    [
        (Scope(), P, True),
        (P, PAIR, True),
        (PAIR, P, False),
        (P, Scope(provider="p2", source_ip="i1"), False),
        (P, P, True),
        (C, P, False),
    ],
)
def test_covers(outer: Scope, inner: Scope, want: bool) -> None:
    assert covers(outer, inner) is want


def test_a_case_is_narrowed_to_the_part_that_is_bad() -> None:
    on = book()
    case = filed(on, finding(P))
    on.turn(NOW)
    slot = SlotCounts(SLOT - 2, (10.0,) * WIDTH, (9.0,) * WIDTH)
    on.narrow(case, PAIR, 0.03, [slot], NOW)
    (incident,) = on.turn(NOW + 1.0)
    assert (incident.id, incident.scope) == (case.id, PAIR)
    assert (incident.attempts, incident.baseline) == (10.0, 0.03)


def test_what_was_narrowed_widens_again_and_keeps_its_id_to_itself() -> None:
    on = book()
    tenant = Scope(tenant="t")
    case = filed(on, finding(tenant))
    on.narrow(case, C, 0.03, [], NOW)
    assert filed(on, finding(tenant)) is case
    assert case.scope == tenant
    on.narrow(case, C, 0.03, [], NOW)
    case.start -= WIDEN_SECONDS + 1.0  # too long ago to be the same
    other = filed(on, finding(tenant))
    assert other.id != case.id
    again = filed(book(), finding(tenant))
    assert again.id == case.id


def test_a_case_that_is_narrowed_has_not_begun_to_recover() -> None:
    on = book()
    case = filed(on, finding(P))
    case.recovery.evidence, case.state = 7.0, IncidentState.RECOVERING
    on.narrow(case, PAIR, 0.03, [], NOW)
    case.move(NOW)
    assert case.state is IncidentState.OPEN


def test_what_stands_above_its_limit_hides_no_spike() -> None:
    on = book()
    case = filed(on, finding(P, Channel.BOUNCE, detector="limit"))
    keys = catalog()
    rows = keys.leaf_keys[keys.seat(CELLS, SLOT)]
    assert not case.stands(NOW + STANDING_SECONDS - 1.0)
    assert case.stands(NOW + STANDING_SECONDS)
    assert on.explained(rows, keys).any()
    case.standing = True
    assert not on.explained(rows, keys).any()
    assert on.explained(rows, keys, to_limits=True).any()
    assert on.file(finding(PAIR, start=NOW), NOW) is not case
    assert on.file(finding(P, Channel.BOUNCE, detector="limit"), NOW) is case
    case.severity = Severity.PAGE  # worse than a limit's ticket is no habit
    assert not on.standing


def test_a_reopened_case_tells_of_its_new_life() -> None:
    on = book()
    case = filed(on, finding(P))
    (over,) = on.turn(NOW + 1_000.0)  # no mail for so long
    assert over.closed_at == NOW + 1_000.0
    later = finding(P, start=NOW + 1_050.0, baseline=0.02, share=0.5)
    assert on.file(later, NOW + 1_060.0) is case
    incident = on.turn(NOW + 1_060.0)[0]
    assert (incident.start, incident.detected_at) == (NOW + 1_050.0, NOW + 1_060.0)
    assert (incident.baseline, incident.share) == (0.02, 0.5)
    assert incident.attempts == 40.0
