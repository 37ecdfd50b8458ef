"""What a merger holds of each input partition, and how that is written down."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import msgspec
import numpy as np

from monitor.events import COLUMNS, Cells, Ledger, LedgerTally, ReasonCount

#: (topic, partition) of an input log.
LogKey: TypeAlias = tuple[str, int]

#: One row a cell, one column for each name in ``COLUMNS``.
Matrix: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.int32]]

#: Five codes a cell, as in ``Cells``.
Codes: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.uint32]]


class Extent(NamedTuple):
    """The prefix of a slot whose details are forgotten."""

    first: int
    to: int


class Held(NamedTuple):
    """The longest tally of one slot; cells and rows belong together."""

    first: int
    to: int
    cells: Cells
    counts: Matrix
    reasons: tuple[ReasonCount, ...]


@dataclass(slots=True)
class LogState:
    """What is held of one input partition.

    ``watermark`` is the largest log time heard of; ``settled`` is the largest one at
    which every tally of the flush has been seen. ``counted`` is the events in all cells
    ever merged.
    """

    watermark: float = float("-inf")
    settled: float = float("-inf")
    slots: dict[int, Held] = field(default_factory=dict)
    closed: dict[int, Extent] = field(default_factory=dict)
    ledgers: dict[int, LedgerTally] = field(default_factory=dict)
    counted: int = 0
    ledger: Ledger = field(default_factory=Ledger)


class _HeldRecord(msgspec.Struct, array_like=True):
    slot: int
    first: int
    to: int
    cells: Cells
    counts: bytes
    reasons: tuple[ReasonCount, ...]


class _LogRecord(msgspec.Struct, array_like=True):
    topic: str
    partition: int
    watermark: float
    settled: float
    counted: int
    ledger: Ledger
    slots: list[_HeldRecord]
    closed: dict[int, Extent]
    ledgers: list[LedgerTally]


_unpack = msgspec.msgpack.Decoder(list[_LogRecord]).decode


def encode_states(logs: Mapping[LogKey, LogState]) -> bytes:
    """All logs as compressed bytes."""
    records = [_log_record(key, log) for key, log in logs.items()]
    return zlib.compress(msgspec.msgpack.encode(records), level=1)


def decode_states(data: bytes) -> dict[LogKey, LogState]:
    """The logs that ``encode_states`` wrote.

    Raises:
        ValueError: the bytes are something else.
    """
    try:
        records = _unpack(zlib.decompress(data))
    except (msgspec.MsgspecError, zlib.error, RecursionError) as error:
        raise ValueError(f"merger snapshot: {error}") from None
    return {(one.topic, one.partition): _log_state(one) for one in records}


def _log_record(key: LogKey, log: LogState) -> _LogRecord:
    return _LogRecord(
        *key,
        log.watermark,
        log.settled,
        log.counted,
        log.ledger,
        [_held_record(slot, held) for slot, held in log.slots.items()],
        log.closed,
        list(log.ledgers.values()),
    )


def _held_record(slot: int, held: Held) -> _HeldRecord:
    # What was said before is not said again: samples are not needed any more.
    reasons = tuple(msgspec.structs.replace(row, sample="") for row in held.reasons)
    counts = held.counts.tobytes()
    return _HeldRecord(slot, held.first, held.to, held.cells, counts, reasons)


def _log_state(record: _LogRecord) -> LogState:
    return LogState(
        watermark=record.watermark,
        settled=record.settled,
        slots={one.slot: _held(one) for one in record.slots},
        closed=record.closed,
        ledgers={one.prefix.slot: one for one in record.ledgers},
        counted=record.counted,
        ledger=record.ledger,
    )


def _held(record: _HeldRecord) -> Held:
    matrix = np.frombuffer(record.counts, dtype="<i4")
    return Held(
        first=record.first,
        to=record.to,
        cells=record.cells,
        counts=matrix.reshape(len(record.cells), len(COLUMNS)),
        reasons=record.reasons,
    )
