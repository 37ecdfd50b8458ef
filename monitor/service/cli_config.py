"""``bouncemon config``: check, show and explain the settings."""

from collections.abc import Iterator
from pathlib import Path

import typer
from pydantic import BaseModel

from monitor.classify import Classifier
from monitor.errors import ConfigError
from monitor.service.assembly import fleet_policy, topic_inputs
from monitor.service.cli_options import ConfigOption, settings_from
from monitor.service.rules_file import load_rules_file
from monitor.service.settings import read_secret
from monitor.service.settings_table import setting_rows
from monitor.service.settings_toml import to_toml

config_app = typer.Typer(help="Check, show and explain the settings.")


@config_app.command("check")
def check(config: ConfigOption = None) -> None:
    """Check the settings and the files that they name; say ok or the first fault."""
    settings = settings_from(config)
    for name, path in _named_files(settings):
        _check_file(name, path)
    fleet_policy(settings)
    topic_inputs(settings, Classifier())
    typer.echo(
        f"ok: {len(settings.inputs)} input(s), mode {settings.throttle.mode}, "
        f"brokers {','.join(settings.kafka.brokers)}"
    )


@config_app.command("show")
def show(config: ConfigOption = None) -> None:
    """Print the settings in force as TOML; secrets are shown as file names only."""
    settings = settings_from(config)
    typer.echo(to_toml(settings), nl=False)


@config_app.command("reference")
def reference() -> None:
    """Print every setting with its default, what is allowed, and what it means."""
    for row in setting_rows():
        typer.echo(f"{row.name}  (default: {row.default}; allowed: {row.allowed})")
        typer.echo(f"    {row.meaning}; variable {row.variable}")


def _check_file(name: str, path: Path) -> None:
    if name == "kafka.ssl_cafile":
        if not path.is_file():
            raise ConfigError(f"{name}: {path}: no such file")
        return
    if name == "classify.rules":
        load_rules_file(path)
        return
    try:
        read_secret(path)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None


def _named_files(model: BaseModel, prefix: str = "") -> Iterator[tuple[str, Path]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, Path):
            yield prefix + name, value
        elif isinstance(value, BaseModel):
            yield from _named_files(value, f"{prefix}{name}.")
