"""How limits and names are written on the command line."""

import re
from collections.abc import Mapping, Sequence

from monitor.errors import ConfigError
from monitor.events import Channel
from monitor.observe.policy import Limit

_OFF = "off"
_RATE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(%?)")

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
        channel = Channel(name)
        if text == _OFF:
            limits.pop(channel, None)
            continue
        rates = [_rate(wish, part) for part in text.split("/")]
        if len(rates) > 2:
            raise _unclear(wish)
        limits[channel] = Limit(rates[0], rates[-1])
    return limits


def _rate(wish: str, text: str) -> float:
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise _unclear(wish)
    return float(match[1]) / (100.0 if match[2] else 1.0)


def _unclear(wish: str) -> ConfigError:
    return ConfigError(
        f"--limit {wish}: not a rate (write hard=5%, hard=5%/10% or hard=off)"
    )
