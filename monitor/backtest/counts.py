"""Recorded counts: they enter at the observer, a tick a row's length."""

import msgspec
import numpy as np

from monitor.backtest.journal import Found
from monitor.backtest.log_clock import Placed
from monitor.backtest.mind import Mind, Summary
from monitor.backtest.table import Row
from monitor.counting.policy import MAX_CELLS_PER_SLOT, OTHER
from monitor.events import COLUMNS, Cell, CountDelta

_Cells = dict[Cell, list[int]]


class CountReplay:
    """Gathers the rows of one span, and ticks at its end.

    A row belongs to the slot that its span ends in: a span that is longer than the
    longest slot of the observer becomes known, as a whole, when it is over.

    Args:
        mind: judges the counts.
    """

    def __init__(self, mind: Mind) -> None:
        self._mind = mind
        self._slot_seconds = mind.fleet.policy.observe.slot_seconds
        self._span: int | None = None
        self._begins = self._ends = 0.0
        self._slots: dict[int, _Cells] = {}
        self._cells: _Cells = {}
        self._rows = self._attempts = self._late = 0

    def take(self, placed: Placed[Row]) -> list[Found]:
        """Take one row; returns the incidents that were over before it."""
        row, found = placed.item, []
        if self._span is None or placed.moment >= self._ends:
            found = self._turn(self._span_of(int(placed.moment)))
        self._rows += 1
        self._attempts += row.counts[0]
        if row.time >= self._begins:
            self._add(self._cells, row)
        else:
            self._late += 1
            slot = self._slot_of(self._span_of(row.time))
            self._add(self._slots.setdefault(slot, {}), row)
        return found

    def end(self) -> list[Found]:
        """Look at what came last; returns all incidents not returned before."""
        found = [] if self._span is None else self._turn(self._span + 1)
        return found + self._mind.rest()

    def summary(self) -> Summary:
        """What it came to; its events are attempts."""
        return msgspec.structs.replace(
            self._mind.summary(),
            rows=self._rows,
            events=self._attempts,
            counted=self._attempts,
            late=self._late,
        )

    def _span_of(self, time: int) -> int:
        return (time - self._mind.phase) // self._mind.step

    def _end_of(self, span: int) -> float:
        return float((span + 1) * self._mind.step + self._mind.phase)

    @staticmethod
    def _add(cells: _Cells, row: Row) -> None:
        have = cells.get(row.cell)
        if have is None:
            if len(cells) < MAX_CELLS_PER_SLOT:
                cells[row.cell] = row.counts
                return
            # As ingest does: what is over the bound counts for its provider only.
            rest = Cell(row.cell.provider, OTHER, OTHER, OTHER, OTHER)
            have = cells.setdefault(rest, [0] * len(COLUMNS))
        for column, count in enumerate(row.counts):
            have[column] += count

    def _turn(self, span: int) -> list[Found]:
        """The span that was being filled, if any, is over; begin another."""
        found = [] if self._span is None else self._look(self._end_of(self._span))
        self._span = span
        self._begins, self._ends = self._end_of(span - 1), self._end_of(span)
        self._cells = {}
        self._slots = {self._slot_of(span): self._cells}
        return found + self._mind.wait(self._begins)

    def _look(self, end: float) -> list[Found]:
        for slot in sorted(self._slots):
            cells = self._slots[slot]
            delta = CountDelta(
                slot=slot,
                watermark=end,
                cells=tuple(cells),
                counts=np.array(list(cells.values()), "<i4").tobytes(),
            )
            self._mind.fleet.observer.apply(delta)
        return self._mind.tick(end)

    def _slot_of(self, span: int) -> int:
        """The slot of the observer that a span ends in."""
        return (int(self._end_of(span)) - 1) // self._slot_seconds
