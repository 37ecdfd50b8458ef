"""Rates per provider as the worker itself exports them, for the live view."""

import re
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

#: How many past values a sparkline shows.
HISTORY = 24

#: Part of failing mail that fills a bar: more is as bad, and less must be seen too.
FULL_BAR = 0.4

_BARS = "▁▂▃▄▅▆▇█"

_SAMPLE = re.compile(
    r'bouncemon_scope_(rate_ratio|attempts)\{fleet="[^"]*",scope="provider",'
    r'key="([^"]*)",(?:channel="(bounce|deferral|block)",)?window="1m"\} (\S+)'
)


class ProviderRates(NamedTuple):
    """One provider's last minute: attempts a second, and rates of failure, 0-1."""

    provider: str
    attempts: float
    bounce: float
    block: float
    deferral: float

    @property
    def failing(self) -> float:
        """Part of the attempts that were not delivered."""
        return self.bounce + self.deferral


@dataclass
class RateBoard:
    """The newest rates, and some history of each provider's failing part."""

    rows: list[ProviderRates] = field(default_factory=list)
    _history: dict[str, deque[float]] = field(default_factory=dict)

    def update(self, page: str) -> None:
        """Take a metrics page; one without rates changes nothing."""
        rows = read_rates(page)
        if not rows:
            return
        self.rows = rows
        for row in rows:
            past = self._history.setdefault(row.provider, deque(maxlen=HISTORY))
            past.append(row.failing)

    def sparkline(self, provider: str) -> str:
        """Draw the provider's history; a full bar is ``FULL_BAR`` or worse."""
        past = self._history.get(provider, ())
        top = len(_BARS) - 1
        return "".join(_BARS[min(top, round(value / FULL_BAR * top))] for value in past)


def read_rates(page: str) -> list[ProviderRates]:
    """Read the rates of all providers from a metrics page, busiest first."""
    found: dict[str, dict[str, float]] = {}
    for kind, provider, channel, value in _SAMPLE.findall(page):
        name = "attempts" if kind == "attempts" else channel
        found.setdefault(provider, {})[name] = float(value)
    rows = [
        ProviderRates(
            provider,
            values.get("attempts", 0.0) / 60,
            values.get("bounce", 0.0),
            values.get("block", 0.0),
            values.get("deferral", 0.0),
        )
        for provider, values in found.items()
    ]
    return sorted(rows, key=lambda row: -row.attempts)
