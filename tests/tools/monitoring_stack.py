"""Real Prometheus and Alertmanager on loopback, with the committed configuration.

Only addresses and intervals are replaced; each replacement must hit, so a change of the
files in ``alerts/`` cannot go past the tests unseen.
"""

import json
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from monitor.service.embedded import end_process, free_port
from tests.tools.prometheus_tools import TEMPLATES_FOLDER, Tools

ALERTS = Path(__file__).parents[2] / "alerts"

#: Both start in about a second; a busy machine may take many.
START_SECONDS = 60
STOP_SECONDS = 20
POLL_SECONDS = 0.05

_DISCOVERY = """\
    dns_sd_configs:
      - names: ["worker"]
        type: A
        port: 8080
        refresh_interval: 10s
"""

Found = TypeVar("Found")


def until(seconds: float, what: str, probe: Callable[[], Found | None]) -> Found:
    """Return the first true thing that ``probe`` returns.

    Raises:
        AssertionError: nothing came within the time; says ``what``.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = probe()
        if found:
            return found
        time.sleep(POLL_SECONDS)
    raise AssertionError(f"not within {seconds:g} s: {what}")


def prometheus_config(
    worker: str,
    alertmanager: str,
    own: str,
    interval: str = "1s",
    more_rules: Path | None = None,
) -> str:
    """Return ``alerts/prometheus.yml`` with loopback addresses (``host:port``)."""
    rules = [ALERTS / "*.rules.yml", *([more_rules] if more_rules else [])]
    return _replaced(
        (ALERTS / "prometheus.yml").read_text(encoding="utf-8"),
        {
            _DISCOVERY: f'    static_configs:\n      - targets: ["{worker}"]\n',
            '"alertmanager:9093"': f'"{alertmanager}"',
            '"localhost:9090"': f'"{own}"',
            '  - "*.rules.yml"': "\n".join(f'  - "{file}"' for file in rules),
            "scrape_interval: 5s": f"scrape_interval: {interval}",
            "evaluation_interval: 5s": f"evaluation_interval: {interval}",
        },
    )


def alertmanager_config(webhook: str, token_file: Path) -> str:
    """Return ``alerts/alertmanager.yml`` with the webhook's URL and token, faster."""
    return _replaced(
        (ALERTS / "alertmanager.yml").read_text(encoding="utf-8"),
        {
            "http://worker:8080/api/v1/alerts": webhook,
            "/run/secrets/webhook_token": str(token_file),
            "group_interval: 10s": "group_interval: 1s",
        },
    )


def _replaced(text: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        assert old in text, f"the committed file has changed: {old}"
        text = text.replace(old, new)
    return text


class Server:
    """A started program that answers ``/-/ready``; a context manager."""

    def __init__(self, name: str, command: list[str], port: int, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.address = f"127.0.0.1:{port}"
        self._log = folder / f"{name}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=folder, stdout=log, stderr=subprocess.STDOUT
            )

    def __enter__(self) -> Self:
        try:
            until(START_SECONDS, f"{self._log.stem} is ready", self._ready)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the program, by force if it does not listen."""
        end_process(self._process, STOP_SECONDS)

    def get(self, path: str, **parameters: str) -> Any:
        """Return the ``data`` of an answer of the HTTP API."""
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}{path}?{query}", timeout=30) as answer:
            said = json.load(answer)
        return said["data"] if isinstance(said, dict) else said

    def query(self, expr: str) -> list[dict[str, Any]]:
        """Return the series of an instant query; Prometheus only."""
        series: list[dict[str, Any]] = self.get("/api/v1/query", query=expr)["result"]
        return series

    def query_range(self, expr: str, start: float, end: float) -> list[dict[str, Any]]:
        """Return the series of a query over a time (epoch seconds), second by second.

        Prometheus only.
        """
        series: list[dict[str, Any]] = self.get(
            "/api/v1/query_range", query=expr, start=f"{start}", end=f"{end}", step="1s"
        )["result"]
        return series

    def rules(self) -> list[dict[str, Any]]:
        """Return all alert rules that are loaded; Prometheus only."""
        groups = self.get("/api/v1/rules", type="alert")["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def _ready(self) -> bool:
        tail = self._log.read_text(encoding="utf-8", errors="replace")[-2000:]
        assert self._process.poll() is None, f"it ended: {tail}"
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def start_prometheus(
    tools: Tools,
    folder: Path,
    worker: str,
    alertmanager: str,
    more_rules: Path | None = None,
) -> Server:
    """Start Prometheus that scrapes a worker every second."""
    port = free_port()
    file = folder / "prometheus.yml"
    config = prometheus_config(
        worker, alertmanager, f"127.0.0.1:{port}", more_rules=more_rules
    )
    file.write_text(config, encoding="utf-8")
    command = [
        str(tools.prometheus),
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'prometheus-data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    return Server("prometheus", command, port, folder)


def start_alertmanager(tools: Tools, folder: Path, webhook: str, token: str) -> Server:
    """Start Alertmanager that calls a webhook with a bearer token."""
    port = free_port()
    token_file = folder / "webhook_token"
    token_file.write_text(f"{token}\n", encoding="utf-8")
    if tools.templates.is_dir():
        (folder / TEMPLATES_FOLDER).symlink_to(tools.templates)
    file = folder / "alertmanager.yml"
    file.write_text(alertmanager_config(webhook, token_file), encoding="utf-8")
    command = [
        str(tools.alertmanager),
        f"--config.file={file}",
        f"--storage.path={folder / 'alertmanager-data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    return Server("alertmanager", command, port, folder)
