"""``bouncemon lab``: what the observer is worth, measured on made mail."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table as Printed

from monitor.lab import (
    DelaySize,
    FalseAlarmSize,
    Report,
    blame_report,
    delay_report,
    false_alarm_report,
)
from monitor.lab.report import Table, Tell, Value
from monitor.service.cli_exits import ExitCode
from monitor.service.clock import monotonic

HOUR = 3_600.0

#: Sizes that end within seconds: they show that all works, not that bounds are kept.
QUICK_ALARMS = FalseAlarmSize(keys=10, history=700.0, scored=200.0)
QUICK_DELAYS = DelaySize(
    keys=5, company=5, history=1_200.0, quiet=QUICK_ALARMS, only="50/s step x20"
)
QUICK_INCIDENTS = 3

lab_app = typer.Typer(help="Measure the observer on made mail, against its bounds.")

SeedOption = Annotated[int, typer.Option(help="Where chance begins.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
QuickOption = Annotated[
    bool, typer.Option("--quick", help="Small sizes: seconds, and no sure answer.")
]
KeysOption = Annotated[int, typer.Option(min=2, help="Keys each.")]
HoursOption = Annotated[float, typer.Option(min=0.1, help="Hours scored.")]
TogetherOption = Annotated[
    bool, typer.Option("--together", help="All regimes in one fleet.")
]
OnlyOption = Annotated[str, typer.Option(help="Part of the scenarios' names.")]
IncidentsOption = Annotated[int, typer.Option(min=1, help="Incidents of each case.")]


@lab_app.command("false-alarms")
def false_alarms(
    keys: KeysOption = 500,
    hours: HoursOption = 24.0,
    together: TogetherOption = False,
    quick: QuickOption = False,
    seed: SeedOption = 7,
    as_json: JsonOption = False,
) -> None:
    """Count false alarms of quiet keys. Exit status 1 if there are too many."""
    size = QUICK_ALARMS
    if not quick:
        size = FalseAlarmSize(keys=keys, scored=hours * HOUR, together=together)
    with telling("false alarms") as tell:
        report = false_alarm_report(size, seed, tell=tell)
    _finish(report, as_json)


@lab_app.command("delays")
def delays(
    keys: KeysOption = 200,
    only: OnlyOption = "",
    quick: QuickOption = False,
    seed: SeedOption = 7,
    as_json: JsonOption = False,
) -> None:
    """Measure how long spikes take to be found. Exit status 1 if too long."""
    size = QUICK_DELAYS if quick else DelaySize(keys=keys, only=only)
    with telling("delays") as tell:
        report = delay_report(size, seed, tell=tell)
    _finish(report, as_json)


@lab_app.command("blame")
def blame(
    incidents: IncidentsOption = 100,
    quick: QuickOption = False,
    seed: SeedOption = 7,
    as_json: JsonOption = False,
) -> None:
    """See whether the right causes are named. Exit status 1 if not often enough."""
    count = QUICK_INCIDENTS if quick else incidents
    _finish(blame_report(count, seed, monotonic), as_json)


@contextmanager
def telling(name: str) -> Iterator[Tell]:
    """A progress bar on a terminal; elsewhere a line for each piece of work."""
    console = Console(stderr=True)
    said = [""]

    def tell(what: str, part: float) -> None:
        bar.update(task, description=what, completed=part)
        if not console.is_terminal and what != said[0]:
            said[0] = what
            typer.echo(f"{what} ({part:.0%})", err=True)

    with Progress(
        *Progress.get_default_columns(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task(name, total=1.0)
        yield tell


def _finish(report: Report, as_json: bool) -> None:
    if as_json:
        typer.echo(report.as_json())
    else:
        _print(report)
    if not report.kept:
        raise typer.Exit(ExitCode.FAILED)


def _print(report: Report) -> None:
    console = Console()
    for table in report.tables:
        console.print(_printed(table))
    rows: tuple[tuple[Value, ...], ...] = tuple(
        (
            bound.name,
            bound.value,
            ">=" if bound.at_least else "<=",
            bound.limit,
            "kept" if bound.kept else "MISSED",
        )
        for bound in report.bounds
    )
    headings = ("bound", "value", "", "limit", "")
    console.print(_printed(Table("Bounds", headings, rows)))


def _printed(table: Table) -> Printed:
    printed = Printed(title=table.title, title_justify="left", box=None)
    for number, heading in enumerate(table.columns):
        printed.add_column(heading, justify="right" if number else "left")
    for row in table.rows:
        printed.add_row(*(_worded(value) for value in row))
    return printed


def _worded(value: Value) -> str:
    """A number as people read it; a dash where there is none.

    >>> _worded(0.12345), _worded(float("inf"))
    ('0.123', '-')
    """
    if isinstance(value, str):
        return value
    return f"{value:.3g}" if math.isfinite(value) else "-"
