"""The last quarter of an hour, leaf by leaf: what blame is read from."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec
import numpy as np

from monitor.events import COLUMNS, Reason, ReasonCount, ReasonShare, Scope
from monitor.observe.arrays import Array, Ints, State, roll_up

#: How far back blame can look: longer than any spike worth a page takes to be found.
HORIZON_SECONDS = 900.0

#: Most rows kept, of about 10 bytes, or 20 where a leaf counts much; beyond it the
#: oldest slots go first.
MAX_ROWS = 400_000

#: A slot in so many pieces is put together.
MAX_PIECES = 16

#: Most (provider, IP, campaign, reason) names kept for one slot, as in a tally.
MAX_REASONS = 2_000

#: Most reasons that an incident shows.
TOP_REASONS = 3


class _Piece(NamedTuple):
    """Counts of some leaves in one slot, column by column, each in as little memory as
    it needs: one of zeros needs none.
    """

    leaves: Array
    columns: list[Array]

    def part(self, rows: Ints) -> "_Piece":
        return _Piece(self.leaves[rows], [one[rows] for one in self.columns])


def _piece(leaves: Ints, counts: Array) -> _Piece:
    columns = [_narrow(column) for column in counts.T]
    return _Piece(leaves.astype(np.int32), columns)


def _narrow(column: Array) -> Array:
    ends = column.min(initial=0), column.max(initial=0)
    if not any(ends):
        return np.broadcast_to(np.uint8(0), len(column))
    return column.astype(np.result_type(*(np.min_scalar_type(end) for end in ends)))


class Rows(NamedTuple):
    """Counts of leaves in slots; a leaf may have many rows."""

    slots: Ints
    leaves: Ints
    counts: Array


class RecentLeaves:
    """Counts of every leaf and slot within the horizon.

    Args:
        slot_seconds: length of a slot.
    """

    def __init__(self, slot_seconds: float) -> None:
        self._most = max(2, int(HORIZON_SECONDS // slot_seconds))
        self._slots: dict[int, list[_Piece]] = {}
        self.rows = 0
        #: Slots let go before their time.
        self.dropped = 0

    @property
    def first(self) -> int:
        """The oldest slot that may still be kept."""
        return max(self._slots, default=0) - self._most + 1

    def add(self, slot: int, leaves: Ints, counts: Array) -> None:
        """Add rows of one slot; slots before the horizon are let go."""
        if slot < self.first:
            return
        pieces = self._slots.setdefault(slot, [])
        pieces.append(_piece(leaves, counts))
        self.rows += len(leaves)
        if len(pieces) > MAX_PIECES:
            self._join(slot)
        first = self.first
        for old in [old for old in self._slots if old < first]:
            self._drop(old)
        while self.rows > MAX_ROWS and len(self._slots) > 1:
            self._drop(min(self._slots))
            self.dropped += 1

    def since(self, slot: int) -> Rows:
        """All rows of a slot and those after it."""
        kept = {
            number: pieces for number, pieces in self._slots.items() if number >= slot
        }
        whole = _joined([piece for pieces in kept.values() for piece in pieces])
        sizes = [sum(map(_size, pieces)) for pieces in kept.values()]
        slots = np.repeat(np.array(list(kept), np.int64), sizes)
        return Rows(slots, *whole)

    def forget(self, leaves: Ints) -> None:
        """Drop the rows of evicted leaves, before others get their places."""
        gone = np.zeros(int(leaves.max(initial=0)) + 2, bool)  # the last one is not
        gone[leaves] = True
        for slot, pieces in self._slots.items():
            self._slots[slot] = [
                piece.part(keep)
                for piece in pieces
                if len(keep := np.flatnonzero(~gone.take(piece.leaves, mode="clip")))
            ]
        self._count()

    def state(self) -> State:
        """What a snapshot needs."""
        rows = self.since(0)
        return {"slots": rows.slots, "leaves": rows.leaves, "counts": rows.counts}

    def load(self, state: State) -> None:
        """Take back what ``state`` gave."""
        for slot in np.unique(state["slots"]):
            mine = state["slots"] == slot
            piece = _piece(state["leaves"][mine], state["counts"][mine])
            self._slots[int(slot)] = [piece]
        self._count()

    def _join(self, slot: int) -> None:
        leaves, counts = _joined(self._slots[slot])
        self._slots[slot] = [_piece(*roll_up(leaves[:, None], counts, np.int32))]
        self._count()

    def _drop(self, slot: int) -> None:
        self.rows -= sum(map(_size, self._slots.pop(slot)))

    def _count(self) -> None:
        self.rows = sum(_size(one) for many in self._slots.values() for one in many)


def _size(piece: _Piece) -> int:
    return len(piece.leaves)


def _joined(pieces: list[_Piece]) -> tuple[Ints, Array]:
    """Leaves and counts of pieces, one after the other."""
    ends = np.cumsum([_size(piece) for piece in pieces], dtype=np.int64)
    size = int(ends.max(initial=0))
    leaves, counts = np.zeros(size, np.int64), np.zeros((len(COLUMNS), size), np.int32)
    for piece, end in zip(pieces, ends.tolist(), strict=True):
        mine = slice(end - _size(piece), end)
        leaves[mine] = piece.leaves
        for whole, column in zip(counts, piece.columns, strict=True):
            whole[mine] = column
    return leaves, counts.T


_Name = tuple[str, str, str, Reason]


class Reasons(msgspec.Struct):
    """Counts of reasons with one sample each.

    >>> Reasons().top()
    ()
    """

    counts: dict[Reason, int] = {}
    samples: dict[Reason, str] = {}

    def add(self, reason: Reason, count: int, sample: str) -> None:
        """Count one reason; the newest sample stays."""
        self.counts[reason] = self.counts.get(reason, 0) + count
        if sample:
            self.samples[reason] = sample

    def top(self) -> tuple[ReasonShare, ...]:
        """The most frequent reasons, most frequent first, with shares of the whole."""
        whole = sum(self.counts.values())
        ranked = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        return tuple(
            ReasonShare(
                reason=reason,
                share=count / whole,
                sample=self.samples.get(reason, ""),
            )
            for reason, count in ranked[:TOP_REASONS]
            if count > 0
        )


class RecentReasons:
    """Reasons by provider, IP and campaign within the horizon.

    Args:
        slot_seconds: length of a slot.
    """

    def __init__(self, slot_seconds: float) -> None:
        self._most = max(2, int(HORIZON_SECONDS // slot_seconds))
        self._slots: dict[int, dict[_Name, ReasonCount]] = {}
        #: Rows that found no place.
        self.refused = 0

    def add(self, slot: int, reasons: Iterable[ReasonCount]) -> None:
        """Add reasons of one slot."""
        names = self._slots.setdefault(slot, {})
        for new in reasons:
            name = (new.provider, new.source_ip, new.campaign, new.reason)
            old = names.get(name)
            if old is not None:
                names[name] = _sum(old, new)
            elif len(names) < MAX_REASONS:
                names[name] = new
            else:
                self.refused += 1
        last = max(self._slots) - self._most
        for gone in [old for old in self._slots if old <= last]:
            del self._slots[gone]

    def since(self, slot: int) -> list[ReasonCount]:
        """All reasons of a slot and those after it."""
        kept = (names for number, names in self._slots.items() if number >= slot)
        return [reason for names in kept for reason in names.values()]

    def state(self) -> dict[int, list[ReasonCount]]:
        """What a snapshot needs."""
        return {slot: list(names.values()) for slot, names in self._slots.items()}

    def load(self, state: dict[int, list[ReasonCount]]) -> None:
        """Take back what ``state`` gave."""
        for slot, reasons in state.items():
            self.add(slot, reasons)


def concerns(scope: Scope, reason: ReasonCount) -> bool:
    """True if a reason may be about a scope; tenant and segment are not known of it."""
    return (
        scope.provider in (None, reason.provider)
        and scope.source_ip in (None, reason.source_ip)
        and scope.campaign in (None, reason.campaign)
    )


def _sum(old: ReasonCount, new: ReasonCount) -> ReasonCount:
    return ReasonCount(
        provider=old.provider,
        source_ip=old.source_ip,
        campaign=old.campaign,
        reason=old.reason,
        count=old.count + new.count,
        sample=new.sample or old.sample,
    )
