"""The worker's HTTP server, asked over real sockets."""

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from monitor.counting import CountingPolicy
from monitor.events import Action, Command, Scope
from monitor.service import clock
from monitor.service.health import Health
from monitor.service.ingest import CountsTopic, IngestService
from monitor.service.live_classifier import LiveClassifier
from monitor.service.metrics import Metrics
from monitor.service.settings_sections import HttpSettings, WatchdogSettings
from monitor.service.web import MAX_BODY_BYTES, WebServer
from tests.tools.replies import read_one

TOKENS = ("the-old-token-0123456789", "the-new-token-0123456789")


#: Method, path, and options of the client.
Request = tuple[str, str, dict[str, object]]


class Site:
    """A server, and what came through its webhook."""

    def __init__(self, token_file: Path | None, read_file: Path | None = None) -> None:
        self.metrics = Metrics()
        ingest = IngestService(
            CountingPolicy(), {}, CountsTopic("counts", 1), self.metrics.ingest
        )
        self.health = Health(WatchdogSettings(), ingest)
        self.commands: list[Command] = []
        self.live = LiveClassifier()
        self.server = WebServer(
            HttpSettings(
                port=0, webhook_token_file=token_file, read_token_file=read_file
            ),
            self.metrics,
            self.health,
            self._take,
            self.live,
        )

    async def _take(self, command: Command) -> None:
        self.commands.append(command)

    def ask(
        self, *requests: tuple[str, str, dict[str, object]]
    ) -> list[tuple[int, str]]:
        """Status and text of the answers to (method, path, options)."""

        async def run() -> list[tuple[int, str]]:
            await self.server.start()
            base = f"http://127.0.0.1:{self.server.port}"
            answers = []
            try:
                async with aiohttp.ClientSession() as session:
                    for method, path, options in requests:
                        call: Any = session.request
                        answer = await call(method, base + path, **options)
                        answers.append((answer.status, await answer.text()))
            finally:
                await self.server.stop()
            return answers

        return asyncio.run(run())

    def webhook_count(self, result: str) -> float:
        line = f'bouncemon_webhook_requests_total{{result="{result}"}}'
        page = self.metrics.render().decode().splitlines()
        return next(float(x.split()[-1]) for x in page if x.startswith(line))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    file = tmp_path / "tokens"
    file.write_text("\n".join(TOKENS) + "\n")
    return Site(file)


def alert(status: str = "firing", **labels: str) -> dict[str, object]:
    return {
        "status": status,
        "labels": {
            "alertname": "OwnRule",
            "fleet": "default",
            "scope": "campaign",
            "key": "spring",
            "action": "slow",
        }
        | labels,
        "annotations": {"summary": "too many bounces"},
        "startsAt": "2026-11-22T15:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": "00ff",
    }


def post(body: object, token: str | None) -> Request:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return "POST", "/api/v1/alerts", {"data": io.BytesIO(data), "headers": headers}


def payload(*alerts: dict[str, object]) -> dict[str, object]:
    return {"version": "4", "status": "firing", "alerts": list(alerts)}


def test_pages_that_anyone_may_read(site: Site) -> None:
    answers = site.ask(
        *(("GET", f"/{x}", {}) for x in ("metrics", "healthz", "readyz"))
    )
    assert [status for status, _ in answers] == [200, 200, 503]
    assert "bouncemon_build_info" in answers[0][1]
    assert answers[2][1] == "no assignment yet\n"


def test_ready_after_an_assignment(site: Site) -> None:
    site.health.assigned = True
    assert site.ask(("GET", "/readyz", {})) == [(200, "ready\n")]


def test_the_webhook_takes_either_token(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: 1_795_363_200.0)
    body = payload(alert())
    answers = site.ask(*(post(body, token) for token in TOKENS))
    assert [status for status, _ in answers] == [200, 200]
    assert json.loads(answers[0][1]) == {"commands": 1}
    command = site.commands[0]
    assert command.scope == Scope(campaign="spring")
    assert command.action is Action.SLOW
    assert command.actor == "alertmanager"
    assert site.webhook_count("accepted") == 2


