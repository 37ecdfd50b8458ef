"""Draws the figures of runs: one incident, and what cannot be seen."""

from typing import Any

from monitor.lab.one_incident import MINUTE, IncidentFigure
from monitor.lab.unseen import UnseenFigure
from monitor.service.cli_lab_canvas import (
    MARK,
    NORMAL,
    OTHER,
    OURS,
    QUIET,
    SMALL,
    Canvas,
    plain,
)

#: Seconds before the change and after the alarm that the evidence is shown for.
ZOOM_BEFORE, ZOOM_AFTER = 30.0, 15.0

#: The lift at which the axis begins, and the share from which a circle is dark.
LEAST_LIFT, DARK = 1.1, 0.6

#: Behind text that lines run through.
PAPER = {"fc": "white", "ec": "none", "pad": 1.0}


def draw_incident(canvas: Canvas, shown: IncidentFigure) -> Any:
    """Rates by minute over the whole incident; evidence by second round its onset."""
    figure = canvas.figure(6.2)
    rates, evidence = figure.subplots(2, 1, height_ratios=(3, 2))
    _draw_rates(rates, shown)
    _draw_evidence(evidence, shown)
    return figure


def _draw_rates(axes: Any, shown: IncidentFigure) -> None:
    minutes = [one for one in shown.minutes if one.attempts]
    assert minutes, "a run of the lab has mail"
    edges = [one.seconds / MINUTE for one in minutes]
    rates = [100.0 * one.failures / one.attempts for one in minutes]
    learned = [100.0 * one.baseline for one in minutes]
    axes.bar(
        edges, rates, width=0.9, align="edge", color="#9DC6E0", label="rate of a minute"
    )
    axes.step(
        [*edges, edges[-1] + 1.0],
        [*learned, learned[-1]],
        where="post",
        color=OURS,
        lw=1.8,
        label="baseline, as learned",
    )
    top = 1.35 * max(rates)
    axes.axvspan(0.0, shown.ended / MINUTE, ymax=0.03, color=OTHER, label="truly bad")
    marks = {
        "detected": shown.detected,
        "recovering": shown.recovering,
        "closed": shown.closed,
    }
    for number, (name, seconds) in enumerate(marks.items()):
        if seconds is not None:
            x = seconds / MINUTE
            axes.axvline(x, color=MARK, lw=1.1, ls="--")
            text = f"{name} {_clock(seconds)} "
            height = top * (0.98 - 0.09 * number)
            axes.text(x + 0.2, height, text, fontsize=SMALL, va="top", bbox=PAPER)
    axes.set_ylim(0.0, top)
    axes.set_xlim(edges[0], edges[-1] + 1.0)
    axes.set_ylabel("hard bounces, % of attempts", fontsize=NORMAL)
    axes.set_xlabel("minutes since the rate changed", fontsize=NORMAL)
    axes.legend(fontsize=SMALL, loc="upper left", framealpha=1.0)
    title = "One incident" if shown.detected is not None else "A spike, not found"
    plain(
        axes,
        f"{title}: {shown.a_second:g} events a second, "
        f"{100 * shown.normal:g} % becomes {100 * shown.normal * shown.lift:g} %",
    )


def _draw_evidence(axes: Any, shown: IncidentFigure) -> None:
    until = (shown.detected if shown.detected is not None else 60.0) + ZOOM_AFTER
    near = [one for one in shown.evidence if -ZOOM_BEFORE <= one.seconds <= until]
    times = [one.seconds for one in near]
    axes.step(times, [one.score for one in near], where="post", color=OURS, lw=2)
    axes.step(
        times, [one.threshold for one in near], where="post", color=OTHER, ls="--"
    )
    top = 1.35 * max((max(one.score, one.threshold) for one in near), default=1.0)
    if near:
        axes.text(
            times[0] + 0.5,
            1.03 * near[0].threshold,
            f"threshold {near[0].threshold:.1f}",
            fontsize=SMALL,
            va="bottom",
            color=OTHER,
        )
    if shown.onset is not None and shown.detected is not None:
        for x, text, side in (
            (shown.onset, f"onset, as estimated: {shown.onset:.0f} s ", "right"),
            (shown.detected, f" detected: {shown.detected:.0f} s", "left"),
        ):
            axes.axvline(x, color=MARK, lw=1.1, ls="--")
            axes.text(x, 0.97 * top, text, ha=side, va="top", fontsize=SMALL)
    axes.set_ylim(0.0, top)
    axes.set_xlim(-ZOOM_BEFORE, until)
    axes.set_xlabel("seconds since the rate changed", fontsize=NORMAL)
    axes.set_ylabel("evidence, nats", fontsize=NORMAL)
    plain(
        axes, "Its first seconds: evidence of the learned rule, spent by the incident"
    )


def _clock(seconds: float) -> str:
    """Time since the change, as people read it.

    >>> _clock(632.0)
    '10 min 32 s'
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def draw_unseen(canvas: Canvas, shown: UnseenFigure) -> Any:
    """Lifts by event rate: what is found in time, and what nobody can find."""
    figure = canvas.figure(5.6)
    axes = figure.subplots()
    rates = [one.a_second for one in shown.floor]
    floor = [one.lift for one in shown.floor]
    axes.fill_between(rates, 1.0, floor, color="0.9", lw=0)
    axes.plot(rates, floor, color=MARK, lw=1.8, label="floor of any rule (exact)")
    axes.axhline(
        1.0 + shown.margin,
        color=OTHER,
        lw=1.3,
        ls="--",
        label=f"margin: up to {100 * shown.margin:.0f} % is no news to bouncemon",
    )
    _draw_circles(axes, shown)
    _scale(axes, shown)
    axes.set_xlabel("events of the key (attempts with an outcome)", fontsize=NORMAL)
    axes.set_ylabel(f"lift of a rate of {100 * shown.normal:g} %", fontsize=NORMAL)
    figure.legend(fontsize=SMALL, loc="outside upper center", ncols=2, frameon=False)
    minutes = f"{shown.seconds / MINUTE:g} minutes"
    plain(axes, f"Found within {minutes}, % of the keys (in the circles)")
    return figure


def _draw_circles(axes: Any, shown: UnseenFigure) -> None:
    axes.scatter(
        [one.a_second for one in shown.tested],
        [one.lift for one in shown.tested],
        c=[100.0 * one.found for one in shown.tested],
        cmap="Blues",
        vmin=0.0,
        vmax=100.0,
        s=560,
        edgecolors=QUIET,
        zorder=3,
    )
    for one in shown.tested:
        axes.annotate(
            f"{100 * one.found:.0f}",
            (one.a_second, one.lift),
            ha="center",
            va="center",
            fontsize=SMALL,
            color="white" if one.found > DARK else MARK,
            zorder=4,
        )


def _scale(axes: Any, shown: UnseenFigure) -> None:
    """Logarithmic axes with ticks at what was tested."""
    rates = sorted({one.a_second for one in shown.tested})
    lifts = sorted({one.lift for one in shown.tested})
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(rates[0] / 2.0, rates[-1] * 2.0)
    axes.set_ylim(LEAST_LIFT, 1.35 * lifts[-1])
    axes.set_yticks(lifts, [f"x{lift:g}" for lift in lifts])
    axes.set_xticks(rates, [_rate(a_second) for a_second in rates])
    axes.minorticks_off()


def _rate(a_second: float) -> str:
    """An event rate, as people read it.

    >>> _rate(0.01), _rate(5.0)
    ('36/h', '5/s')
    """
    return f"{a_second:g}/s" if a_second >= 1.0 else f"{a_second * 3_600:g}/h"
