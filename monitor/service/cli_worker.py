"""``bouncemon worker``: the product itself."""

import typer

from monitor.service.app import run_worker
from monitor.service.cli_options import ConfigOption, settings_from
from monitor.service.logs import configure_logs


def worker(config: ConfigOption = None) -> None:
    """Count delivery events, find spikes, slow the guilty traffic; until SIGTERM."""
    settings = settings_from(config)
    configure_logs(settings.log)
    raise typer.Exit(run_worker(settings))
