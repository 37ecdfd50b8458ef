"""Who sends to whom in the demo: providers, sending IPs, campaigns, and their shares.

Volumes follow Zipf's law, as they do in life: a few providers, IPs and campaigns carry
most of the mail. Everything is drawn from the given generator, nothing from a clock.
"""

from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import NamedTuple

from monitor.events import Cell, Scope

#: Provider id and a recipient domain of it, heaviest first.
PROVIDERS: tuple[tuple[str, str], ...] = (
    ("google_consumer", "gmail.com"),
    ("microsoft_consumer", "outlook.com"),
    ("yahoo", "yahoo.com"),
    ("apple", "icloud.com"),
    ("united_internet", "gmx.de"),
    ("comcast", "comcast.net"),
    ("orange_fr", "orange.fr"),
    ("t_online", "t-online.de"),
    ("italiaonline", "libero.it"),
    ("att", "att.net"),
    ("laposte", "laposte.net"),
    ("charter_spectrum", "charter.net"),
    ("free_fr", "free.fr"),
    ("bt", "btinternet.com"),
    ("freenet", "freenet.de"),
    ("sfr", "sfr.fr"),
    ("cox", "cox.net"),
    ("virgin_media", "virginmedia.com"),
    ("wp_pl", "wp.pl"),
    ("onet", "onet.pl"),
    ("seznam", "seznam.cz"),
    ("ziggo", "ziggo.nl"),
    ("telenet", "telenet.be"),
    ("swisscom", "bluewin.ch"),
    ("tim_it", "alice.it"),
    ("yahoo_japan", "yahoo.co.jp"),
    ("docomo", "docomo.ne.jp"),
    ("uol", "uol.com.br"),
    ("telstra_bigpond", "bigpond.com"),
    ("proton", "proton.me"),
)

#: Sending addresses, from the ranges that are reserved for documentation.
IPS: tuple[str, ...] = (
    *(f"203.0.113.{host}" for host in range(11, 31)),
    *(f"198.51.100.{host}" for host in range(11, 31)),
)

_TOPICS = (
    "welcome",
    "newsletter",
    "spring-sale",
    "receipts",
    "reminder",
    "win-back",
    "survey",
    "digest",
    "loyalty",
    "product-news",
    "event-invite",
    "shipping",
)
SEGMENTS = ("us", "uk", "de", "fr", "jp")
TENANTS = ("shop", "press", "travel", "games", "bank", "school")

#: Zipf exponents: how steeply volume falls from the heaviest to the next.
PROVIDER_SLOPE = 1.0
CAMPAIGN_SLOPE = 0.7
IP_SLOPE = 0.6

#: A campaign goes out over so many IPs; more of them blur which IP is at fault.
IPS_PER_CAMPAIGN = (4, 8)

#: Normal shares of attempts, before a provider's and a campaign's own factor.
BASE_DEFERRED = 0.03
BASE_HARD = 0.010
BASE_SOFT = 0.005
BASE_BLOCKED = 0.002
BASE_TECHNICAL = 0.001

#: Providers and campaigns differ from the base by up to this factor, either way.
SPREAD = 1.35


class Campaign(NamedTuple):
    """One mailing: who sends it, to whom, over which IPs (one entry per share)."""

    name: str
    tenant: str
    segment: str
    ips: tuple[str, ...]
    weight: float


class Chances(NamedTuple):
    """Chances of the outcomes of one attempt; the rest is delivered."""

    deferred: float
    hard: float
    soft: float
    blocked: float
    technical: float


@dataclass(frozen=True)
class Cast:
    """All senders and receivers, with their shares of the traffic.

    Build with ``Cast.drawn``.
    """

    campaigns: tuple[Campaign, ...]
    provider_weights: tuple[float, ...]
    chances: dict[tuple[str, str], Chances]

    @classmethod
    def drawn(cls, rng: Random) -> "Cast":
        """Draw 60 campaigns and the normal failure chances."""
        weights = zipf(len(_TOPICS) * len(SEGMENTS), CAMPAIGN_SLOPE)
        names = [(topic, segment) for topic in _TOPICS for segment in SEGMENTS]
        rng.shuffle(names)
        campaigns = tuple(
            Campaign(
                f"{topic}-{segment}",
                TENANTS[rank % len(TENANTS)],
                segment,
                _draw_ips(rng),
                weight,
            )
            for rank, ((topic, segment), weight) in enumerate(
                zip(names, weights, strict=True)
            )
        )
        return cls(
            campaigns,
            tuple(zipf(len(PROVIDERS), PROVIDER_SLOPE)),
            _draw_chances(rng, campaigns),
        )

    def share(self, scope: Scope) -> float:
        """Part of all attempts, 0-1, that a scope takes when nothing bursts."""
        total = 0.0
        providers = zip(PROVIDERS, self.provider_weights, strict=True)
        part = sum(
            weight for (name, _), weight in providers if scope.provider in (None, name)
        )
        for campaign in self.campaigns:
            for ip in campaign.ips:
                cell = Cell(
                    scope.provider or "",
                    ip,
                    campaign.name,
                    campaign.tenant,
                    campaign.segment,
                )
                if scope.contains(cell):
                    total += campaign.weight / len(campaign.ips)
        return total * part


def zipf(count: int, slope: float) -> list[float]:
    """Return ``count`` shares, falling with rank, that sum to 1."""
    raw = [rank**-slope for rank in range(1, count + 1)]
    return [value / sum(raw) for value in raw]


def _draw_ips(rng: Random) -> tuple[str, ...]:
    """Draw distinct IPs, busy ones more often; equal shares within the campaign."""
    cumulative = list(accumulate(zipf(len(IPS), IP_SLOPE)))
    wanted = rng.randint(*IPS_PER_CAMPAIGN)
    drawn: dict[str, None] = {}
    while len(drawn) < wanted:
        drawn[rng.choices(IPS, cum_weights=cumulative)[0]] = None
    return tuple(drawn)


def _draw_chances(
    rng: Random, campaigns: tuple[Campaign, ...]
) -> dict[tuple[str, str], Chances]:
    def factor() -> float:
        return float(SPREAD ** rng.uniform(-1, 1))

    of_provider = {name: (factor(), factor()) for name, _ in PROVIDERS}
    of_campaign = {campaign.name: factor() for campaign in campaigns}
    return {
        (provider, campaign): Chances(
            deferred=BASE_DEFERRED * slow,
            hard=BASE_HARD * strict * list_quality,
            soft=BASE_SOFT * strict,
            blocked=BASE_BLOCKED * strict * list_quality,
            technical=BASE_TECHNICAL,
        )
        for provider, (strict, slow) in of_provider.items()
        for campaign, list_quality in of_campaign.items()
    }
