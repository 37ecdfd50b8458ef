"""Bodies as Alertmanager sends them, built from parts."""

import json
from datetime import UTC, datetime
from typing import Any

from monitor.service.alertmanager import (
    Alerts,
    ProblemReason,
    WebhookPolicy,
    parse_alerts,
)

NOW = 1_800_000_000.0
POLICY = WebhookPolicy()
IP_PROVIDER = {"scope": "ip_provider", "key": "203.0.113.7|yahoo"}


def rfc3339(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")


def alert(labels: dict[str, str] | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "status": "firing",
        "labels": {"alertname": "BounceSpike", "action": "slow"}
        | (IP_PROVIDER if labels is None else labels),
        "annotations": {"summary": "yahoo blocks 203.0.113.7"},
        "startsAt": rfc3339(NOW - 60),
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus:9090/graph?g0.expr=x",
        "fingerprint": "9c3a5a1d0f7e4b21",
    } | changes


def body(*alerts: Any, **changes: Any) -> bytes:
    whole = {
        "version": "4",
        "groupKey": '{}:{alertname="BounceSpike"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "bouncemon",
        "groupLabels": {"alertname": "BounceSpike"},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
        "notification_reason": "first notification",
        "alerts": list(alerts),
    }
    return json.dumps(whole | changes).encode()


def parse(*alerts: Any, now: float = NOW, policy: WebhookPolicy = POLICY) -> Alerts:
    return parse_alerts(body(*alerts), policy, now)


def reasons(alerts: Alerts) -> list[ProblemReason]:
    return [problem.reason for problem in alerts.problems]
