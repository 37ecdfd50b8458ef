"""How fast one core counts, beside the plainest program that could.

usage: python -m tests.bench [--events N] [--rounds N]

Both read the same records of canonical JSON. *Plain* is a typed decode and one
``Counter`` over (slot, provider domain, IP, campaign, outcome): no classification, no
duplicate check, no late events, no ledger, no tallies. *Ours* is what a worker does
between Kafka's two ends: source, provider, classifier, exact counting, and a flush of
tallies each 10,000 events. Printed: events per CPU second of each round, and the ratio
in the same round, which is the figure that means something on a shared machine.
"""

import argparse
import json
import random
import statistics
import sys
from collections import Counter
from time import process_time

import msgspec

from monitor.classify import Classifier, scrub
from monitor.counting import CountingPolicy, InputPartition, PartitionCounter
from monitor.pipeline import Ingest
from monitor.providers import ProviderMatcher
from monitor.service.codecs import encode_tally
from monitor.sources import SourceOptions, open_source

START = 1_795_348_800.0
FLUSH_EVERY = 10_000

#: Below this share of the plain program's speed something has gone wrong.
LEAST_RATIO = 0.05

REPLIES = (
    ("550 5.1.1 <user{0}@example.com> User unknown", "bounced"),
    ("452 4.2.2 Mailbox full", "deferred"),
    ("550 5.7.1 Service refused, client host [203.0.113.{0}] blocked", "bounced"),
)


class Plain(msgspec.Struct, gc=False):
    event_time: float
    outcome: str
    recipient_domain: str
    source_ip: str
    campaign: str


def make_records(count: int) -> list[bytes]:
    rng = random.Random(7)
    domains = [f"d{number}.example" for number in range(40)] + ["gmail.com", "web.de"]
    records = []
    for number in range(count):
        reply, outcome = "250 2.0.0 OK", "delivered"
        if rng.random() < 0.11:
            text, outcome = rng.choice(REPLIES)
            reply = text.format(number % 250)
        event = {
            "event_id": f"{number:032x}",
            "event_time": START + number / 2000 - rng.expovariate(1.0),
            "outcome": outcome,
            "reply_code": int(reply[:3]),
            "diagnostic": reply,
            "recipient_domain": rng.choice(domains),
            "source_ip": f"203.0.113.{rng.randrange(200)}",
            "campaign": f"campaign-{int(rng.paretovariate(1.0)) % 1000}",
            "tenant": f"tenant-{rng.randrange(5)}",
            "message_id": f"<{number:040x}@mta.example>",
        }
        records.append(json.dumps(event).encode())
    return records


def plain(records: list[bytes]) -> float:
    decode = msgspec.json.Decoder(Plain).decode
    counts: Counter[tuple[int, str, str, str, str]] = Counter()
    started = process_time()
    for record in records:
        one = decode(record)
        slot = int(one.event_time / 10)
        counts[
            slot, one.recipient_domain, one.source_ip, one.campaign, one.outcome
        ] += 1
    assert counts.total() == len(records)
    return len(records) / (process_time() - started)


def ours(records: list[bytes]) -> float:
    ingest = Ingest(
        open_source("canonical", SourceOptions()),
        ProviderMatcher.builtin(),
        Classifier(),
    )
    counter = PartitionCounter(
        CountingPolicy(),
        InputPartition("default", "delivery.events", 0),
        position=0,
        from_log_start=True,
        scrub=scrub,
    )
    started = process_time()
    for offset, record in enumerate(records):
        countables, invalid = ingest(record)
        counter.record(offset, START + offset / 2000, countables, len(invalid))
        if not (offset + 1) % FLUSH_EVERY:
            for tally in counter.flush().tallies:
                encode_tally(tally)
    assert counter.totals["counted"] == len(records)
    return len(records) / (process_time() - started)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    records = make_records(asked.events)
    ratios = []
    for number in range(asked.rounds):
        bare, real = plain(records), ours(records)
        ratios.append(real / bare)
        print(f"round {number}: plain {bare:,.0f}/s, ours {real:,.0f}/s")
    ratio = statistics.median(ratios)
    spread = f"{min(ratios):.2f}-{max(ratios):.2f}"
    print(f"ours / plain: median {ratio:.2f} ({spread}), must be >= {LEAST_RATIO}")
    return 0 if ratio >= LEAST_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
