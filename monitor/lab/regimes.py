"""How mail behaves while nothing is wrong: thirteen ways that fool simple rules.

Each key (think of a campaign) has a volume and a failure rate of its own. A regime says
how both move. What a rule must not do is take any of that for a spike.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

HOUR = 3_600.0
DAY = 86_400.0

#: Mean failure rate of the keys, and the range that their own rates are kept in.
MEAN_RATE = 0.02
LOWEST_RATE, HIGHEST_RATE = 0.0005, 0.3

#: No spike makes every message fail.
MOST_FAILING = 0.95

#: A key that ramps up starts with this part of its volume.
RAMP_FROM = 0.01

#: A dip: so long, with this part of the failures.
DIP_SECONDS, DIP_PART = 1_800.0, 0.1


@dataclass(frozen=True, slots=True)
class Regime:
    """What is normal for some keys.

    Args:
        name: for reports.
        a_second: events a second of a key, log-uniform between the two.
        spread: log-standard deviation of the keys' rates round ``MEAN_RATE``.
        volume_swing: relative amplitude of volume over a day.
        rate_swing: relative amplitude of the failure rate over a day.
        breathing: log-standard deviation of a rate that wanders.
        breathing_seconds: how long a rate takes to wander.
        clump: events come in groups of this size that share their outcome.
        drift: what the rate is multiplied with by the end.
        ramp_seconds: a key takes so long to reach its volume.
        cold: keys appear some time in the first half of the scored span.
        jump: what volume is multiplied with from a random time on.
        dips: half an hour with few failures, once a key.
    """

    name: str
    a_second: tuple[float, float] = (1.0, 1.0)
    spread: float = 0.5
    volume_swing: float = 0.0
    rate_swing: float = 0.0
    breathing: float = 0.0
    breathing_seconds: float = 600.0
    clump: int = 1
    drift: float = 1.0
    ramp_seconds: float = 0.0
    cold: bool = False
    jump: float = 1.0
    dips: bool = False


REGIMES = (
    Regime("stationary, 1/s"),
    Regime("low volume, 3-60/h", a_second=(3 / HOUR, 60 / HOUR)),
    Regime("high volume, 50-5000/s", a_second=(50.0, 5_000.0)),
    Regime("daily volume +-90 %", a_second=(0.05, 5.0), volume_swing=0.9),
    Regime("daily rate +-40 %", a_second=(0.2, 20.0), rate_swing=0.4),
    Regime("rate breathes 30 % in 10 min", a_second=(0.2, 50.0), breathing=0.3),
    Regime(
        "rate breathes 60 % in 2 min",
        a_second=(0.2, 50.0),
        breathing=0.55,
        breathing_seconds=120.0,
    ),
    Regime("clumps of 3", a_second=(0.1, 10.0), clump=3),
    Regime(
        "new campaigns ramp up",
        a_second=(1.0, 50.0),
        spread=0.7,
        ramp_seconds=2 * HOUR,
        cold=True,
    ),
    Regime("new keys", a_second=(0.01, 10.0), spread=0.7, cold=True),
    Regime("rate doubles in a day", a_second=(0.2, 20.0), drift=2.0),
    Regime("volume jumps x20", a_second=(0.05, 2.0), jump=20.0),
    Regime("30-min dip and back", a_second=(0.2, 20.0), dips=True),
)


class Span(NamedTuple):
    """Seconds of history, and scored seconds after it."""

    history: float
    scored: float


class Spikes(NamedTuple):
    """When each key's rate is multiplied, seconds; ``[keys]``."""

    start: Floats
    end: Floats
    lift: float


