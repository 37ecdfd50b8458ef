"""Our own format: a JSON object whose names are those of ``DeliveryEvent``.

Whoever writes an adapter outside of bouncemon writes this. Required are ``event_time``
(epoch seconds, or RFC 3339 text) and ``outcome``; ``recipient`` (an address) may stand
for ``recipient_domain`` and never gets past this file; ``counts_to_rate`` follows from
the outcome. A missing ``event_id`` is computed from the other fields, so
two events that differ in nothing count once: give the id, or the message and recipient.

Theory of operation: most records are plain ASCII, complete and within all bounds. They
are decoded straight into events, the bounds being checked by the JSON reader; what else
must be asked is asked of many at a time (about a microsecond an event in all). Whatever
the fast path is not sure of takes the slow one, which decides; for every record that
the fast path accepts, both give the same event. An odd record costs its neighbours
next to nothing.
"""

import re
from collections.abc import Callable, Sequence
from typing import Annotated, TypeAlias

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

#: Records looked at in one go. More of them leave the processor's cache, and may be
#: longer together than a record may be.
STRETCH = 512

_Time = Annotated[float, msgspec.Meta(ge=MIN_TIME, le=MAX_TIME)]
_Name = Annotated[str, msgspec.Meta(max_length=MAX_NAME)]
_Filled = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME)]
_Line = Annotated[str, msgspec.Meta(max_length=MAX_DIAGNOSTIC)]
_Code = Annotated[int, msgspec.Meta(ge=0, le=MAX_REPLY_CODE)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]

# Looked up once: on the enum itself a member costs as much as a field of the event.
_DROPPED = Outcome.DROPPED


class _PlainEvent(DeliveryEvent, frozen=True, gc=False, kw_only=True):
    """An event whose bounds the JSON reader checks.

    It looks for a record's next field behind the last one. So all fields are listed, in
    their usual order: inherited ones would come first.
    """

    event_id: _Filled
    event_time: _Time
    source: _Name = NAME
    outcome: Outcome
    counts_to_rate: bool = True
    reply_code: _Code = 0
    enhanced_status: _Name = ""
    diagnostic: _Line = ""
    recipient_domain: _Filled
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


_Reader: TypeAlias = Callable[[bytes], _PlainEvent]

_KNOWN: _Reader = msgspec.json.Decoder(_KnownEvent).decode
_PLAIN: _Reader = msgspec.json.Decoder(_PlainEvent).decode
_FIELDS = msgspec.json.Decoder(dict[str, object]).decode
_RECORD = msgspec.json.Decoder(_Record)

# Numbers: ``bytes`` take what they are asked for as one first, and a failure is slow.
_ESCAPE, _DELETE = ord("\\"), ord("\x7f")

#: The one field of ours that a plain event lacks; anywhere else these are no key.
_NO_ADDRESS = re.compile(rb'"recipient"\s*:\s*[\[{]')


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
        if self._custom:
            return [None] * len(values)
        events: list[DeliveryEvent | None] = []
        for begin in range(0, len(values), STRETCH):
            events += self._stretch(values[begin : begin + STRETCH])
        return events

    def _stretch(self, values: Sequence[bytes | None]) -> list[DeliveryEvent | None]:
        lines = [*filter(None, values)]
        if len(lines) == len(values) and self._is_likely(b"\n".join(lines)):
            return _settled(_read(lines))
        likely = {
            place: value
            for place, value in enumerate(values)
            if value and self._is_likely(value)
        }
        events = dict(zip(likely, _settled(_read([*likely.values()])), strict=True))
        return [events.get(place) for place in range(len(values))]

    def _is_likely(self, text: bytes) -> bool:
        """True if a record, or each of several, may be plain.

        Control characters come escaped, or as DEL, or outside ASCII.
        """
        return (
            text.isascii()
            and _ESCAPE not in text
            and _DELETE not in text
            and len(text) <= MAX_RECORD_BYTES
            and not (self._keyed and b'"recipient"' in text)
        )

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
            recipient_domain=name(record.recipient_domain) or domain_of(address),
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


def _read(lines: Sequence[bytes]) -> list[DeliveryEvent | None]:
    """The events of likely records; ``None`` for what is no complete event."""
    events: list[DeliveryEvent | None] = []
    read = _KNOWN
    while len(events) < len(lines):
        try:
            # What is read before one fails stays in the list.
            events.extend(map(read, lines[len(events) :]))
        except msgspec.DecodeError:
            if read is _KNOWN:
                # Its writer may have fields of its own: once more, and those behind it.
                read = _read_shallow
            else:
                events.append(None)
                read = _KNOWN
    return events


def _read_shallow(line: bytes) -> _PlainEvent:
    """The event of a record that may have other fields than ours, or nulls.

    Raises:
        DecodeError: it is no complete event, or it may be nested too deep: it has so
            many brackets, strings included.
    """
    most = MAX_DEPTH + 1
    # For few of them, cutting is ten times as fast as counting.
    brackets = len(line.split(b"{", most)) + len(line.split(b"[", most)) - 2
    if brackets > MAX_DEPTH or (brackets > 1 and _NO_ADDRESS.search(line)):
        raise msgspec.DecodeError("perhaps too deep")
    try:
        return _PLAIN(line)
    except msgspec.ValidationError:
        if b"null" not in line:
            raise
    told = {name: value for name, value in _FIELDS(line).items() if value is not None}
    return msgspec.convert(told, _PlainEvent)


def _settled(events: list[DeliveryEvent | None]) -> list[DeliveryEvent | None]:
    """Without those that need a second look, and with what a record may not choose."""
    # One look at each: this is the hot path, and nearly none is odd.
    odd = [
        place
        for place, event in enumerate(events)
        if event is None
        or event.outcome is _DROPPED
        or event.source is not NAME
        or event.reply_code < MIN_REPLY_CODE
    ]
    for place in odd:
        events[place] = _second_look(events[place])
    return events


def _second_look(event: DeliveryEvent | None) -> DeliveryEvent | None:
    """The event as it should be; ``None`` if only the slow path can tell."""
    if event is None:
        return None
    if event.reply_code < MIN_REPLY_CODE and (event.reply_code or event.diagnostic):
        return None
    msgspec.structs.force_setattr(event, "source", NAME)
    if event.outcome is _DROPPED:
        msgspec.structs.force_setattr(event, "counts_to_rate", False)
    return event


def _outcome(value: Scalar) -> Outcome:
    word = required(value, "outcome")
    try:
        return Outcome(word)
    except ValueError:
        known = ", ".join(Outcome)
        detail = f"outcome is none of {known}"
        raise InvalidEvent(InvalidReason.UNKNOWN_OUTCOME, detail) from None
