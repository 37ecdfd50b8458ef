"""The observer's state as bytes, so that another worker can go on in mid-incident."""

import zlib

import msgspec
import numpy as np

from monitor.errors import MonitorError
from monitor.events import CountDelta, ReasonCount
from monitor.observe.arrays import Array, State
from monitor.observe.case import Case

#: Raised whenever an older worker's snapshot could not be loaded as it was meant. An
#: owner that meets one begins anew from the counts, which are kept for hours.
VERSION = 2

#: Fast compression: most counts are 0, and the next second of mail is waiting.
LEVEL = 1

#: A snapshot that unpacks to more than this is not one of ours.
MOST_BYTES = 2_000_000_000


class Packed(msgspec.Struct, frozen=True, array_like=True):
    """An array."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


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
    plain = np.ascontiguousarray(array)
    plain = plain.astype(plain.dtype.newbyteorder("<"), copy=False)
    return Packed(plain.dtype.str, plain.shape, plain.tobytes())


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
    """Bytes of a snapshot."""
    return zlib.compress(msgspec.msgpack.encode(snapshot), LEVEL)


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
