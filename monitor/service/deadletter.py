"""What could not be read, once, scrubbed, with its reason, and not too much of it.

The key names the record, so a copy written again after a crash replaces the first one
when the topic is compacted. No more than so many a minute are kept of each reason; the
rest are counted only.
"""

from collections.abc import Sequence

import structlog
from aiokafka import AIOKafkaProducer

from monitor.classify import scrub
from monitor.errors import InvalidEvent
from monitor.service import clock
from monitor.service.codecs import VERSION, to_json
from monitor.service.metrics import DeadLetterResult
from monitor.service.metrics.ingest import IngestMetrics
from monitor.service.settings_sections import DeadletterSettings

log = structlog.get_logger(__name__)

MINUTE = 60.0

#: Dead letters waiting to be written; a flush takes them four times a second.
MAX_WAITING = 10_000


class DeadLetters:
    """Collects dead letters in the counting loop; writes them with the flush."""

    def __init__(
        self, settings: DeadletterSettings, topic: str, metrics: IngestMetrics
    ) -> None:
        self._settings = settings
        self._topic = topic
        self._metrics = metrics
        self._waiting: list[tuple[bytes, bytes]] = []
        self._minute = 0
        self._kept: dict[str, int] = {}

    def add(
        self,
        where: tuple[str, int, int],
        problems: Sequence[InvalidEvent],
        value: bytes | None,
    ) -> None:
        """Remember what is wrong with the record at (topic, partition, offset)."""
        for index, problem in enumerate(problems):
            kept = self._admit(problem.reason.value)
            result = DeadLetterResult.SENT if kept else DeadLetterResult.SUPPRESSED
            self._metrics.dead_letters.labels(problem.reason, result).inc()
            if kept:
                self._waiting.append(self._letter(where, index, problem, value))

    async def flush(self, producer: AIOKafkaProducer) -> None:
        """Write what waits, and wait for the acknowledgements."""
        waiting, self._waiting = self._waiting, []
        acks = [
            await producer.send(self._topic, value, key=key) for key, value in waiting
        ]
        for ack in acks:
            await ack

    def _admit(self, reason: str) -> bool:
        minute = int(clock.monotonic() / MINUTE)
        if minute != self._minute:
            self._minute, self._kept = minute, {}
        kept = self._kept.get(reason, 0)
        if kept >= self._settings.per_reason_per_minute:
            return False
        if len(self._waiting) >= MAX_WAITING:
            return False
        self._kept[reason] = kept + 1
        return True

    def _letter(
        self,
        where: tuple[str, int, int],
        index: int,
        problem: InvalidEvent,
        value: bytes | None,
    ) -> tuple[bytes, bytes]:
        topic, partition, offset = where
        most = self._settings.max_bytes
        text = (value or b"")[:most].decode("utf-8", "replace")
        letter = {
            "v": VERSION,
            "topic": topic,
            "partition": partition,
            "offset": offset,
            "index": index,
            "reason": problem.reason.value,
            "detail": scrub(problem.detail),
            "bytes": len(value or b""),
            "value": scrub(text, most),
        }
        key = f"{topic}/{partition}/{offset}/{index}".encode()
        return key, to_json(letter)
