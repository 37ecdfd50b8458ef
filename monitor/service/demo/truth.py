"""What the demo really sent, kept by the sender: the counts are held against it."""

from collections import Counter
from dataclasses import dataclass, field

from monitor.events import Cell, Outcome

#: Columns that depend on the outcome alone, not on how a reply is read.
PLAIN_COLUMNS = ("attempts", "delivered", "deferral", "complaint", "bounce")

_COLUMNS_OF: dict[Outcome, tuple[str, ...]] = {
    Outcome.DELIVERED: ("attempts", "delivered"),
    Outcome.DEFERRED: ("attempts", "deferral"),
    Outcome.BOUNCED: ("attempts", "bounce"),
    Outcome.COMPLAINED: ("complaint",),
    Outcome.DROPPED: (),
    Outcome.OTHER: (),
}


@dataclass
class Truth:
    """Exact totals of what was sent.

    ``produced`` counts records; ``counted`` distinct events that are not late, which
    is what the monitor must count; ``outcomes`` holds those by cell and outcome.
    """

    produced: int = 0
    duplicates: int = 0
    late: int = 0
    outcomes: Counter[tuple[Cell, Outcome]] = field(default_factory=Counter)

    @property
    def counted(self) -> int:
        """Events that the monitor must count."""
        return self.produced - self.duplicates - self.late

    def count(self, cell: Cell, outcome: Outcome) -> None:
        """Note an event sent for the first time and in time."""
        self.produced += 1
        self.outcomes[cell, outcome] += 1

    def duplicate(self) -> None:
        """Note a copy of an event that was sent before."""
        self.produced += 1
        self.duplicates += 1

    def lateness(self) -> None:
        """Note an event sent after the allowed lateness."""
        self.produced += 1
        self.late += 1

    def by(self, dimensions: tuple[str, ...]) -> dict[tuple[str, ...], Counter[str]]:
        """Sum the plain columns over all but the named dimensions."""
        picked = [Cell._fields.index(name) for name in dimensions]
        sums: dict[tuple[str, ...], Counter[str]] = {}
        for (cell, outcome), number in self.outcomes.items():
            row = sums.setdefault(tuple(cell[index] for index in picked), Counter())
            for column in _COLUMNS_OF[outcome]:
                row[column] += number
        return sums
