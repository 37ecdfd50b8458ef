"""The least delay that any rule can have, exactly.

For independent outcomes whose rate goes from ``normal`` to ``worse``, Page's CUSUM has
the least worst-case mean delay of all rules with the same mean time between false
alarms (Moustakides 1986). Both are computed on a lattice: a success is one step down, a
failure a fixed number of steps up, and the mean time to the line solves one linear
equation a state (Brook and Evans 1972). The first-order bound ``ln(gamma) / KL`` of
Lorden (1971) is *larger* at bounce-like rates, so beating it proves nothing.
"""

from functools import lru_cache
from math import ceil, log
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: Rates at which the optimum is computed for keys whose own rates lie between.
GRID_POINTS = 9


class Optimum(NamedTuple):
    """Mean delay in events, the CUSUM's line in nats, events between false alarms."""

    delay: float
    line: float
    between: float


def divergence(worse: float, normal: float) -> float:
    """Kullback-Leibler divergence of two rates, nats an event.

    >>> round(divergence(0.1, 0.02), 4)
    0.0843
    """
    good = (1 - worse) * log((1 - worse) / (1 - normal))
    return worse * log(worse / normal) + good


def lorden(normal: float, worse: float, between: float) -> float:
    """First-order bound on the delay, events."""
    return log(between) / divergence(worse, normal)


def run_lengths(up: int, line: int, rates: tuple[float, ...]) -> list[float]:
    """Mean events until a walk from 0 reaches ``line``, for each failure rate.

    Args:
        up: steps up for a failure; a success is one step down, never below 0.
        line: where the walk ends.
        rates: failure rates.
    """
    return [_run_length(up, line, rate) for rate in rates]


def _run_length(up: int, line: int, rate: float) -> float:
    """Mean events from 0. Of each state, from the top down, it is known what its mean
    adds to that of the state below, and with what part that one counts.
    """
    added, part = np.zeros((2, line + up))  # from the line on nothing is left to come
    for here in range(line - 1, 0, -1):
        jump, back = _down(added, part, here, up)
        stays = 1.0 - rate * back
        added[here] = (1.0 + rate * jump) / stays
        part[here] = (1.0 - rate) / stays
    jump, back = _down(added, part, 0, up)
    return (1.0 + rate * jump) / (rate * (1.0 - back))


def _down(added: Floats, part: Floats, here: int, up: int) -> tuple[float, float]:
    """The same for the state that a failure leads to, and the one it comes from."""
    if not part[here + up]:
        return float(added[here + up]), 0.0
    parts = part[here + up : here : -1].cumprod()
    return float(
        added[here + up] + parts[:-1] @ added[here + up - 1 : here : -1]
    ), float(parts[-1])


@lru_cache(maxsize=1024)
def optimum(normal: float, worse: float, between: float) -> Optimum:
    """The best rule with at least ``between`` events from false alarm to false alarm.

    >>> round(optimum(0.02, 0.1, 86_400_000.0).delay)
    172
    """
    down = -log((1 - worse) / (1 - normal))
    up = max(1, round(log(worse / normal) / down))
    low, high = 1, ceil((log(between) + 3.0) / down) + up
    guess = ceil(log(between) / down)
    while low < high:
        # A nat more is about so much rarer, so few tries are needed.
        guess = min(max(guess, low), high - 1)
        (reached,) = run_lengths(up, guess, (normal,))
        low, high = (low, guess) if reached >= between else (guess + 1, high)
        away = ceil(log(between / reached) / down)
        guess += away if away > 0 else min(away, -1)
    reached, delay = run_lengths(up, low, (normal, worse))
    return Optimum(delay, low * down, reached)


def optima(normal: Floats, worse: Floats, between: float) -> Floats:
    """The optimum of many keys, events: exact on a grid of rates, then interpolated.

    Args:
        normal: rates before, ``[keys]``.
        worse: rates after; a fixed multiple of ``normal``, up to where that ends.
        between: events between false alarms.
    """
    order = np.argsort(normal)
    picked = order[np.linspace(0, len(order) - 1, GRID_POINTS).astype(int)]
    points = np.unique(picked[np.argsort(normal[picked])])
    points = points[np.argsort(normal[points])]
    known = [optimum(float(normal[k]), float(worse[k]), between).delay for k in points]
    delays: Floats = np.exp(
        np.interp(np.log(normal), np.log(normal[points]), np.log(known))
    )
    return delays


class Oracle:
    """A CUSUM that is told both rates, with the exact line: the best that can be.

    Args:
        normal: rates before, ``[keys]``.
        worse: rates after.
        a_second: events a second.
        between: seconds between false alarms of a key.
    """

    def __init__(
        self, normal: Floats, worse: Floats, a_second: Floats, between: float
    ) -> None:
        events = float(np.median(a_second)) * between
        #: The optimum of each key, seconds.
        self.floor: Floats = optima(normal, worse, events) / a_second
        middle = int(np.argsort(normal)[len(normal) // 2])
        best = optimum(float(normal[middle]), float(worse[middle]), events)
        self._line = best.line
        self._bad = np.log(worse / normal)
        self._good = np.log((1 - worse) / (1 - normal))
        self._sums = np.zeros(len(normal))

    def step(self, tried: Floats, failed: Floats) -> npt.NDArray[np.bool_]:
        """Take a look in; which keys are over the line."""
        gain = failed * self._bad + (tried - failed) * self._good
        self._sums = np.maximum(0.0, self._sums + gain)
        return self._sums >= self._line
