"""How often the observer cries wolf: every regime, each key watched for a day."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from monitor.lab.drive import Drive, Make, policy_for, product
from monitor.lab.regimes import DAY, HOUR, REGIMES, Regime, Span, Traffic
from monitor.lab.report import Bound, Pace, Report, Table, Tell, Value
from monitor.lab.rules_others import LITERAL, OtherRules

Floats = npt.NDArray[np.float64]

#: Seconds of a look: a slot.
STEP = 10.0

#: What the knob is set to, and what may come of it: in all, and in the worst regime.
A_THOUSAND = 1.0
MOST_IN_ALL, MOST_IN_A_REGIME = 1.2, 3.0

#: Work of a look of the other rules, where one of the product's is 1.
OTHERS_WORK = 0.1

#: Only the rule that the knob speaks of; limits are absolute, and some keys are over.
DETECTORS = ("nb_glr",)


@dataclass(frozen=True, slots=True)
class FalseAlarmSize:
    """How much to simulate.

    Args:
        keys: keys of each regime.
        history: seconds of history before anything is scored.
        scored: seconds scored.
        together: all regimes as one fleet, instead of a fleet each.
    """

    keys: int = 500
    history: float = 6 * HOUR
    scored: float = DAY
    together: bool = False

    @property
    def span(self) -> Span:
        """History and scored time."""
        return Span(self.history, self.scored)

    @property
    def steps(self) -> int:
        """Looks of one regime."""
        return int((self.history + self.scored) / STEP)

    @property
    def key_days(self) -> float:
        """Key-days of one regime."""
        return self.keys * self.scored / DAY


class _Step(NamedTuple):
    end: float
    tried: Floats
    failed: Floats


def false_alarm_report(
    size: FalseAlarmSize,
    seed: int,
    make: Make = product,
    tell: Tell | None = None,
) -> Report:
    """Count false alarms of the product and of other rules.

    Args:
        size: how much to simulate.
        seed: where chance begins.
        make: makes the observer.
        tell: is told how far the work has come.
    """
    alarms: dict[str, float] = {}
    fleets = [REGIMES] if size.together else [(regime,) for regime in REGIMES]
    pace = Pace(size.steps * (len(fleets) + len(REGIMES) * OTHERS_WORK), tell)
    for regimes in fleets:
        alarms |= _false_alarms(regimes, size, seed, make, pace)
    others = other_maxima(size, seed, pace)
    rows: list[tuple[Value, ...]] = [
        (name, count / size.key_days * 1_000, *_a_thousand(others[name], size))
        for name, count in alarms.items()
    ]
    columns = np.array([row[1:] for row in rows])
    whole = ("all", *columns.mean(axis=0).tolist())
    headings = ("regime", "bouncemon", *LITERAL)
    table = Table("False alarms per 1000 key-days", headings, (*rows, whole))
    bounds = [
        Bound("all regimes, per 1000 key-days", float(whole[1]), MOST_IN_ALL),
        Bound("worst regime", float(columns[:, 0].max()), MOST_IN_A_REGIME),
    ]
    sizes = {"keys": size.keys, "history": size.history, "scored": size.scored}
    sizes["together"] = float(size.together)
    return Report.of("false-alarms", (seed, sizes), [table], bounds)


def other_maxima(
    size: FalseAlarmSize, seed: int, pace: Pace
) -> dict[str, dict[str, Floats]]:
    """The highest score of each key in the scored time, by regime and rule."""
    maxima = {}
    for regime in REGIMES:
        rules = OtherRules(size.keys)
        best = {name: np.zeros(size.keys) for name in LITERAL}
        steps = _steps((regime,), size, seed)
        for end, tried, failed in pace.over(steps, "other rules", OTHERS_WORK):
            scores = rules.step(tried, failed, STEP)
            if end > size.history:
                for name, score in scores.items():
                    np.maximum(best[name], score, out=best[name])
        maxima[regime.name] = best
    return maxima


def equal_thresholds(size: FalseAlarmSize, seed: int, pace: Pace) -> dict[str, float]:
    """Thresholds at which the other rules alarm as rarely as the knob says."""
    maxima = other_maxima(size, seed, pace)
    part = A_THOUSAND / 1_000.0 * size.scored / DAY
    return {
        name: float(
            np.quantile(
                np.concatenate([one[name] for one in maxima.values()]), 1 - part
            )
        )
        for name in LITERAL
    }


def _a_thousand(maxima: dict[str, Floats], size: FalseAlarmSize) -> list[float]:
    """Key-days with an alarm at literal thresholds, per 1000."""
    return [
        float((maxima[name] >= threshold).sum() / size.key_days * 1_000)
        for name, threshold in LITERAL.items()
    ]


def _false_alarms(
    regimes: Sequence[Regime],
    size: FalseAlarmSize,
    seed: int,
    make: Make,
    pace: Pace,
) -> dict[str, float]:
    """Incidents opened in the scored time, by regime; the fleet's own fall to all."""
    keys = size.keys * len(regimes)
    drive = Drive(keys, policy_for(keys, A_THOUSAND, DETECTORS), make)
    alarms = {regime.name: 0.0 for regime in regimes}
    name = regimes[0].name if len(regimes) == 1 else "all regimes"
    for end, tried, failed in pace.over(_steps(regimes, size, seed), name):
        drive.step(end, STEP, (tried, failed))
        for alarm in drive.tick(end):
            if end <= size.history:
                continue
            guilty = regimes
            if alarm.key >= 0:
                guilty = (regimes[alarm.key // size.keys],)
            for regime in guilty:
                alarms[regime.name] += 1.0 / len(guilty)
    return alarms


def _steps(
    regimes: Sequence[Regime], size: FalseAlarmSize, seed: int
) -> Iterator[_Step]:
    """The mail of some regimes; that of a regime is the same in any company."""
    fleet = [
        Traffic(
            regime,
            size.keys,
            size.span,
            np.random.default_rng([seed, REGIMES.index(regime)]),
        )
        for regime in regimes
    ]
    for number in range(size.steps):
        end = (number + 1) * STEP
        parts = [traffic.step(end, STEP) for traffic in fleet]
        tried, failed = (np.concatenate(side) for side in zip(*parts, strict=True))
        yield _Step(end, tried, failed)
