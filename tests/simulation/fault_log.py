"""The log of one simulated partition: restless clocks, gaps, bursts, copies."""

import random
from bisect import bisect_left

from tests.laws.counting_log import BASE_MS, CELLS, KINDS, Entry, Lengths, LogEvent

HOUR_MS = 3_600_000

#: Copies are made of one of the newest so many events.
MEMORY = 40


class FaultLog:
    """Grows by one record at a time; reads like a Kafka log."""

    def __init__(self, rng: random.Random, lengths: Lengths) -> None:
        self.entries: list[Entry] = []
        self._offsets: list[int] = []
        self._rng = rng
        self._lengths = lengths
        self._newest_ms = BASE_MS
        self._recent: list[LogEvent] = []

    def read(self, position: int, most: int) -> list[Entry]:
        """At most so many records from a position on."""
        at = bisect_left(self._offsets, position)
        return self.entries[at : at + most]

    def append(self) -> None:
        """Write one record."""
        rng = self._rng
        last = self._offsets[-1] if self._offsets else -1
        offset = last + (1 if rng.random() < 0.95 else rng.randint(2, 4))
        kafka_ms = self._time_of_record()
        self._newest_ms = max(self._newest_ms, kafka_ms)
        count = rng.choice((0, 1, 1, 1, 2, 3))
        events = tuple(self._event(kafka_ms) for _ in range(count))
        self.entries.append(Entry(offset, kafka_ms, events, rng.random() < 0.05))
        self._offsets.append(offset)

    def _time_of_record(self) -> int:
        slot, lateness, _ = self._lengths
        chance = self._rng.random()
        if chance < 0.25:
            return self._newest_ms
        if chance < 0.35:
            return self._newest_ms - self._rng.randrange(lateness + slot)
        if chance < 0.38:
            return self._newest_ms + HOUR_MS
        if chance < 0.5:
            return self._newest_ms + self._rng.randrange(2 * slot)
        return self._newest_ms + self._rng.randrange(slot // 3)

    def _event(self, kafka_ms: int) -> LogEvent:
        rng = self._rng
        if self._recent and rng.random() < 0.1:
            return rng.choice(self._recent[-MEMORY:])
        event = LogEvent(
            id=f"e{len(self._recent)}" if rng.random() < 0.95 else "same",
            time_ms=kafka_ms + self._age(),
            cell=rng.choice(CELLS),
            columns=rng.choice(KINDS),
        )
        self._recent.append(event)
        return event

    def _age(self) -> int:
        """How far an event lies before (below 0) or after its record."""
        slot, lateness, tolerance = self._lengths
        chance = self._rng.random()
        if chance < 0.05:
            return -lateness - self._rng.randrange(2 * slot)
        if chance < 0.1:
            return tolerance + self._rng.randint(-1, 100 * slot)
        if chance < 0.4:
            return -self._rng.randrange(lateness)
        return -self._rng.randrange(slot // 2)
