"""``bouncemon rules``: check a rules file, and see what it would change."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from monitor.classify import builtin_rules, class_of, needless_rules
from monitor.errors import ConfigError
from monitor.service.cli_exits import ExitCode
from monitor.service.rules_file import inspect_rules, load_rules_file, look_at
from monitor.service.rules_trial import Trial

rules_app = typer.Typer(help="Check rules of your own, and see what they change.")

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="TOML file of rules.")
]
EventsArgument = Annotated[
    str,
    typer.Argument(
        metavar="EVENTS",
        help="NDJSON of canonical events or of questions to classify; - for stdin.",
    ),
]
AgainstOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Compare with this rules file; else with the built-in rules alone.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@rules_app.command("check")
def check(file: FileArgument, as_json: JsonOption = False) -> None:
    """Find every fault of a rules file; exit status 1 if there is one.

    Faults: no TOML, unknown keys or reasons, patterns that are not linear-time,
    duplicate names, patterns that an earlier one always takes, failing examples.
    No fault, but told: rules whose examples the built-in ones read just so.
    """
    content = look_at(file)
    if content.unread:
        raise ConfigError(f"{file}: {content.unread} (name a TOML file of rules)")
    rules, faults = inspect_rules(content, str(file))
    sizes = {
        "rules": len(rules),
        "patterns": sum(len(rule.patterns) for rule in rules),
        "examples": sum(len(rule.examples) for rule in rules),
    }
    needless = [] if faults else needless_rules(rules)
    if as_json:
        listed = [fault._asdict() for fault in faults]
        page = {"ok": not faults, "file": str(file), **sizes, "faults": listed}
        _print_json({**page, "needless": needless})
    else:
        for fault in faults:
            typer.echo(fault.at(str(file)))
        if not faults:
            held = ", ".join(f"{number} {name}" for name, number in sizes.items())
            typer.echo(f"ok: {held}")
        if needless:
            names = ", ".join(needless)
            typer.echo(f"the built-in rules read the examples just so: {names}")
    raise typer.Exit(ExitCode.FAILED if faults else ExitCode.OK)


@rules_app.command("try")
def try_out(
    file: FileArgument,
    events: EventsArgument,
    against: AgainstOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show which recorded replies would get another class or reason.

    Samples are scrubbed. Exit status 1 if no line could be read as a reply.
    """
    new = load_rules_file(file).rules
    trial = Trial(new, load_rules_file(against).rules if against else ())
    if events == "-":
        _feed(trial, sys.stdin.buffer)
    else:
        try:
            with Path(events).open("rb") as lines:
                _feed(trial, lines)
        except OSError as error:
            raise ConfigError(f"{events}: cannot be read: {error.strerror}") from None
    if as_json:
        _print_json(_as_json(trial))
    else:
        _print_trial(trial)
    raise typer.Exit(ExitCode.OK if trial.replies else ExitCode.FAILED)


@rules_app.command("list")
def list_builtin() -> None:
    """List the built-in rules in their order: class, reason, name and file."""
    for rule in builtin_rules():
        kind = class_of(rule.reason)
        typer.echo(f"{kind:<9} {rule.reason:<23} {rule.name}  ({rule.origin})")


def _feed(trial: Trial, lines: Iterable[bytes]) -> None:
    for line in lines:
        if line.strip():
            trial.take(line)


def _print_trial(trial: Trial) -> None:
    typer.echo(
        f"{trial.changed} of {trial.replies} replies change"
        f" ({trial.others} events without a reply, {trial.unreadable} unreadable)"
    )
    for change, effect in trial.by_count():
        old, new = ("/".join(side) for side in (change.old, change.new))
        typer.echo(f"{effect.count:>8}  {old} -> {new}  by {change.rule or 'no rule'}")
        typer.echo(f"          {effect.sample}")
    if trial.idle:
        typer.echo(f"rules that took none: {', '.join(trial.idle)}")


def _as_json(trial: Trial) -> dict[str, object]:
    return {
        "replies": trial.replies,
        "changed": trial.changed,
        "other_events": trial.others,
        "unreadable": trial.unreadable,
        "changes": [
            {
                "count": effect.count,
                "old": dict(zip(("class", "reason"), change.old, strict=True)),
                "new": dict(zip(("class", "reason"), change.new, strict=True)),
                "rule": change.rule,
                "sample": effect.sample,
            }
            for change, effect in trial.by_count()
        ],
        "idle_rules": trial.idle,
    }


def _print_json(page: dict[str, object]) -> None:
    typer.echo(msgspec.json.encode(page).decode())
