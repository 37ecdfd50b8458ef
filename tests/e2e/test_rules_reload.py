"""Rules of our own that change under a running worker, on a real Kafka."""

import asyncio
import json
import os
import time
import urllib.request
from pathlib import Path

import pytest

from monitor.service import clock
from monitor.service.kafka import make_producer
from monitor.service.settings import Settings, load_settings
from monitor.service.topics import create_topics
from tests.e2e.test_kill import settings_environ
from tests.e2e.workers import POLL_SECONDS, WorkerProcess
from tests.kafka.apache import ApacheKafka

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

RULE = '[[rule]]\nname = "strange"\nreason = "policy"\npatterns = ["zxcvb qwrtz"]\n'
BAD = RULE.replace('["zxcvb', '["(a+)+')
TOKEN = "a-token-for-reading-0123456789"

UNKNOWN = (
    'bouncemon_provider_replies_total{provider="google_consumer",result="undetermined"}'
)
POLICY = 'bouncemon_verdicts_total{class="block",reason="policy"}'
LOADED = 'bouncemon_rules_reloads_total{result="loaded"}'
REFUSED = 'bouncemon_rules_reloads_total{result="refused"}'


class Watched:
    """A worker, and the wait for what its metrics say."""

    def __init__(self, worker: WorkerProcess) -> None:
        self.worker = worker

    def wait_for(self, series: str, value: float, seconds: float = 30.0) -> None:
        deadline = clock.monotonic() + seconds
        while self.metric(series) != value:
            assert self.worker.alive
            assert clock.monotonic() < deadline, f"{series} {self.metric(series)}"
            time.sleep(POLL_SECONDS)

    def metric(self, series: str) -> float:
        page = self.worker.get("/metrics").splitlines()
        found = [line for line in page if line.startswith(series + " ")]
        return float(found[0].split()[-1]) if found else 0.0

    def templates(self) -> list[dict[str, object]]:
        url = f"http://127.0.0.1:{self.worker.port}/api/v1/templates"
        request = urllib.request.Request(
            url, headers={"Authorization": f"Bearer {TOKEN}"}
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            rows: list[dict[str, object]] = json.load(answer)["templates"]
        return rows


def bounce(settings: Settings, number: int) -> None:
    """One reply that no built-in rule understands."""
    value = json.dumps(
        {
            "event_id": f"e{number}",
            "event_time": clock.now(),
            "outcome": "bounced",
            "recipient_domain": "gmail.com",
            "diagnostic": f"zxcvb qwrtz <joe{number}@example.org>",
        }
    ).encode()

    async def send() -> None:
        producer = make_producer(settings.kafka)
        await producer.start()
        await producer.send_and_wait(settings.inputs[0].topic, value, partition=0)
        await producer.stop()

    asyncio.run(send())


def test_rules_change_under_a_running_worker(
    apache_kafka: ApacheKafka, topic_prefix: str, tmp_path: Path
) -> None:
    rules, token = tmp_path / "rules.toml", tmp_path / "token"
    rules.write_text("# none yet\n")
    token.write_text(TOKEN)
    environ = {
        **os.environ,
        **settings_environ(apache_kafka.address, topic_prefix),
        "BOUNCEMON_CLASSIFY__RULES": str(rules),
        "BOUNCEMON_HTTP__READ_TOKEN_FILE": str(token),
    }
    settings = load_settings(None, environ)
    asyncio.run(create_topics(settings))
    worker = WorkerProcess("w0", environ, tmp_path).start()
    worker.wait_until_ready()
    watched = Watched(worker)

    bounce(settings, 1)
    watched.wait_for(UNKNOWN, 1)
    (row,) = watched.templates()
    assert (row["count"], row["sample"]) == (1, "zxcvb qwrtz <ADDR>")

    rules.write_text(RULE)
    watched.wait_for(LOADED, 1)
    bounce(settings, 2)
    watched.wait_for(POLICY, 1)
    assert watched.metric(UNKNOWN) == 1
    assert watched.templates() == []

    rules.write_text(BAD)
    watched.wait_for(REFUSED, 1)
    bounce(settings, 3)
    watched.wait_for(POLICY, 2)
    assert watched.metric("bouncemon_rules_loaded") == 1
    assert worker.stop() == 0
    (complaint,) = worker.own_errors()
    assert "rules refused" in complaint
