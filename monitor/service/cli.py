"""The command ``bouncemon``: commands, errors in one line, exit statuses."""

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from monitor import __version__
from monitor.errors import MonitorError
from monitor.service.app import run_worker
from monitor.service.cli_backtest import backtest
from monitor.service.cli_classify import classify
from monitor.service.cli_config import config_app
from monitor.service.cli_counts import counts
from monitor.service.cli_demo import demo
from monitor.service.cli_exits import ExitCode, exit_codes_help, word_error
from monitor.service.cli_lab import lab_app
from monitor.service.cli_options import ConfigOption, settings_from
from monitor.service.cli_rules import rules_app
from monitor.service.cli_topics import topics_app
from monitor.service.logs import configure_logs

app = typer.Typer(
    name="bouncemon",
    help="Streaming bounce-spike monitor for people who send mail at scale.",
    epilog=exit_codes_help(),
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.add_typer(topics_app, name="topics")
app.add_typer(config_app, name="config")
app.add_typer(lab_app, name="lab")
app.add_typer(rules_app, name="rules")
app.command()(counts)
app.command()(classify)
app.command()(demo)
app.command()(backtest)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bouncemon {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_say_version, help="Say the version."
        ),
    ] = False,
) -> None:
    """Streaming bounce-spike monitor for people who send mail at scale."""


@app.command()
def worker(config: ConfigOption = None) -> None:
    """Count delivery events, find spikes, slow the guilty traffic; until SIGTERM."""
    settings = settings_from(config)
    configure_logs(settings.log)
    raise typer.Exit(run_worker(settings))


@app.command()
def version() -> None:
    """Say the version."""
    _say_version(True)


def run(argv: Sequence[str]) -> int:
    """Run one command and return its exit status; see ``ExitCode``."""
    try:
        status = app(
            args=list(argv) or ["--help"],
            prog_name="bouncemon",
            standalone_mode=False,
        )
    except (MonitorError, typer.TyperException) as error:
        code, line = word_error(error)
        for note in getattr(error, "__notes__", ()):
            typer.echo(note, err=True)
        typer.echo(line, err=True)
        return code
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.INTERRUPTED
    except Exception as error:
        # The outermost boundary: a bug ends in its own status, never as a failed check.
        traceback.print_exc()
        typer.echo(f"bouncemon: error: bug: {error!r} (please report it)", err=True)
        return ExitCode.BUG
    return status if isinstance(status, int) else ExitCode.OK


def main() -> None:
    """Entry point of ``bouncemon`` and ``python -m monitor``."""
    status = run(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # All is closed. To take a worker's memory apart, object by object, takes seconds.
    os._exit(status)
