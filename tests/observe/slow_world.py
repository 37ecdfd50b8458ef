"""A small fleet in hours, not seconds: one delta and one tick an hour."""

from collections.abc import Callable
from typing import Any

import numpy as np

from monitor.events import COLUMNS, Cell, Channel, CountDelta, Incident, ReasonCount
from monitor.observe import FleetObserver, ObservePolicy

#: 2026-01-05 00:00 UTC, a Monday.
EPOCH = 1_767_571_200.0
HOUR = 3_600.0
DAY = 24 * HOUR
CELLS = [
    Cell(provider, ip, campaign, tenant, "")
    for provider in ("p1", "p2")
    for ip in ("i1", "i2")
    for campaign, tenant in (("c1", "t1"), ("c2", "t2"), ("c3", "t2"))
]

#: Attempts an hour, and the rate of hard bounces, of a cell at a time since EPOCH.
Traffic = Callable[[Cell, float], tuple[float, float]]


def steady(cell: Cell, seconds: float) -> tuple[float, float]:
    del cell, seconds
    return 400.0, 0.01


class SlowRun:
    """An observer of the small fleet, with all that it said."""

    def __init__(self, *detectors: str, seed: int = 1, **policy: Any) -> None:
        self.policy = ObservePolicy(
            detectors=detectors, stale_after_seconds=2 * HOUR, **policy
        )
        self.observer = FleetObserver("default", self.policy)
        self.random = np.random.default_rng(seed)
        self.seconds = 0.0
        self.said: list[Incident] = []

    @property
    def now(self) -> float:
        return EPOCH + self.seconds

    def run(
        self, seconds: float, traffic: Traffic = steady, span: float = HOUR
    ) -> list[Incident]:
        """Let time pass; returns what was said meanwhile."""
        said: list[Incident] = []
        for _ in range(round(seconds / span)):
            delta = self._delta(traffic, span)
            self.seconds += span
            if delta.cells:
                self.observer.apply(delta)
            said += self.observer.tick(self.now)
        self.said += said
        return said

    def hear(self, *reasons: ReasonCount, seconds: float = 10.0) -> list[Incident]:
        """Some mail, with these replies to it."""
        delta = self._delta(steady, seconds)
        self.seconds += seconds
        self.observer.apply(
            CountDelta(
                slot=delta.slot,
                watermark=delta.watermark,
                cells=delta.cells,
                counts=delta.counts,
                reasons=reasons,
            )
        )
        return self.observer.tick(self.now)

    def take_over(self) -> None:
        """Go on as another worker that has the snapshot."""
        data = self.observer.snapshot()
        self.observer = FleetObserver.restore("default", self.policy, data)

    def _delta(self, traffic: Traffic, span: float) -> CountDelta:
        cells, rows = [], []
        for cell in CELLS:
            an_hour, rate = traffic(cell, self.seconds)
            tried = int(self.random.poisson(an_hour * span / HOUR))
            if not tried:
                continue
            failed = int(self.random.binomial(tried, rate))
            row = np.zeros(len(COLUMNS), "<i4")
            row[:2] = tried, tried - failed
            row[[COLUMNS.index(Channel.HARD), COLUMNS.index(Channel.BOUNCE)]] = failed
            cells.append(cell)
            rows.append(row)
        end = self.now + span
        slot = self.policy.slot_of(end - 1.0)
        counts = np.array(rows, "<i4").tobytes()
        return CountDelta(slot=slot, watermark=end, cells=tuple(cells), counts=counts)


def kinds(said: list[Incident]) -> set[tuple[str, str, str]]:
    """Kind, scope kind and key of what was said."""
    return {(one.kind.value, one.scope.kind, one.scope.key) for one in said}
