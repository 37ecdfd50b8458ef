"""Both roads to a throttle on real parts: in-stream, and by Prometheus.

The demo runs on a real Kafka while a real Prometheus scrapes its worker with the
committed rules, and a real Alertmanager calls the worker's webhook.
"""

import asyncio
import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import ConsumerRecord

from monitor.events import Action, Directive, Incident
from monitor.service import clock
from monitor.service.codecs import decode_directive, decode_incident
from monitor.service.demo.runner import Demo
from monitor.service.demo.setup import DemoOptions, for_demo, on_broker
from monitor.service.demo.verdict import DemoReport
from monitor.service.demo.view import PlainView
from monitor.service.kafka import make_reader, partitions_of, read_to_end
from monitor.service.settings import Settings, load_settings
from monitor.service.topics import TopicState, check_topics, topic_names
from tests.kafka.apache import ApacheKafka
from tests.tools.dashboard_queries import dashboard_queries
from tests.tools.monitoring_stack import (
    Server,
    start_alertmanager,
    start_prometheus,
    until,
)
from tests.tools.prometheus_tools import Tools

pytestmark = [pytest.mark.kafka, pytest.mark.e2e, pytest.mark.timeout(400)]

TOKEN = "only-for-this-test-0123456789abcdef"

#: For the history, the worker's start and the first incident, on a busy machine.
WAIT_SECONDS = 240

#: Live traffic; the third incident begins after 62 % of it.
SECONDS = 75.0


class DemoThread(threading.Thread):
    """Runs the demo beside the test."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(name="demo", daemon=True)
        self._demo = Demo(
            DemoOptions(seconds=SECONDS), settings, PlainView(io.StringIO())
        )
        self.report: DemoReport | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.report = asyncio.run(self._demo.run())
        except BaseException as error:  # shown by the test, which waits for us
            self.error = error

    def check(self) -> None:
        """Raise what ended the demo before its time."""
        if self.error is not None:
            raise AssertionError("the demo failed") from self.error


@pytest.fixture
def settings(apache_kafka: ApacheKafka, topic_prefix: str, tmp_path: Path) -> Settings:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("BOUNCEMON_")
    } | {"BOUNCEMON_HTTP__WEBHOOK_TOKEN_FILE": str(token)}
    given = on_broker(load_settings(None, environ), apache_kafka.address)
    return for_demo(given, f"roads-{topic_prefix[-7:-1]}")


#: A user's own rule on a scope that the in-stream road does not act on by itself.
OWN_RULES = """\
groups:
  - name: own
    rules:
      - alert: OwnRule
        expr: >-
          bouncemon_scope_rate_ratio{scope="campaign_provider",channel="hard",window="1m"}
          > 0.10
          and on (fleet, scope, key)
          bouncemon_scope_attempts{window="1m"} >= 20
        labels: {severity: ticket, action: slow}
        annotations: {summary: "hard bounces of {{ $labels.key }}"}
"""


@pytest.fixture
def prometheus(settings: Settings, tools: Tools, tmp_path: Path) -> Iterator[Server]:
    worker = f"127.0.0.1:{settings.http.port}"
    webhook = f"http://{worker}/api/v1/alerts"
    own = tmp_path / "own.yml"
    own.write_text(OWN_RULES)
    with (
        start_alertmanager(tools, tmp_path, webhook, TOKEN) as alertmanager,
        start_prometheus(tools, tmp_path, worker, alertmanager.address, own) as server,
    ):
        yield server


@pytest.fixture
def demo(settings: Settings) -> DemoThread:
    """The demo; started last, so that the others watch all of it."""
    thread = DemoThread(settings)
    thread.start()
    return thread


def topic_exists(settings: Settings) -> bool:
    reports = asyncio.run(check_topics(settings))
    return not any(one.state is TopicState.MISSING for one in reports)


async def read_topic(settings: Settings, topic: str) -> list[ConsumerRecord]:
    reader = make_reader(settings.kafka)
    await reader.start()
    try:
        partitions = await partitions_of(reader, topic)
        reader.assign(partitions)
        return [record async for record in read_to_end(reader, partitions)]
    finally:
        await reader.stop()


def directives_of(settings: Settings, actor: str) -> list[Directive]:
    """What was issued because of one actor, in the order of the topic."""
    records = asyncio.run(read_topic(settings, topic_names(settings).directives))
    directives = [decode_directive(record.value) for record in records]
    return [one for one in directives if one.actor == actor]


def incidents_of(settings: Settings) -> dict[str, Incident]:
    records = asyncio.run(read_topic(settings, topic_names(settings).incidents))
    incidents = [decode_incident(record.value) for record in records]
    return {one.id: one for one in incidents}


def empty_panels(prometheus: Server, start: float, end: float) -> list[str]:
    """Titles of the panels that showed nothing in all the time (epoch seconds)."""
    return [
        query.title
        for query in dashboard_queries()
        if not prometheus.query_range(query.expr(), start, end)
    ]


def test_both_roads_lead_to_a_throttle(
    settings: Settings, prometheus: Server, demo: DemoThread
) -> None:
    def directive_by_alert() -> bool:
        demo.check()
        return topic_exists(settings) and bool(directives_of(settings, "alertmanager"))

    started = clock.now()
    until(WAIT_SECONDS, "a directive because of an alert", directive_by_alert)
    demo.join(WAIT_SECONDS)
    demo.check()
    assert demo.report is not None, "the demo did not end"
    assert demo.report.unaccounted == 0
    # Asked afterwards: some panels have data before an incident, some only in one.
    assert empty_panels(prometheus, started, clock.now()) == []

    incidents = incidents_of(settings)
    in_stream = [
        one.issued_at - incidents[one.incident].start
        for one in directives_of(settings, "bouncemon")
        if one.action is not Action.RESUME
    ]
    by_alert = [
        one.issued_at - incident.start
        for one in directives_of(settings, "alertmanager")
        for incident in incidents.values()
        if one.action is not Action.RESUME
        and one.scope.campaign == incident.scope.campaign is not None
    ]
    assert in_stream
    assert by_alert
    print(
        "\nfirst directive after the estimated onset: "
        f"in-stream {min(in_stream):.1f} s, "
        f"by Prometheus and Alertmanager {min(by_alert):.1f} s"
    )
