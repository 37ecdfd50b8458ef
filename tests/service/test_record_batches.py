"""Stored batches become record batches: which records, and what stretch they cover."""

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from google_crc32c import value as value_of

from monitor.service import record_batches
from monitor.service.record_batches import RecordBatch, _BatchRecords, _Stored

#: Where they stand in a stored batch; the bit that makes it a control batch.
CHECKSUM, ATTRIBUTES, CONTROL = 17, 22, 0x20

INPUT = TopicPartition("input", 0)


class BatchRecords(_BatchRecords):
    batch_topics = frozenset({INPUT.topic})


def stored(base: int, offsets: list[int]) -> bytes:
    """A stored batch that begins at ``base``, with records at these offsets."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 100_000)
    for offset in offsets:
        builder.append(offset - base, 1_000 * offset, None, b"%d" % offset, headers=[])
    return base.to_bytes(8, "big") + bytes(builder.build())[8:]


def control(base: int) -> bytes:
    """A stored batch that marks the end of a transaction, at that offset."""
    builder = DefaultRecordBatchBuilder(2, 0, 1, 7, 0, -1, 1_000)
    builder.append(0, 0, bytes(4), bytes(6), headers=[])
    data = bytearray(builder.build())
    data[:8] = base.to_bytes(8, "big")
    data[ATTRIBUTES] |= CONTROL
    data[CHECKSUM : CHECKSUM + 4] = value_of(bytes(data[CHECKSUM + 4 :])).to_bytes(4)
    return bytes(data)


def read(data: bytes, position: int) -> list[RecordBatch]:
    records: Any = BatchRecords(INPUT, _Stored(data), [], position, None, None, True, 0)
    (fetched,) = records
    batches = [*fetched]
    assert records.next_fetch_offset == batches[-1].end
    return batches


def test_stored_batches_come_together_up_to_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(record_batches, "ENOUGH_RECORDS", 3)
    data = stored(10, [10, 11]) + stored(12, [12, 13]) + stored(14, [14])
    first, second = read(data, 10)
    assert first == (10, 14, range(10, 14), [10, 11, 12, 13], [*map(value, first[2])])
    assert second == (14, 15, range(14, 15), [14], [b"14"])


def value(offset: int) -> bytes:
    return b"%d" % offset


def test_records_before_the_position_are_left_out() -> None:
    (only,) = read(stored(10, [10, 11, 12]) + stored(13, [13]), 12)
    assert only == (12, 14, range(12, 14), [12, 13], [b"12", b"13"])


def test_a_compacted_log_keeps_its_holes() -> None:
    (only,) = read(stored(10, [10, 12]) + stored(15, [15, 18]), 10)
    assert only == (10, 19, [10, 12, 15, 18], [10, 12, 15, 18], [*map(value, only[2])])


def test_what_holds_no_records_is_passed_over() -> None:
    whole, end = stored(10, [10, 11]), control(12)
    assert read(whole + end, 10)[0] == (10, 13, range(10, 12), [10, 11], [b"10", b"11"])
    assert read(end, 12) == [(12, 13, (), [], [])]


def test_a_damaged_batch_is_told() -> None:
    first, data = stored(10, [10, 11]), bytearray(stored(12, [12, 13]))
    assert len(read(first + data, 10)[0].values) == 4
    data[-1] ^= 1
    with pytest.raises(CorruptRecordException):
        read(first + data, 10)


def test_a_batch_of_the_format_before_is_checked_too() -> None:
    builder = LegacyRecordBatchBuilder(1, 0, 1_000)
    builder.append(0, timestamp=7_000, key=None, value=b"old")
    data = bytearray(builder.build())
    (only,) = read(bytes(data), 0)
    assert only.values == [b"old"]
    data[-1] ^= 1
    with pytest.raises(CorruptRecordException):
        read(bytes(data), 0)
