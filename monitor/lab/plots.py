"""What the lab's figures show, as numbers: false alarms and delays from reports.

A figure is drawn from one of these structures and from nothing else, so what is tested
here, and printed by ``--json``, is what is seen.
"""

from math import isfinite

import msgspec
import numpy as np

from monitor.errors import ConfigError
from monitor.lab.false_alarms import A_THOUSAND, MOST_IN_A_REGIME
from monitor.lab.found import LOOK
from monitor.lab.reading import Rows, rows_of, size_of, value_of
from monitor.lab.regimes import DAY
from monitor.lab.report import Report
from monitor.lab.scenarios import SCENARIOS, Scenario

#: The rule of thumb that everybody knows, in its literal form.
LITERAL_RULE = "5 % over 5 min"

#: Where the numbers stand in the reports.
ALARMS_TABLE = "False alarms per 1000 key-days"
DELAYS_TABLE = "Delays, seconds"
SPREAD_TABLE = "Delay over optimum, parts of the keys"
OTHERS_TABLE = "Other rules, as few false alarms: median seconds"
RATIO_BOUND = ": delay over optimum"

#: The row of all regimes together.
ALL = "all"

#: Chance that a Poisson interval holds the truth.
INTERVAL = 0.95


class AlarmBar(msgspec.Struct, frozen=True):
    """False alarms of one regime, per 1000 key-days.

    Args:
        regime: its name.
        ours: of the product.
        low: end of the interval of ``ours``.
        high: other end.
        literal: key-days on which the literal rule alarms.
    """

    regime: str
    ours: float
    low: float
    high: float
    literal: float


class AlarmFigure(msgspec.Struct, frozen=True):
    """False alarms by regime; the last bar is of all of them together.

    Args:
        seed: where chance began.
        key_days: of each regime.
        together: all regimes are one fleet, and not a fleet each.
        accepted: what the knob was set to, per 1000 key-days.
        most: what was promised of the worst regime.
        rule: the literal rule beside it.
        bars: regimes.
    """

    seed: int
    key_days: float
    together: bool
    accepted: float
    most: float
    rule: str
    bars: tuple[AlarmBar, ...]


class DelayRow(msgspec.Struct, frozen=True):
    """Delays of one scenario; ratios are to the optimum and half a look.

    Args:
        scenario: its name.
        a_second: events a second.
        seconds: median delay of the product.
        optimum: what is possible, seconds, median of the keys.
        found: share found.
        ratio: median of the keys' ratios.
        low: ratio that a tenth of the keys stay below; not a number if unknown.
        high: ratio that nine tenths stay below.
        most: what was promised of ``ratio``; none if nothing was.
        others: ratios of the other rules; not a number where half was not found.
    """

    scenario: str
    a_second: float
    seconds: float
    optimum: float
    found: float
    ratio: float
    low: float
    high: float
    most: float | None
    others: dict[str, float]


class DelayFigure(msgspec.Struct, frozen=True):
    """Delays against the optimum.

    Args:
        seed: where chance began.
        keys: of each scenario.
        rows: by event rate.
    """

    seed: int
    keys: int
    rows: tuple[DelayRow, ...]


def alarm_figure(report: Report) -> AlarmFigure:
    """The figure of a report of false alarms.

    Raises:
        ConfigError: the report is another one, or lacks something.
    """
    key_days = size_of(report, "keys") * size_of(report, "scored") / DAY
    rows = rows_of(report, ALARMS_TABLE)
    regimes = len(rows) - (ALL in rows)
    bars = []
    for name, row in rows.items():
        days = key_days * (regimes if name == ALL else 1)
        ours = value_of(row, "bouncemon")
        low, high = poisson_interval(round(ours * days / 1_000.0))
        scale = 1_000.0 / days
        literal = value_of(row, LITERAL_RULE)
        bars.append(AlarmBar(name, ours, low * scale, high * scale, literal))
    return AlarmFigure(
        seed=report.seed,
        key_days=key_days,
        together=bool(size_of(report, "together")),
        accepted=A_THOUSAND,
        most=MOST_IN_A_REGIME,
        rule=LITERAL_RULE,
        bars=tuple(bars),
    )


def delay_figure(report: Report) -> DelayFigure:
    """The figure of a report of delays: scenarios for which there is an optimum.

    Raises:
        ConfigError: the report is another one, or lacks something.
    """
    delays, others = rows_of(report, DELAYS_TABLE), rows_of(report, OTHERS_TABLE)
    has_spread = any(table.title == SPREAD_TABLE for table in report.tables)
    spread = rows_of(report, SPREAD_TABLE) if has_spread else {}
    most = {bound.name: bound.limit for bound in report.bounds}
    rows = []
    for scenario in _ordered(delays):
        mine = delays[scenario.name]
        floor = value_of(mine, "optimum") + LOOK / 2
        rows.append(
            DelayRow(
                scenario=scenario.name,
                a_second=scenario.regime.a_second[0],
                seconds=value_of(mine, "median"),
                optimum=value_of(mine, "optimum"),
                found=value_of(mine, "found"),
                ratio=value_of(mine, "ratio"),
                low=spread.get(scenario.name, {}).get("10 %", np.nan),
                high=spread.get(scenario.name, {}).get("90 %", np.nan),
                most=most.get(scenario.name + RATIO_BOUND),
                others={
                    rule: median / floor if isfinite(median) else np.nan
                    for rule, median in others.get(scenario.name, {}).items()
                },
            )
        )
    return DelayFigure(report.seed, round(size_of(report, "keys")), tuple(rows))


def _ordered(rows: Rows) -> list[Scenario]:
    """Scenarios of a table by event rate; an optimum is known of steady rates only."""
    known = {scenario.name: scenario for scenario in SCENARIOS}
    strange = [name for name in rows if name not in known]
    if strange:
        raise ConfigError(f"the report has a scenario that is not ours: {strange[0]!r}")
    regular = [
        known[name]
        for name in rows
        if not known[name].regime.breathing and not known[name].regime.cold
    ]
    return sorted(regular, key=lambda one: (one.regime.a_second, one.lasts, one.lift))


def poisson_interval(count: int, part: float = INTERVAL) -> tuple[float, float]:
    """Exact interval of a Poisson mean of which ``count`` was seen (Garwood 1936).

    >>> [round(end, 2) for end in poisson_interval(3)]
    [0.62, 8.77]
    """
    tail = (1.0 - part) / 2
    low = _mean_where(count - 1, 1.0 - tail) if count else 0.0
    return low, _mean_where(count, tail)


def _mean_where(count: int, chance: float) -> float:
    """The mean at which at most ``count`` has a chance; by halving."""
    numbers = np.arange(count + 1)
    logs = np.cumsum(np.log(np.maximum(numbers, 1)))
    low, high = 0.0, 2.0 * count + 20.0
    for _ in range(60):
        middle = (low + high) / 2
        at_most = np.exp(numbers * np.log(middle) - middle - logs).sum()
        low, high = (middle, high) if at_most > chance else (low, middle)
    return (low + high) / 2
