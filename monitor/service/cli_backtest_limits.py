"""How limits and names are written on the command line."""

from collections.abc import Mapping, Sequence

from monitor.errors import ConfigError
from monitor.events import Channel
from monitor.observe.policy import Limit
from monitor.service.limit_words import read_limit

#: Other names of dimensions.
_SYNONYMS = {"source_ip": "ip"}


def wanted_names(text: str) -> tuple[str, ...]:
    """Read ``provider,ip``; empty text gives no name.

    >>> wanted_names("provider, source_ip")
    ('provider', 'ip')
    """
    names = (name.strip() for name in text.split(","))
    return tuple(_SYNONYMS.get(name, name) for name in names if name)


def wanted_limits(
    known: Mapping[Channel, Limit], wishes: Sequence[str]
) -> dict[Channel, Limit]:
    """The limits with some of them set otherwise.

    One rate is the limit of both a ticket and a page.

    >>> wanted_limits({}, ["hard=2%/0.05"])[Channel.HARD]
    Limit(warning=0.02, page=0.05)

    Raises:
        ConfigError: a wish is not ``channel=rate``, ``channel=rate/rate`` or
            ``channel=off``.
    """
    limits = dict(known)
    for wish in wishes:
        name, _, text = wish.partition("=")
        if name not in set(Channel):
            raise ConfigError(f"--limit {wish}: channels are {', '.join(Channel)}")
        limit = _limit(wish, text)
        if limit is None:
            limits.pop(Channel(name), None)
        else:
            limits[Channel(name)] = limit
    return limits


def _limit(wish: str, text: str) -> Limit | None:
    try:
        return read_limit(text)
    except ValueError:
        raise ConfigError(
            f"--limit {wish}: not a rate (write hard=5%, hard=5%/10% or hard=off)"
        ) from None
