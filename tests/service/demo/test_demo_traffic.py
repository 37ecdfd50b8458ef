import asyncio
import io
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from aiokafka import ConsumerRecord

from monitor.service.demo.setup import DemoOptions, for_demo, on_broker
from monitor.service.demo.traffic import Traffic, TrafficReport
from monitor.service.demo.view import PlainView
from monitor.service.embedded import EmbeddedBroker
from monitor.service.kafka import make_reader, partitions_of, read_to_end
from monitor.service.settings import Settings, load_settings
from monitor.service.topics import create_topics


@pytest.fixture
def settings(embedded_broker: EmbeddedBroker) -> Settings:
    return for_demo(on_broker(Settings(), embedded_broker.address), "demo-test")


async def play(settings: Settings) -> tuple[TrafficReport, list[ConsumerRecord]]:
    options = DemoOptions(seconds=1.5, rate=4.0, seed=5, traffic_only=True)
    await create_topics(settings)
    with PlainView(io.StringIO()) as view:
        report = await Traffic(options, settings, view).run()
    reader = make_reader(settings.kafka)
    await reader.start()
    try:
        partitions = await partitions_of(reader, settings.inputs[0].topic)
        reader.assign(partitions)
        return report, [record async for record in read_to_end(reader, partitions)]
    finally:
        await reader.stop()


@pytest.mark.e2e
def test_what_was_said_to_be_written_is_there(settings: Settings) -> None:
    report, records = asyncio.run(play(settings))
    assert len(records) == report.produced > 2000
    ids = [record.key for record in records]
    assert len(ids) - len(set(ids)) == report.duplicates > 0
    ages = [
        record.timestamp / 1000 - msgspec.json.decode(record.value)["event_time"]
        for record in records
    ]
    assert sum(age > 600 for age in ages) == report.late > 0
    for number in range(settings.inputs[0].partitions):
        part = [one for one in records if one.partition == number]
        assert len(part) == pytest.approx(len(records) / 4, rel=0.3)
        assert all(a.timestamp <= b.timestamp for a, b in pairwise(part))


def test_a_demo_run_has_everything_of_its_own(settings: Settings) -> None:
    assert settings.kafka.topic_prefix == "demo-test."
    assert settings.inputs[0].topic == "demo-test.delivery.events"
    assert settings.kafka.group_id == "demo-test"
    assert settings.throttle.mode == "enforce"
    assert settings.http.port


def test_files_of_the_users_settings_are_found_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bouncemon.toml").write_text(
        'recipient_key_file = "key"\n[kafka]\nssl_cafile = "ca.pem"\n'
    )
    settings = for_demo(load_settings(None, {}), "run")
    assert settings.recipient_key_file == tmp_path / "key"
    assert settings.kafka.ssl_cafile == tmp_path / "ca.pem"
