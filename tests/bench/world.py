"""What the benchmark counts: one topic of realistic delivery events, made here.

Fifty recipient domains, 200 IPs of 40 tenants and 1,000 campaigns, all of them with a
few heavy ones; a campaign uses two IPs of its tenant. 6 % bounce and 5 % are deferred,
with replies that differ in addresses and ids. A record is about 430 bytes of canonical
JSON without a key, dealt to the partitions in turn, and its Kafka timestamp is the time
of its event.
"""

import random
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, NamedTuple

import msgspec
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

SEED = 20261122
PARTITIONS = 4

#: Events a second of log time: a large sender in a busy hour. With fewer, a slot has
#: fewer to each of its cells, and a second of periodic work fewer to share it.
RATE = 20_000.0

#: Weightiest first.
_DOMAIN_NAMES = """
gmail.com outlook.com hotmail.com yahoo.com icloud.com aol.com live.com gmx.de
web.de orange.fr comcast.net free.fr msn.com libero.it mail.ru t-online.de
att.net wanadoo.fr qq.com yandex.ru me.com verizon.net sfr.fr laposte.net
googlemail.com ymail.com gmx.net cox.net bellsouth.net charter.net
btinternet.com sky.com virginmedia.com naver.com 163.com proton.me fastmail.com
zoho.com seznam.cz wp.pl onet.pl o2.pl interia.pl bluewin.ch telenet.be ziggo.nl
kpnmail.nl rambler.ru 126.com freenet.de
"""
DOMAINS = _DOMAIN_NAMES.split()
IPS = [f"198.51.100.{number}" for number in range(200)]
TENANTS = 40
CAMPAIGNS = 1_000

BOUNCED_SHARE = 0.06
DEFERRED_SHARE = 0.05

#: Replies of a final failure; ``{u}`` is a mailbox, ``{d}`` its domain, ``{i}`` the
#: sending IP, ``{x}`` an id of the receiver's.
BOUNCES: tuple[str, ...] = (
    "550 5.1.1 <{u}@{d}>: Recipient address rejected: User unknown",
    "550 5.1.1 The account {u}@{d} does not exist, please check the spelling {x}",
    "550 5.1.1 <{u}@{d}> mailbox unavailable, session {x}",
    "550 5.1.1 unknown recipient {u}@{d} ({x})",
    "550 5.1.10 RecipientNotFound; {u}@{d} not found by address lookup [{x}]",
    "550 5.2.1 The mailbox of {u}@{d} is disabled {x}",
    "550 5.4.1 Recipient address rejected: Access denied. {u}@{d} [{x}]",
    "551 5.1.6 {u}@{d} has moved, no forwarding address {x}",
    "552 5.2.2 <{u}@{d}> mailbox full, over quota {x}",
    "552 5.2.2 the inbox of {u} is out of storage space, id {x}",
    "552 5.3.4 message too large for {d} ({x})",
    "550 5.7.1 Service refused, client host [{i}] is on a blocklist, ref {x}",
    "550 5.7.1 [{i}] message looks like unsolicited mail and was rejected {x}",
    "554 5.7.1 {i} has a poor reputation at {d}, see our postmaster page {x}",
    "550 5.7.26 mail from this domain fails its DMARC policy at {d}, id {x}",
    "550 5.7.25 [{i}] has no reverse DNS entry {x}",
    "554 5.7.1 content rejected by the policy of {d} {x}",
    "554 5.4.4 {d} has no mail exchanger, id {x}",
)

#: Replies of a failure that will be tried again.
DEFERRALS: tuple[str, ...] = (
    "421 4.7.0 [{i}] unusual rate of mail from your IP, try again later {x}",
    "421 4.7.0 {d} temporarily deferred mail of {i} due to complaints, ref {x}",
    "421 4.4.2 {d} connection dropped, session {x}",
    "450 4.2.1 The user {u}@{d} receives mail at too high a rate {x}",
    "450 4.2.2 <{u}@{d}> mailbox full, try later {x}",
    "450 4.7.1 <{u}@{d}>: greylisted, please retry in 300 seconds {x}",
    "451 4.3.0 temporary local problem at {d}, retry later {x}",
    "451 4.7.1 {i} too many messages from this host, slow down {x}",
    "451 4.4.1 lookup of {d} timed out, id {x}",
    "452 4.3.1 insufficient system storage at {d} {x}",
    "452 4.5.3 too many recipients in this session {x}",
    "454 4.7.5 TLS is not available due to a temporary reason {x}",
)
DELIVERIES: tuple[str, ...] = ("250 2.0.0 OK queued as {x}",)


