"""How an incident comes by its name: in doubt it waits, later it is looked at again.

Whoever is named may be throttled, so the first few failures must not name a wrong one.
"""

import numpy as np
import pytest

from monitor.events import COLUMNS, Cell, Channel, Scope
from monitor.observe import FleetObserver, ObservePolicy, watch
from monitor.observe.inquiry import Inquiry, Suspicion
from monitor.observe.keys import CAMPAIGN, TENANT
from monitor.observe.memory import Memory
from monitor.observe.review import REVIEW_SECONDS
from tests.observe.observe_world import EPOCH, SLOT, Run, Spike, World, delta_of
from tests.observe.test_observe_book import finding

HISTORY = 1_200.0
CALM = 30.0
BEGIN = HISTORY + CALM
BAD_LIST = Scope(campaign="c5")

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


def first_told(run: Run, seconds: int, span: float = 1.0) -> tuple[Scope, float] | None:
    for _ in range(int(seconds / span)):
        run.live(span, span)
        for incident in run.opened.values():
            return incident.scope, incident.detected_at - EPOCH - BEGIN
    return None


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


def test_two_names_for_almost_the_same_mail_are_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spike = Spike(BAD_LIST, Channel.HARD, 0.25, BEGIN)
    waits = []
    for seed in range(3):
        told = []
        for seconds in (WITHOUT, WITH_DOUBT):
            monkeypatch.setattr(watch, "DOUBT_SECONDS", seconds)
            first = first_told(run_of(seed, spike, shared=True), 30)
            assert first is not None
            assert first[0] in (BAD_LIST, Scope(source_ip="192.0.2.99"))
            told.append(first[1])
        waits.append(told[1] - told[0])
    assert min(waits) >= 0.0
    assert 0.0 < max(waits) <= WITH_DOUBT


def test_nobody_waits_for_a_look_that_is_minutes_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spike = Spike(BAD_LIST, Channel.HARD, 0.25, BEGIN)
    told = []
    for seconds in (WITHOUT, WITH_DOUBT):
        monkeypatch.setattr(watch, "DOUBT_SECONDS", seconds)
        told.append(first_told(run_of(0, spike, shared=True), 300, span=60.0))
    assert told[0] is not None
    assert told[0] == told[1]


def test_a_doubt_holds_in_every_channel_that_counts_the_same_replies() -> None:
    watched = FleetObserver("default", ObservePolicy())._watch
    twins = (Channel.HARD, Channel.BOUNCE)
    doubtful = finding(BAD_LIST, Channel.HARD, channels=twins, lead=1.0)
    plain = finding(BAD_LIST, Channel.BOUNCE, channels=(Channel.BOUNCE,), lead=np.inf)
    other = finding(BAD_LIST, Channel.DEFERRAL, channels=(Channel.DEFERRAL,))
    answers = []
    for second in range(6):
        watched._now, watched._cadence = EPOCH + second, 1.0
        answers.append([watched._waits(one) for one in (plain, doubtful, plain, other)])
    # Whoever is plain and comes first is told; with the doubt, three seconds at most.
    assert answers == [[False, n < 3, n < 3, False] for n in range(6)]


def test_what_turns_out_to_be_one_campaign_of_a_tenant_is_called_so() -> None:
    tenant = Scope(tenant="t5")
    whole = Spike(tenant, Channel.HARD, 0.3, BEGIN, BEGIN + 8.0)
    run = run_of(2, whole, Spike(BAD_LIST, Channel.HARD, 0.3, BEGIN))
    run.live(8.0)
    (first,) = run.observer.incidents
    assert first.scope == tenant
    run.live(REVIEW_SECONDS[-1] + 2.0)
    (then,) = run.observer.incidents
    assert (then.id, then.scope) == (first.id, BAD_LIST)
    assert all(scope.kind == "campaign" for scope in then.not_affected)


CELLS = [Cell("p", "i", f"c{n}", f"t{n // 10}", "") for n in range(60)]


def counts_of(tried: list[int], failed: list[int]) -> "np.typing.NDArray[np.int32]":
    counts = np.zeros((len(CELLS), len(COLUMNS)), np.int32)
    counts[:, COLUMNS.index("attempts")] = tried
    counts[:, COLUMNS.index("hard")] = counts[:, COLUMNS.index("bounce")] = failed
    counts[:, COLUMNS.index("delivered")] = np.subtract(tried, failed)
    return counts


def memory_of(rest: int) -> tuple[Memory, int]:
    """Campaigns that fail by 1 %; then c0 has 12 of 276, the nine others of its tenant
    ``rest`` of 342 in all. Returns the slot of that, too.
    """
    policy = ObservePolicy()
    observer = FleetObserver("default", policy)
    slot = policy.slot_of(EPOCH)
    for number in range(120):
        counts = counts_of([100] * 60, [1] * 60)
        observer.apply(delta_of(slot + number, CELLS, counts))
        observer.tick(EPOCH + SLOT * (number + 1))
    slot += 120
    failed = [12] + [rest // 9 + (n < rest % 9) for n in range(9)] + [0] * 50
    observer.apply(
        delta_of(slot, CELLS, counts_of([276] + [38] * 9 + [38] * 50, failed))
    )
    memory = observer._memory
    observer.tick(EPOCH + SLOT * 121)
    return memory, slot


@pytest.mark.parametrize(
    ("rest", "tenant_near", "want"),
    [
        # The others had some bad luck; the tenant's own evidence says it is no tenant.
        (8, False, Scope(campaign="c0")),
        (8, True, Scope(tenant="t0")),
        (30, False, Scope(tenant="t0")),
    ],
)
def test_a_wide_name_needs_evidence_of_its_own(
    rest: int, tenant_near: bool, want: Scope
) -> None:
    memory, slot = memory_of(rest)
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
