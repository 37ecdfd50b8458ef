"""Writes ``overview.json``: is mail bouncing, where, what did we do, are we well?

``python -m dashboards.build [FILE]`` after each change here; a test compares.
"""

import json
import sys
from pathlib import Path
from typing import Final

from dashboards.mail import mail_rows
from dashboards.panels import DATASOURCE, SCHEMA_VERSION, Json, lay_out
from dashboards.promql import FLEET, increase
from dashboards.wellness import wellness_rows

OVERVIEW: Final = Path(__file__).with_name("overview.json")


def _variables() -> list[Json]:
    return [
        {
            "name": "datasource",
            "label": "Data source",
            "type": "datasource",
            "query": "prometheus",
            "refresh": 1,
        },
        {
            "name": "fleet",
            "label": "Fleet",
            "type": "query",
            "datasource": DATASOURCE,
            "query": {
                "query": "label_values(bouncemon_owner, fleet)",
                "refId": "fleet",
            },
            "definition": "label_values(bouncemon_owner, fleet)",
            "includeAll": True,
            "multi": True,
            "allValue": ".*",
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
            "refresh": 2,
            "sort": 1,
        },
        _choice("window", "Window", "5m 1m 1h 24h"),
        _choice(
            "channel",
            "Channel",
            "bounce hard block config technical deferral complaint",
        ),
    ]


def _choice(name: str, label: str, values: str) -> Json:
    words = values.split()
    options = [
        {"selected": word == words[0], "text": word, "value": word} for word in words
    ]
    return {
        "name": name,
        "label": label,
        "type": "custom",
        "query": ",".join(words),
        "options": options,
        "current": options[0],
    }


def _annotation(name: str, color: str, expr: str, text: str) -> Json:
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": True,
        "iconColor": color,
        "expr": expr,
        "titleFormat": name,
        "textFormat": text,
        "step": "10s",
    }


_OPENED = "{{kind}} {{channel}} {{severity}}"


def overview() -> Json:
    """Return the dashboard."""
    opened = increase("bouncemon_incidents_total", "kind, channel, severity", FLEET)
    ruled = increase(
        "bouncemon_directive_rulings_total",
        "reason",
        'result="applied",reason!="renewed"',
    )
    annotations = [
        _annotation("Incident", "red", f"{opened} > 0", _OPENED),
        _annotation("Directive", "purple", f"{ruled} > 0", "{{reason}}"),
    ]
    return {
        "uid": "bouncemon-overview",
        "title": "bouncemon: overview",
        "description": "Is mail bouncing, where, what did we do, is the monitor well?",
        "tags": ["bouncemon"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": annotations},
        "templating": {"list": _variables()},
        "panels": lay_out((*mail_rows(), *wellness_rows())),
    }


def main(arguments: list[str]) -> None:
    """Write the dashboard to the given file, else to its place."""
    file = Path(arguments[0]) if arguments else OVERVIEW
    text = json.dumps(overview(), indent=2, sort_keys=True) + "\n"
    file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
