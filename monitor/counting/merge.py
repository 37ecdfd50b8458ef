"""The merge law: the longest prefix wins.

For one input partition and slot the tallies form a chain: of two that began at the same
``first``, the one with the larger ``to`` covers all that the other does. Taking the
larger is associative, commutative and idempotent, so retries, zombies, reordering and a
second reader of the topic change nothing. A tally that began later than the one we
hold covers less, whatever its ``to``: it is refused, loudly.

Details of a slot may be forgotten only when no longer tally of it can still come. A
tally cannot say so: the flush that it belongs to may have ended right behind it, and
whoever counts again from the checkpoint is still to write the others. A ledger can. It
is written behind all tallies of its flush, so once it is here, every slot that was
closed by then has had its last word.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

import numpy as np

from monitor.counting.merge_state import (
    Codes,
    Extent,
    Held,
    LogKey,
    LogState,
    Matrix,
    decode_states,
    encode_states,
)
from monitor.counting.policy import MAX_OPEN_SLOTS, CountingPolicy
from monitor.events import (
    COLUMNS,
    Cell,
    Cells,
    CountDelta,
    Ledger,
    LedgerTally,
    Prefix,
    Reason,
    ReasonCount,
    Tally,
)

#: Closed slots of one partition whose prefix is remembered, so that a zombie's tally
#: for them is known as such: two days of 10-second slots, 100 bytes each.
MAX_CLOSED_SLOTS = 17_280

assert MAX_CLOSED_SLOTS > MAX_OPEN_SLOTS, "a slot that is open must not be forgotten"


#: Odd numbers without a pattern; sums of codes times these are distinct unless by rare
#: chance, or because the codes are not.
_MIXERS = np.array(
    [
        0x9E3779B97F4A7C15,
        0xC2B2AE3D27D4EB4F,
        0x165667B19E3779F9,
        0xD6E8FEB86659FD93,
        0xA0761D6478BD642F,
    ],
    np.uint64,
)


class Refusal(StrEnum):
    """Why a tally changed nothing."""

    STALE = "stale"
    COVERS_LESS = "covers_less"
    SHRUNK = "shrunk"
    CLOSED = "closed"
    MALFORMED = "malformed"


#: Refusals that must never happen; ``stale`` is the everyday one.
LOUD_REFUSALS = frozenset(Refusal) - {Refusal.STALE}


class Covered(Protocol):
    """Whatever knows which prefix of a log it covers."""

    @property
    def first(self) -> int:
        """The first offset that touched the slot."""

    @property
    def to(self) -> int:
        """One more than the last one covered."""


def refuse(new: Covered, held: Covered) -> Refusal | None:
    """Why ``new`` must not replace ``held``, or ``None`` if it covers more.

    This orders all prefixes of a slot: of two that differ, one replaces the other.
    """
    if new.first != held.first:
        return Refusal.COVERS_LESS if new.first > held.first else None
    return Refusal.STALE if new.to <= held.to else None


class TallyMerger:
    """All tallies of one fleet, merged.

    Memory is bounded by the open slots of the fleet's input partitions, each by
    ``MAX_CELLS_PER_SLOT``, plus ``MAX_CLOSED_SLOTS`` prefixes a partition.
    """

    def __init__(self, policy: CountingPolicy) -> None:
        self.policy = policy
        self._logs: dict[LogKey, LogState] = {}

    @property
    def watermarks(self) -> dict[LogKey, float]:
        """Log time by (topic, partition)."""
        return {key: log.watermark for key, log in self._logs.items()}

    @property
    def detailed_slots(self) -> int:
        """Slots whose cells are held in memory."""
        return sum(len(log.slots) for log in self._logs.values())

    def imbalance(self) -> dict[LogKey, int]:
        """Events that ledger and cells disagree about, by partition (invariant I5).

        Between the tallies of one flush it may be off for a moment; it must come back
        to 0.
        """
        return {key: _imbalance(log) for key, log in self._logs.items()}

    def ledger(self) -> Ledger:
        """The sum of the ledgers of all partitions."""
        total = Ledger()
        for log in self._logs.values():
            total = _combine(total, log.ledger, 1)
        return total

    def merge(self, tally: Tally) -> CountDelta | Refusal:
        """Take a tally if it covers more than the one held.

        Returns:
            What it added, or why it changed nothing.
        """
        log, slot = self._log(tally.prefix), tally.prefix.slot
        held = log.slots.get(slot)
        covered = held or log.closed.get(slot)
        if covered is not None:
            refusal = refuse(tally.prefix, covered)
            if refusal is not None or held is None:
                return refusal or Refusal.CLOSED
        new = _held(tally)
        if new is None:
            return Refusal.MALFORMED
        grown = _growth(new, held)
        if grown is None:
            return Refusal.SHRUNK
        log.slots[slot] = new
        log.counted += _events_in(grown.counts)
        return CountDelta(
            slot=slot,
            watermark=log.watermark,
            cells=grown.cells,
            counts=grown.counts.tobytes(),
            reasons=_more_reasons(tally.reasons, held),
        )

    def merge_ledger(self, tally: LedgerTally) -> Ledger | Refusal:
        """Take a ledger by the same law; returns what it added."""
        log, slot = self._log(tally.prefix), tally.prefix.slot
        log.settled = max(log.settled, tally.prefix.watermark)
        held = log.ledgers.get(slot)
        refusal = refuse(tally.prefix, held.prefix) if held is not None else None
        if refusal is not None:
            return refusal
        added = _combine(tally.ledger, Ledger() if held is None else held.ledger, -1)
        log.ledgers[slot] = tally
        log.ledger = _combine(log.ledger, added, 1)
        return added

    def forget(self) -> None:
        """Drop the details of slots that have had their last word."""
        for log in self._logs.values():
            if log.settled == float("-inf"):
                continue
            first_open = self.policy.first_open_slot(log.settled)
            for slot in [slot for slot in log.slots if slot < first_open]:
                held = log.slots.pop(slot)
                log.closed[slot] = Extent(held.first, held.to)
            _keep_newest(log.closed, MAX_CLOSED_SLOTS)
            _keep_newest(log.ledgers, MAX_CLOSED_SLOTS)

    def snapshot(self) -> bytes:
        """Everything held, to go on from the offsets that belong to it."""
        return encode_states(self._logs)

    @classmethod
    def restore(cls, policy: CountingPolicy, snapshot: bytes) -> "TallyMerger":
        """A merger that has seen what the snapshot's had.

        Raises:
            ValueError: the bytes are no snapshot.
        """
        merger = cls(policy)
        merger._logs = decode_states(snapshot)
        return merger

    def _log(self, prefix: Prefix) -> LogState:
        log = self._logs.setdefault((prefix.topic, prefix.partition), LogState())
        log.watermark = max(log.watermark, prefix.watermark)
        return log


class _Growth(NamedTuple):
    """The cells whose counts grew, and by how much."""

    cells: Cells
    counts: Matrix


def _held(tally: Tally) -> Held | None:
    """The tally as it is held, or ``None`` if cells and rows do not match."""
    cells = Cells.of(tally.cells)
    rows = len(cells)
    if len(tally.counts) != rows * len(COLUMNS) * 4 or not _distinct(cells):
        return None
    return Held(
        first=tally.prefix.first,
        to=tally.prefix.to,
        cells=cells,
        counts=np.frombuffer(tally.counts, dtype="<i4").reshape(rows, len(COLUMNS)),
        reasons=tally.reasons,
    )


def _distinct(cells: Cells) -> bool:
    """True if no cell is there twice."""
    codes = _codes_of(cells)
    mixed = np.sort(codes.astype(np.uint64) @ _MIXERS)
    if (mixed[1:] != mixed[:-1]).all():
        return True
    return len(set(cells)) == len(cells)  # most likely a cell, but it may be chance


def _growth(new: Held, old: Held | None) -> _Growth | None:
    """Rows that grew, or ``None`` if anything shrank (invariant I2)."""
    added = new.counts
    if old is not None:
        rows = _rows_of(old.cells, new.cells)
        if rows is None:
            return None
        added = added.copy()
        added[rows] -= old.counts
        if (new.counts[rows] < old.counts).any():
            return None
    if (new.counts < 0).any():
        return None
    grown = np.flatnonzero(added.any(axis=1))
    if len(grown) == len(added):
        return _Growth(new.cells, added)
    codes = _codes_of(new.cells)[grown].tobytes()
    return _Growth(Cells(new.cells.names, codes), added[grown])


def _rows_of(old: Cells, new: Cells) -> slice | list[int] | None:
    """Where the cells of a tally stand in a longer one; ``None`` if some do not.

    Cells come in the order of their first events, so they stand where they stood.
    """
    names = new.names[: len(old.names)]
    if new.codes.startswith(old.codes) and names == old.names:
        return slice(len(old))
    at = {cell: row for row, cell in enumerate(new)}
    rows = [at.get(cell, -1) for cell in old]
    return None if -1 in rows else rows


def _codes_of(cells: Cells) -> Codes:
    return np.frombuffer(cells.codes, "<u4").reshape(-1, len(Cell._fields))


def _events_in(matrix: Matrix) -> int:
    """Events in a matrix: each adds to attempts, or else to complaints."""
    complaint = COLUMNS.index("complaint")
    return int(matrix[:, 0].sum() + matrix[:, complaint].sum())


def _reason_key(row: ReasonCount) -> tuple[str, str, str, Reason, str]:
    return row.provider, row.source_ip, row.campaign, row.reason, row.template


def _more_reasons(
    reasons: Sequence[ReasonCount], old: Held | None
) -> tuple[ReasonCount, ...]:
    """The evidence that is new, with the counts that it grew by."""
    if old is None or not old.reasons:
        return tuple(row for row in reasons if row.count > 0)
    before = {_reason_key(row): row.count for row in old.reasons}
    return tuple(
        row if not had else _less(row, had)
        for row in reasons
        if row.count > (had := before.get(_reason_key(row), 0))
    )


def _less(row: ReasonCount, had: int) -> ReasonCount:
    return ReasonCount(
        provider=row.provider,
        source_ip=row.source_ip,
        campaign=row.campaign,
        reason=row.reason,
        count=row.count - had,
        sample=row.sample,
        template=row.template,
    )


def _keep_newest(slots: dict[int, Extent] | dict[int, LedgerTally], most: int) -> None:
    if len(slots) > most:
        for slot in sorted(slots)[: len(slots) - most]:
            del slots[slot]


def _combine(one: Ledger, other: Ledger, sign: int) -> Ledger:
    """One ledger with the other added to it, or taken from it."""
    return Ledger(
        **{
            name: getattr(one, name) + sign * getattr(other, name)
            for name in Ledger.__struct_fields__
        }
    )


def _imbalance(log: LogState) -> int:
    ledger = log.ledger
    booked = ledger.counted + ledger.duplicates + ledger.late + ledger.excluded
    return abs(ledger.events - booked) + abs(ledger.counted - log.counted)
