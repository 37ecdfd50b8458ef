"""``bouncemon incidents``: what is wrong, and what was, as the topic tells it."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from monitor.events import Incident, IncidentState
from monitor.service.cli_counts import FormatOption, OutputFormat
from monitor.service.cli_options import ConfigOption, settings_from
from monitor.service.codecs import encode_json
from monitor.service.orders import read_incidents

_COLUMNS = ("id", "kind", "state", "severity", "scope", "channel", "since", "what")

OpenOption = Annotated[
    bool, typer.Option("--open", help="Only those that are not closed.")
]
FleetOption = Annotated[
    str, typer.Option(help="Only this fleet's.", show_default="all fleets")
]


def incidents(
    only_open: OpenOption = False,
    fleet: FleetOption = "",
    form: FormatOption = OutputFormat.TABLE,
    config: ConfigOption = None,
) -> None:
    """Read bounce.incidents, and print the last word on each, oldest first.

    A week is kept. An open one that no worker observes any more stays open here.
    """
    found = [
        one
        for one in read_incidents(settings_from(config))
        if (not fleet or one.fleet == fleet)
        and not (only_open and one.state is IncidentState.CLOSED)
    ]
    match form:
        case OutputFormat.TABLE:
            _print_table(found)
        case OutputFormat.NDJSON:
            for one in found:
                typer.echo(encode_json(one))


def _print_table(found: Iterable[Incident]) -> None:
    table = Table(*_COLUMNS, box=None)
    for one in found:
        since = datetime.fromtimestamp(one.start, UTC)
        table.add_row(
            one.id,
            one.kind.value,
            one.state.value,
            one.severity.value,
            f"{one.scope.kind} {one.scope.key}".strip(),
            one.channel.value,
            f"{since:%Y-%m-%d %H:%M:%S}Z",
            one.note or f"{one.rate:.1%}, normal {one.baseline:.1%}",
        )
    Console().print(table)