class Record(NamedTuple):
    """One record to write; ``time`` in milliseconds."""

    partition: int
    time: int
    value: bytes


def _zipf(count: int, steepness: float) -> list[float]:
    return list(accumulate(1 / rank**steepness for rank in range(1, count + 1)))


def make_records(count: int, start: float) -> Iterator[Record]:
    """``count`` records in the order of their time, from ``start`` (epoch seconds)."""
    rng = random.Random(SEED)
    domains = rng.choices(DOMAINS, cum_weights=_zipf(len(DOMAINS), 1.2), k=count)
    campaigns = rng.choices(
        range(CAMPAIGNS), cum_weights=_zipf(CAMPAIGNS, 1.07), k=count
    )
    for number, (domain, campaign) in enumerate(zip(domains, campaigns, strict=True)):
        milliseconds = int(1000 * (start + number / RATE))
        event = _event(rng, number, domain, campaign)
        event["event_time"] = milliseconds / 1000
        yield Record(number % PARTITIONS, milliseconds, msgspec.json.encode(event))


def _event(
    rng: random.Random, number: int, domain: str, campaign: int
) -> dict[str, Any]:
    luck = rng.random()
    outcome, replies = "delivered", DELIVERIES
    if luck < BOUNCED_SHARE:
        outcome, replies = "bounced", BOUNCES
    elif luck < BOUNCED_SHARE + DEFERRED_SHARE:
        outcome, replies = "deferred", DEFERRALS
    noise = rng.getrandbits(64)
    tenant = campaign % TENANTS
    ip = IPS[(tenant * 5 + (campaign // TENANTS) % 4 + noise % 2) % len(IPS)]
    reply = replies[noise // 2 % len(replies)].format(
        u=f"user{noise % 90_001}", d=domain, i=ip, x=f"{noise:016x}"
    )
    return {
        "event_id": f"{number:08x}-{noise:016x}",
        "outcome": outcome,
        "reply_code": int(reply[:3]),
        "enhanced_status": reply[4:].partition(" ")[0],
        "diagnostic": reply,
        "recipient_domain": domain,
        "source_ip": ip,
        "campaign": f"campaign-{campaign:05d}",
        "tenant": f"tenant-{tenant:03d}",
        "message_id": f"<{noise:016x}.{number:08x}@mta{noise % 16:02d}.example>",
        "recipient_hash": f"{noise * 31:020x}",
        "attempt": 1 + (noise % 7 == 0),
    }


def make_topics(broker: str, topics: list[str]) -> None:
    """Create the topics of delivery events.

    Raises:
        KafkaException: one is there already, or cannot be made.
    """
    admin = AdminClient({"bootstrap.servers": broker})
    made = admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in topics])
    for future in made.values():
        future.result(30)


def load(broker: str, topic: str, count: int, start: float) -> int:
    """Write ``count`` events, acknowledged and uncompressed; returns their bytes."""
    producer = Producer(
        {
            "bootstrap.servers": broker,
            "linger.ms": 20,
            "compression.type": "none",
            "acks": "all",
            "enable.idempotence": True,  # keeps the order of retried batches
            "log_level": 3,  # a broker that has just started is no news
        }
    )
    refused: list[object] = []

    def delivered(error: object, _: object) -> None:
        if error is not None:
            refused.append(error)

    size = 0
    for record in make_records(count, start):
        while True:
            try:
                producer.produce(
                    topic,
                    record.value,
                    partition=record.partition,
                    timestamp=record.time,
                    on_delivery=delivered,
                )
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
        size += len(record.value)
    left = producer.flush(60)
    assert not refused, f"not loaded: {refused[0]}"
    assert not left, f"not loaded: {left} records"
    return size
