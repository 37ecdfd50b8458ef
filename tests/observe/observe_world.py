"""A seeded fleet, and an observer that watches it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.events import (
    COLUMNS,
    Cell,
    Channel,
    CountDelta,
    Incident,
    Reason,
    ReasonCount,
    Scope,
)
from monitor.observe import FleetObserver, ObservePolicy

#: 2026-01-05 00:00 UTC, a round slot, minute and hour.
EPOCH = 1_767_571_200.0
SLOT = 10
FINAL = (Channel.HARD, Channel.BLOCK, Channel.CONFIG, Channel.TECHNICAL)
REASONS = {
    Channel.HARD: Reason.USER_UNKNOWN,
    Channel.BLOCK: Reason.IP_REPUTATION,
    Channel.CONFIG: Reason.AUTH_FAILED,
    Channel.TECHNICAL: Reason.CONNECT_FAILED,
    Channel.DEFERRAL: Reason.THROTTLED,
}

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Spike:
    """From ``start`` on (seconds), mail of a scope fails at a rate in a channel.

    ``also`` is a second channel that the same replies count in.
    """

    scope: Scope
    channel: Channel
    rate: float
    start: float
    end: float = 1e12
    also: Channel | None = None


@dataclass
class World:
    """A seeded fleet: cells with Zipf volumes and log-normal rates."""

    seed: int
    providers: int = 30
    ips: int = 40
    campaigns: int = 60
    a_second: float = 300.0
    spikes: list[Spike] = field(default_factory=list)
    rates: Mapping[Channel, float] = field(
        default_factory=lambda: {
            Channel.HARD: 0.010,
            Channel.BLOCK: 0.003,
            Channel.CONFIG: 0.0002,
            Channel.TECHNICAL: 0.003,
            Channel.DEFERRAL: 0.05,
            Channel.BOUNCE: 0.002,  # soft ones, of no other channel
            Channel.COMPLAINT: 0.0003,
        }
    )
    spread: float = 0.35
    density: float = 0.06
    breathing: float = 0.0

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        g, shape = self.random, (self.providers, self.ips, self.campaigns)
        self.codes = np.argwhere(g.random(shape) < self.density)
        weight = np.ones(len(self.codes))
        for column, size in enumerate(shape):
            zipf = 1.0 / np.arange(1, size + 1) ** (0.9, 0.3, 0.6)[column]
            weight *= zipf[self.codes[:, column]]
        self.weight = weight / weight.sum()
        self.cells = [self._cell(*row) for row in self.codes.tolist()]
        self.base = {channel: self._rates(rate) for channel, rate in self.rates.items()}
        self.level = 1.0
        self._inside: dict[Scope, npt.NDArray[np.bool_]] = {}

    def _cell(self, provider: int, ip: int, campaign: int) -> Cell:
        return Cell(
            f"isp{provider}",
            f"192.0.2.{ip}",
            f"c{campaign}",
            f"t{campaign % 7}",
            f"s{campaign % 3}",
        )

    def _rates(self, rate: float) -> Floats:
        effects = [
            np.exp(self.spread * self.random.standard_normal(n))
            for n in (self.providers, self.ips, self.campaigns)
        ]
        whole = np.ones(len(self.codes))
        for column, part in ((0, 1.0), (1, 0.5), (2, 1.0)):
            whole *= effects[column][self.codes[:, column]] ** part
        return np.minimum(rate * whole, 0.5)

    def inside(self, scope: Scope) -> npt.NDArray[np.bool_]:
        """Which cells belong to a scope."""
        return np.array([scope.contains(cell) for cell in self.cells])

    def _mine(self, scope: Scope) -> npt.NDArray[np.bool_]:
        if scope not in self._inside:
            self._inside[scope] = self.inside(scope)
        return self._inside[scope]

    def _active(self, channel: Channel, seconds: float) -> list[Spike]:
        return [
            spike
            for spike in self.spikes
            if spike.channel is channel and spike.start <= seconds < spike.end
        ]

    def _now(self, channel: Channel, seconds: float) -> Floats:
        rates = self.base[channel] * self.level
        for spike in self._active(channel, seconds):
            rates = np.where(self._mine(spike.scope), spike.rate, rates)
        return rates

    def counts(self, seconds: float, span: float) -> npt.NDArray[np.int32]:
        """Events of every cell in a span of time."""
        if self.breathing:
            self.level *= np.exp(
                -0.02 * np.log(self.level)
                + self.breathing * 0.2 * self.random.standard_normal()
            )
        tried = self.random.poisson(self.a_second * span * self.weight)
        left = tried.copy()
        counts = np.zeros((len(tried), len(COLUMNS)), np.int32)
        counts[:, 0] = tried
        for channel in self.rates:
            rate = np.clip(self._now(channel, seconds), 0.0, 1.0)
            failed = self.random.binomial(left, rate)
            counts[:, COLUMNS.index(channel)] += failed
            if channel is not Channel.COMPLAINT:
                left = left - failed
            if channel in FINAL:
                counts[:, COLUMNS.index(Channel.BOUNCE)] += failed
            self._count_twice(counts, channel, seconds)
        counts[:, 1] = left
        return counts

    def _count_twice(
        self, counts: npt.NDArray[np.int32], channel: Channel, seconds: float
    ) -> None:
        for spike in self._active(channel, seconds):
            if spike.also is not None:
                same = counts[:, COLUMNS.index(channel)] * self._mine(spike.scope)
                counts[:, COLUMNS.index(spike.also)] += same

    def deltas(
        self, seconds: float, span: float, partitions: int = 1
    ) -> Iterator[CountDelta]:
        """The counts as deltas, the cells dealt to partitions."""
        counts = self.counts(seconds, span)
        slot = int((EPOCH + seconds) // SLOT)
        for partition in range(partitions):
            rows = np.flatnonzero(counts[:, 0])[partition::partitions]
            yield delta_of(slot, [self.cells[row] for row in rows], counts[rows])


def delta_of(slot: int, cells: list[Cell], counts: npt.NDArray[np.int32]) -> CountDelta:
    reasons = []
    for channel, reason in REASONS.items():
        column = COLUMNS.index(channel)
        for row in np.flatnonzero(counts[:, column]):
            cell = cells[row]
            reasons.append(
                ReasonCount(
                    provider=cell.provider,
                    source_ip=cell.source_ip,
                    campaign=cell.campaign,
                    reason=reason,
                    count=int(counts[row, column]),
                    sample=f"sample of {reason.value}",
                )
            )
    return CountDelta(
        slot=slot,
        watermark=(slot + 1.0) * SLOT,
        cells=tuple(cells),
        counts=np.ascontiguousarray(counts, "<i4").tobytes(),
        reasons=tuple(reasons),
    )


class Run:
    """An observer driven by a world, with all that it said."""

    def __init__(self, world: World, **policy: Any) -> None:
        self.world = world
        self.policy = ObservePolicy(**policy)
        self.observer = FleetObserver("default", self.policy)
        self.said: list[Incident] = []
        self.seconds = 0.0

    def take_over(self) -> None:
        """Go on as another worker that has the snapshot."""
        data = self.observer.snapshot()
        self.observer = FleetObserver.restore("default", self.policy, data)

    def preload(self, seconds: float, partitions: int = 2) -> None:
        """History in one burst, partition after partition."""
        begin = self.seconds
        spans = np.arange(begin, begin + seconds, SLOT)
        dealt = [list(self.world.deltas(t, SLOT, partitions)) for t in spans]
        for partition in range(partitions):
            for deltas in dealt:
                self.observer.apply(deltas[partition])
        self.seconds += seconds

    def live(self, seconds: float, span: float = 1.0) -> list[Incident]:
        """Let time pass in ticks of ``span``; returns what was said meanwhile."""
        said: list[Incident] = []
        for _ in range(int(seconds / span)):
            for delta in self.world.deltas(self.seconds, span):
                self.observer.apply(delta)
            self.seconds += span
            said += self.observer.tick(EPOCH + self.seconds)
        self.said += said
        return said

    @property
    def opened(self) -> dict[str, Incident]:
        """First word on each incident, by id."""
        first: dict[str, Incident] = {}
        for incident in self.said:
            first.setdefault(incident.id, incident)
        return first
