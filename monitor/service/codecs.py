"""Bytes on the wire: tallies as packed columns, everything else as JSON with a version.

A record of ``bounce.counts`` is a small header that can be read alone, and a body of
columns, deflated when that pays. A reader that only wants the longest prefix of each
slot decodes headers, and the bodies of the winners.

Readers ignore unknown fields. A reason that a newer worker knows and we do not reads as
``undetermined``; an unknown action, mode, state, severity or channel is refused, since
nobody may act on half an order. Whatever the bytes, a reader raises ``DecodeError`` and
nothing else, in bounded memory.
"""

import zlib
from collections.abc import Iterable, Iterator
from enum import IntEnum
from math import isfinite
from typing import Annotated, Any, NamedTuple, TypeAlias, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from monitor.counting.policy import MAX_CELLS_PER_SLOT, MAX_REASONS_PER_SLOT
from monitor.events import (
    COLUMNS,
    Cell,
    Cells,
    Command,
    Directive,
    Incident,
    Ledger,
    LedgerTally,
    Prefix,
    Reason,
    ReasonCount,
    ReasonShare,
    Tally,
)

#: Version of every format here; a reader refuses a later one.
VERSION = 1

#: Bodies below this many bytes do not shrink enough to be worth the time.
DEFLATE_FROM_BYTES = 512

#: A tally inflates to at most this: names of ``MAX_NAME_BYTES_PER_SLOT``, 56 bytes a
#: cell for counts and indexes, and 2 MB of evidence come to half of it.
MAX_BODY_BYTES = 16_000_000

#: Rows of a tally: beside its cells there is one a provider for what was folded.
MAX_ROWS = 2 * MAX_CELLS_PER_SLOT

#: Distinct names in a tally: of five dimensions a cell, and of three a reason.
MAX_STRINGS = 5 * MAX_ROWS + 3 * MAX_REASONS_PER_SLOT

#: What malformed bytes make msgspec, zlib and the string decoder raise.
_MALFORMED = (
    msgspec.MsgspecError,
    zlib.error,
    UnicodeDecodeError,
    RecursionError,
    IndexError,
)


class DecodeError(Exception):
    """A record of our own topics does not have our format."""


class Kind(IntEnum):
    """What a record of ``bounce.counts`` holds."""

    TALLY = 0
    LEDGER = 1


_Index: TypeAlias = Annotated[int, Meta(ge=0)]
_Matrix: TypeAlias = npt.NDArray[np.integer[Any]]

#: Numbers of a body, and the narrow ones that it travels in where they are enough.
_CODE, _COUNT = np.dtype("<u4"), np.dtype("<i4")
_NARROW = (np.dtype("u1"), np.dtype("<u2"))


class _ReasonRow(NamedTuple):
    """A ``ReasonCount``; names are indexes, the reason is text (see above)."""

    provider: _Index
    source_ip: _Index
    campaign: _Index
    reason: str
    events: int
    sample: str
    template: str = ""


class _Body(msgspec.Struct, array_like=True):
    """A tally in columns: names, indexes of each dimension, counts, evidence."""

    names: Annotated[list[str], Meta(max_length=MAX_STRINGS)]
    rows: Annotated[int, Meta(ge=0, le=MAX_ROWS)]
    codes: bytes
    counts: bytes
    reasons: Annotated[list[_ReasonRow], Meta(max_length=MAX_REASONS_PER_SLOT)]


class _Envelope(msgspec.Struct, array_like=True):
    version: int
    kind: int
    prefix: Prefix
    deflated: bool
    body: bytes


class CountsRecord(NamedTuple):
    """A record of ``bounce.counts`` whose body is not decoded yet."""

    kind: Kind
    prefix: Prefix
    deflated: bool
    body: bytes


