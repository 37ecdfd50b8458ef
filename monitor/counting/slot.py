"""One open slot of one input partition: cells, evidence, ids, the prefix covered."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from monitor.counting.ids import SeenIds
from monitor.counting.policy import (
    MAX_CELLS_PER_SLOT,
    MAX_IDS_PER_SLOT,
    MAX_NAME_BYTES_PER_SLOT,
    MAX_REASONS_PER_SLOT,
    OTHER,
)
from monitor.events import COLUMNS, Cell, Reason, ReasonCount


class Evidence(NamedTuple):
    """Why an event failed: the reason and the reply, which is not scrubbed yet."""

    reason: Reason
    reply: str


#: Takes everything personal out of a reply.
Scrubber = Callable[[str], str]


class OpenSlot:
    """Counts of one slot while events may still fall into it.

    The hot path is one look-up in ``_counts``, keyed by the cell and the columns that
    an event adds to: far fewer distinct pairs than events.
    """

    __slots__ = (
        "_cells",
        "_counts",
        "_name_bytes",
        "_reasons",
        "_scrub",
        "first",
        "ids",
        "to",
    )

    def __init__(self, offset: int, scrub: Scrubber) -> None:
        self._scrub = scrub
        self.first = offset
        self.to = offset
        self.ids = SeenIds(MAX_IDS_PER_SLOT)
        self._counts: dict[tuple[Cell, tuple[int, ...]], int] = {}
        self._cells: dict[Cell, int] = {}
        self._name_bytes = 0
        self._reasons: dict[tuple[str, str, str, Reason], list[int | str]] = {}

    def count(self, cell: Cell, columns: tuple[int, ...]) -> bool:
        """Add one event to a cell; true if it had to be folded into ``other``."""
        pair = (cell, columns)
        have = self._counts.get(pair)
        if have is not None:
            self._counts[pair] = have + 1
            return False
        folded = not self._admit(cell)
        if folded:
            cell = Cell(cell.provider, OTHER, OTHER, OTHER, OTHER)
            self._cells.setdefault(cell, len(self._cells))
            pair = (cell, columns)
        self._counts[pair] = self._counts.get(pair, 0) + 1
        return folded

    def _admit(self, cell: Cell) -> bool:
        """Give the cell a row, unless that is over a bound."""
        if cell in self._cells:
            return True
        size = len("".join(cell).encode())
        if (
            len(self._cells) >= MAX_CELLS_PER_SLOT
            or self._name_bytes + size > MAX_NAME_BYTES_PER_SLOT
        ):
            return False
        self._name_bytes += size
        self._cells[cell] = len(self._cells)
        return True

    def note(self, cell: Cell, evidence: Evidence) -> None:
        """Remember why an event failed; the first sample of a reason stays."""
        key = (cell.provider, cell.source_ip, cell.campaign, evidence.reason)
        row = self._reasons.get(key)
        if row is not None:
            row[0] = int(row[0]) + 1
        elif len(self._reasons) < MAX_REASONS_PER_SLOT:
            self._reasons[key] = [1, self._scrub(evidence.reply)]

    def matrix(self) -> tuple[tuple[Cell, ...], bytes]:
        """Cells in order of appearance, and their counts as little-endian int32."""
        width = len(COLUMNS)
        # A plain list: three columns an entry are too few for an array to pay.
        flat = [0] * (len(self._cells) * width)
        for (cell, columns), number in self._counts.items():
            row = self._cells[cell] * width
            for column in columns:
                flat[row + column] += number
        return tuple(self._cells), np.array(flat, dtype="<i4").tobytes()

    def reasons(self) -> tuple[ReasonCount, ...]:
        """The evidence so far."""
        return tuple(
            ReasonCount(
                provider=provider,
                source_ip=source_ip,
                campaign=campaign,
                reason=reason,
                count=int(row[0]),
                sample=str(row[1]),
            )
            for (provider, source_ip, campaign, reason), row in self._reasons.items()
        )
