"""Snapshots of a fleet's mind on a compacted topic, in chunks.

Two generations are kept under different keys, so that a crash between two chunks, or
compaction in the middle of one, always leaves a whole one to restore from.
"""

import asyncio
from collections.abc import Mapping

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from monitor.events import Incident, IncidentState, Scope, Severity
from monitor.service.kafka import MAX_RECORD_BYTES, partitions_of, read_to_end

log = structlog.get_logger(__name__)

#: Version of the chunk's format.
VERSION = 1

#: Generations of snapshots that exist side by side.
GENERATIONS = 2

#: After a snapshot so many times as long as it took are left to the fleet, and at least
#: so many seconds, whatever is told meanwhile.
REST_A_SNAPSHOT = 9.0
SHORTEST_REST = 1.0


class Snapshot(msgspec.Struct, frozen=True, array_like=True):
    """A fleet's mind, and where to read on.

    ``offsets`` are the next offsets of the topics named by ``topic/partition``.
    """

    fleet: str
    epoch: int
    number: int
    offsets: Mapping[str, int]
    state: bytes


class SnapshotDue:
    """Says when to write the next snapshot: now and then, and soon after news.

    Who takes over must know of an incident that was told, or tells it again: perhaps
    dated a little otherwise, and so by another name.

    Args:
        pause_seconds: from one snapshot to the next while nothing is told.
    """

    def __init__(self, pause_seconds: float) -> None:
        self._pause = pause_seconds
        self._written_at = self._rested_at = 0.0
        self._is_news = False
        self._told: dict[str, tuple[IncidentState, Severity, Scope]] = {}

    def told(self, incident: Incident) -> None:
        """Note what was said; it is news unless only the numbers have changed."""
        said = incident.state, incident.severity, incident.scope
        self._is_news |= self._told.get(incident.id) != said
        if incident.state is IncidentState.CLOSED:
            self._told.pop(incident.id, None)
        else:
            self._told[incident.id] = said

    def written(self, began: float, ended: float) -> None:
        """A snapshot was written; monotonic times of its begin and end."""
        self._is_news, self._written_at = False, ended
        self._rested_at = ended + max(SHORTEST_REST, REST_A_SNAPSHOT * (ended - began))

    def is_due(self, now: float) -> bool:
        """True when one is to be written at a monotonic time."""
        if self._is_news and now >= self._rested_at:
            return True
        return now >= self._written_at + self._pause


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
    size, chunks = await asyncio.to_thread(_cut, snapshot)
    generation = snapshot.number % GENERATIONS
    for index, chunk in enumerate(chunks):
        key = f"{snapshot.fleet}/{generation}/{index}".encode()
        await producer.send_and_wait(topic, chunk, key=key)
    return size


def _cut(snapshot: Snapshot) -> tuple[int, list[bytes]]:
    """The size of a snapshot, and the records that it travels in."""
    data = memoryview(msgspec.msgpack.encode(snapshot))
    parts = [
        data[at : at + MAX_RECORD_BYTES] for at in range(0, len(data), MAX_RECORD_BYTES)
    ]
    epoch, number, of = snapshot.epoch, snapshot.number, len(parts)
    return len(data), [
        msgspec.msgpack.encode(_Chunk(VERSION, epoch, number, index, of, bytes(part)))
        for index, part in enumerate(parts)
    ]


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
