"""A text that nobody has said before, through all rooms: bytes in, a ticket out."""

import json
from collections.abc import Iterator

import pytest

from monitor.classify import Classifier, scrub
from monitor.counting import CountingPolicy, InputPartition, PartitionCounter, SlotMaker
from monitor.events import Incident, IncidentKind, IncidentState, Severity
from monitor.pipeline import FleetMind, FleetPolicy, Ingest, Records
from monitor.providers import ProviderMatcher
from monitor.service.codecs import decode_counts, encode_tally, open_counts
from monitor.sources import open_source

NOON = 1_795_348_800.0
HOUR, DAY = 3_600.0, 86_400.0

USUAL = (
    "550 5.1.1 The email account that you tried to reach does not exist",
    "452 4.2.2 The recipient's inbox is out of storage space",
)
STRANGE = "550 5.7.99 The goblin of this house takes no letters on a rainy day"


class River:
    """One partition from its first record to the mind."""

    def __init__(self) -> None:
        self._ingest = Ingest(
            open_source("canonical"), ProviderMatcher.builtin(), Classifier()
        )
        source = InputPartition("default", "delivery.events", 0)
        self._counter = PartitionCounter(
            CountingPolicy(),
            source,
            position=0,
            from_log_start=True,
            slots=SlotMaker(scrub),
        )
        self._mind = FleetMind("default", FleetPolicy(), epoch=1)
        self._offset = 0
        self.told: list[Incident] = []

    def pour(self, now: float, replies: list[str]) -> None:
        """Send mail that gets these replies, among ten times as many that get none."""
        values = [self._record(now, reply) for reply in [*replies, *[""] * 200]]
        offsets = range(self._offset, self._offset + len(values))
        self._offset += len(values)
        read = self._ingest(Records(offsets, [now] * len(values), values))
        self._counter.take(read.batch)
        flushed = self._counter.flush()
        for tally in flushed.tallies:
            self._mind.take(decode_counts(open_counts(encode_tally(tally))))
        for ledger in flushed.ledgers:
            self._mind.take(ledger)
        self.told += self._mind.tick(now + 1.0).incidents

    def _record(self, now: float, reply: str) -> bytes:
        self._offset += 1
        fields = {
            "event_id": f"e{self._offset}",
            "event_time": now,
            "outcome": "bounced" if reply else "delivered",
            "recipient_domain": "gmail.com",
            "source_ip": f"192.0.2.{self._offset % 3}",
            "campaign": "spring",
            "diagnostic": reply,
        }
        return json.dumps(fields).encode()

    @property
    def news(self) -> list[Incident]:
        return [one for one in self.told if one.kind is IncidentKind.NEW_REPLY]


def hours(days: float) -> Iterator[float]:
    yield from (NOON + HOUR * hour for hour in range(int(days * 24)))


@pytest.fixture(scope="module")
def river() -> River:
    """A week and some hours of the usual replies."""
    river = River()
    for now in hours(7.2):
        river.pour(now, [*USUAL, "550 5.1.1 unknown user <joe@example.org>"])
    return river


def test_a_text_never_seen_that_comes_fifty_times_is_one_ticket(river: River) -> None:
    assert river.news == []
    start = NOON + 7.2 * DAY
    for step in range(60):
        replies = [f"{STRANGE} <joe{step}@example.org>"] if step < 50 else []
        river.pour(start + 10 * step, [*USUAL, *replies])
    opened = [one for one in river.news if one.state is IncidentState.OPEN]
    assert len({one.id for one in river.news}) == 1
    first = opened[0]
    assert (first.severity, first.scope.provider) == (
        Severity.TICKET,
        "google_consumer",
    )
    assert "goblin" in first.reasons[0].sample
    assert "joe" not in first.reasons[0].sample
    assert first.start == pytest.approx(start, abs=10)
