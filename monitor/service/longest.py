"""The merge law on records of ``bounce.counts`` before their bodies are decoded.

Of a stretch of the topic only the longest tally of each slot matters; the others are
prefixes of it. A reader that is behind decodes a fraction of what was written.
"""

from typing import NamedTuple

from monitor.counting import refuse
from monitor.service.codecs import CountsRecord, Kind


class SlotKey(NamedTuple):
    """What a tally is of."""

    kind: Kind
    topic: str
    partition: int
    slot: int


class Longest:
    """The longest record of each slot, of those that were added."""

    def __init__(self) -> None:
        self.superseded = 0
        self._held: dict[SlotKey, CountsRecord] = {}

    def add(self, record: CountsRecord) -> None:
        """Keep a record if it covers more than the one held of its slot."""
        prefix = record.prefix
        key = SlotKey(record.kind, prefix.topic, prefix.partition, prefix.slot)
        held = self._held.get(key)
        if held is not None:
            self.superseded += 1
        if held is None or refuse(prefix, held.prefix) is None:
            self._held[key] = record

    def records(self) -> list[CountsRecord]:
        """What is held, in the order in which slots first came."""
        return list(self._held.values())
