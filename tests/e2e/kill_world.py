"""The input of the kill tests, and a recount of it that shares no code with us."""

import asyncio
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from math import floor

from aiokafka import AIOKafkaProducer, ConsumerRecord

from monitor.service import clock

PROVIDERS = {
    "gmail.com": "google_consumer",
    "yahoo.com": "yahoo",
    "web.de": "united_internet",
    "comcast.net": "comcast",
}

#: outcome, reply, and the columns that it adds one to.
KINDS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("delivered", "250 2.0.0 OK", ("attempts", "delivered")),
    ("bounced", "550 5.1.1 User unknown", ("attempts", "hard", "bounce")),
    ("bounced", "552 5.2.2 Mailbox full", ("attempts", "bounce")),
    ("deferred", "450 4.2.2 Mailbox full", ("attempts", "deferral")),
    ("complained", "", ("complaint",)),
    ("dropped", "", ()),
)
WEIGHTS = (900, 30, 10, 50, 5, 5)

SLOT_SECONDS = 1
LATENESS_SECONDS = 10
FUTURE_SECONDS = 2


def make_event(rng: random.Random, number: int, now: float) -> tuple[int, bytes]:
    """One event as (partition, value); one in a hundred is too old to count."""
    outcome, reply, _ = rng.choices(KINDS, WEIGHTS)[0]
    age = 60.0 if rng.random() < 0.01 else rng.expovariate(2.0)
    event = {
        "event_id": f"e{number}",
        "event_time": now - age,
        "outcome": outcome,
        "reply_code": int(reply[:3] or 0),
        "enhanced_status": reply[4:9],
        "diagnostic": reply,
        "recipient_domain": rng.choice(list(PROVIDERS)),
        "source_ip": f"203.0.113.{rng.randrange(8)}",
        "campaign": f"campaign-{rng.randrange(12)}",
        "tenant": f"tenant-{rng.randrange(2)}",
    }
    return number % 4, json.dumps(event).encode()


@dataclass
class Feed:
    """Writes events at a steady rate until it may end; two in a hundred twice.

    It ends once ``may_end`` is set and at least ``total`` are written.
    """

    topic: str
    total: int
    rate: float
    rng: random.Random
    written: int = 0
    may_end: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, producer: AIOKafkaProducer) -> None:
        loop = asyncio.get_running_loop()
        started, number = loop.time(), 0
        while not self.may_end.is_set() or self.written < self.total:
            due = int((loop.time() - started) * self.rate)
            now = clock.now()
            while self.written < due:
                partition, value = make_event(self.rng, number, now)
                number += 1
                copies = 2 if self.rng.random() < 0.02 else 1
                for _ in range(copies):
                    await producer.send(
                        self.topic,
                        value,
                        partition=partition,
                        timestamp_ms=int(now * 1000),
                    )
                self.written += copies
            await asyncio.sleep(0.02)
        await producer.flush()


@dataclass
class Recount:
    """What a plain reading of the log says: counts by cell, and the ledger."""

    cells: dict[tuple[str, ...], Counter[str]] = field(default_factory=dict)
    ledger: Counter[str] = field(default_factory=Counter)

    def read(self, records: list[ConsumerRecord]) -> None:
        """Count one partition's records, in the order of the log."""
        newest = float("-inf")
        seen: set[tuple[int, str]] = set()
        for record in records:
            newest = max(newest, record.timestamp / 1000)
            event = json.loads(record.value)
            slot = floor(event["event_time"] / SLOT_SECONDS)
            self.ledger["records"] += 1
            self.ledger["events"] += 1
            if slot < floor((newest - LATENESS_SECONDS) / SLOT_SECONDS):
                self.ledger["late"] += 1
            elif (slot, event["event_id"]) in seen:
                self.ledger["duplicates"] += 1
            else:
                seen.add((slot, event["event_id"]))
                self._count(event)

    def _count(self, event: dict[str, str]) -> None:
        columns = next(
            columns
            for outcome, reply, columns in KINDS
            if (outcome, reply) == (event["outcome"], event["diagnostic"])
        )
        if not columns:
            self.ledger["excluded"] += 1
            return
        self.ledger["counted"] += 1
        cell = (
            PROVIDERS[event["recipient_domain"]],
            event["source_ip"],
            event["campaign"],
            event["tenant"],
            "",
        )
        self.cells.setdefault(cell, Counter()).update(columns)
