"""The queries of the committed dashboard, ready to be sent to Prometheus."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
OVERVIEW = ROOT / "dashboards" / "overview.json"

#: What Grafana would put in for the variables; a short interval suits short scrapes.
DEFAULTS: Mapping[str, str] = {
    "__rate_interval": "5s",
    "__range": "1m",
    "fleet": ".*",
    "window": "5m",
    "channel": "bounce",
}


class PanelQuery(NamedTuple):
    """One query of one panel or annotation; ``raw`` still holds its variables."""

    title: str
    raw: str

    def expr(self, values: Mapping[str, str] = DEFAULTS) -> str:
        """The query with all variables replaced."""
        text = self.raw
        for name in sorted(values, key=len, reverse=True):
            text = text.replace(f"${name}", values[name])
        assert "$" not in text, f"{self.title}: unknown variable in {text}"
        return text


def load_dashboard(file: Path = OVERVIEW) -> dict[str, Any]:
    """Return the dashboard's JSON."""
    dashboard: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return dashboard


def panels(dashboard: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the panels that show something, rows left out."""
    for panel in dashboard["panels"]:
        if panel["type"] != "row":
            yield panel


def dashboard_queries(file: Path = OVERVIEW) -> list[PanelQuery]:
    """Return the queries of all panels and annotations."""
    dashboard = load_dashboard(file)
    found = [
        PanelQuery(panel["title"], target["expr"])
        for panel in panels(dashboard)
        for target in panel["targets"]
    ]
    annotations = dashboard["annotations"]["list"]
    return [*found, *(PanelQuery(note["name"], note["expr"]) for note in annotations)]
