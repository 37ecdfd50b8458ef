"""Real Prometheus and Alertmanager with the committed files, against a live page."""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from monitor.events import Incident, Scope, Severity
from monitor.service.metrics import Metrics
from tests.tools.dashboard_queries import dashboard_queries
from tests.tools.incidents import make_incident
from tests.tools.known_names import TARGET_LABELS, unknown_names
from tests.tools.monitoring_stack import (
    Server,
    start_alertmanager,
    start_prometheus,
    until,
)
from tests.tools.prometheus_tools import Tools
from tests.tools.promql_names import names_in
from tests.tools.sample_metrics import FLEET, sample_metrics
from tests.tools.worker_stub import Call, WorkerStub

TOKEN = "loopback-only-0123456789abcdef"

#: Scrapes, evaluations and group intervals of a second each, on a busy machine.
DEADLINE_SECONDS = 60

SPIKE = make_incident(
    id="live",
    fleet=FLEET,
    scope=Scope(campaign='live "spike" \\ ü', provider="yahoo"),
    severity=Severity.PAGE,
)


class Stack(NamedTuple):
    worker: WorkerStub
    prometheus: Server
    alertmanager: Server


@pytest.fixture(scope="module")
def stack(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    metrics = sample_metrics(time.time())  # noqa: TID251
    with (
        WorkerStub(metrics) as worker,
        start_alertmanager(tools, folder, worker.webhook, TOKEN) as alertmanager,
        start_prometheus(
            tools, folder, worker.address, alertmanager.address
        ) as prometheus,
    ):
        until(
            DEADLINE_SECONDS,
            "three scrapes of a worker that is up",
            lambda: prometheus.query("count_over_time(bouncemon_ready[1m]) >= 3"),
        )
        yield Stack(worker, prometheus, alertmanager)


def rules(stack: Stack) -> list[dict[str, Any]]:
    return stack.prometheus.rules()


def test_every_dashboard_query_returns_numbers(stack: Stack) -> None:
    def silent() -> list[str]:
        return [
            f"{query.title}: {query.expr()}"
            for query in dashboard_queries()
            if not has_number(stack.prometheus, query.expr())
        ]

    last: list[str] = []

    def all_answer() -> bool:
        last[:] = silent()
        return not last

    try:
        until(DEADLINE_SECONDS, "all queries answer", all_answer)
    except AssertionError:
        pytest.fail("no data for:\n" + "\n".join(last))


def has_number(prometheus: Server, expr: str) -> bool:
    values = [float(series["value"][1]) for series in prometheus.query(expr)]
    return any(not math.isnan(value) for value in values)


def test_the_fleet_variable_finds_the_fleet(stack: Stack) -> None:
    found = stack.prometheus.get(
        "/api/v1/label/fleet/values", **{"match[]": "bouncemon_owner"}
    )
    assert found == [FLEET]


def test_all_three_jobs_are_scraped(stack: Stack) -> None:
    def jobs() -> bool:
        up = stack.prometheus.query("up == 1")
        return {one["metric"]["job"] for one in up} == {
            "bouncemon",
            "alertmanager",
            "prometheus",
        }

    until(DEADLINE_SECONDS, "bouncemon, alertmanager and prometheus are up", jobs)


def test_no_rule_fails_to_evaluate(stack: Stack) -> None:
    def healthy() -> bool:
        return all(rule["health"] == "ok" for rule in rules(stack))

    until(DEADLINE_SECONDS, "all rules are evaluated", healthy)
    assert [rule["lastError"] for rule in rules(stack) if rule.get("lastError")] == []


def test_rules_name_metrics_and_labels_that_exist(stack: Stack) -> None:
    faults = {rule["name"]: unknown_names(rule["query"]) for rule in rules(stack)}
    assert {name: found for name, found in faults.items() if found} == {}


def test_each_alert_says_what_is_wrong_and_what_to_do(stack: Stack) -> None:
    for rule in rules(stack):
        assert rule["labels"]["severity"] in set(Severity), rule["name"]
        assert rule["annotations"].keys() == {"summary", "description", "runbook"}
        assert all(rule["annotations"].values()), rule["name"]
        assert "topk" not in names_in(rule["query"]).functions, rule["name"]


def test_alerts_that_act_keep_the_labels_of_their_scope(stack: Stack) -> None:
    acting = [rule for rule in rules(stack) if "action" in rule["labels"]]
    assert {rule["labels"]["action"] for rule in acting} == {"slow", "pause"}
    for rule in acting:
        assert rule["query"].startswith("max by (fleet, scope, key, channel) (")
        matchers = {
            label: (operator, value)
            for label, operator, value in names_in(rule["query"]).selected[0].matchers
        }
        operator, scopes = matchers["scope"]
        # A whole fleet is never slowed by an alert.
        assert (operator == "=~") != ("fleet" in scopes.split("|")), rule["name"]


def test_no_aggregation_hides_labels_from_a_text(stack: Stack) -> None:
    for rule in rules(stack):
        used = {
            part.split()[0].removeprefix("$labels.").strip("}")
            for text in rule["annotations"].values()
            for part in text.split("{{ ")[1:]
            if part.startswith("$labels.")
        }
        kept = names_in(rule["query"]).grouped | TARGET_LABELS
        assert used <= kept, rule["name"]


def test_every_alert_has_a_rule_test(stack: Stack, root: Path) -> None:
    files = (root / "alerts" / "tests").glob("*.test.yml")
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    untested = {rule["name"] for rule in rules(stack) if rule["name"] not in text}
    assert untested == set()


def open_spike(metrics: Metrics, incidents: list[Incident]) -> None:
    metrics.observer.set_incidents(FLEET, incidents, 0.0)


def spike_calls(stack: Stack, status: str) -> list[tuple[Call, dict[str, Any]]]:
    return [
        (call, alert)
        for call in list(stack.worker.calls)
        for alert in call.body["alerts"]
        if alert["labels"].get("key") == SPIKE.scope.key and alert["status"] == status
    ]


def test_a_spike_reaches_the_webhook_with_its_token_and_scope(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    start = time.monotonic()
    stack.worker.call_soon(open_spike, stack.worker.metrics, [SPIKE])
    firing = until(
        DEADLINE_SECONDS, "the webhook is called", lambda: spike_calls(stack, "firing")
    )
    call, alert = firing[0]
    with capsys.disabled():
        print(f"\nspike to webhook, all intervals 1 s: {call.at - start:.2f} s")
    assert call.headers["Authorization"] == f"Bearer {TOKEN}"
    assert call.body["version"] == "4"
    assert call.body["truncatedAlerts"] == 0
    assert alert["labels"] == {
        "alertname": "BounceSpike",
        "severity": "page",
        "action": "slow",
        "fleet": FLEET,
        "scope": SPIKE.scope.kind,
        "key": SPIKE.scope.key,
        "channel": "hard",
    }
    assert SPIKE.scope.key in alert["annotations"]["summary"]
    assert {one["labels"]["key"] for one in call.body["alerts"]} == {SPIKE.scope.key}

    stack.worker.call_soon(open_spike, stack.worker.metrics, [])
    until(
        DEADLINE_SECONDS, "its end is told too", lambda: spike_calls(stack, "resolved")
    )


def test_only_alerts_with_an_action_reach_the_webhook(stack: Stack) -> None:
    until(DEADLINE_SECONDS, "the webhook was called", lambda: stack.worker.calls)
    alerts = [one for call in stack.worker.calls for one in call.body["alerts"]]
    assert {one["labels"]["action"] for one in alerts} <= {"slow", "pause"}
    assert {call.body["receiver"] for call in stack.worker.calls} == {"worker"}
