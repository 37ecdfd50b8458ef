"""Foreign values made into the fields of a ``DeliveryEvent``.

Every text that leaves this file is bounded and free of control characters: names
become metric labels, Kafka keys and terminal output.
"""

import re
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple, TypeAlias

import msgspec

from monitor.errors import InvalidEvent, InvalidReason

#: What a JSON field that should hold a text or a number may hold.
Scalar: TypeAlias = str | int | float | bool | None

#: Campaigns, tenants, hosts and ids: long enough for any real one, and short enough
#: that a hundred thousand cells stay a few dozen megabytes.
MAX_NAME = 200

#: RFC 5321 allows reply lines of 512 bytes; four of them hold what is worth reading.
MAX_DIAGNOSTIC = 2048

#: The plausible band, 2001-09-09 to 2100-01-01: no bulk mail was sent before, and
#: milliseconds or microseconds taken for seconds land far behind it.
MIN_TIME = 1_000_000_000.0
MAX_TIME = 4_102_444_800.0

#: SMTP reply codes (RFC 5321 4.2.1); anything else is a vendor's own number.
MIN_REPLY_CODE = 200
MAX_REPLY_CODE = 599

#: A counter beyond it is not a count of attempts.
MAX_COUNT = 1_000_000

#: ASCII and C1 controls, zero-width and bidirectional marks, separators, surrogates.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)

_NUMBER = re.compile(r"\d{1,16}(?:\.\d{0,9})?", re.ASCII)

_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?![\d.])", re.ASCII)

#: "smtp; 550-5.1.1 text": type of the MTA (RFC 3464), code, enhanced status. All parts
#: are optional and bounded, so it matches any text in one pass.
_REPLY = re.compile(
    r"\s*(?:(?:smtp|x-[a-z0-9-]{1,20})\s?;\s*)?"
    r"(?:([2-5]\d\d)(?=[\s-]|$)[\s-]*)?"
    r"(?:\#?([245]\.\d{1,3}\.\d{1,3})(?![\d.])[\s:-]*)?",
    re.ASCII | re.IGNORECASE,
)


class Reply(NamedTuple):
    """One SMTP reply taken apart; 0 and ``""`` mean not known."""

    code: int
    status: str
    text: str


class Hasher:
    """Stable ids and recipient hashes; keyed if there is a key.

    The ids depend on content only, so a copy of an event gets the id of the original
    in any process that uses the same key.
    """

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def event_id(self, *parts: Scalar) -> str:
        """128 bits over the parts that tell one event from another, as hex."""
        content = msgspec.json.encode(parts)
        return blake2b(content, digest_size=16, key=self._key).hexdigest()

    def recipient(self, address: str) -> str:
        """Keyed hash of an address; ``""`` without a key.

        A plain hash of an address is undone by guessing addresses, so there is none.
        """
        if not self._key or not address:
            return ""
        content = _bare(address).encode("utf-8", "replace")
        return blake2b(content, digest_size=16, key=self._key).hexdigest()


def text(value: Scalar) -> str:
    """A scalar as text; ``""`` for null."""
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()


def name(value: Scalar) -> str:
    """A label, host or id: at most ``MAX_NAME`` characters, none of them unseen."""
    if value is None or value == "":
        return ""
    cut = text(value)[:MAX_NAME]
    if cut.isascii() and cut.isprintable():
        return cut
    return _UNSEEN.sub("", cut)


def line(value: Scalar) -> str:
    """A diagnostic as one line of at most ``MAX_DIAGNOSTIC`` characters."""
    cut = text(value)[:MAX_DIAGNOSTIC]
    if cut.isascii() and cut.isprintable():
        return cut
    return _UNSEEN.sub(" ", cut)


def required(value: Scalar, field: str) -> str:
    """The text of a field without which a record means nothing.

    Raises:
        InvalidEvent: it is missing or empty, or not a text.
    """
    if isinstance(value, str) and value:
        return value
    if value is None or value == "":
        raise InvalidEvent(InvalidReason.MISSING_FIELD, field)
    raise InvalidEvent(InvalidReason.WRONG_SHAPE, f"{field} is not a text")


def epoch(value: Scalar) -> float:
    """Epoch seconds of a number, a number in text, or an ISO 8601 time with offset.

    >>> epoch("2026-03-02T10:00:05.440526026Z")
    1772445605.440526

    Raises:
        InvalidEvent: missing, unreadable, without offset, or out of the plausible band.
    """
    if value is None or value == "":
        raise InvalidEvent(InvalidReason.MISSING_FIELD, "time")
    seconds = _iso_seconds(value) if isinstance(value, str) else value
    if not isinstance(seconds, bool) and MIN_TIME <= seconds <= MAX_TIME:
        return float(seconds)
    raise InvalidEvent(InvalidReason.BAD_TIME, "time is not in 2001-2100 (in seconds?)")


def _iso_seconds(value: str) -> float:
    if _NUMBER.fullmatch(value):
        return float(value)
    try:
        moment = datetime.fromisoformat(value.upper())
    except ValueError:
        raise InvalidEvent(InvalidReason.BAD_TIME, "time is not ISO 8601") from None
    if moment.tzinfo is None:
        raise InvalidEvent(InvalidReason.BAD_TIME, "time has no offset")
    return moment.timestamp()


def count(value: Scalar) -> int:
    """A small whole number, also from text; 0 for anything else."""
    if isinstance(value, str):
        digits = value.isascii() and value.isdecimal() and len(value) <= len("1000000")
        value = int(value) if digits else 0
    if isinstance(value, int) and 0 <= value <= MAX_COUNT:
        return int(value)
    return 0


def reply_code(value: Scalar) -> int:
    """An SMTP reply code; 0 for anything else."""
    code = count(value)
    return code if MIN_REPLY_CODE <= code <= MAX_REPLY_CODE else 0


def read_reply(reply: Scalar, code: int = 0, status: Scalar = None) -> Reply:
    """Take a reply apart; a code or status that is known already wins.

    >>> read_reply("smtp; 550-5.1.1 No such user")
    Reply(code=550, status='5.1.1', text='No such user')
    """
    whole = line(reply)
    head = _REPLY.match(whole)
    assert head is not None, "every part of the pattern is optional"
    known = _STATUS.match(text(status))
    return Reply(
        code or int(head[1] or 0),
        known[0] if known else head[2] or "",
        whole[head.end() :].rstrip(),
    )


def domain_of(address: str) -> str:
    """Lower-case domain of an address; ``""`` if it names none.

    >>> domain_of("Ann <ann@Example.COM>")
    'example.com'
    """
    _, at, domain = _bare(address).rpartition("@")
    return name(domain.rstrip(".")) if at else ""


def _bare(address: str) -> str:
    """The address without display name, brackets and case."""
    inside = address.rpartition("<")[2] if address.rstrip().endswith(">") else address
    return inside.strip(" \t\r\n<>").lower()


def host(value: Scalar) -> str:
    """A lower-case host name without the trailing dot.

    >>> host("MX1.example.com.")
    'mx1.example.com'
    """
    return name(text(value).lower()).rstrip(".")


def ip(value: Scalar) -> str:
    """An IP address without port and brackets; other names are kept.

    >>> ip("[2001:db8::1]:25"), ip("192.0.2.1:53210"), ip("2001:db8::1")
    ('2001:db8::1', '192.0.2.1', '2001:db8::1')
    """
    socket = name(text(value).lower())
    if socket.startswith("["):
        return socket[1:].partition("]")[0]
    if socket.count(":") == 1:
        return socket.partition(":")[0]
    return socket
