"""Snapshots of a fleet's mind on a compacted topic, in chunks.

Two generations are kept under different keys, so that a crash between two chunks, or
compaction in the middle of one, always leaves a whole one to restore from.
"""

from collections.abc import Mapping

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from monitor.service.kafka import MAX_RECORD_BYTES, partitions_of, read_to_end

log = structlog.get_logger(__name__)

#: Version of the chunk's format.
VERSION = 1

#: Generations of snapshots that exist side by side.
GENERATIONS = 2


class Snapshot(msgspec.Struct, frozen=True, array_like=True):
    """A fleet's mind, and where to read on.

    ``offsets`` are the next offsets of the topics named by ``topic/partition``.
    """

    fleet: str
    epoch: int
    number: int
    offsets: Mapping[str, int]
    state: bytes


class _Chunk(msgspec.Struct, frozen=True, array_like=True):
    version: int
    epoch: int
    number: int
    index: int
    of: int
    data: bytes


async def write_snapshot(
    producer: AIOKafkaProducer, topic: str, snapshot: Snapshot
) -> int:
    """Write all chunks and wait for them; returns the size in bytes."""
    data = msgspec.msgpack.encode(snapshot)
    parts = [
        data[at : at + MAX_RECORD_BYTES] for at in range(0, len(data), MAX_RECORD_BYTES)
    ]
    generation = snapshot.number % GENERATIONS
    for index, part in enumerate(parts):
        chunk = _Chunk(
            VERSION, snapshot.epoch, snapshot.number, index, len(parts), part
        )
        key = f"{snapshot.fleet}/{generation}/{index}".encode()
        await producer.send_and_wait(topic, msgspec.msgpack.encode(chunk), key=key)
    return len(data)


async def read_snapshot(
    consumer: AIOKafkaConsumer, topic: str, fleet: str
) -> Snapshot | None:
    """The newest whole snapshot of a fleet, if there is one."""
    partitions = await partitions_of(consumer, topic)
    consumer.assign(partitions)
    await consumer.seek_to_beginning(*partitions)
    chunks: dict[tuple[int, int], dict[int, _Chunk]] = {}
    async for record in read_to_end(consumer, partitions):
        if (record.key or b"").rsplit(b"/", 2)[0] != fleet.encode():
            continue
        try:
            chunk = msgspec.msgpack.decode(record.value or b"", type=_Chunk)
        except msgspec.MsgspecError:
            log.error("unreadable snapshot chunk", fleet=fleet, offset=record.offset)
            continue
        if chunk.version == VERSION:
            chunks.setdefault((chunk.epoch, chunk.number), {})[chunk.index] = chunk
    for _, parts in sorted(chunks.items(), reverse=True):
        if len(parts) == parts[min(parts)].of:
            data = b"".join(parts[index].data for index in sorted(parts))
            return msgspec.msgpack.decode(data, type=Snapshot)
    return None
