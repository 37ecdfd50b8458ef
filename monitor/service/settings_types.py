"""The kinds of values that settings take, each with the check it needs."""

import json
import re
import socket
from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, StringConstraints

from monitor.events import SCOPE_DIMENSIONS
from monitor.observe.detectors import DETECTORS, NEW_REPLY
from monitor.service.limit_words import read_limit
from monitor.service.settings_words import nearest
from monitor.sources import SOURCES


def split_list(value: object) -> object:
    """Take a list from the environment: ``a,b`` or JSON."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return from_json(value)
    return [part.strip() for part in value.split(",") if part.strip()]


def from_json(value: object) -> object:
    """Take a list of tables from the environment, where it is JSON."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise ValueError(f"must be JSON ({error})") from None


def _known_source(name: str) -> str:
    if name not in SOURCES:
        raise ValueError(f"no such source; {nearest(name, list(SOURCES))}")
    return name


def _known_dimension(name: str) -> str:
    if name not in SCOPE_DIMENSIONS:
        raise ValueError(f"no such dimension; {nearest(name, SCOPE_DIMENSIONS)}")
    return name


def _known_detector(name: str) -> str:
    names = (*DETECTORS, NEW_REPLY)
    if name not in names:
        raise ValueError(f"no such detector; {nearest(name, names)}")
    return name


def _sound_limit(value: object) -> object:
    """Take ``5%/10%``, ``5%``, ``off``, or a plain number of TOML."""
    text = str(value)
    try:
        limit = read_limit(text)
    except ValueError:
        raise ValueError("write a rate: 5%, 5%/10% or off") from None
    if limit is not None and not 0 < limit.warning <= limit.page < 1:
        raise ValueError("must be above 0 and below 100 %, the ticket's rate first")
    return text


def host_name() -> str:
    """Return this host's name, fit for a Kafka instance id."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:100] or "worker"


Names = Annotated[tuple[str, ...], BeforeValidator(split_list)]
#: Kafka's own alphabet for topics, groups and instance ids.
TopicName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,200}$")]
#: No ``|``: it separates the parts of a directive's key.
FleetName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
#: IPv6 addresses stand in brackets.
HostPort = Annotated[
    str, StringConstraints(pattern=r"^[^\s:]+:\d{1,5}$|^\[.+\]:\d{1,5}$")
]
SourceName = Annotated[str, BeforeValidator(_known_source)]
Dimension = Annotated[str, BeforeValidator(_known_dimension)]
DetectorName = Annotated[str, BeforeValidator(_known_detector)]
LimitText = Annotated[str, BeforeValidator(_sound_limit)]


class SecurityProtocol(StrEnum):
    """How the connection to Kafka is secured."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"


class SaslMechanism(StrEnum):
    """How the worker proves who it is to Kafka."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"


class LogLevel(StrEnum):
    """The least severe line that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """JSON for machines, console for people."""

    JSON = "json"
    CONSOLE = "console"
