"""What counting takes: records of one stretch of a log and their events, as columns.

Ten lists cost a tenth of an object an event. Everything in a batch is in log order.
"""

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from monitor.counting.key_table import Key
from monitor.counting.slot import Evidence

_NOTHING: Mapping[int, Evidence] = {}


class CountBatch(NamedTuple):
    """Records, and the events that were in them.

    ``offsets`` and ``times`` (Kafka's, epoch seconds) are one a record. ``at`` (offset
    of the record), ``event_ids``, ``event_times`` and ``keys`` are one an event, and
    ``at`` is the very list ``offsets`` when every record has one. ``evidence`` and
    ``excluded`` go by an event's place in those; ``invalid`` has the offset of each
    part of a record that was no event.
    """

    offsets: Sequence[int]
    times: Sequence[float]
    at: Sequence[int]
    event_ids: Sequence[str]
    event_times: Sequence[float]
    keys: Sequence[Key]
    evidence: Mapping[int, Evidence] = _NOTHING
    excluded: Collection[int] = ()
    invalid: Sequence[int] = ()

    @property
    def ignored(self) -> int:
        """Records without an event and without an invalid part."""
        if self.at is self.offsets:
            return 0
        return len(self.offsets) - len({*self.at, *self.invalid})

    def part(self, begin: int, end: int) -> "CountBatch":
        """The records from one place to before another, and their events."""
        if begin == 0 and end == len(self.offsets):
            return self
        offsets = self.offsets[begin:end]
        first, last = offsets[0], offsets[-1] + 1
        low, high = bisect_left(self.at, first), bisect_left(self.at, last)
        return CountBatch(
            offsets,
            self.times[begin:end],
            offsets if self.at is self.offsets else self.at[low:high],
            self.event_ids[low:high],
            self.event_times[low:high],
            self.keys[low:high],
            {
                place - low: evidence
                for place, evidence in self.evidence.items()
                if low <= place < high
            },
            {place - low for place in self.excluded if low <= place < high},
            [offset for offset in self.invalid if first <= offset < last],
        )