@pytest.mark.parametrize(
    "token", [None, "", "wrong", TOKENS[0][:-1], TOKENS[0] + "x", "x" * 100_000]
)
def test_the_webhook_denies_every_other_token(site: Site, token: str | None) -> None:
    ((status, _),) = site.ask(post(payload(alert()), token))
    assert status in (400, 401)
    assert not site.commands


def test_the_webhook_refuses_what_is_no_notification(site: Site) -> None:
    answers = site.ask(
        post(b"{", TOKENS[0]),
        post([], TOKENS[0]),
        post(b" " * (MAX_BODY_BYTES + 1), TOKENS[0]),
        post(payload(alert(action="none")), TOKENS[0]),
    )
    assert [status for status, _ in answers] == [400, 400, 413, 200]
    assert not site.commands
    assert site.webhook_count("invalid") == 2
    assert site.webhook_count("ignored") == 1


def test_without_tokens_there_is_no_webhook() -> None:
    ((status, _),) = Site(None).ask(post(payload(alert()), "anything"))
    assert status == 404


READ_TOKEN = "a-token-for-reading-0123456789"
STRANGE = "zxcvb qwrtz <joe{}@example.org>"


@pytest.fixture
def reader(tmp_path: Path, site: Site) -> Site:
    """A site with both kinds of token, which has seen strange replies."""
    file = tmp_path / "read-tokens"
    file.write_text(READ_TOKEN)
    both = Site(site.server._settings.webhook_token_file, file)
    for number in range(3):
        read_one(both.live, STRANGE.format(number), "yahoo")
    read_one(both.live, "mnbvc lkjhg", "other")
    return both


def get_templates(token: str = READ_TOKEN, query: str = "") -> Request:
    headers = {"Authorization": f"Bearer {token}"}
    return "GET", f"/api/v1/templates{query}", {"headers": headers}


def test_templates_most_frequent_first(reader: Site) -> None:
    all_of_them, first = reader.ask(get_templates(), get_templates(query="?limit=1"))
    assert all_of_them[0] == 200
    page = json.loads(all_of_them[1])
    assert (page["v"], page["held"]) == (1, 2)
    assert [row["count"] for row in page["templates"]] == [3, 1]
    row = page["templates"][0]
    assert row["sample"] == "zxcvb qwrtz <ADDR>"
    assert row["providers"] == {"yahoo": 3}
    assert page["since"] <= row["first_seen"] <= row["last_seen"] <= clock.now()
    assert json.loads(first[1])["templates"] == [row]
    assert "joe" not in all_of_them[1]


def test_templates_are_of_the_rules_in_force(reader: Site) -> None:
    reader.live.swap(reader.live.prepare(()))
    ((_, text),) = reader.ask(get_templates())
    assert json.loads(text)["templates"] == []


@pytest.mark.parametrize("token", ["", "wrong", TOKENS[0], READ_TOKEN[:-1]])
def test_templates_are_shown_to_readers_only(reader: Site, token: str) -> None:
    ((status, text),) = reader.ask(get_templates(token))
    assert (status, text) == (401, "a valid bearer token is needed\n")


def test_a_reader_may_not_order(reader: Site) -> None:
    ((status, _),) = reader.ask(post(payload(alert()), READ_TOKEN))
    assert status == 401
    assert not reader.commands


@pytest.mark.parametrize("limit", ["0", "-1", "501", "x", "", "9" * 5_000, "%C2%B2"])
def test_a_strange_limit_is_refused(reader: Site, limit: str) -> None:
    ((status, text),) = reader.ask(get_templates(query=f"?limit={limit}"))
    assert (status, text) == (400, "limit must be 1 to 500\n")


def test_without_a_read_token_there_are_no_templates(site: Site) -> None:
    ((status, _),) = site.ask(get_templates(TOKENS[0]))
    assert status == 404
