"""The observer's state as bytes, so that another worker can go on in mid-incident.

A large fleet's arrays are hundreds of megabytes, nearly all of them 0. They go from
where they are into the compression, piece by piece: never copied as a whole, and with
no step so long that other threads would have to wait for it.
"""

import zlib
from collections.abc import Iterator

import msgspec
import numpy as np

from monitor.errors import MonitorError
from monitor.events import CountDelta, ReasonCount
from monitor.observe.arrays import Array, State
from monitor.observe.case import Case

#: Raised whenever an older worker's snapshot could not be loaded as it was meant. An
#: owner that meets one begins anew from the counts, which are kept for hours.
VERSION = 4

#: Fast compression: most counts are 0, and the next second of mail is waiting.
LEVEL = 1

#: A snapshot that unpacks to more than this is not one of ours.
MOST_BYTES = 2_000_000_000

#: Heads of MessagePack: of an array of three, of a map (its length in two bytes
#: follows), of bytes (length in four).
_ARRAY_OF_3, _MAP, _BYTES = b"\x93", b"\xde", b"\xc6"

_to_msgpack = msgspec.msgpack.Encoder().encode


class Packed(msgspec.Struct, frozen=True, array_like=True):
    """An array; ``data`` is a view of its bytes, not a copy."""

    dtype: str
    shape: tuple[int, ...]
    data: memoryview


class Snapshot(msgspec.Struct, frozen=True):
    """All that an observer knows.

    Args:
        version: of this shape.
        fleet: name of the fleet.
        slot_seconds: length of a slot.
        now: time of the last tick.
        dimensions: those in use.
        names: all that leaves and keys are made of.
        parts: state of each component by name.
        reasons: recent reasons by slot.
        cases: open and lately closed incidents.
        waiting: deltas not yet looked at.
    """

    version: int
    fleet: str
    slot_seconds: float
    now: float
    dimensions: tuple[str, ...]
    names: list[str]
    parts: dict[str, dict[str, Packed]]
    reasons: dict[int, list[ReasonCount]]
    cases: list[Case]
    waiting: list[CountDelta]


class _Stamp(msgspec.Struct, frozen=True):
    """What every version begins with."""

    version: int


def pack(array: Array) -> Packed:
    """An array as it travels: little-endian, rows first."""
    plain = np.asarray(array, order="C")
    plain = plain.astype(plain.dtype.newbyteorder("<"), copy=False)
    data = plain.reshape(-1).view(np.uint8).data
    return Packed(plain.dtype.str, plain.shape, data)


def unpack(packed: Packed) -> Array:
    """The array again; a copy that may be written to."""
    flat = np.frombuffer(packed.data, np.dtype(packed.dtype))
    return flat.reshape(packed.shape).copy()


def pack_all(state: State) -> dict[str, Packed]:
    """Arrays by name as they travel."""
    return {name: pack(array) for name, array in state.items()}


def unpack_all(packed: dict[str, Packed]) -> State:
    """Arrays by name again."""
    return {name: unpack(array) for name, array in packed.items()}


def encode(snapshot: Snapshot) -> bytes:
    """Bytes of a snapshot, whose arrays must not change meanwhile."""
    packer = zlib.compressobj(LEVEL)
    parts = [packer.compress(piece) for piece in _pieces(snapshot)]
    return b"".join((*parts, packer.flush()))


def _pieces(snapshot: Snapshot) -> Iterator[bytes | memoryview]:
    """What ``msgspec.msgpack.encode`` says of it, with other heads here and there."""
    names = Snapshot.__struct_fields__
    yield _map_of(len(names))
    for name in names:
        yield _to_msgpack(name)
        if name == "parts":
            yield from _pieces_of_parts(snapshot.parts)
        else:
            yield _to_msgpack(getattr(snapshot, name))


def _pieces_of_parts(
    parts: dict[str, dict[str, Packed]],
) -> Iterator[bytes | memoryview]:
    yield _map_of(len(parts))
    for part, arrays in parts.items():
        yield _to_msgpack(part)
        yield _map_of(len(arrays))
        for name, packed in arrays.items():
            yield _to_msgpack(name) + _ARRAY_OF_3
            yield _to_msgpack(packed.dtype) + _to_msgpack(packed.shape)
            yield _BYTES + packed.data.nbytes.to_bytes(4, "big")
            yield packed.data


def _map_of(pairs: int) -> bytes:
    return _MAP + pairs.to_bytes(2, "big")


def decode(data: bytes) -> Snapshot:
    """A snapshot again.

    Raises:
        MonitorError: if the bytes are not a snapshot of this version.
    """
    try:
        plain = zlib.decompressobj().decompress(data, MOST_BYTES)
        version = msgspec.msgpack.decode(plain, type=_Stamp).version
        if version == VERSION:
            return msgspec.msgpack.decode(plain, type=Snapshot)
    except (zlib.error, msgspec.DecodeError, ValueError) as error:
        raise MonitorError(f"snapshot: cannot be read: {error}") from error
    raise MonitorError(f"snapshot: version {version}, not {VERSION}")
