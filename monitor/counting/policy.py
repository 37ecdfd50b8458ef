"""What we want of counting: the lengths, and the bounds with their reasons."""

from dataclasses import dataclass
from math import floor

from monitor.errors import ConfigError

#: Most cells one partition may hold in one slot. 50,000 rows of 9 columns are a tally
#: of about 2 MB before compression; what comes later is folded into the cell `other`.
MAX_CELLS_PER_SLOT = 50_000

#: Most bytes that the names of one slot's cells may take, repetitions included: 80 a
#: cell. A tally cannot be cut in two, and this keeps the largest one, with its counts
#: and its evidence, below the 8 MB that ``bounce.counts`` takes.
MAX_NAME_BYTES_PER_SLOT = 4_000_000

#: The next slot begins a new table when that of all partitions has more cells than
#: this (and what was open then may still add to it): those of eight full slots, at some
#: 300 bytes a cell. A cell that was met before is numbered several times faster.
MAX_CELLS_PER_TABLE = 8 * MAX_CELLS_PER_SLOT

#: Most event ids remembered in one slot of one partition: 8-70 bytes each, so at most
#: 70 MB for the newest slot. Later ids are counted without a duplicate check.
MAX_IDS_PER_SLOT = 1_000_000

#: Most (provider, IP, campaign, reason, template) rows one tally carries as evidence.
#: The owner reads all of them with every tally, at some 2 us a row. A sample takes
#: 150 bytes, 1 kB at worst: 1 MB of the 8 MB that a record may have.
MAX_REASONS_PER_SLOT = 1_000

#: Most of them that name an IP and a campaign. The rest is left for each provider's
#: ``other``: what a provider begins to say must come through on the busiest slot, too.
MAX_DETAILED_REASONS = 750

#: Most slots that may be open at a time: a day of ten-second slots. All of them are
#: counted again after a restart, and every bound on closed slots leans on this one.
MAX_OPEN_SLOTS = 10_000

#: Name of the dimension value that takes what is over a bound.
OTHER = "other"


@dataclass(frozen=True, slots=True)
class CountingPolicy:
    """Lengths in seconds; all decisions that follow from them are pure functions.

    Args:
        slot_seconds: length of a slot of event time.
        allowed_lateness_seconds: how far the end of an event's slot may lie behind the
            log time before the event is *late*.
        future_tolerance_seconds: how far an event time may lie after its Kafka
            timestamp before it is clamped to it.

    Raises:
        ConfigError: if a length is not positive, lateness is shorter than a slot, or
            more than ``MAX_OPEN_SLOTS`` would be open.
    """

    slot_seconds: float = 10.0
    allowed_lateness_seconds: float = 600.0
    future_tolerance_seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.slot_seconds <= 0:
            raise ConfigError("counting: slot_seconds must be above 0")
        if self.allowed_lateness_seconds < self.slot_seconds:
            raise ConfigError("counting: allowed lateness is shorter than one slot")
        if self.future_tolerance_seconds < 0:
            raise ConfigError("counting: future_tolerance_seconds is negative")
        if self.max_open_slots > MAX_OPEN_SLOTS:
            raise ConfigError(
                "counting: lateness and future tolerance span more than "
                f"{MAX_OPEN_SLOTS} slots: make slot_seconds longer"
            )

    @property
    def max_open_slots(self) -> int:
        """Most slots that can take events at one log time."""
        span = self.allowed_lateness_seconds + self.future_tolerance_seconds
        return floor(span / self.slot_seconds) + 2

    def slot_of(self, seconds: float) -> int:
        """The slot that a time falls into."""
        return floor(seconds / self.slot_seconds)

    def first_open_slot(self, log_time: float) -> int:
        """The oldest slot that still takes events once the log has reached a time."""
        return self.slot_of(log_time - self.allowed_lateness_seconds)

    def first_whole_slot(self, log_time: float) -> int:
        """The oldest slot that no record before a log time can have touched."""
        return self.slot_of(log_time + self.future_tolerance_seconds) + 1

    def first_whole_ledger(self, log_time: float) -> int:
        """The oldest slot of log time in which all open slots are whole ones."""
        return self.slot_of(self.closing_time(self.first_whole_slot(log_time))) + 1

    def closing_time(self, slot: int) -> float:
        """The log time from which all slots before ``slot`` are closed."""
        return slot * self.slot_seconds + self.allowed_lateness_seconds
