"""``bouncemon counts``: the exact counts, to reconcile with one's own logs."""

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from monitor.events import COLUMNS, Cell
from monitor.service.cli_exits import ExitCode
from monitor.service.cli_options import ConfigOption, settings_from
from monitor.service.clock import now
from monitor.service.counts import CountsQuery, CountsReport, read_counts

#: Seconds a unit, for times such as ``-15m``.
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

_AGO = re.compile(r"-(\d{1,9})([smhd])")


class OutputFormat(StrEnum):
    """A table for people, NDJSON for programs."""

    TABLE = "table"
    NDJSON = "ndjson"


ByOption = Annotated[
    str,
    typer.Option(
        help=f"Dimensions, comma-separated: {', '.join(Cell._fields)}; none: the total."
    ),
]
SinceOption = Annotated[
    str,
    typer.Option(help="From this event time on: ISO 8601, epoch seconds, or -15m."),
]
UntilOption = Annotated[str, typer.Option(help="Up to this event time, likewise.")]
FleetOption = Annotated[str, typer.Option(help="The fleet to count.")]
FormatOption = Annotated[OutputFormat, typer.Option("--format", help="How to print.")]


def counts(
    by: ByOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    fleet: FleetOption = "default",
    form: FormatOption = OutputFormat.TABLE,
    config: ConfigOption = None,
) -> None:
    """Read bounce.counts, merge, and print exact counts by the dimensions asked for.

    Whole slots of event time are counted. With --format ndjson the last line holds the
    ledger: what became of every record. Exit status 1 if any event is unaccounted for.
    """
    moment = now()
    query = CountsQuery(
        by=parse_dimensions(by),
        since=parse_time(since, moment),
        until=parse_time(until, moment),
        fleet=fleet,
    )
    report = read_counts(settings_from(config), query)
    match form:
        case OutputFormat.TABLE:
            _print_table(query.by, report)
        case OutputFormat.NDJSON:
            _print_ndjson(query.by, report)
    if report.unaccounted:
        raise typer.Exit(ExitCode.FAILED)


def parse_dimensions(text: str) -> tuple[str, ...]:
    """Read ``provider,campaign``.

    Raises:
        BadParameter: a name is no dimension.
    """
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in Cell._fields:
            known = ", ".join(Cell._fields)
            raise typer.BadParameter(f"--by: {name} is not one of {known}")
    return names


def parse_time(text: str, moment: float) -> float | None:
    """Read a time as epoch seconds; ``""`` is no bound.

    Args:
        text: ISO 8601 (UTC unless it says otherwise), epoch seconds, or ``-15m``.
        moment: the time that ``-15m`` counts back from.

    Raises:
        BadParameter: the text is none of these.

    >>> parse_time("-15m", 1000.0)
    100.0
    """
    if not text:
        return None
    if ago := _AGO.fullmatch(text):
        return moment - int(ago[1]) * UNITS[ago[2]]
    if re.fullmatch(r"\d{1,12}(\.\d+)?", text):
        return float(text)
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text}: give a time as 2026-11-22T15:00, 1795359600 or -15m"
        ) from None
    return parsed.replace(tzinfo=parsed.tzinfo or UTC).timestamp()


def _print_table(by: tuple[str, ...], report: CountsReport) -> None:
    table = Table(box=None)
    for name in by:
        table.add_column(name, overflow="fold")
    for name in COLUMNS:
        table.add_column(name, justify="right")
    for dims, row in report.rows:
        table.add_row(
            *(value or "-" for value in dims), *(f"{row[name]:,}" for name in COLUMNS)
        )
    console = Console()
    console.print(table)
    ledger = msgspec.to_builtins(report.ledger)
    parts = [f"{name} {value:,}" for name, value in ledger.items()]
    console.print(f"ledger: {', '.join(parts)}, unaccounted {report.unaccounted:,}")


def _print_ndjson(by: tuple[str, ...], report: CountsReport) -> None:
    for dims, row in report.rows:
        line = dict(zip(by, dims, strict=True)) | dict(row)
        typer.echo(msgspec.json.encode(line))
    ledger = msgspec.to_builtins(report.ledger)
    line = {"ledger": ledger | {"unaccounted": report.unaccounted}}
    typer.echo(msgspec.json.encode(line))
