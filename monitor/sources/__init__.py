"""Foreign record in, delivery events out: one file a format.

A source is total: whatever the bytes, the answer is a ``Decoded``. To add one, write a
file with a class that reads one object of the format, and add its line to ``SOURCES``.
"""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import TypeAlias

from monitor.errors import ConfigError
from monitor.sources.canonical import Canonical
from monitor.sources.guard import (
    MAX_EVENTS_PER_RECORD,
    MAX_RECORD_BYTES,
    ElementDecoder,
    Source,
)
from monitor.sources.kumomta import KumoMta
from monitor.sources.mailgun import Mailgun
from monitor.sources.options import SourceOptions
from monitor.sources.sendgrid import SendGrid
from monitor.sources.ses import Ses

__all__ = [
    "MAX_EVENTS_PER_RECORD",
    "MAX_RECORD_BYTES",
    "SOURCES",
    "Source",
    "SourceFactory",
    "SourceOptions",
    "open_source",
]

#: Makes the reader of one format's objects.
SourceFactory: TypeAlias = Callable[[SourceOptions], ElementDecoder]

#: Every format there is, by the name used in the settings.
SOURCES: Mapping[str, SourceFactory] = MappingProxyType(
    {
        "canonical": Canonical,
        "kumomta": KumoMta,
        "mailgun": Mailgun,
        "sendgrid": SendGrid,
        "ses": Ses,
    }
)


def open_source(name: str, options: SourceOptions | None = None) -> Source:
    """The decoder of a format: total, deterministic, without state.

    >>> decode = open_source("canonical")
    >>> decode(b"{").invalid[0].reason.value
    'not_json'

    Raises:
        ConfigError: no such source, a malformed path, or a key that is too long.
    """
    factory = SOURCES.get(name)
    if factory is None:
        nearest = get_close_matches(name, SOURCES, n=1, cutoff=0.0)
        raise ConfigError(f"unknown source {name!r}; did you mean {nearest[0]!r}?")
    return Source(factory(options or SourceOptions()))
