"""What several commands share: the settings file, and how they read settings."""

import os
from pathlib import Path
from typing import Annotated

import typer

from monitor.service.settings import (
    DEFAULT_FILE,
    FILE_VARIABLE,
    Settings,
    load_settings,
)

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help=f"TOML file of settings; else ${FILE_VARIABLE}, else {DEFAULT_FILE}.",
        show_default=False,
    ),
]


def settings_from(config: Path | None) -> Settings:
    """Read the settings of this process.

    Raises:
        ConfigError: see ``load_settings``.
    """
    return load_settings(config, os.environ)