class Traffic:
    """Mail of keys that share a regime; the same generator makes the same mail.

    Args:
        regime: what is normal.
        keys: how many.
        span: how long it will run.
        random: where chance comes from.
        spikes: what goes wrong, if anything.
    """

    def __init__(
        self,
        regime: Regime,
        keys: int,
        span: Span,
        random: np.random.Generator,
        spikes: Spikes | None = None,
    ) -> None:
        self._regime, self._span, self._random = regime, span, random
        low, high = np.log(regime.a_second)
        self.a_second: Floats = np.exp(random.uniform(low, high, keys))
        spread = regime.spread
        effect = np.exp(spread * random.standard_normal(keys) - spread**2 / 2)
        self.rate: Floats = np.clip(MEAN_RATE * effect, LOWEST_RATE, HIGHEST_RATE)
        self._phase = random.uniform(0.0, DAY, keys)
        self._jump_at = span.history + random.uniform(0.0, 0.8 * span.scored, keys)
        self._dip_at = span.history + random.uniform(0.0, 0.8 * span.scored, keys)
        self.appears: Floats = np.zeros(keys)
        if regime.cold:
            self.appears += span.history + random.uniform(0.0, 0.5 * span.scored, keys)
        self._wander = regime.breathing * random.standard_normal(keys)
        self.spikes = spikes
        self._mended = np.zeros(keys, bool)

    def step(self, end: float, seconds: float) -> tuple[Floats, Floats]:
        """Events and failures of each key in the ``seconds`` before ``end``."""
        random, clump = self._random, self._regime.clump
        tried = random.poisson(self._volume(end) * (seconds / clump))
        rate = self._rate(end, seconds)
        failed: npt.NDArray[np.int64] = random.binomial(tried, rate)
        if self.spikes is not None:
            start, stop, lift = self.spikes
            inside = np.minimum(stop, end) - np.maximum(start, end - seconds)
            more = np.minimum(rate * lift, MOST_FAILING) - rate
            part = np.clip(inside / seconds, 0.0, 1.0) * more / (1.0 - rate)
            # Drawn for mended keys as well, so that no key's luck hangs on another's.
            also = random.binomial(tried - failed, part)
            failed += np.where(self._mended, 0, also)
        return clump * tried.astype(np.float64), clump * failed.astype(np.float64)

    def mend(self, keys: npt.NDArray[np.bool_]) -> None:
        """End the spikes of some keys here and now."""
        self._mended |= keys

    def _volume(self, now: float) -> Floats:
        regime = self._regime
        volume = self.a_second * (now > self.appears)
        if regime.volume_swing:
            volume = volume * self._daily(now, regime.volume_swing)
        if regime.ramp_seconds:
            part = (now - self.appears) / regime.ramp_seconds
            volume = volume * np.clip(part, RAMP_FROM, 1.0)
        if regime.jump != 1.0:
            volume = volume * np.where(now > self._jump_at, regime.jump, 1.0)
        return volume

    def _rate(self, now: float, seconds: float) -> Floats:
        regime, rate = self._regime, self.rate
        if regime.rate_swing:
            rate = rate * self._daily(now, regime.rate_swing)
        if regime.breathing:
            rate = rate * self._breath(seconds)
        if regime.drift != 1.0:
            part = (now - self._span.history) / self._span.scored
            rate = rate * (1.0 + (regime.drift - 1.0) * min(max(part, 0.0), 1.0))
        if regime.dips:
            dip = (now > self._dip_at) & (now < self._dip_at + DIP_SECONDS)
            rate = np.where(dip, DIP_PART * rate, rate)
        return np.minimum(rate, MOST_FAILING)

    def _daily(self, now: float, swing: float) -> Floats:
        wave: Floats = 1.0 + swing * np.sin(2 * np.pi * (now + self._phase) / DAY)
        return wave

    def _breath(self, seconds: float) -> Floats:
        """A wandering multiplier of mean 1 (Ornstein-Uhlenbeck, log-normal)."""
        size = self._regime.breathing
        keep = np.exp(-seconds / self._regime.breathing_seconds)
        noise = self._random.standard_normal(len(self._wander))
        self._wander = keep * self._wander + np.sqrt(1 - keep**2) * size * noise
        breath: Floats = np.exp(self._wander - size**2 / 2)
        return breath
