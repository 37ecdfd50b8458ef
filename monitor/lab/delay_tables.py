"""Delays as tables and bounds."""

from collections.abc import Iterator

import numpy as np

from monitor.lab.found import OURS, Outcome
from monitor.lab.report import Bound, Table, Value

_HEADINGS = (
    "scenario",
    "found",
    "median",
    "90 %",
    "optimum",
    "oracle",
    "ratio",
    "early",
)


def own_table(outcomes: list[Outcome]) -> Table:
    """Delays of the product, seconds, beside what is possible."""
    rows = tuple(_own_row(outcome) for outcome in outcomes)
    return Table("Delays, seconds", _HEADINGS, rows)


def spread_table(outcomes: list[Outcome]) -> Table:
    """How the ratio to what is possible differs from key to key."""
    rows: list[tuple[Value, ...]] = [
        (one.scenario.name, *(one.ratio_at(part) for part in (0.1, 0.5, 0.9)))
        for one in outcomes
    ]
    headings = ("scenario", "10 %", "50 %", "90 %")
    return Table("Delay over optimum, parts of the keys", headings, tuple(rows))


def _own_row(outcome: Outcome) -> tuple[Value, ...]:
    ours, oracle = outcome.delays[OURS], outcome.delays["oracle"]
    return (
        outcome.scenario.name,
        ours.found,
        ours.quantile(0.5),
        ours.quantile(0.9),
        float(np.median(outcome.floor)),
        oracle.quantile(0.5),
        outcome.ratio,
        float(ours.early.mean()),
    )


def other_tables(
    thresholds: str, outcomes: list[Outcome], which: str, lines: dict[str, float]
) -> list[Table]:
    """Median delays and shares found of the other rules, at thresholds of a kind."""
    at: tuple[Value, ...] = ("(threshold)", *lines.values())
    medians, shares = [at], [at]
    for outcome in outcomes:
        delays = [outcome.delays[f"{which} {name}"] for name in lines]
        name = outcome.scenario.name
        medians.append((name, *(one.quantile(0.5) for one in delays)))
        shares.append((name, *(one.found for one in delays)))
    headings = ("scenario", *lines)
    return [
        Table(f"Other rules, {thresholds}: median seconds", headings, tuple(medians)),
        Table(f"Other rules, {thresholds}: share found", headings, tuple(shares)),
    ]


def bounds_of(outcome: Outcome) -> Iterator[Bound]:
    """What was promised of a scenario, beside what came out."""
    name, promise = outcome.scenario.name, outcome.scenario.promise
    ours = outcome.delays[OURS]
    if promise.ratio is not None:
        yield Bound(f"{name}: delay over optimum", outcome.ratio, promise.ratio)
    if promise.median is not None:
        yield Bound(f"{name}: median seconds", ours.quantile(0.5), promise.median)
    if promise.found is not None:
        yield Bound(f"{name}: share found", ours.found, promise.found, at_least=True)
    if promise.within is not None:
        yield Bound(f"{name}: 90 % within", ours.quantile(0.9), promise.within)
