"""``bouncemon topics``: make the topics, or check that they are as they must be."""

import asyncio
from collections.abc import Sequence

import typer
from rich.console import Console
from rich.table import Table

from monitor.service.cli_exits import ExitCode
from monitor.service.cli_options import ConfigOption, settings_from
from monitor.service.topics import TopicReport, TopicState, check_topics, create_topics

topics_app = typer.Typer(help="Make the topics, or check the existing ones.")

#: States of a topic that need nobody's attention.
GOOD_STATES = frozenset({TopicState.OK, TopicState.CREATED})


@topics_app.command("create")
def create(config: ConfigOption = None) -> None:
    """Make the topics that are missing; check the others; touch none that exists."""
    _report(asyncio.run(create_topics(settings_from(config))))


@topics_app.command("check")
def check(config: ConfigOption = None) -> None:
    """Check partitions, retention and cleanup policy of the topics; change nothing."""
    _report(asyncio.run(check_topics(settings_from(config))))


def _report(reports: Sequence[TopicReport]) -> None:
    table = Table("topic", "state", "detail", box=None)
    for report in reports:
        table.add_row(report.name, report.state.value, report.detail)
    Console().print(table)
    if any(report.state not in GOOD_STATES for report in reports):
        raise typer.Exit(ExitCode.FAILED)
