"""What an observer forgets to keep its bounds is on the page, once."""

import numpy as np
import pytest

from monitor.events import COLUMNS, Cell, Cells, CountDelta, Mode
from monitor.observe import Bound, FleetObserver, ObservePolicy
from monitor.pipeline import FleetMind, FleetPolicy, Outflow
from monitor.service import owner_report
from monitor.service.metrics import Metrics
from monitor.service.owner_report import OwnerReport

EPOCH = 1_767_571_200.0
CELLS = 40


def delta(slot: int) -> CountDelta:
    """Mail of cells that were never seen before."""
    counts = np.zeros((CELLS, len(COLUMNS)), "<i4")
    counts[:, :2] = 9
    cells = Cells.of(Cell("p", "i", f"c{slot}-{n}", "", "") for n in range(CELLS))
    return CountDelta(slot=slot, watermark=0.0, cells=cells, counts=counts.tobytes())


def feed(mind: FleetMind, slot: int) -> None:
    """Show the mind such mail, and let it look."""
    mind.observer.apply(delta(slot))
    mind.observer.tick(10.0 * (slot + 1))


@pytest.fixture
def mind() -> FleetMind:
    policy = FleetPolicy(observe=ObservePolicy(max_keys=64, max_leaves=64))
    return FleetMind("default", policy, 1)


def shown(metrics: Metrics, bound: Bound) -> float:
    name = "bouncemon_observer_bounds_total"
    value = metrics.registry.get_sample_value(name, {"bound": bound})
    assert value is not None
    return value


def test_a_bound_that_bites_is_counted(
    mind: FleetMind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner_report, "SCOPES_SECONDS", 0.0)
    metrics = Metrics()
    report = OwnerReport(metrics, 5)
    report.own("default", Mode.OBSERVE)
    assert {shown(metrics, bound) for bound in Bound} == {0.0}
    for number in range(4):
        feed(mind, int(EPOCH) // 10 + number)
        report.ticked(mind, Outflow(), 0.1)
    bitten = mind.observer.stats.bitten
    assert bitten[Bound.CELLS] >= 2 * CELLS
    assert bitten[Bound.SCOPES] > 0
    assert {bound: shown(metrics, bound) for bound in Bound} == bitten


def test_who_takes_over_counts_its_own(
    mind: FleetMind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner_report, "SCOPES_SECONDS", 0.0)
    metrics = Metrics()
    report = OwnerReport(metrics, 5)

    def turn(*slots: int) -> float:
        """The count of cells after an owner's turn, which begins at a snapshot."""
        saved = mind.observer.snapshot()
        mind.observer = FleetObserver.restore("default", mind.policy.observe, saved)
        report.own("default", Mode.OBSERVE)
        for slot in slots:
            feed(mind, slot)
        report.ticked(mind, Outflow(), 0.1)
        report.disown("default")
        return shown(metrics, Bound.CELLS)

    first = int(EPOCH) // 10
    before = turn(first, first + 1, first + 2)
    assert before > 0
    assert turn() == before
    # As many again, though the last owner but one had told of as many already.
    assert turn(first + 3, first + 4, first + 5) >= 2 * before


def test_cells_of_all_fleets_are_added_up(mind: FleetMind) -> None:
    metrics = Metrics()
    report = OwnerReport(metrics, 5)
    other = FleetMind("other", mind.policy, 1)
    held = []
    for one in (mind, other):
        report.own(one.fleet, Mode.OBSERVE)
        one.observer.apply(delta(int(EPOCH) // 10))
        one.observer.tick(EPOCH + 10.0)
        report.ticked(one, Outflow(), 0.1)
        held.append(one.observer.stats.leaves)
    name = "bouncemon_observer_leaves"
    assert metrics.registry.get_sample_value(name) == sum(held) > held[0]
    report.disown("other")
    assert metrics.registry.get_sample_value(name) == held[0]


def test_what_has_no_cause_is_counted(mind: FleetMind) -> None:
    metrics = Metrics()
    report = OwnerReport(metrics, 5)
    report.own("default", Mode.OBSERVE)
    mind.observer._watch.unexplained = 3
    report.ticked(mind, Outflow(), 0.1)
    name = "bouncemon_unexplained_anomalies_total"
    assert metrics.registry.get_sample_value(name) == 3.0
