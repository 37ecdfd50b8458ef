"""What the sink of the transport does with batches, positions and holes."""

import asyncio
import json

import pytest
from aiokafka.errors import KafkaError
from faust.types import TP

from monitor.classify import Classifier
from monitor.counting import CountingPolicy
from monitor.errors import BrokerError
from monitor.pipeline import Ingest
from monitor.providers import ProviderMatcher
from monitor.service import clock
from monitor.service.deadletter import DeadLetters
from monitor.service.ingest import CountsTopic, IngestService, TopicInput
from monitor.service.ingest_report import Growth, IngestReport
from monitor.service.metrics import Metrics
from monitor.service.record_batches import RecordBatch
from monitor.service.settings_sections import DeadletterSettings
from monitor.sources import SourceOptions, open_source

INPUT = TP("delivery.events", 0)
NOON = 1_795_348_800.0


def event(number: int) -> bytes:
    return json.dumps(
        {
            "event_id": f"e{number}",
            "event_time": NOON + number,
            "outcome": "delivered",
            "recipient_domain": "gmail.com",
        }
    ).encode()


def batch(first: int, count: int, start: int | None = None) -> RecordBatch:
    offsets = list(range(first, first + count))
    return RecordBatch(
        first if start is None else start,
        first + count,
        offsets,
        [NOON + number for number in offsets],
        [event(number) for number in offsets],
    )


class Rig:
    def __init__(self) -> None:
        self.metrics = Metrics()
        ingest = Ingest(
            open_source("canonical", SourceOptions()),
            ProviderMatcher.builtin(),
            Classifier(),
        )
        self.inputs = {INPUT.topic: TopicInput(ingest, "default")}
        self.service = IngestService(
            CountingPolicy(),
            self.inputs,
            CountsTopic("bounce.counts", 4),
            self.metrics.ingest,
        )
        self.service._dead_letters = DeadLetters(
            DeadletterSettings(per_reason_per_minute=2), "dead", self.metrics.ingest
        )

    def open(self, committed: int = 0, log_start: int = 0) -> int:
        return asyncio.run(self.service.open(INPUT, committed, log_start))

    def position(self) -> int:
        return self.service.counters[INPUT].position

    def metric(self, line: str) -> float:
        page = self.metrics.render().decode().splitlines()
        return next(float(x.split()[-1]) for x in page if x.startswith(line + " "))


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_takes_batches_that_follow_on(rig: Rig) -> None:
    assert rig.open() == 0
    assert rig.service.take(INPUT, batch(0, 10)) is None
    assert rig.service.take(INPUT, batch(10, 5)) is None
    assert rig.position() == 15
    assert rig.service.counters[INPUT].totals["counted"] == 15


def test_skips_what_it_has_already(rig: Rig) -> None:
    rig.open()
    rig.service.take(INPUT, batch(0, 10))
    rig.service.take(INPUT, batch(0, 10))
    rig.service.take(INPUT, batch(5, 10))
    assert rig.position() == 15
    assert rig.service.counters[INPUT].totals["counted"] == 15


def test_seeks_back_when_the_fetcher_ran_ahead(rig: Rig) -> None:
    rig.open()
    rig.service.take(INPUT, batch(0, 10))
    assert rig.service.take(INPUT, batch(20, 10)) == 10
    assert rig.service.take(INPUT, batch(10, 20)) is None
    assert rig.service.counters[INPUT].totals["counted"] == 30
    assert rig.metric("bouncemon_log_gaps_total") == 0


def test_goes_on_behind_records_that_were_deleted(rig: Rig) -> None:
    rig.open()
    rig.service.take(INPUT, batch(0, 10))
    assert rig.service.take(INPUT, batch(20, 10)) == 10
    assert rig.service.take(INPUT, batch(20, 10)) is None
    assert rig.position() == 30
    assert rig.metric("bouncemon_log_gaps_total") == 1


def test_an_offset_without_a_record_is_no_hole_if_the_broker_says_so(rig: Rig) -> None:
    rig.open()
    rig.service.take(INPUT, batch(0, 10))
    # A control batch at offset 10: the stretch begins there, the records after it.
    assert rig.service.take(INPUT, batch(11, 4, start=10)) is None
    assert rig.position() == 15


def test_a_counter_survives_a_rebalance_and_goes_with_the_partition(rig: Rig) -> None:
    rig.open()
    rig.service.take(INPUT, batch(0, 10))
    assert rig.open(committed=3) == 10
    rig.service.keep_only([])
    assert rig.service.take(INPUT, batch(10, 5)) is None
    assert not rig.service.counters
    assert rig.open(committed=3) == 3


