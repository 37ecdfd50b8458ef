"""Hypothesis strategies for logs: every boundary of a policy is hit, and missed by 1.

Hypothesis draws a few plain numbers a record, and ``_Writer`` makes sense of them:
drawing each field on its own takes ten times as long as all that is tested.
"""

from dataclasses import dataclass, field

from hypothesis import strategies as st

from tests.laws.counting_log import BASE_MS, CELLS, KINDS, Entry, Lengths, LogEvent

HOUR_MS = 3_600_000

#: Usual, without tolerance, lateness that is no whole number of slots, odd lengths.
LENGTHS = (
    Lengths(10_000, 30_000, 5_000),
    Lengths(10_000, 10_000, 0),
    Lengths(10_000, 25_000, 25_000),
    Lengths(7_000, 21_000, 3_000),
)

_NUMBERS = st.integers(0, 2**40 - 1)
_RECORDS = st.tuples(_NUMBERS, st.lists(_NUMBERS, max_size=4))


class _Dice:
    """Takes small numbers out of a large one."""

    def __init__(self, number: int) -> None:
        self._rest = number

    def roll(self, sides: int) -> int:
        """The next number, from 0 to ``sides`` - 1."""
        self._rest, number = divmod(self._rest, sides)
        return number

    def near(self, moment: int) -> int:
        """A moment, or a millisecond before or after it."""
        return moment + (0, 1, -1)[self.roll(3)]


@dataclass
class _Writer:
    """Writes a log record by record; knows where the boundaries are now."""

    lengths: Lengths
    kafka_ms: int = BASE_MS
    newest_ms: int = BASE_MS
    offset: int = -1
    written: list[LogEvent] = field(default_factory=list)

    def entry(self, number: int, events: list[int]) -> Entry:
        dice = _Dice(number)
        invalid = dice.roll(4) == 3
        # Transaction markers and compaction leave offsets without a record.
        self.offset += 3 if dice.roll(5) == 4 else 1
        self.kafka_ms = self._time_of_record(dice)
        self.newest_ms = max(self.newest_ms, self.kafka_ms)
        made = tuple(self._event(_Dice(one)) for one in events)
        return Entry(self.offset, self.kafka_ms, made, invalid)

    def _time_of_record(self, dice: _Dice) -> int:
        slot, lateness, _ = self.lengths
        edge = self.newest_ms // slot * slot + slot
        match dice.roll(8):
            case 0 | 1:
                return self.newest_ms + dice.roll(slot // 2)
            case 2 | 3:
                return dice.near(edge)
            case 4:
                return dice.near(edge + lateness)
            case 5:
                return self.newest_ms - dice.roll(lateness + slot)
            case 6:
                return self.newest_ms + HOUR_MS
            case _:
                return self.newest_ms

    def _event(self, dice: _Dice) -> LogEvent:
        if self.written and dice.roll(5) == 4:
            return self.written[-1 - dice.roll(len(self.written))]
        event = LogEvent(
            time_ms=self._time_of_event(dice),
            columns=KINDS[dice.roll(len(KINDS))],
            cell=CELLS[dice.roll(len(CELLS))],
            id=f"e{dice.roll(10)}",
        )
        self.written.append(event)
        return event

    def _time_of_event(self, dice: _Dice) -> int:
        slot, lateness, tolerance = self.lengths
        oldest_open = (self.newest_ms - lateness) // slot * slot
        match dice.roll(9):
            case 0 | 1:
                return self.kafka_ms - dice.roll(lateness + slot)
            case 2:
                return dice.near(oldest_open)
            case 3:
                return dice.near(oldest_open + slot)
            case 4:
                return dice.near(self.kafka_ms + tolerance)
            case 5:
                return dice.near((self.kafka_ms + tolerance) // slot * slot)
            case 6:
                return dice.near(self.kafka_ms // slot * slot)
            case 7:
                return self.kafka_ms + 1000 * HOUR_MS
            case _:
                return self.kafka_ms


@st.composite
def logs(draw: st.DrawFn, lengths: Lengths) -> list[Entry]:
    """The log of one partition; left to itself, Hypothesis draws five records."""
    writer = _Writer(lengths)
    least = draw(st.sampled_from((1, 12, 30)))
    records = draw(st.lists(_RECORDS, min_size=least, max_size=40))
    return [writer.entry(number, events) for number, events in records]


def cuts(log: list[Entry]) -> st.SearchStrategy[list[int]]:
    """Where in a log, counted in records, something happens; in order."""
    places = st.lists(st.integers(0, len(log)), max_size=8)
    return places.map(lambda found: sorted({*found, len(log)}))


@st.composite
def logs_with_flushes(draw: st.DrawFn) -> tuple[Lengths, list[list[Entry]]]:
    """A log, in the pieces that are read between two flushes."""
    lengths = draw(st.sampled_from(LENGTHS))
    log = draw(logs(lengths))
    ends = draw(cuts(log))
    return lengths, [log[a:b] for a, b in zip([0, *ends], ends, strict=False)]
