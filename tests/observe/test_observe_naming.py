"""How an incident comes by its name: in doubt it waits, later it is looked at again.

Whoever is named may be throttled, so the first few failures must not name a wrong one.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from monitor.events import COLUMNS, Cell, Channel, Scope
from monitor.observe import FleetObserver, ObservePolicy, watch
from monitor.observe.inquiry import Inquiry, Suspicion
from monitor.observe.keys import CAMPAIGN, TENANT
from monitor.observe.memory import Memory
from monitor.observe.review import REVIEW_SECONDS, Review
from tests.observe.observe_world import EPOCH, SLOT, Run, Spike, World, delta_of

HISTORY = 1_200.0
CALM = 30.0
BEGIN = HISTORY + CALM
ONSET = EPOCH + BEGIN
BAD_LIST, TENANT_OF_IT = Scope(campaign="c5"), Scope(tenant="t5")

WITH_DOUBT, WITHOUT = watch.DOUBT_SECONDS, 0.0


def run_of(seed: int, *spikes: Spike, shared: bool = False) -> Run:
    """A small fleet with its history; the bad list may have an IP almost to itself."""
    world = World(
        seed, 12, 15, 20, a_second=200.0, density=0.1, breathing=0.0, spikes=[*spikes]
    )
    if shared:
        world.cells = [one_ip(cell) for cell in world.cells]
    run = Run(world)
    run.preload(HISTORY)
    run.live(CALM)
    return run


def one_ip(cell: Cell) -> Cell:
    """The campaign has an IP, on which there is a little of another campaign."""
    if cell.campaign == BAD_LIST.campaign:
        return cell._replace(source_ip="192.0.2.99")
    if cell.campaign == "c19" and cell.provider == "isp0":
        return cell._replace(source_ip="192.0.2.99")
    return cell


def first_told(
    run: Run, seconds: int, span: float = 1.0, counts_every: int = 1
) -> tuple[Scope, Channel, float] | None:
    """Scope, channel and seconds after the onset of the first incident.

    Args:
        run: the fleet.
        seconds: how long to wait.
        span: seconds between ticks.
        counts_every: ticks of which one brings counts.
    """
    for _ in range(int(seconds / span / counts_every)):
        for number in range(counts_every):
            if number < counts_every - 1:
                run.seconds += span
                run.said += run.observer.tick(EPOCH + run.seconds)
            else:
                run.seconds -= span * number
                brought = [*run.world.deltas(run.seconds, span * counts_every)]
                run.seconds += span * counts_every
                for delta in brought:
                    run.observer.apply(delta)
                run.said += run.observer.tick(EPOCH + run.seconds)
        for incident in run.opened.values():
            return incident.scope, incident.channel, incident.detected_at - ONSET
    return None


def told_by_doubt(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[], Run], seconds: int, **how: Any
) -> list[tuple[Scope, Channel, float]]:
    """What the same fleet is told of first, without doubt and with it."""
    told = []
    for doubt in (WITHOUT, WITH_DOUBT):
        monkeypatch.setattr(watch, "DOUBT_SECONDS", doubt)
        first = first_told(make(), seconds, **how)
        assert first is not None
        told.append(first)
    return told


def test_doubt_names_fewer_of_the_innocent(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {}
    for seconds in (WITHOUT, WITH_DOUBT):
        monkeypatch.setattr(watch, "DOUBT_SECONDS", seconds)
        told = [
            first_told(run_of(seed, Spike(BAD_LIST, Channel.HARD, 0.25, BEGIN)), 30)
            for seed in range(36, 44)
        ]
        assert None not in told
        wrong[seconds] = sum(one is None or one[0] != BAD_LIST for one in told)
    assert wrong[WITH_DOUBT] < wrong[WITHOUT]


@pytest.mark.parametrize("counts_every", [1, 6])
def test_who_is_never_plain_waits_for_three_seconds(
    counts_every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "PLAIN_NATS", np.inf)
    spike = Spike(BAD_LIST, Channel.HARD, 0.25, BEGIN)
    plain, doubtful = told_by_doubt(
        monkeypatch, lambda: run_of(1, spike), 60, counts_every=counts_every
    )
    assert doubtful[:2] == (BAD_LIST, Channel.HARD)
    assert plain[2] < doubtful[2]
    assert doubtful[2] - plain[2] == WITH_DOUBT


def test_two_names_for_almost_the_same_mail_do_not_wait_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spike = Spike(BAD_LIST, Channel.HARD, 0.25, BEGIN)
    waits = []
    for seed in range(3):
        make = partial(run_of, seed, spike, shared=True)
        told = told_by_doubt(monkeypatch, make, 30)
        for scope, _, _ in told:
            assert scope in (BAD_LIST, Scope(source_ip="192.0.2.99"))
        waits.append(told[1][2] - told[0][2])
    assert min(waits) >= 0.0
    assert 0.0 < max(waits) <= WITH_DOUBT


def test_who_waits_is_told_though_no_mail_comes_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "PLAIN_NATS", np.inf)
    run = run_of(1, Spike(BAD_LIST, Channel.HARD, 0.5, BEGIN))
    mine = run.world.inside(BAD_LIST)
    run.world.weight[mine] *= 0.3 / run.world.weight[mine].sum()
    run.live(1.0)
    assert not run.opened
    for _ in range(5):
        run.seconds += 1.0
        run.said += run.observer.tick(EPOCH + run.seconds)
    (incident,) = run.opened.values()
    assert (incident.scope, incident.channel) == (BAD_LIST, Channel.HARD)
    assert incident.detected_at == ONSET + 1.0 + WITH_DOUBT


def test_who_waits_is_told_though_good_mail_hides_it_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "PLAIN_NATS", np.inf)
    run = run_of(1, Spike(BAD_LIST, Channel.HARD, 0.5, BEGIN, BEGIN + 1.0))
    mine = run.world.inside(BAD_LIST)
    run.world.weight[mine] *= 0.2 / run.world.weight[mine].sum()
    run.live(1.0)
    run.world.weight[mine] *= 100.0
    run.live(WITH_DOUBT)
    (incident,) = run.opened.values()
    assert (incident.scope, incident.channel) == (BAD_LIST, Channel.HARD)
    assert incident.detected_at == ONSET + 1.0 + WITH_DOUBT
    # By then an inquiry found nothing: this is what had waited.
    assert incident.attempts < 100.0


def test_nobody_waits_for_a_look_that_is_minutes_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "PLAIN_NATS", np.inf)
    spike = Spike(BAD_LIST, Channel.HARD, 0.25, BEGIN)
    told = told_by_doubt(monkeypatch, lambda: run_of(0, spike), 300, span=60.0)
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("whole_seconds", "rate", "reviews"), [(2.0, 0.6, 2), (8.0, 0.3, 3)]
)
def test_what_turns_out_to_be_one_campaign_of_a_tenant_is_called_so(
    whole_seconds: float, rate: float, reviews: int
) -> None:
    whole = Spike(TENANT_OF_IT, Channel.HARD, 0.3, BEGIN, BEGIN + whole_seconds)
    run = run_of(2, whole, Spike(BAD_LIST, Channel.HARD, rate, BEGIN))
    run.live(whole_seconds)
    (first,) = run.observer.incidents
    assert first.scope == TENANT_OF_IT
    run.live(REVIEW_SECONDS[reviews - 1] + 2.0)
    (then,) = run.observer.incidents
    assert (then.id, then.scope) == (first.id, BAD_LIST)
    assert then.not_affected
    assert all(scope.kind == "campaign" for scope in then.not_affected)


def test_a_part_is_called_by_its_own_name_only_if_it_has_no_mail_elsewhere() -> None:
    observer = run_of(2).observer
    review = Review(ObservePolicy(), observer._memory, observer._book)
    both = Scope(provider="isp0", campaign="c5")
    assert review._both_of(TENANT_OF_IT, BAD_LIST) == BAD_LIST
    assert review._both_of(TENANT_OF_IT, Scope(campaign="c6")) is None
    assert review._both_of(TENANT_OF_IT, Scope(provider="isp0")) is None
    assert review._both_of(Scope(provider="isp0"), BAD_LIST) == both


def test_complaints_about_mail_of_yesterday_are_reviewed_too() -> None:
    # Mail of a campaign at one provider was delivered before; now it complains.
    spike = Spike(BAD_LIST, Channel.COMPLAINT, 0.05, BEGIN, BEGIN + 3.0)
    run = run_of(3, spike)
    world, reported = run.world, Scope(campaign="c5", provider="isp0")
    late = np.flatnonzero(world.inside(reported))
    world.weight[late] = 0.0
    for _ in range(60):
        counts = np.zeros((len(late), len(COLUMNS)), np.int32)
        complaints = world.random.poisson(4.0 / len(late), len(late))
        counts[:, COLUMNS.index(Channel.COMPLAINT)] = complaints
        cells = [world.cells[place] for place in late]
        slot = int((EPOCH + run.seconds) // SLOT)
        run.observer.apply(delta_of(slot, cells, counts))
        run.live(1.0)
    assert {incident.channel for incident in run.said} == {Channel.COMPLAINT}
    for incident in run.said:
        figures = (incident.baseline, incident.rate, incident.lift, incident.excess)
        assert np.isfinite(figures).all()
    assert run.observer.incidents[0].excess > 0.0


CELLS = [Cell("p", "i", f"c{n}", f"t{n // 10}", "") for n in range(60)]


def counts_of(tried: list[int], failed: list[int]) -> "np.typing.NDArray[np.int32]":
    counts = np.zeros((len(CELLS), len(COLUMNS)), np.int32)
    counts[:, COLUMNS.index("attempts")] = tried
    counts[:, COLUMNS.index("hard")] = counts[:, COLUMNS.index("bounce")] = failed
    counts[:, COLUMNS.index("delivered")] = np.subtract(tried, failed)
    return counts


def memory_of(bad: int, rest: int) -> tuple[Memory, int]:
    """Campaigns that fail by 1 %; then c0 has ``bad`` failures of 276, the nine others
    of its tenant ``rest`` of 342 in all. Returns the slot of that, too.
    """
    policy = ObservePolicy()
    observer = FleetObserver("default", policy)
    slot = policy.slot_of(EPOCH)
    for number in range(120):
        counts = counts_of([100] * 60, [1] * 60)
        observer.apply(delta_of(slot + number, CELLS, counts))
        observer.tick(EPOCH + SLOT * (number + 1))
    slot += 120
    failed = [bad] + [rest // 9 + (n < rest % 9) for n in range(9)] + [0] * 50
    counts = counts_of([276] + [38] * 59, failed)
    observer.apply(delta_of(slot, CELLS, counts))
    observer.tick(EPOCH + SLOT * 121)
    return observer._memory, slot


@pytest.mark.parametrize(
    ("bad", "rest", "tenant_near", "want"),
    [
        # The others had some bad luck; the tenant's own evidence says it is no tenant.
        (12, 8, False, Scope(campaign="c0")),
        (12, 8, True, Scope(tenant="t0")),
        (12, 30, False, Scope(tenant="t0")),
        # The campaign alone is not plain enough either.
        (11, 8, False, Scope(tenant="t0")),
    ],
)
def test_a_wide_name_needs_evidence_of_its_own(
    bad: int, rest: int, tenant_near: bool, want: Scope
) -> None:
    memory, slot = memory_of(bad, rest)
    catalog = memory.catalog
    campaign = catalog.key_of(CAMPAIGN, "c0")
    near = [campaign] + [catalog.key_of(TENANT, "t0")] * tenant_near
    survey = memory.survey(slot)
    explained = np.zeros(survey.failed.shape, bool)
    inquiry = Inquiry(survey, explained, catalog, SLOT)
    nowhere = np.full(survey.failed.shape[1], np.inf)
    suspicion = Suspicion(
        "nb_glr", Channel.HARD, campaign, EPOCH, nowhere, 0.0, np.array(near)
    )
    (finding,) = inquiry.findings(suspicion)
    assert finding.scope == want
