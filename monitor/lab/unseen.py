"""What cannot be seen: the smallest lift that is found within an hour.

``floor`` is the lift below which no rule that alarms once in 1000 key-days is done
within an hour on average, whatever it knows. Beside it, fleets in which key after key
goes bad for an hour: the share of them that the product finds in that hour. It looks
every ten seconds here, which is nothing to an hour.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np

from monitor.lab.delays import DETECTORS, LEAD_SECONDS
from monitor.lab.drive import Drive, policy_for
from monitor.lab.false_alarms import A_THOUSAND, STEP
from monitor.lab.found import Stopwatch
from monitor.lab.optimum import optimum
from monitor.lab.regimes import (
    DAY,
    HOUR,
    MEAN_RATE,
    Regime,
    Span,
    Spikes,
    Traffic,
)
from monitor.lab.report import Pace, Tell
from monitor.lab.scenarios import Scenario
from monitor.observe.detectors.margin import MARGIN

#: Lifts at which the floor is computed.
FLOOR_LIFTS = (1.1, 1.2, 1.3, 1.5, 1.8, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0, 20.0)

#: The rate of events at which a lift takes an hour is found by so many steps: it
#: depends on itself only through the logarithm of events between false alarms.
STEPS = 3

#: A history must hold so many events of a key, that it has a baseline of its own.
HISTORY_EVENTS = 500.0


@dataclass(frozen=True, slots=True)
class UnseenSize:
    """How much to simulate.

    Args:
        keys: keys of each event rate and lift.
        company: healthy keys beside them: where many are bad at once, fewer are told.
        apart: seconds between the changes of two keys.
        history: seconds of history, at least.
        seconds: what is found within so many is found in time.
        rates: events a second.
        lifts: what rates are multiplied with.
    """

    keys: int = 20
    company: int = 400
    apart: float = 240.0
    history: float = 8 * HOUR
    seconds: float = HOUR
    rates: tuple[float, ...] = (0.01, 0.05, 0.2, 1.0, 5.0, 50.0)
    lifts: tuple[float, ...] = (1.5, 2.0, 3.0, 5.0, 10.0, 20.0)


class Floor(msgspec.Struct, frozen=True):
    """The optimum takes all the time for this lift at this event rate."""

    a_second: float
    lift: float


class Trial(msgspec.Struct, frozen=True):
    """Share of the keys that were found in time, of those quiet until their change."""

    a_second: float
    lift: float
    found: float
    keys: int


class UnseenFigure(msgspec.Struct, frozen=True):
    """What is found within ``seconds``.

    Args:
        seed: where chance began.
        keys: of each event rate and lift.
        normal: rate of all keys before their change.
        seconds: that count as in time.
        margin: below this part above the baseline nothing is evidence to the product.
        floor: what is possible.
        tested: what was measured.
    """

    seed: int
    keys: int
    normal: float
    seconds: float
    margin: float
    floor: tuple[Floor, ...]
    tested: tuple[Trial, ...]


def unseen_figure(
    size: UnseenSize, seed: int, tell: Tell | None = None
) -> UnseenFigure:
    """Compute the floor, and see what is found.

    Args:
        size: how much to simulate.
        seed: where chance begins.
        tell: is told how far the work has come.
    """
    tested: list[Trial] = []
    spans = [_span(size, a_second) for a_second in size.rates]
    pace = Pace(sum(span.history + span.scored for span in spans) / STEP, tell)
    for number, a_second in enumerate(size.rates):
        random = np.random.default_rng([seed, number])
        tested += _found_in_time(size, a_second, random, pace)
    floor = [Floor(rate_in_time(lift, size.seconds), lift) for lift in FLOOR_LIFTS]
    return UnseenFigure(
        seed=seed,
        keys=size.keys,
        normal=MEAN_RATE,
        seconds=size.seconds,
        margin=MARGIN,
        floor=tuple(floor),
        tested=tuple(tested),
    )


def rate_in_time(lift: float, seconds: float) -> float:
    """Events a second at which the optimum takes so many seconds for a lift."""
    between = 1_000.0 * DAY / A_THOUSAND
    a_second = 1.0
    for _ in range(STEPS):
        best = optimum(MEAN_RATE, MEAN_RATE * lift, a_second * between)
        a_second = best.delay / seconds
    return a_second


class _Group(NamedTuple):
    """Keys with one lift, and when each of them goes bad."""

    lift: float
    traffic: Traffic
    watch: Stopwatch


def _span(size: UnseenSize, a_second: float) -> Span:
    changes = LEAD_SECONDS + size.apart * size.keys * len(size.lifts)
    history = max(size.history, HISTORY_EVENTS / a_second // STEP * STEP)
    return Span(history, changes + size.seconds)


def _found_in_time(
    size: UnseenSize, a_second: float, random: np.random.Generator, pace: Pace
) -> Iterator[Trial]:
    """Let a fleet of one event rate go bad, key after key."""
    bad = size.keys * len(size.lifts)
    span = _span(size, a_second)
    regime = Regime("steady", a_second=(a_second, a_second), spread=0.0)
    groups = _groups(size, regime, span, random)
    company = Traffic(regime, size.company, span, random)
    policy = policy_for(bad + size.company, A_THOUSAND, DETECTORS)
    drive = Drive(bad + size.company, policy)
    ends = np.arange(STEP, span.history + span.scored, STEP).tolist()
    for end in pace.over(ends, f"what is found in time at {a_second:g}/s"):
        fleet = [*(group.traffic for group in groups), company]
        parts = [traffic.step(end, STEP) for traffic in fleet]
        tried, failed = (np.concatenate(side) for side in zip(*parts, strict=True))
        drive.step(end, STEP, (tried, failed))
        alarmed = np.zeros(bad, bool)
        alarmed[[a.key for a in drive.tick(end) if 0 <= a.key < bad]] = True
        for group, mine in zip(groups, np.split(alarmed, len(groups)), strict=True):
            group.watch.note(end, mine, np.inf)
            # What was found is mended, or the fleet would soon be one large incident.
            group.traffic.mend(group.watch.first <= end)
    for group in groups:
        delays = group.watch.delays
        yield Trial(a_second, group.lift, delays.found, len(delays.counted))


def _groups(
    size: UnseenSize, regime: Regime, span: Span, random: np.random.Generator
) -> list[_Group]:
    """Keys of each lift, whose turns are dealt at random."""
    turns = random.permutation(size.keys * len(size.lifts))
    changes = span.history + LEAD_SECONDS + size.apart * turns.astype(np.float64)
    groups = []
    for lift, change in zip(
        size.lifts, np.split(changes, len(size.lifts)), strict=True
    ):
        spikes = Spikes(change, change + size.seconds, lift)
        traffic = Traffic(regime, size.keys, span, random, spikes)
        scenario = Scenario(f"x{lift:g}", regime, lift, horizon=size.seconds)
        groups.append(_Group(lift, traffic, Stopwatch(change, scenario)))
    return groups
