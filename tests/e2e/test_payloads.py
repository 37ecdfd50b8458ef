"""Real payloads of four vendors through Kafka and a whole worker.

Skipped where the samples are not beside the checkout. Prints a table of file, outcome,
class and reason with ``-s``.
"""

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from monitor.classify import Classifier
from monitor.counting import columns_of
from monitor.events import DeliveryEvent
from monitor.service.counts import CountsQuery, read_counts
from monitor.service.kafka import make_producer
from monitor.service.settings import Settings, load_settings
from monitor.service.topics import create_topics
from monitor.sources import open_source
from tests.e2e.test_kill import settings_environ
from tests.e2e.test_poison import dead_letters, wait_until_counted
from tests.e2e.workers import WorkerProcess
from tests.kafka.apache import ApacheKafka

SAMPLES = Path(__file__).parents[3] / "shared" / "data" / "provider-events"
VENDORS = ("ses", "sendgrid", "mailgun", "kumomta")

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.e2e,
    pytest.mark.skipif(
        not SAMPLES.is_dir(), reason="no provider samples beside this checkout"
    ),
]


class Payload(NamedTuple):
    """One record as a vendor sends it."""

    vendor: str
    file: str
    value: bytes


def payloads() -> Iterator[Payload]:
    for vendor in VENDORS:
        for file in sorted((SAMPLES / vendor).iterdir()):
            data = file.read_bytes()
            records = data.splitlines() if file.suffix == ".ndjson" else [data]
            for record in records:
                yield Payload(vendor, file.name, record)


def row(payload: Payload, event: DeliveryEvent) -> tuple[str, ...]:
    """What a user would be shown of one event."""
    said = ("-", "-")
    if event.outcome in ("bounced", "deferred"):
        verdict = Classifier().classify(
            event.diagnostic,
            event.reply_code,
            event.enhanced_status,
            event.recipient_domain,
            event.provider_class,
        )
        said = (verdict.bounce_class.value, verdict.reason.value)
    name = f"{payload.vendor}/{payload.file}"
    counted = "counted" if event.counts_to_rate else "not counted"
    return name, event.outcome.value, counted, *said


def settings_for(broker: str, prefix: str) -> tuple[dict[str, str], Settings]:
    """One input topic a vendor; ancient events are not late here."""
    inputs = [{"topic": f"{prefix}{name}", "source": name} for name in VENDORS]
    environ = {
        **os.environ,
        **settings_environ(broker, prefix),
        "BOUNCEMON_INPUTS": json.dumps(inputs),
    }
    return environ, load_settings(None, environ)


async def produce(settings: Settings, prefix: str, found: list[Payload]) -> None:
    """Write each record with the Kafka timestamp of its own newest event."""
    producer = make_producer(settings.kafka)
    await producer.start()
    stamped = sorted((_time_of(one), number) for number, one in enumerate(found))
    for moment, number in stamped:
        one = found[number]
        await producer.send_and_wait(
            f"{prefix}{one.vendor}",
            one.value,
            partition=0,
            timestamp_ms=int(moment * 1000) + 1,
        )
    await producer.stop()


def _time_of(payload: Payload) -> float:
    events = open_source(payload.vendor)(payload.value).events
    return max((event.event_time for event in events), default=1.4e9)


def test_every_payload_is_counted_or_a_dead_letter(
    apache_kafka: ApacheKafka, topic_prefix: str, tmp_path: Path
) -> None:
    environ, settings = settings_for(apache_kafka.address, topic_prefix)
    asyncio.run(create_topics(settings))
    found = list(payloads())
    asyncio.run(produce(settings, topic_prefix, found))
    worker = WorkerProcess("w0", environ, tmp_path).start()
    wait_until_counted(settings, len(found))
    assert worker.stop() == 0
    assert not worker.own_errors()

    table: list[tuple[str, ...]] = []
    ids: set[str] = set()
    events = invalid = expected = 0
    for payload in found:
        decoded = open_source(payload.vendor)(payload.value)
        invalid += len(decoded.invalid)
        for event in decoded.events:
            events += 1
            table.append(row(payload, event))
            if event.event_id not in ids and event.counts_to_rate:
                verdict = None
                if event.outcome in ("bounced", "deferred"):
                    verdict = Classifier().classify(event.diagnostic)
                expected += bool(columns_of(event.outcome, verdict))
            ids.add(event.event_id)
        if not decoded.events and not decoded.invalid:
            name = f"{payload.vendor}/{payload.file}"
            table.append((name, "ignored", "no delivery outcome", "-", "-"))
    report = read_counts(settings, CountsQuery())
    ledger = report.ledger
    assert (ledger.records, ledger.events) == (len(found), events)
    assert ledger.counted + ledger.late == expected
    assert ledger.invalid == invalid == len(asyncio.run(dead_letters(settings)))
    assert report.unaccounted == 0
    print("\n| file | outcome | counted | class | reason |\n|---|---|---|---|---|")
    for line in sorted(set(table)):
        print(f"| {' | '.join(line)} |")
