"""The command ``bouncemon``: commands, errors in one line, exit statuses."""

import os
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import Annotated

import typer

from monitor import __version__
from monitor.errors import MonitorError
from monitor.service.cli_exits import ExitCode, exit_codes_help, word_error

#: Every command and where it is. Only the one that is asked for is loaded, so that a
#: worker that starts again need not wait for the rest.
COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "worker": "cli_worker:worker",
        "topics": "cli_topics:topics_app",
        "config": "cli_config:config_app",
        "counts": "cli_counts:counts",
        "incidents": "cli_incidents:incidents",
        "orders": "cli_orders:orders_app",
        "classify": "cli_classify:classify",
        "rules": "cli_rules:rules_app",
        "backtest": "cli_backtest:backtest",
        "lab": "cli_lab_plots:lab_app",
        "demo": "cli_demo:demo",
    }
)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bouncemon {__version__}")
        raise typer.Exit


def _root(
    _: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_say_version, help="Say the version."
        ),
    ] = False,
) -> None:
    """Streaming bounce-spike monitor for people who send mail at scale."""


def version() -> None:
    """Say the version."""
    _say_version(True)


def make_app(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """The command line with these commands."""
    app = typer.Typer(
        name="bouncemon",
        help="Streaming bounce-spike monitor for people who send mail at scale.",
        epilog=exit_codes_help(),
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    for name in names:
        module, _, attribute = COMMANDS[name].partition(":")
        command = getattr(import_module(f"monitor.service.{module}"), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    app.command()(version)
    return app


def run(argv: Sequence[str]) -> int:
    """Run one command and return its exit status; see ``ExitCode``."""
    try:
        return _run(argv)
    except (BrokenPipeError, SystemExit) as end:
        # Typer and Rich turn the error into an exit of their own.
        pipe = end if isinstance(end, BrokenPipeError) else end.__context__
        if not isinstance(pipe, BrokenPipeError):
            raise
        # A worker has nothing to write: the pipe that broke is none that it was given.
        return _say_bug(pipe) if list(argv[:1]) == ["worker"] else ExitCode.CLOSED_PIPE


def _run(argv: Sequence[str]) -> int:
    asked = argv[0] if argv else ""
    try:
        app = make_app([asked] if asked in COMMANDS else COMMANDS)
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
    except BrokenPipeError:
        raise
    except Exception as error:
        # The outermost boundary: a bug ends in its own status, never as a failed check.
        return _say_bug(error)
    return status if isinstance(status, int) else ExitCode.OK


def _say_bug(error: Exception) -> ExitCode:
    traceback.print_exception(error)
    typer.echo(f"bouncemon: error: bug: {error!r} (please report it)", err=True)
    return ExitCode.BUG


def main() -> None:
    """Entry point of ``bouncemon`` and ``python -m monitor``."""
    status = run(sys.argv[1:])
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        status = status or ExitCode.CLOSED_PIPE
    # All is closed. To take a worker's memory apart, object by object, takes seconds.
    os._exit(status)
