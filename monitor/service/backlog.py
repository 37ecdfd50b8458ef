"""How far the counts that an owner has read are behind those that there are."""

from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition

from monitor.events import Prefix

#: An input partition that nothing came of for so long is idle, not late: flushes of
#: one that has mail come every second.
ACTIVE_SECONDS = 15.0


class Backlog:
    """What was written before a takeover, until it is read.

    Args:
        ends: offsets after the last record of each partition, as of the takeover.
    """

    def __init__(self, ends: Mapping[TopicPartition, int]) -> None:
        self._ends = dict(ends)

    async def is_left(self, reader: AIOKafkaConsumer) -> bool:
        """True until the reader has handed out all of it."""
        for tp, end in [*self._ends.items()]:
            if await reader.position(tp) >= end:
                del self._ends[tp]
        return bool(self._ends)


class Lags:
    """How far input partitions are behind the one that is furthest, in log time."""

    def __init__(self) -> None:
        self._heard: dict[tuple[str, int], tuple[float, float]] = {}

    def note(self, prefix: Prefix, moment: float) -> None:
        """Note that a tally of this prefix came, at a monotonic time."""
        partition = prefix.topic, prefix.partition
        _, watermark = self._heard.get(partition, (0.0, 0.0))
        self._heard[partition] = moment, max(watermark, prefix.watermark)

    def worst(self, moment: float) -> float:
        """Seconds that the slowest of the active partitions is behind.

        >>> Lags().worst(0.0)
        0.0
        """
        watermarks = [
            watermark
            for heard, watermark in self._heard.values()
            if moment - heard < ACTIVE_SECONDS
        ]
        return max(watermarks, default=0.0) - min(watermarks, default=0.0)
