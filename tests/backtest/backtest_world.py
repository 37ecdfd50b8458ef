"""A small seeded fleet, written down as events or as counts: the same mail in both."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

#: 2026-01-05 00:00 UTC: a round hour.
EPOCH = 1_767_571_200

PROVIDERS = ("google_consumer", "microsoft_consumer", "yahoo", "united_internet")
DOMAINS = ("gmail.com", "hotmail.com", "yahoo.com", "gmx.de")
IPS = ("203.0.113.1", "203.0.113.2", "203.0.113.3")
CAMPAIGNS = ("c1", "c2", "c3")

COLUMNS = ("attempts", "hard", "block", "deferral", "bounce")
HEADER = ("time", "provider", "source_ip", "campaign", *COLUMNS)

#: Outcome and reply of each kind of failure, and the columns it counts in.
REPLIES = {
    "hard": ("bounced", 550, "5.1.1", "user unknown", ("hard", "bounce")),
    "block": (
        "bounced",
        550,
        "5.7.1",
        "message rejected due to IP reputation",
        ("block", "bounce"),
    ),
    "deferral": ("deferred", 451, "4.3.2", "try again later", ("deferral",)),
}
RATES = {"hard": 0.01, "block": 0.002, "deferral": 0.03}

Leaf = tuple[int, int, int]


@dataclass(frozen=True)
class World:
    """``a_second`` mails in all; from ``onset`` to ``end`` one IP is blocked by one
    provider.
    """

    seed: int = 1
    seconds: int = 2_400
    a_second: float = 30.0
    onset: int = 1_500
    end: int = 1_800
    provider: int = 2
    ip: int = 1
    rate: float = 0.4

    @property
    def leaves(self) -> list[Leaf]:
        return [
            (provider, ip, campaign)
            for provider in range(len(PROVIDERS))
            for ip in range(len(IPS))
            for campaign in range(len(CAMPAIGNS))
        ]

    def rates(self, leaf: Leaf, begin: int) -> dict[str, float]:
        bad = leaf[:2] == (self.provider, self.ip) and self.onset <= begin < self.end
        return RATES | ({"block": self.rate} if bad else {})

    def spans(self, step: int = 1) -> Iterator[tuple[int, Leaf, int, dict[str, int]]]:
        """Attempts and failures of each leaf, in spans of ``step`` seconds."""
        random = np.random.default_rng(self.seed)
        mean = self.a_second * step / len(self.leaves)
        for begin in range(0, self.seconds, step):
            for leaf in self.leaves:
                attempts = int(random.poisson(mean))
                if attempts:
                    rates = self.rates(leaf, begin)
                    parts = [*rates.values(), 1.0 - sum(rates.values())]
                    drawn = random.multinomial(attempts, parts)
                    failed = dict(zip(rates, drawn.tolist(), strict=False))
                    yield EPOCH + begin, leaf, attempts, failed

    def events(self) -> Iterator[bytes]:
        for number, (time, leaf, attempts, failed) in enumerate(self.spans()):
            kinds = [kind for kind, count in failed.items() for _ in range(count)]
            kinds += ["delivered"] * (attempts - len(kinds))
            for index, kind in enumerate(kinds):
                record = {
                    "event_id": f"{number}-{index}",
                    "event_time": time + index / 1000,
                    "recipient_domain": DOMAINS[leaf[0]],
                    "source_ip": IPS[leaf[1]],
                    "campaign": CAMPAIGNS[leaf[2]],
                    "outcome": "delivered",
                }
                if kind in REPLIES:
                    outcome, code, status, said, _ = REPLIES[kind]
                    record |= {
                        "outcome": outcome,
                        "reply_code": code,
                        "enhanced_status": status,
                        "diagnostic": said,
                    }
                yield json.dumps(record).encode()

    def rows(self, step: int = 1) -> Iterator[list[str]]:
        yield list(HEADER)
        for time, leaf, attempts, failed in self.spans(step):
            counts = dict.fromkeys(COLUMNS, 0) | {"attempts": attempts}
            for kind, count in failed.items():
                for column in REPLIES[kind][-1]:
                    counts[column] += count
            names = PROVIDERS[leaf[0]], IPS[leaf[1]], CAMPAIGNS[leaf[2]]
            yield [str(time), *names, *(str(counts[column]) for column in COLUMNS)]

    def ndjson(self) -> bytes:
        return b"".join(line + b"\n" for line in self.events())

    def csv(self, step: int = 1) -> str:
        return "".join(",".join(row) + "\n" for row in self.rows(step))
