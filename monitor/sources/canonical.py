"""Our own format: a JSON object whose names are those of ``DeliveryEvent``.

Whoever writes an adapter outside of bouncemon writes this. Required are ``event_time``
(epoch seconds, or RFC 3339 text) and ``outcome``; ``recipient`` (an address) may stand
for ``recipient_domain`` and never gets past this file; ``final`` and ``counts_to_rate``
follow from the outcome. A missing ``event_id`` is computed from the other fields, so
two events that differ in nothing count once: give the id, or the message and recipient.

Theory of operation: most records are plain ASCII, complete and within all bounds. They
are decoded straight into an event, the bounds being checked by the JSON reader (about a
microsecond). Whatever the fast path is not sure of takes the slow one, which decides;
for every record that the fast path accepts, both give the same event.
"""

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
from monitor.sources.options import Labels, SourceOptions

#: Always, whatever a record says: the source is a metric label.
NAME = "canonical"

_Name = Annotated[str, msgspec.Meta(max_length=MAX_NAME)]
_Line = Annotated[str, msgspec.Meta(max_length=MAX_DIAGNOSTIC)]
_Code = Annotated[int, msgspec.Meta(ge=0, le=MAX_REPLY_CODE)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]

_BACKSLASH = ord("\\")
_DELETE = 0x7F

# Looked up once: on the enum itself a member costs as much as a field of the event.
_DROPPED = Outcome.DROPPED
_OPEN = (Outcome.DEFERRED, Outcome.OTHER)


class _PlainEvent(DeliveryEvent, frozen=True, gc=False, kw_only=True):
    """An event as the fast path decodes it: bounded, and complete but for defaults."""

    event_id: _Name = ""
    source: _Name = NAME
    final: bool = cast(bool, None)  # until ``_settle``
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
    final: bool | None = None
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


_PLAIN = msgspec.json.Decoder(_PlainEvent)
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
        event = None if self._custom else self._fast(raw)
        if event is None:
            event = self._slow(raw)
        # Decoded((event,)) costs twice as much: a tenth of the whole hot path.
        return tuple.__new__(Decoded, ((event,), ()))

    def _fast(self, raw: bytes) -> DeliveryEvent | None:
        """The event, if nothing about the record needs a second look."""
        # Control characters come escaped, or as DEL, or outside ASCII.
        if _BACKSLASH in raw or _DELETE in raw or not raw.isascii():
            return None
        if self._keyed and b'"recipient"' in raw:
            return None
        try:
            event = _PLAIN.decode(raw)
        except msgspec.DecodeError:
            return None
        if not (
            MIN_TIME <= event.event_time <= MAX_TIME
            and event.event_id
            and event.recipient_domain.islower()
        ):
            return None
        if event.reply_code < MIN_REPLY_CODE and (event.reply_code or event.diagnostic):
            return None
        _settle(event)
        return event

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
        return DeliveryEvent(
            event_id=name(record.event_id) or self._event_id(record),
            event_time=epoch(record.event_time),
            source=NAME,
            outcome=outcome,
            final=outcome not in _OPEN if record.final is None else record.final,
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


def _settle(event: _PlainEvent) -> None:
    """Set what a record may not choose, or left out; the event is still ours alone."""
    if event.source != NAME:
        msgspec.structs.force_setattr(event, "source", NAME)
    if event.final is None:
        msgspec.structs.force_setattr(event, "final", event.outcome not in _OPEN)
    if event.outcome is _DROPPED:
        msgspec.structs.force_setattr(event, "counts_to_rate", False)


def _outcome(value: Scalar) -> Outcome:
    word = required(value, "outcome")
    try:
        return Outcome(word)
    except ValueError:
        known = ", ".join(Outcome)
        detail = f"outcome is none of {known}"
        raise InvalidEvent(InvalidReason.UNKNOWN_OUTCOME, detail) from None
