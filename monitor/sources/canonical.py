"""Our own format: a JSON object whose names are those of ``DeliveryEvent``.

Whoever writes an adapter outside of bouncemon writes this. Required are ``event_time``
(epoch seconds, or RFC 3339 text) and ``outcome``; ``recipient`` (an address) may stand
for ``recipient_domain`` and never gets past this file; ``counts_to_rate`` follows from
the outcome. A missing ``event_id`` is computed from the other fields, so
two events that differ in nothing count once: give the id, or the message and recipient.

Theory of operation: most records are plain ASCII, complete and within all bounds. They
are decoded straight into events, a whole batch at a time, the bounds being checked by
the JSON reader (about a microsecond an event). Whatever the fast path is not sure of
takes the slow one, which decides; for every record that the fast path accepts, both
give the same event.
"""

from collections.abc import Sequence
from itertools import compress
from operator import attrgetter, itemgetter
from typing import Annotated, cast

import msgspec

from monitor.errors import InvalidEvent, InvalidReason
from monitor.events import Decoded, DeliveryEvent, Outcome
from monitor.sources.fields import (
    MAX_COUNT,
    MAX_DIAGNOSTIC,
    MAX_NAME,
    MAX_REPLY_CODE,
    MAX_TIME,
    MIN_REPLY_CODE,
    MIN_TIME,
    Hasher,
    Scalar,
    count,
    domain_of,
    epoch,
    line,
    name,
    read_reply,
    reply_code,
    required,
    text,
)
from monitor.sources.guard import MAX_DEPTH, MAX_RECORD_BYTES
from monitor.sources.options import Labels, SourceOptions

#: Always, whatever a record says: the source is a metric label.
NAME = "canonical"

_Name = Annotated[str, msgspec.Meta(max_length=MAX_NAME)]
_Line = Annotated[str, msgspec.Meta(max_length=MAX_DIAGNOSTIC)]
_Code = Annotated[int, msgspec.Meta(ge=0, le=MAX_REPLY_CODE)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]

# Looked up once: on the enum itself a member costs as much as a field of the event.
_DROPPED = Outcome.DROPPED


class _PlainEvent(DeliveryEvent, frozen=True, gc=False, kw_only=True):
    """An event whose bounds the JSON reader checks."""

    event_id: _Name = ""
    source: _Name = NAME
    reply_code: _Code = 0
    enhanced_status: _Name = ""
    diagnostic: _Line = ""
    recipient_domain: _Name = ""
    recipient_hash: _Name = ""
    mx_host: _Name = ""
    source_ip: _Name = ""
    campaign: _Name = ""
    tenant: _Name = ""
    segment: _Name = ""
    message_id: _Name = ""
    attempt: _Count = 0
    provider_class: _Name = ""


class _Record(msgspec.Struct, gc=False):
    """A record as the slow path decodes it: anything that can be made sense of."""

    event_time: Scalar = None
    outcome: Scalar = None
    event_id: Scalar = None
    counts_to_rate: bool | None = None
    reply_code: Scalar = None
    enhanced_status: Scalar = None
    diagnostic: Scalar = None
    recipient: Scalar = None
    recipient_domain: Scalar = None
    recipient_hash: Scalar = None
    mx_host: Scalar = None
    source_ip: Scalar = None
    campaign: Scalar = None
    tenant: Scalar = None
    segment: Scalar = None
    message_id: Scalar = None
    attempt: Scalar = None
    provider_class: Scalar = None


class _KnownEvent(_PlainEvent, frozen=True, gc=False, forbid_unknown_fields=True):
    """The same of a record that has no other fields, so that nothing in it can nest."""


_KNOWN = msgspec.json.Decoder(_KnownEvent)
_PLAIN = msgspec.json.Decoder(_PlainEvent)
_BRACE, _FIRST_BYTE = {ord("{")}, itemgetter(0)
_TIME, _CODE = attrgetter("event_time"), attrgetter("reply_code")
_ID, _DOMAIN = attrgetter("event_id"), attrgetter("recipient_domain")
_RECORD = msgspec.json.Decoder(_Record)


