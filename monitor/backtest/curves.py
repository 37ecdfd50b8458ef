"""Rates over time, sampled for a plot: the fleet's, and those of the scopes in trouble.

Which scopes will be in trouble is not known before, so the heaviest ones are sampled
from the start. Both the samples and the scopes are bounded: when there are too many
samples, every other one is dropped and the pace is halved.
"""

from typing import NamedTuple

from monitor.events import Channel
from monitor.observe import FleetObserver

#: Window of the sampled rates.
WINDOW = "5m"

#: Heaviest scopes a kind that are sampled; most samples and scopes kept.
TOP = 15
MOST_SAMPLES = 2_000
MOST_SCOPES = 300

#: Seconds between two samples, at first.
FIRST_PACE = 10.0

#: Fewer attempts in the window make no rate worth drawing.
FEWEST_ATTEMPTS = 20.0

_CHANNELS = tuple(Channel)

#: Kind and key of a scope.
Name = tuple[str, str]


class Curve(NamedTuple):
    """Rates 0-1 over event time, epoch seconds."""

    times: list[float]
    rates: list[float]


class Curves:
    """Samples of the rates of one backtest."""

    def __init__(self) -> None:
        self._pace, self._due = FIRST_PACE, float("-inf")
        self._times: list[float] = []
        self._rates: dict[Name, dict[float, tuple[float, ...]]] = {}

    def sample(self, now: float, observer: FleetObserver) -> None:
        """Sample the rates if it is time to."""
        if now < self._due:
            return
        self._due = now + self._pace
        self._times.append(now)
        for row in observer.rates(TOP):
            name = row.kind, row.key
            if row.window != WINDOW or row.attempts < FEWEST_ATTEMPTS:
                continue
            if name in self._rates or len(self._rates) < MOST_SCOPES:
                points = self._rates.setdefault(name, {})
                points[now] = tuple(count / row.attempts for count in row.counts)
        if len(self._times) >= MOST_SAMPLES:
            self._thin()

    def of(self, kind: str, key: str, channel: Channel) -> Curve:
        """The curve of one scope and channel; empty if it was not sampled."""
        points = self._rates.get((kind, key), {})
        column = _CHANNELS.index(channel)
        return Curve(list(points), [rates[column] for rates in points.values()])

    def _thin(self) -> None:
        self._pace *= 2.0
        self._times = self._times[::2]
        kept = set(self._times)
        for name, points in self._rates.items():
            self._rates[name] = {t: p for t, p in points.items() if t in kept}
