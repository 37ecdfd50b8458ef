"""What aiokafka fetched of the batch topics: whole batches, no object a record.

aiokafka makes a ``ConsumerRecord`` of eleven fields of each record, which costs more
than to read it. It also computes checksums without the processor's instruction for
them; ours are checked with it, at a tenth of the price.
"""

from collections.abc import Collection, Iterator, Sequence
from struct import Struct
from typing import Any, NamedTuple

import google_crc32c
from aiokafka import conn
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.memory_records import MemoryRecords

#: Stored batches are handed on together until they have so many records: a batch has
#: its price, most of all a small one, and this many are counted in some 15 ms.
ENOUGH_RECORDS = 1_500

#: Half of what may wait in a connection's buffer: an answer of some megabytes as a
#: whole. aiokafka holds the socket back at 128 kB, and wakes up for every piece.
READ_AHEAD_BYTES = 8_000_000

#: What a connection takes from its socket at most at one time, four times asyncio's own
#: choice. For each piece its thread must wait until the other one, which counts, lets
#: go of the interpreter.
PIECE_BYTES = 1_000_000

#: Head of a stored batch of format 2, big-endian: base offset, bytes after this field,
#: leader epoch, format, checksum (CRC-32C) of all that follows. From Kafka's
#: documentation, "Record Batch".
_HEAD = Struct(">qiibI")
_LENGTH_ENDS = 12
_FORMAT = 2


class RecordBatch(NamedTuple):
    """Records of one stretch of a log: three sequences of equal length.

    The broker asserts that ``start <= offset < end`` holds no other records.
    ``times`` are Kafka timestamps, epoch seconds.
    """

    start: int
    end: int
    offsets: Sequence[int]
    times: Sequence[float]
    values: Sequence[bytes | None]


class _Stored(MemoryRecords):  # type: ignore[misc]
    """The stored batches of one answer, with the bytes that they are in."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.data = data
        self._at = 0

    def next_sound(self) -> Any:
        """The next stored batch, or ``None`` if its checksum is wrong."""
        begin = self._at
        _, length, _, form, checksum = _HEAD.unpack_from(self.data, begin)
        self._at = end = begin + _LENGTH_ENDS + length
        stored = self.next_batch()
        if form != _FORMAT:
            return stored if stored.validate_crc() else None
        found = google_crc32c.value(self.data[begin + _HEAD.size : end])
        return stored if found == checksum else None


class Fetched:
    """What one answer of the broker holds of a partition, as the bytes that came.

    The consumer's thread hands it on as it is. Records are made of it by who iterates,
    a few at a time and just before they are counted: in memory that is at hand, and
    without two threads in each other's way.

    Args:
        partition: its name, for errors.
        start: the first offset that is wanted.
        data: stored batches.
    """

    def __init__(self, partition: str, start: int, data: bytes) -> None:
        self._partition = partition
        self._start = start
        self._data = data

    def end(self) -> int:
        """The offset after the last one that is here."""
        stored, end = MemoryRecords(self._data), self._start
        while stored.has_next():
            end = stored.next_batch().next_offset
        return end

    def __iter__(self) -> Iterator[RecordBatch]:
        """All of it, whole stored batches at a time.

        Raises:
            CorruptRecordException: a checksum is wrong.
        """
        stored = _Stored(self._data)
        start = end = self._start
        rows: list[Any] = []
        while stored.has_next():
            batch = stored.next_sound()
            if batch is None:
                raise CorruptRecordException(f"Invalid CRC - {self._partition}")
            rows += _rows(batch, self._start)
            end = batch.next_offset
            if len(rows) >= ENOUGH_RECORDS:
                yield _record_batch(start, end, rows)
                start, rows = end, []
        if end > start:
            yield _record_batch(start, end, rows)


def _rows(stored: Any, wanted: int) -> list[Any]:
    """The records of a stored batch, from the wanted one on."""
    rows = [] if stored.is_control_batch else [*stored]
    if rows and rows[0].offset < wanted:
        rows = [row for row in rows if row.offset >= wanted]
    return rows


def _record_batch(start: int, end: int, rows: Sequence[Any]) -> RecordBatch:
    offsets: Sequence[int] = range(rows[0].offset, rows[-1].offset + 1) if rows else ()
    if len(offsets) > len(rows):
        offsets = [row.offset for row in rows]
    return RecordBatch(
        start,
        end,
        offsets,
        [row.timestamp / 1000 for row in rows],
        [row.value for row in rows],
    )


class _BatchRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    """Yields one ``Fetched`` for batch topics."""

    batch_topics: Collection[str] = ()
    next_fetch_offset: int
    _records: _Stored

    def _unpack_records(self) -> Any:
        if self._tp.topic not in self.batch_topics:
            yield from super()._unpack_records()
            return
        fetched = Fetched(str(self._tp), self.next_fetch_offset, self._records.data)
        self.next_fetch_offset = fetched.end()
        yield fetched


class _Connection(conn.AIOKafkaProtocol):  # type: ignore[misc]
    """A connection to a broker that reads large pieces."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        transport.max_size = PIECE_BYTES


def read_in_batches(topics: Collection[str]) -> None:
    """Make all consumers of this process yield a ``Fetched`` an answer for topics."""
    records = type(
        "BatchRecords", (_BatchRecords,), {"batch_topics": frozenset(topics)}
    )
    fetcher.PartitionRecords = records
    fetcher.MemoryRecords = _Stored
    conn.READER_LIMIT = READ_AHEAD_BYTES
    conn.AIOKafkaProtocol = _Connection
