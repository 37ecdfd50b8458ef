"""Writes the world's log to Kafka, batch by batch, with the world's own timestamps."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaProducer

from monitor.service.demo.world import Record
from monitor.service.kafka import connection_options
from monitor.service.settings import Settings
from monitor.service.topics import partition_of

#: Bytes of one batch: some thousand events, well below the broker's limit.
BATCH_BYTES = 400_000


class Loader:
    """Writes to the first input topic; enter it to connect.

    An event's id decides its partition, so that a copy meets the original.
    """

    def __init__(self, settings: Settings) -> None:
        self._topic = settings.inputs[0].topic
        self._partitions = settings.inputs[0].partitions
        self._producer = AIOKafkaProducer(
            **connection_options(settings.kafka),
            acks="all",
            max_batch_size=BATCH_BYTES,
        )

    async def __aenter__(self) -> Self:
        """Connect."""
        await self._producer.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write what is left, and disconnect."""
        await self._producer.stop()

    async def write(self, log: Iterable[Record]) -> None:
        """Write records in order; returns once all are acknowledged."""
        by_partition: dict[int, list[Record]] = defaultdict(list)
        for record in log:
            by_partition[partition_of(record.key, self._partitions)].append(record)
        await asyncio.gather(
            *(self._write(number, part) for number, part in by_partition.items())
        )

    async def _write(self, partition: int, part: Sequence[Record]) -> None:
        waiting = []
        batch = self._producer.create_batch()
        for log_time, key, value in part:
            stamp = int(log_time * 1000)
            name = key.encode()
            if batch.append(key=name, value=value, timestamp=stamp) is None:
                waiting.append(await self._send(batch, partition))
                batch = self._producer.create_batch()
                batch.append(key=name, value=value, timestamp=stamp)
        waiting.append(await self._send(batch, partition))
        await asyncio.gather(*waiting)

    async def _send(self, batch: object, partition: int) -> "asyncio.Future[object]":
        future: asyncio.Future[object] = await self._producer.send_batch(
            batch, self._topic, partition=partition
        )
        return future
