"""What an observer forgets to keep its bounds is on the page, once."""

import numpy as np
import pytest

from monitor.events import COLUMNS, Cell, Cells, CountDelta
from monitor.observe import Bound, ObservePolicy
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
    assert {shown(metrics, bound) for bound in Bound} == {0.0}
    for number in range(4):
        slot = int(EPOCH) // 10 + number
        mind.observer.apply(delta(slot))
        mind.observer.tick(10.0 * (slot + 1))
        report.ticked(mind, Outflow(), 0.1)
    bitten = mind.observer.stats.bitten
    assert bitten[Bound.CELLS] >= 2 * CELLS
    assert bitten[Bound.SCOPES] > 0
    assert {bound: shown(metrics, bound) for bound in Bound} == bitten
