"""Who was found, and how long it took."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from monitor.lab.false_alarms import STEP
from monitor.lab.regimes import Span
from monitor.lab.scenarios import Scenario

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: Seconds of a look in the scored time.
LOOK = 1.0

#: The name of the product among the rules.
OURS = "bouncemon"


class Delays(NamedTuple):
    """Seconds from change to alarm, infinite if not found, ``[keys]`` each.

    ``early`` marks keys that had alarmed before their change; they do not count.
    """

    seconds: Floats
    early: Bools

    @property
    def counted(self) -> Floats:
        """Delays of the keys that count."""
        return self.seconds[~self.early]

    @property
    def found(self) -> float:
        """Share of the changes that were found."""
        return float(np.isfinite(self.counted).mean()) if len(self.counted) else 0.0

    def quantile(self, part: float) -> float:
        """Delay that ``part`` of the keys stay below, seconds."""
        if not len(self.counted):
            return float("nan")
        return float(np.quantile(self.counted, part, method="higher"))


class Outcome(NamedTuple):
    """All of one scenario; ``floor`` is the optimum of each key, seconds."""

    scenario: Scenario
    floor: Floats
    delays: dict[str, Delays]

    @property
    def ratio(self) -> float:
        """Median over keys of the product's delay over what is possible."""
        return self.ratio_at(0.5)

    def ratio_at(self, part: float) -> float:
        """Delay over what is possible that ``part`` of the keys stay below."""
        mine = self.delays[OURS]
        parts = (mine.seconds / (self.floor + LOOK / 2))[~mine.early]
        if not len(parts):
            return float("nan")
        return float(np.quantile(parts, part, method="higher"))


class Stopwatch:
    """When each key of each rule was first over the line after its change."""

    def __init__(self, change: Floats, scenario: Scenario) -> None:
        self._change, self._last = change, change + scenario.followed
        self.first = np.full(len(change), np.inf)
        self.early = np.zeros(len(change), bool)

    def note(self, now: float, over: Bools, before: float) -> None:
        """Note which keys are over; ``before``: for how long early ones matter."""
        after = now > self._change
        new = over & after & (now <= self._last) & np.isinf(self.first)
        self.first[new] = now
        self.early |= over & ~after & (now > self._change - before)

    @property
    def delays(self) -> Delays:
        """What was noted."""
        return Delays(self.first - self._change, self.early)


def looks(span: Span) -> Iterator[tuple[float, float]]:
    """Ends and lengths of looks: by slot in the history, then by second."""
    for number in range(int(span.history / STEP)):
        yield (number + 1) * STEP, STEP
    for number in range(int(span.scored / LOOK)):
        yield span.history + (number + 1) * LOOK, LOOK
