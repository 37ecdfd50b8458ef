"""A person's order on real parts: the command, the owner, the directive, the audit."""

import asyncio
import os
from pathlib import Path

import pytest

from monitor.events import (
    Action,
    Directive,
    Incident,
    Mode,
    Scope,
    Severity,
)
from monitor.service import cli
from monitor.service.codecs import decode_directive, decode_incident, encode_json
from monitor.service.kafka import make_producer, read_to_end, topic_reader
from monitor.service.settings import Settings, load_settings
from monitor.service.topics import create_topics, topic_names
from tests.e2e.test_kill import settings_environ
from tests.e2e.workers import WorkerProcess
from tests.kafka.apache import ApacheKafka
from tests.tools.incidents import make_incident

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]


FOREIGN = make_incident(
    severity=Severity.PAGE,
    start=1_795_348_800.0,
    detected_at=1_795_348_812.0,
    updated_at=1_795_348_812.0,
)


async def directives(settings: Settings) -> list[Directive]:
    topic = topic_names(settings).directives
    async with topic_reader(settings.kafka, topic) as reader:
        records = read_to_end(reader, reader.assignment())
        return [decode_directive(record.value) async for record in records]


async def tell(settings: Settings, one: Incident) -> None:
    producer = make_producer(settings.kafka)
    await producer.start()
    topic = topic_names(settings).incidents
    await producer.send_and_wait(topic, encode_json(one), key=one.id.encode())
    await producer.stop()


def test_orders_reach_the_sender_and_their_givers_hear_what_came_of_them(
    apache_kafka: ApacheKafka,
    topic_prefix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = settings_environ(apache_kafka.address, topic_prefix)
    for name, value in (given | {"BOUNCEMON_THROTTLE__MODE": "enforce"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    settings = load_settings(None, os.environ)

    def run(words: str) -> tuple[int, str]:
        status = cli.run(words.split())
        said = capsys.readouterr()
        return status, said.out + said.err

    status, said = run("orders pause provider=yahoo --as alice")
    assert status == 3
    assert "run: bouncemon topics create" in said
    asyncio.run(create_topics(settings))
    status, said = run("orders pause provider=gmail --as alice --for 3s --wait 1")
    assert status == 1
    assert "nobody ruled on it within 1 s" in said

    worker = WorkerProcess("w0", os.environ, tmp_path).start()
    worker.wait_until_ready()
    status, said = run("orders pause provider=yahoo --as alice --wait 60 --for 2h")
    assert status == 0, said
    assert "pause provider yahoo for 2h: ordered, mode enforce" in said
    status, said = run("orders resume provider=yahoo --as bob --wait 60")
    assert status == 0, said
    assert run("incidents --open --format ndjson") == (0, "")
    asyncio.run(tell(settings, FOREIGN))
    status, said = run("incidents --open --format ndjson")
    assert [decode_incident(line.encode()) for line in said.splitlines()] == [FOREIGN]
    # Nobody observes this one, and that is said.
    status, said = run("orders accept i-1 --as bob --wait 3")
    assert status == 1
    assert "incident i-1 is still open after 3 s" in said
    assert worker.stop() == 0

    said_of_yahoo = [
        one
        for one in asyncio.run(directives(settings))
        if one.scope == Scope(provider="yahoo")
    ]
    assert [(one.action, one.actor, one.mode) for one in said_of_yahoo] == [
        (Action.PAUSE, "alice", Mode.ENFORCE),
        (Action.RESUME, "bob", Mode.ENFORCE),
    ]
    paused, resumed = said_of_yahoo
    assert (paused.epoch, paused.seq) < (resumed.epoch, resumed.seq)
    assert paused.expires_at - paused.issued_at == pytest.approx(7200, abs=60)
