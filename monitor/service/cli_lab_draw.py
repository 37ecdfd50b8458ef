"""Draws the figures of reports: false alarms by regime, delays by scenario."""

from math import isfinite, nan
from typing import Any

from monitor.lab.plots import ALL, AlarmFigure, DelayFigure, DelayRow
from monitor.service.cli_lab_canvas import (
    FOURTH,
    MARK,
    NORMAL,
    OTHER,
    OURS,
    QUIET,
    SMALL,
    THIRD,
    Canvas,
    plain,
)
from monitor.service.cli_lab_measured import worded

#: Where a ratio is drawn that was not reached, and how far the axis goes.
NEVER, LEAST, MOST = 3_000.0, 0.3, 5_000.0

#: How the other rules look: marker, colour, and how much below their row's middle.
LOOKS = (
    ("s", OTHER, -0.27),
    ("D", THIRD, -0.09),
    ("^", FOURTH, 0.09),
    ("v", QUIET, 0.27),
)

#: Space between groups of rows, in rows.
GAP = 0.6


def draw_alarms(canvas: Canvas, shown: AlarmFigure) -> Any:
    """False alarms by regime, beside the literal rule on a scale of its own."""
    figure = canvas.figure(0.34 * len(shown.bars) + 2.2)
    ours, literal = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    places = [
        -float(row) - GAP * (bar.regime == ALL) for row, bar in enumerate(shown.bars)
    ]
    values = [bar.ours for bar in shown.bars]
    low = [max(bar.ours - bar.low, 0.0) for bar in shown.bars]
    high = [max(bar.high - bar.ours, 0.0) for bar in shown.bars]
    ours.barh(places, values, color=OURS, height=0.62)
    interval = ours.errorbar(
        values, places, xerr=(low, high), fmt="none", ecolor=QUIET, capsize=3, lw=1.4
    )
    lines = (
        (_line(ours, shown.accepted, "-"), f"the knob: {shown.accepted:g}"),
        (
            _line(ours, shown.most, "--"),
            f"promised of the worst regime: {shown.most:g}",
        ),
        (interval, "95 % interval of the count (Poisson)"),
    )
    ours.set_yticks(places, [bar.regime for bar in shown.bars], fontsize=NORMAL)
    ours.set_xlim(left=0.0)
    ours.set_xlabel("false alarms per 1000 key-days", fontsize=NORMAL)
    handles, labels = zip(*lines, strict=True)
    figure.legend(
        handles,
        labels,
        fontsize=SMALL,
        loc="outside upper center",
        ncols=3,
        frameon=False,
    )
    plain(ours, "bouncemon, learned rule")
    known = [bar.literal for bar in shown.bars]
    bars = literal.barh(places, known, color=OTHER, height=0.62)
    literal.bar_label(bars, fmt="%.0f", padding=3, fontsize=SMALL)
    literal.set_xlim(0.0, 1_150.0)
    literal.set_xlabel("key-days with an alarm, per 1000", fontsize=NORMAL)
    plain(literal, f'"{shown.rule}"')
    return figure


def _line(axes: Any, value: float, style: str) -> Any:
    return axes.axvline(value, color=MARK, lw=1.2, ls=style)


def draw_delays(canvas: Canvas, shown: DelayFigure) -> Any:
    """Delays of each scenario as multiples of the exact optimum."""
    figure = canvas.figure(0.5 * len(shown.rows) + 2.2)
    axes = figure.subplots()
    places = _places(shown)
    axes.plot([], [], "o-", color=OURS, lw=3, label="bouncemon: median, 10-90 %")
    axes.plot([], [], "--", color=MARK, lw=1.4, label="promised of the median")
    axes.axvline(1.0, color=MARK, lw=1.2, label="the exact optimum")
    rules = list(dict.fromkeys(rule for row in shown.rows for rule in row.others))
    for place, row in zip(places, shown.rows, strict=True):
        _draw_row(axes, place, row)
        for (marker, color, lower), rule in zip(LOOKS, rules, strict=False):
            x = _reached(row.others.get(rule, nan))
            axes.plot(x, place - lower, marker, mec=color, mfc="none", ms=6, mew=1.4)
    for (marker, color, _), rule in zip(LOOKS, rules, strict=False):
        axes.plot([], [], marker, mec=color, mfc="none", mew=1.4, label=rule)
    axes.set_xscale("log")
    axes.set_xlim(LEAST, MOST)
    ticks = (0.5, 1, 2, 5, 10, 100, 1_000, NEVER)
    axes.set_xticks(ticks, [*(f"{tick:g}" for tick in ticks[:-1]), "not\nfound"])
    axes.minorticks_off()
    axes.set_yticks(places, [row.scenario for row in shown.rows], fontsize=NORMAL)
    axes.set_xlabel(
        "delay from change to alarm, multiples of the optimum", fontsize=NORMAL
    )
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    plain(axes, "Delay against the least possible, all at equal false alarms")
    figure.legend(fontsize=SMALL, loc="outside upper center", ncols=4, frameon=False)
    return figure


def _draw_row(axes: Any, place: float, row: DelayRow) -> None:
    if row.most is not None:
        ends = [place - 0.5, place + 0.5]
        axes.plot([row.most, row.most], ends, "--", color=MARK, lw=1.4)
    if isfinite(row.low):
        ends = [row.low, _reached(row.high)]
        axes.plot(ends, [place, place], "-", color=OURS, lw=3, alpha=0.5)
    axes.plot(_reached(row.ratio), place, "o", color=OURS, ms=8, zorder=3)
    axes.annotate(
        _told(row),
        (1.01, place),
        xycoords=("axes fraction", "data"),
        va="center",
        fontsize=SMALL,
        color=OURS,
    )


def _reached(ratio: float) -> float:
    return ratio if isfinite(ratio) else NEVER


def _places(shown: DelayFigure) -> list[float]:
    """Rows from the top down, with a gap where the event rate changes."""
    places, place = [], 0.0
    for number, row in enumerate(shown.rows):
        if number and row.a_second != shown.rows[number - 1].a_second:
            place -= GAP
        places.append(place)
        place -= 1.0
    return places


def _told(row: DelayRow) -> str:
    share = f"{100 * row.found:.0f} % found"
    if not isfinite(row.seconds):
        return f"{share} (optimum {worded(row.optimum)} s)"
    return f"{worded(row.seconds)} s (optimum {worded(row.optimum)} s), {share}"