class Canonical:
    """Reads one canonical object; see ``open_source``."""

    def __init__(self, options: SourceOptions) -> None:
        self._labels = Labels(options)
        self._hasher = Hasher(options.recipient_key)
        self._custom = self._labels.custom
        self._keyed = bool(options.recipient_key)

    def __call__(self, raw: bytes) -> Decoded:
        """The event of one object.

        Raises:
            InvalidEvent: a field is missing or makes no sense.
        """
        (event,) = self.plain((raw,))
        if event is None:
            event = self._slow(raw)
        return Decoded((event,))

    def plain(self, values: Sequence[bytes | None]) -> Sequence[DeliveryEvent | None]:
        """The events of those records about which nothing needs a second look."""
        if self._custom or not values or not all(values):
            return [None] * len(values)
        lines = cast(Sequence[bytes], values)
        events = self._events(lines)
        if len(events) == len(lines):
            return _settled(events)
        return self._plain_ones(lines) if len(lines) > 1 else [None]

    def _plain_ones(self, lines: Sequence[bytes]) -> Sequence[DeliveryEvent | None]:
        """The same where at least one is not plain: most often, one with an escape."""
        likely = [b"\\" not in line and line.isascii() for line in lines]
        if all(likely):
            return [event for line in lines for event in self.plain((line,))]
        events = iter(self.plain([*compress(lines, likely)]))
        return [next(events) if good else None for good in likely]

    def _events(self, lines: Sequence[bytes]) -> Sequence[_PlainEvent]:
        """The events of ASCII objects without escapes; others are fewer, or none.

        Control characters come escaped, or as DEL, or outside ASCII. What begins with a
        brace is at least one object, so as many events as lines are one of each.
        """
        blob = b"\n".join(lines)
        if not (
            blob.isascii()
            and b"\\" not in blob
            and b"\x7f" not in blob
            and {*map(_FIRST_BYTE, lines)} == _BRACE
            and not (self._keyed and b'"recipient"' in blob)
            and max(map(len, lines)) <= MAX_RECORD_BYTES
        ):
            return []
        try:
            return _KNOWN.decode_lines(blob)
        except msgspec.DecodeError:
            pass
        # With other fields than ours it may nest, and must not do so too deep.
        if not all(map(_is_shallow, lines)):
            return []
        try:
            return _PLAIN.decode_lines(blob)
        except msgspec.DecodeError:
            return []

    def _slow(self, raw: bytes) -> DeliveryEvent:
        record = _RECORD.decode(raw)
        outcome = _outcome(record.outcome)
        address = text(record.recipient)
        reply = (line(record.diagnostic), name(record.enhanced_status))
        code = reply_code(record.reply_code)
        if not code:
            code, status, rest = read_reply(record.diagnostic)
            reply = (rest, reply[1] or status)
        campaign, tenant, segment = self._labels.of(
            self._labels.tree(raw), record.campaign, record.tenant, record.segment
        )
        return _PlainEvent(
            event_id=name(record.event_id) or self._event_id(record),
            event_time=epoch(record.event_time),
            source=NAME,
            outcome=outcome,
            counts_to_rate=outcome is not _DROPPED
            and record.counts_to_rate is not False,
            reply_code=code,
            enhanced_status=reply[1],
            diagnostic=reply[0],
            recipient_domain=name(text(record.recipient_domain).lower())
            or domain_of(address),
            recipient_hash=name(record.recipient_hash)
            or self._hasher.recipient(address),
            mx_host=name(record.mx_host),
            source_ip=name(record.source_ip),
            campaign=campaign,
            tenant=tenant,
            segment=segment,
            message_id=name(record.message_id),
            attempt=count(record.attempt),
            provider_class=name(record.provider_class),
        )

    def _event_id(self, record: _Record) -> str:
        """An id over every field: events that differ in nothing are one event."""
        return self._hasher.event_id(*msgspec.structs.astuple(record))


def _is_shallow(line: bytes) -> bool:
    """True if it has so few brackets, strings included, that it cannot be deep."""
    return line.count(b"{") + line.count(b"[") <= MAX_DEPTH


def _settled(events: Sequence[_PlainEvent]) -> Sequence[DeliveryEvent | None]:
    """Without those that need a second look, and with what a record may not choose."""
    for event in events:
        if event.source is not NAME:
            msgspec.structs.force_setattr(event, "source", NAME)
        if event.outcome is _DROPPED:
            msgspec.structs.force_setattr(event, "counts_to_rate", False)
    times = [*map(_TIME, events)]
    if (
        min(times) >= MIN_TIME
        and max(times) <= MAX_TIME
        and min(map(_CODE, events)) >= MIN_REPLY_CODE
        and all(map(_ID, events))
        and all(map(str.islower, map(_DOMAIN, events)))
    ):
        return events
    return [event if _is_sure(event) else None for event in events]


def _is_sure(event: _PlainEvent) -> bool:
    return bool(
        MIN_TIME <= event.event_time <= MAX_TIME
        and event.event_id
        and event.recipient_domain.islower()
        and (
            event.reply_code >= MIN_REPLY_CODE
            or not (event.reply_code or event.diagnostic)
        )
    )


def _outcome(value: Scalar) -> Outcome:
    word = required(value, "outcome")
    try:
        return Outcome(word)
    except ValueError:
        known = ", ".join(Outcome)
        detail = f"outcome is none of {known}"
        raise InvalidEvent(InvalidReason.UNKNOWN_OUTCOME, detail) from None
