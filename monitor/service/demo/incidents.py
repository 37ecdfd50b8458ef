"""The three incidents of the demo: what goes wrong, where, and what must come of it."""

from typing import NamedTuple

from monitor.events import Action, Cell, Channel, Scope
from monitor.service.demo.cast import IPS, PROVIDERS, Cast
from monitor.service.demo.replies import Fate

#: When each incident begins, as a part of the time they are given: the second and third
#: begin while the earlier ones still run, so that causes must be told apart.
ONSETS = (0.22, 0.42, 0.62)

#: A list with a third of dead addresses, a reputation block that lets some mail
#: through, an overloaded provider: shares of the scope's attempts that fail.
BLOCKED_SHARE = 0.70
BAD_LIST_SHARE = 0.33
DEFERRED_SHARE = 0.60

#: The campaign at fault goes out over at least so many IPs, so that it cannot be
#: mistaken for one of them.
MIN_IPS_OF_CAMPAIGN = 5

#: Part of all mail that this campaign is, about: one of many, yet soon seen.
CAMPAIGN_SHARE = 0.05


class Incident(NamedTuple):
    """One injected cause: from ``starts`` to ``ends`` a share of the attempts in
    ``scope`` meets ``fate``. ``action`` is what the monitor must answer with, None if
    slowing and pausing are both right.
    """

    name: str
    scope: Scope
    channel: Channel
    fate: Fate
    share: float
    starts: float
    ends: float
    action: Action | None = None

    def strikes(self, cell: Cell, moment: float) -> bool:
        """True if an attempt in this cell, now, is among those that may fail."""
        return self.starts <= moment < self.ends and self.scope.contains(cell)


def injected(cast: Cast, begin: float, seconds: float) -> tuple[Incident, ...]:
    """Choose where to strike: heavy enough to be seen, and apart from each other.

    Args:
        cast: who sends to whom.
        begin: epoch seconds.
        seconds: all three begin, one by one, and end within this time.
    """
    (blocker, _), (slowpoke, _) = PROVIDERS[:2]
    first, second, third = (begin + part * seconds for part in ONSETS)
    end = begin + seconds
    return (
        Incident(
            "provider blocks one IP",
            Scope(source_ip=_busiest_ip(cast), provider=blocker),
            Channel.BLOCK,
            Fate.IP_BLOCKED,
            BLOCKED_SHARE,
            first,
            end,
        ),
        Incident(
            "campaign hits a bad list",
            Scope(campaign=_broad_campaign(cast)),
            Channel.HARD,
            Fate.UNKNOWN_USER,
            BAD_LIST_SHARE,
            second,
            end,
        ),
        Incident(
            "provider defers everyone",
            Scope(provider=slowpoke),
            Channel.DEFERRAL,
            Fate.THROTTLED,
            DEFERRED_SHARE,
            third,
            end,
            Action.SLOW,
        ),
    )


def _busiest_ip(cast: Cast) -> str:
    return max(IPS, key=lambda ip: cast.share(Scope(source_ip=ip)))


def _broad_campaign(cast: Cast) -> str:
    """A big campaign that goes out over many IPs, the busiest one not among them, so
    that the first two incidents do not meet.
    """
    busiest = _busiest_ip(cast)
    broad = [
        campaign
        for campaign in cast.campaigns
        if len(campaign.ips) >= MIN_IPS_OF_CAMPAIGN and busiest not in campaign.ips
    ]
    return min(broad, key=lambda one: abs(one.weight - CAMPAIGN_SHARE)).name
