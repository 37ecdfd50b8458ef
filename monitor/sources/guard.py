"""The total wrapper: any bytes in, ``Decoded`` out, never an exception.

A source only reads one well-formed JSON object (or form) at a time and may raise
``InvalidEvent``. Size, encoding, nesting, batches and broken JSON are judged here,
before it runs, so that one hostile record costs a bounded time and its neighbours
nothing.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import TypeAlias, TypeVar

import msgspec

from monitor.errors import InvalidEvent, InvalidReason
from monitor.events import Decoded, DeliveryEvent

#: Kafka brokers refuse records over 1 MiB by default; no sane producer comes near.
MAX_RECORD_BYTES = 1_000_000

#: The deepest known format nests six levels. The JSON reader itself gives up at a
#: depth that depends on its caller's stack, which would make counts depend on it too.
MAX_DEPTH = 32

#: The largest batch of any vendor is 1,000 events; ten times that is an attack.
MAX_EVENTS_PER_RECORD = 10_000

#: Dead letters carry a hint, not the record.
MAX_DETAIL = 200

#: Reads one object of a record; may raise ``InvalidEvent`` or a msgspec error.
ElementDecoder: TypeAlias = Callable[[bytes], Decoded]

#: Reads ordinary records, one event each; ``None`` for any other.
PlainDecoder: TypeAlias = Callable[
    [Sequence[bytes | None]], Sequence[DeliveryEvent | None]
]

T = TypeVar("T")

_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])
_SPACE = b" \t\r\n"
_QUOTE = b'"'
_BRACE = ord("{")
_BRACKET = ord("[")
_NEWLINE = ord("\n")
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NOT_BRACKETS = bytes(set(range(256)) - set(_STEPS))


class Source:
    """A format's reader made total: whatever the bytes, an answer, and no exception.

    A record may be one object, an array of them, or one a line; each bad element
    becomes one ``InvalidEvent`` and leaves its neighbours alone.

    Args:
        element: reads one object. If it has a method ``plain``, that may decode
            ordinary records many at a time.
    """

    def __init__(self, element: ElementDecoder) -> None:
        self._element = element
        self._batch: PlainDecoder | None = getattr(element, "plain", None)

    def __call__(self, value: bytes | None) -> Decoded:
        """What one record holds."""
        if not value:
            return refused(InvalidReason.EMPTY)
        try:
            if _plain(value):
                return self._element(value)
            record = checked(value)
            parts = _elements(record)
            if parts is None:
                return self._element(record)
        except (InvalidEvent, msgspec.DecodeError) as problem:
            return _refusal(problem)
        return _joined([_attempt(self._element, part) for part in parts])

    def plain(self, values: Sequence[bytes | None]) -> Sequence[DeliveryEvent | None]:
        """The events of ordinary records, which hold one each; ``None``: ask for it.

        For what it answers, calling the source says the same, but takes longer.
        """
        if self._batch is None:
            return [None] * len(values)
        return self._batch(values)


def _plain(value: bytes) -> bool:
    """True for one flat ASCII object on one line: the hot path has nothing to check."""
    return (
        value[0] == _BRACE
        and _BRACKET not in value
        and _NEWLINE not in value
        and _BRACE not in value[1:]
        and value.isascii()
        and len(value) <= MAX_RECORD_BYTES
    )


def checked(value: bytes) -> bytes:
    """The record without outer white space, if it is safe to read.

    Raises:
        InvalidEvent: too large, not UTF-8, blank, or nested too deep.
    """
    if len(value) > MAX_RECORD_BYTES:
        raise InvalidEvent(InvalidReason.TOO_LARGE, f"{len(value)} bytes")
    if not value.isascii():
        try:
            value.decode()
        except UnicodeDecodeError as problem:
            detail = f"byte {problem.start}"
            raise InvalidEvent(InvalidReason.NOT_UTF8, detail) from None
    if value[0] <= ord(" ") or value[-1] <= ord(" "):
        value = value.strip(_SPACE)
        if not value:
            raise InvalidEvent(InvalidReason.EMPTY)
    if too_deep(value):
        raise InvalidEvent(InvalidReason.TOO_DEEP, f"more than {MAX_DEPTH} levels")
    return value


def too_deep(value: bytes) -> bool:
    """True if brackets outside strings nest deeper than ``MAX_DEPTH``; linear time."""
    if value.count(b"[") + value.count(b"{") <= MAX_DEPTH:
        return False
    # Without escapes, every second piece between quotes is a string.
    plain = value.replace(b"\\\\", b"").replace(b'\\"', b"")
    outside = b"".join(plain.split(_QUOTE)[::2])
    brackets = outside.translate(None, _NOT_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > MAX_DEPTH


def refused(reason: InvalidReason, detail: str = "") -> Decoded:
    """A record, or an element of one, that holds no event."""
    return Decoded((), (InvalidEvent(reason, detail[:MAX_DETAIL]),))


def each_recipient(
    parts: Sequence[msgspec.Raw], decoder: msgspec.json.Decoder[T]
) -> tuple[list[T], list[InvalidEvent]]:
    """Decode the recipients of one record; a bad one leaves its neighbours alone.

    Raises:
        InvalidEvent: too many of them.
    """
    if len(parts) > MAX_EVENTS_PER_RECORD:
        raise InvalidEvent(InvalidReason.TOO_MANY, f"{len(parts)} recipients")
    good: list[T] = []
    invalid: list[InvalidEvent] = []
    for part in parts:
        try:
            good.append(decoder.decode(part))
        except msgspec.DecodeError:
            invalid.append(InvalidEvent(InvalidReason.WRONG_SHAPE, "recipient"))
    return good, invalid


def _elements(record: bytes) -> Sequence[bytes] | None:
    """The parts of a batch; ``None`` for a single object."""
    if record[0] == _BRACKET:
        parts = [bytes(part) for part in _ELEMENTS.decode(record)]
    elif _NEWLINE in record and (b"}\n{" in record or b"}\r\n{" in record):
        # Inside one JSON document these bytes cannot stand together.
        parts = [line for line in record.splitlines() if line.strip()]
    else:
        return None
    if len(parts) > MAX_EVENTS_PER_RECORD:
        raise InvalidEvent(InvalidReason.TOO_MANY, f"{len(parts)} elements")
    return parts


def _attempt(element: ElementDecoder, part: bytes) -> Decoded:
    try:
        return element(part)
    except (InvalidEvent, msgspec.DecodeError) as problem:
        return _refusal(problem)


def _refusal(problem: InvalidEvent | msgspec.DecodeError) -> Decoded:
    """What was raised, as a value: the raised one holds frames, and so the record."""
    if isinstance(problem, InvalidEvent):
        return refused(problem.reason, problem.detail)
    if isinstance(problem, msgspec.ValidationError):
        return refused(InvalidReason.WRONG_SHAPE, str(problem))
    return refused(InvalidReason.NOT_JSON, str(problem))


def _joined(results: Sequence[Decoded]) -> Decoded:
    events: list[DeliveryEvent] = []
    invalid: list[InvalidEvent] = []
    for result in results:
        events.extend(result.events)
        invalid.extend(result.invalid)
    if len(events) > MAX_EVENTS_PER_RECORD:
        return refused(InvalidReason.TOO_MANY, f"{len(events)} events")
    return Decoded(tuple(events), tuple(invalid))