def test_a_commit_before_the_log_starts_behind_the_hole_and_says_so(rig: Rig) -> None:
    assert rig.open(committed=3, log_start=7) == 7
    assert rig.metric("bouncemon_log_gaps_total") == 1
    assert rig.service.counters[INPUT].replaying


class _DyingProducer:
    """Loses its broker after so many records."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.sent = 0

    async def send(self, *_: object, **__: object) -> "asyncio.Future[None]":
        if self.sent == self.left:
            raise KafkaError("gone")
        self.sent += 1
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


def test_after_a_flush_that_was_cut_off_nothing_is_written_or_committed(
    rig: Rig,
) -> None:
    rig.open()
    rig.service.take(INPUT, batch(0, 1500))
    rig.service._producer = _DyingProducer(3)

    async def story() -> None:
        with pytest.raises(KafkaError):
            await rig.service.flush()
        assert rig.service.cut_off
        with pytest.raises(BrokerError, match="cut off"):
            await rig.service.flush()

    asyncio.run(story())
    assert rig.service.committable(INPUT) is None


def test_a_whole_flush_offers_the_checkpoint_that_it_covers(rig: Rig) -> None:
    rig.open()
    rig.service.take(INPUT, batch(0, 1500))
    rig.service._producer = producer = _DyingProducer(10_000)
    asyncio.run(rig.service.flush())
    assert producer.sent == 150 + 150
    # A slot of ten seconds each, and what lies before the committed record is closed.
    offset = rig.service.committable(INPUT)
    assert offset is not None
    assert 1500 - 600 - 60 - 40 <= offset <= 1500 - 600 - 60


def test_commits_are_counted_and_their_delay_shown(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = [50.0]
    monkeypatch.setattr(clock, "monotonic", lambda: moment[0])
    report = IngestReport(rig.service, rig.inputs, rig.metrics.ingest)
    rig.service._producer = _DyingProducer(10_000)

    def delay() -> float:
        report.update({})
        return rig.metric("bouncemon_commit_delay_seconds")

    rig.open()
    rig.service.take(INPUT, batch(0, 30))
    asyncio.run(rig.service.flush())
    moment[0] += 600
    assert delay() == 0, "no checkpoint is old enough: nothing is late"
    rig.service.take(INPUT, batch(30, 1500))
    assert delay() == 0, "counted, but not acknowledged"
    asyncio.run(rig.service.flush())
    moment[0] += 20
    assert delay() == 20
    offset = rig.service.committable(INPUT)
    assert offset is not None
    rig.service.commit_ended({INPUT: offset}, done=False)
    assert delay() == 20
    rig.service.commit_ended({INPUT: offset}, done=True)
    assert delay() == 0
    results = [f'bouncemon_commits_total{{result="{x}"}}' for x in ("done", "failed")]
    assert [rig.metric(line) for line in results] == [1, 1]


def test_dead_letters_are_limited_by_reason(rig: Rig) -> None:
    rig.open()
    bad = batch(0, 5)._replace(values=[b"{", b"{", b"{", b"", event(4)])
    rig.service.take(INPUT, bad)
    sent = 'bouncemon_dead_letters_total{reason="not_json",result="sent"}'
    suppressed = 'bouncemon_dead_letters_total{reason="not_json",result="suppressed"}'
    empty = 'bouncemon_dead_letters_total{reason="empty",result="sent"}'
    assert [rig.metric(x) for x in (sent, suppressed, empty)] == [2, 1, 1]
    assert rig.service.counters[INPUT].totals["counted"] == 1


def test_the_report_turns_totals_into_counters(rig: Rig) -> None:
    report = IngestReport(rig.service, rig.inputs, rig.metrics.ingest)
    rig.open()
    rig.service.take(INPUT, batch(0, 10))
    report.update({INPUT: 12})
    report.update({INPUT: 12})
    line = 'bouncemon_records_total{result="decoded",topic="delivery.events"}'
    assert rig.metric(line) == 10
    lag = 'bouncemon_lag_records{partition="0",topic="delivery.events"}'
    assert rig.metric(lag) == 2
    rig.service.keep_only([])
    report.update({})
    assert b"bouncemon_lag_records{" not in rig.metrics.render()


def test_growth_counts_a_total_that_starts_anew_from_zero() -> None:
    growth = Growth()
    assert [growth.of("a", total) for total in (3, 5, 5, 2)] == [3, 2, 0, 2]
