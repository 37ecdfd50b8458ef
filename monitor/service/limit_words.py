"""How an absolute limit is written, in the settings and on the command line."""

import re

from monitor.observe.policy import Limit

#: A channel without a limit.
OFF = "off"

_RATE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(%?)")


def read_limit(text: str) -> Limit | None:
    """Read ``5%/10%`` (ticket and page), ``0.05`` (both at once) or ``off``.

    >>> read_limit("2%/0.05")
    Limit(warning=0.02, page=0.05)

    Raises:
        ValueError: the text is none of these.
    """
    if text.strip() == OFF:
        return None
    rates = [_rate(part) for part in text.split("/")]
    if len(rates) > 2:
        raise ValueError(f"not a rate: {text}")
    return Limit(rates[0], rates[-1])


def word_limit(limit: Limit | None) -> str:
    """Write a limit as ``read_limit`` reads it.

    >>> word_limit(Limit(0.001, 0.003))
    '0.1%/0.3%'
    """
    if limit is None:
        return OFF
    return f"{limit.warning * 100:g}%/{limit.page * 100:g}%"


def _rate(text: str) -> float:
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a rate: {text}")
    return float(match[1]) / (100.0 if match[2] else 1.0)
