"""What counting takes: records of one stretch of a log and their events, as columns.

A few lists cost a tenth of an object an event. Everything in a batch is in log order.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

from monitor.counting.slot import Columns, Evidence

Value = TypeVar("Value")

_NO_COLUMNS: Columns = {}
_NO_EVIDENCE: Mapping[int, Evidence] = {}


class CountBatch(NamedTuple):
    """Records, and the events that were in them.

    ``offsets`` and ``times`` (Kafka's, epoch seconds) are one a record. ``at`` (offset
    of the record), ``event_ids``, ``event_times`` and ``cells`` (see ``cell_text``) are
    one an event, and ``at`` is the very list ``offsets`` when every record has one.
    ``columns`` and ``evidence`` go by an event's place in those: what it adds to if it
    is no delivery (to none: it is *excluded*), and why it failed. ``invalid`` has the
    offset of each part of a record that was no event.
    """

    offsets: Sequence[int]
    times: Sequence[float]
    at: Sequence[int]
    event_ids: Sequence[str]
    event_times: Sequence[float]
    cells: Sequence[str]
    columns: Columns = _NO_COLUMNS
    evidence: Mapping[int, Evidence] = _NO_EVIDENCE
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
        among = {place: place - low for place in range(low, high)}
        return CountBatch(
            offsets,
            self.times[begin:end],
            offsets if self.at is self.offsets else self.at[low:high],
            self.event_ids[low:high],
            self.event_times[low:high],
            self.cells[low:high],
            renumbered(self.columns, among),
            renumbered(self.evidence, among),
            [offset for offset in self.invalid if first <= offset < last],
        )


def renumbered(
    by_place: Mapping[int, Value], among: Mapping[int, int]
) -> dict[int, Value]:
    """What goes by those places that have a new one, by that."""
    return {among[place]: value for place, value in by_place.items() if place in among}