_pack = msgspec.msgpack.Encoder().encode
_unpack_envelope = msgspec.msgpack.Decoder(_Envelope).decode
_unpack_body = msgspec.msgpack.Decoder(_Body).decode
_unpack_ledger = msgspec.msgpack.Decoder(Ledger).decode


def encode_tally(tally: Tally | LedgerTally) -> bytes:
    """One record of ``bounce.counts``."""
    if isinstance(tally, LedgerTally):
        return _seal(Kind.LEDGER, tally.prefix, _pack(tally.ledger))
    cells = Cells.of(tally.cells)
    table = {name: code for code, name in enumerate(cells.names)}
    reasons = [
        (
            *_indexes(table, (row.provider, row.source_ip, row.campaign)),
            row.reason,
            row.count,
            row.sample,
            row.template,
        )
        for row in tally.reasons
    ]
    codes, counts = (
        _by_column(data, kind, len(cells))
        for data, kind in ((cells.codes, _CODE), (tally.counts, _COUNT))
    )
    body = _pack([list(table), len(cells), codes, counts, reasons])
    return _seal(Kind.TALLY, tally.prefix, body)


def _by_column(data: bytes, kind: np.dtype[Any], rows: int) -> bytes:
    """A matrix column by column, in the narrowest numbers that hold all of it."""
    matrix = np.frombuffer(data, kind)
    if rows:
        low, high = int(matrix.min()), int(matrix.max())
        kind = next((k for k in _NARROW if low >= 0 and high <= np.iinfo(k).max), kind)
    return matrix.reshape(rows, -1).T.astype(kind).tobytes() if rows else b""


def _by_row(data: bytes, kind: np.dtype[Any], rows: int, columns: int) -> _Matrix:
    """The matrix row by row again; its length says how wide the numbers are."""
    widths = {k.itemsize * rows * columns: k for k in (*_NARROW, kind)}
    found = widths.get(len(data))
    if found is None:
        raise DecodeError(f"{len(data)} bytes for {rows} rows")
    matrix = np.frombuffer(data, found).reshape(columns, rows)
    return np.ascontiguousarray(matrix.T, kind)


def _indexes(table: dict[str, int], names: Iterable[str]) -> tuple[int, ...]:
    """Where the names stand in the string table; new ones go to its end."""
    return tuple(table.setdefault(name, len(table)) for name in names)


def _seal(kind: Kind, prefix: Prefix, body: bytes) -> bytes:
    deflated = len(body) >= DEFLATE_FROM_BYTES
    if deflated:
        body = zlib.compress(body, level=1)
    return _pack(_Envelope(VERSION, kind, prefix, deflated, body))


def open_counts(value: bytes | None) -> CountsRecord:
    """Read the header of a record of ``bounce.counts``.

    Raises:
        DecodeError: it is not one of ours, or of a later version.
    """
    try:
        envelope = _unpack_envelope(value or b"")
        _check_version(envelope.version)
        kind = Kind(envelope.kind)
    except (*_MALFORMED, ValueError) as error:
        raise DecodeError(str(error)) from None
    if not isfinite(envelope.prefix.watermark):
        raise DecodeError("counts with a watermark that is no time")
    return CountsRecord(kind, envelope.prefix, envelope.deflated, envelope.body)


def decode_counts(record: CountsRecord) -> Tally | LedgerTally:
    """Decode the body too.

    Raises:
        DecodeError: the body does not have our format, or is too large.
    """
    try:
        body = _inflate(record.body) if record.deflated else record.body
        if record.kind is Kind.LEDGER:
            return LedgerTally(prefix=record.prefix, ledger=_unpack_ledger(body))
        return _tally(record.prefix, _unpack_body(body))
    except _MALFORMED as error:
        raise DecodeError(str(error)) from None


def _tally(prefix: Prefix, body: _Body) -> Tally:
    names = body.names
    codes = _by_row(body.codes, _CODE, body.rows, len(Cell._fields))
    counts = _by_row(body.counts, _COUNT, body.rows, len(COLUMNS))
    used = int(codes.max()) + 1 if body.rows else 0
    if used > len(names) or len(set(names)) < len(names):
        raise DecodeError("cells without names, or a name twice")
    return Tally(
        prefix=prefix,
        cells=Cells(names[:used], codes.tobytes()),
        counts=counts.tobytes(),
        reasons=tuple(_reason_counts(names, body.reasons)),
    )


def _reason_counts(
    names: list[str], rows: Iterable[_ReasonRow]
) -> Iterator[ReasonCount]:
    """The evidence; reasons that became one are counted together."""
    merged: dict[tuple[int, int, int, Reason, str], tuple[int, str]] = {}
    for row in rows:
        reason = _reason(row.reason)
        key = (row.provider, row.source_ip, row.campaign, reason, row.template)
        count, sample = merged.get(key, (0, row.sample))
        merged[key] = (count + row.events, sample)
    for (provider, source_ip, campaign, reason, text), found in merged.items():
        count, sample = found
        yield ReasonCount(
            provider=names[provider],
            source_ip=names[source_ip],
            campaign=names[campaign],
            reason=reason,
            count=count,
            sample=sample,
            template=text,
        )


_REASONS = {reason.value: reason for reason in Reason}


def _reason(name: str) -> Reason:
    return _REASONS.get(name, Reason.UNDETERMINED)


def _check_version(version: int) -> None:
    if version != VERSION:
        raise DecodeError(f"version {version}, but this reads version {VERSION}")


def _inflate(body: bytes) -> bytes:
    inflater = zlib.decompressobj()
    data = inflater.decompress(body, MAX_BODY_BYTES)
    if inflater.unconsumed_tail or not inflater.eof:
        raise DecodeError(f"body over {MAX_BODY_BYTES} bytes, or cut short")
    return data


class _Versioned(msgspec.Struct):
    """The one field that all JSON of ours has; a person's may leave it out."""

    v: int = VERSION


class _ShareText(msgspec.Struct):
    reason: str
    share: float
    sample: str = ""


class _IncidentText(Incident, frozen=True, kw_only=True):
    """An incident whose reasons may be unknown to us."""

    reasons: tuple[_ShareText, ...] = ()  # type: ignore[assignment]


Noun = TypeVar("Noun", Directive, Command, _IncidentText)

_to_json = msgspec.json.Encoder().encode
_version_of = msgspec.json.Decoder(_Versioned).decode


def encode_json(noun: msgspec.Struct) -> bytes:
    """A noun as JSON with ``"v": 1`` in front, for topics that people read."""
    fields = _to_json(noun)[1:]
    comma = b"" if fields == b"}" else b","
    return b'{"v":%d%s%s' % (VERSION, comma, fields)


def _decode_json(value: bytes | None, kind: type[Noun]) -> Noun:
    try:
        _check_version(_version_of(value or b"").v)
        return msgspec.json.decode(value or b"", type=kind)
    except _MALFORMED as error:
        raise DecodeError(str(error)) from None


def decode_incident(value: bytes | None) -> Incident:
    """Read a record of ``bounce.incidents``; raises ``DecodeError``."""
    text = _decode_json(value, _IncidentText)
    fields = {name: getattr(text, name) for name in Incident.__struct_fields__}
    fields["reasons"] = tuple(
        ReasonShare(reason=_reason(one.reason), share=one.share, sample=one.sample)
        for one in text.reasons
    )
    return Incident(**fields)


def decode_directive(value: bytes | None) -> Directive:
    """Read a record of ``throttle.directives``; raises ``DecodeError``."""
    return _decode_json(value, Directive)


def decode_command(value: bytes | None) -> Command:
    """Read a record of ``bounce.commands``; raises ``DecodeError``."""
    return _decode_json(value, Command)


def to_json(value: Any) -> bytes:
    """Plain JSON of any noun or built-in value."""
    return _to_json(value)
