"""Which leaves and scopes have a place in the arrays of this room.

Theory of operation. Ingest counts *leaves* (cells). Each leaf names the *keys* (scopes)
that its counts roll up to, one a kind, so that a roll-up is one look-up in an integer
table. Leaves and keys are numbered; the number is the place in every array.

Both are bounded. When a bound is reached, the idle longest lose their places, a part
at a time. Nothing else needs to be folded: the counts of an evicted key are part of
its parents' counts already, and a key that comes back starts from its parents' rates.
A key is never idler than its leaves, so evicting a key takes its leaves along.

Names are numbered too (``names``). A leaf is looked up by the bytes of its five
numbers, a key by one integer made of its kind and of one or two of them.
"""

from collections.abc import Sequence
from itertools import repeat
from typing import Any

import numpy as np

from monitor.events import Cell, CellRows, Cells, Scope
from monitor.observe.arrays import NOWHERE, Array, Ints, State, idlest, roomy, widened
from monitor.observe.kinds import (
    CAMPAIGN,
    CAMPAIGN_PROVIDER,
    FIELDS,
    FLEET,
    IP,
    IP_PROVIDER,
    KINDS,
    PAIRS,
    PROVIDER,
    SEGMENT,
    TENANT,
    code_of,
    codes_of,
    halves_of,
    parts_of,
    scope_of,
)
from monitor.observe.names import UNKNOWN, Names, labels_of

__all__ = [
    "CAMPAIGN",
    "CAMPAIGN_PROVIDER",
    "FIELDS",
    "FLEET",
    "IP",
    "IP_PROVIDER",
    "KINDS",
    "NOWHERE",
    "PAIRS",
    "PROVIDER",
    "SEGMENT",
    "TENANT",
    "Catalog",
]

#: Places to start with.
FIRST_PLACES = 256

#: Part of a full bound that one eviction frees, so that evictions stay rare.
EVICTED_PART = 16

_ANONYMOUS = Cell("", "", "", "", "")


class Catalog:
    """Numbers for leaves and keys; the fleet is key 0, the nameless leaf is leaf 0.

    Args:
        dimensions: short names of the dimensions in use.
        max_keys: most keys.
        max_leaves: most leaves.
    """

    def __init__(
        self, dimensions: Sequence[str], max_keys: int, max_leaves: int
    ) -> None:
        self.scopes: list[Scope | None] = []
        self.cells: list[Cell | None] = []
        self.leaf_keys: Array = np.full((FIRST_PLACES, len(KINDS)), NOWHERE, np.int32)
        self.leaf_seen: Ints = np.zeros(FIRST_PLACES, np.int64)
        self.key_seen: Ints = np.zeros(FIRST_PLACES, np.int64)
        self.key_kind: Array = np.full(FIRST_PLACES, NOWHERE, np.int8)
        self.key_parts: Array = np.full((FIRST_PLACES, 2), NOWHERE, np.int32)
        self.evicted_keys = self.evicted_leaves = self.overflow = 0
        self.admitted = 0
        unused = FIELDS.keys() - set(dimensions)
        self._unused = [list(FIELDS).index(name) for name in unused]
        self._max_keys, self._max_leaves = max_keys, max_leaves
        self._names = Names()
        self._most_names = 2 * max_leaves
        self._leaf_of: dict[bytes, int] = {}
        self._key_of: dict[int, int] = {}
        self._free_leaves: list[int] = []
        self._free_keys: list[int] = []
        self._gone_leaves: list[int] = []
        self._gone_keys: list[int] = []
        self._new_keys: list[int] = []
        self._members: dict[int, Ints] = {}
        self.seat([_ANONYMOUS], 0)

    @property
    def keys(self) -> int:
        """How many keys have a place."""
        return len(self._key_of)

    @property
    def leaves(self) -> int:
        """How many leaves have a place."""
        return len(self._leaf_of)

    def key_of(self, kind: int, value: str, provider: str = "") -> int:
        """Place of a key, ``NOWHERE`` if it has none."""
        return self._key_of.get(self._code_of(kind, value, provider), NOWHERE)

    def place_of(self, scope: Scope) -> int:
        """Place of the key of a scope, ``NOWHERE`` if it has none."""
        if scope.kind not in KINDS:
            return NOWHERE
        return self.key_of(KINDS.index(scope.kind), *halves_of(scope))

    def members(self, kind: int) -> Ints:
        """Places of the keys of a kind, ascending."""
        found = self._members.get(kind)
        if found is None:
            found = np.flatnonzero(self.key_kind == kind)
            self._members[kind] = found
        return found

    def seat(self, cells: Sequence[Cell] | CellRows, slot: int) -> Ints:
        """Places of leaves, made for those that have none, and note that they live.

        A leaf that finds no place, because all others are as fresh, shares leaf 0:
        its events still count for the fleet.
        """
        if len(self._names) > self._most_names:
            self._renumber()
        rows = self._names.rows(Cells.of(cells))
        rows[:, self._unused] = UNKNOWN
        labels = labels_of(rows)
        places = np.fromiter(
            map(self._leaf_of.get, labels, repeat(NOWHERE)), np.int64, len(labels)
        )
        self._note(places[places >= 0], slot)
        new = np.flatnonzero(places < 0)
        if len(new):
            places[new] = self._seat_new(rows[new], slot)
        return places

    def _seat_new(self, rows: Array, slot: int) -> list[int]:
        labels, codes = labels_of(rows), codes_of(rows)
        mine = np.arange(len(labels))
        if len(set(labels)) < len(labels):
            mine = np.unique(np.array(labels), return_index=True)[1]
            mine.sort()
        mine = mine[: self._make_room_for_leaves(len(mine), slot)]
        codes = codes[mine]
        wanted = dict.fromkeys(codes[codes >= 0].tolist())
        new = [code for code in wanted if code not in self._key_of]
        old = [self._key_of[code] for code in wanted if code in self._key_of]
        self._note_keys(np.array(old, int), slot)
        room = self._make_room_for_keys(len(new), slot)
        self.overflow += max(0, len(new) - room)
        self._admit_keys(new[:room], slot)
        self._admit_leaves([labels[row] for row in mine], rows[mine], codes, slot)
        places = [self._leaf_of.get(label, NOWHERE) for label in labels]
        self.overflow += places.count(NOWHERE)
        return [max(place, 0) for place in places]

    def _make_room_for_leaves(self, number: int, slot: int) -> int:
        """Free the leaves idle longest if there are too many, none that is as fresh as
        ``slot``; returns how many may come.
        """
        excess = self.leaves + number - self._max_leaves
        if excess > 0:
            idle = idlest(
                self.leaf_seen[: len(self.cells)],
                np.array([cell is not None for cell in self.cells]),
                max(excess, self._max_leaves // EVICTED_PART),
                slot,
            )
            for place in idle.tolist():
                self._drop_leaf(place)
        return self._max_leaves - self.leaves

    def _make_room_for_keys(self, number: int, slot: int) -> int:
        """The same for keys."""
        excess = self.keys + number - self._max_keys
        if excess > 0:
            self._evict_keys(max(excess, self._max_keys // EVICTED_PART), slot)
        return self._max_keys - self.keys

    def _admit_keys(self, codes: list[int], slot: int) -> None:
        """Make places for new keys at once; there is room for all."""
        if not codes:
            return
        places = _places(len(codes), self._free_keys, self.scopes)
        if len(self.scopes) > len(self.key_seen):
            self._widen_keys(roomy(len(self.scopes)))
        self._key_of.update(zip(codes, places, strict=True))
        kinds, owns, providers = parts_of(np.array(codes))
        text = self._names.text
        for place, kind, own, provider in zip(
            places, kinds.tolist(), owns.tolist(), providers.tolist(), strict=True
        ):
            self.scopes[place] = scope_of(kind, text[own], text[provider])
        self.key_kind[places] = kinds
        self.key_seen[places] = slot
        self.key_parts[places] = self._parts(kinds, owns, providers)
        for kind in np.unique(kinds).tolist():
            self._members.pop(kind, None)
        self._new_keys += places
        self.admitted += len(codes)

    def _parts(self, kinds: Ints, owns: Ints, providers: Ints) -> Array:
        """Places of the two halves of pairs; ``NOWHERE`` for keys of other kinds."""
        parts = np.full((len(kinds), 2), NOWHERE)
        for pair, single in PAIRS.items():
            mine = np.flatnonzero(kinds == pair)
            halves = (single, owns[mine]), (PROVIDER, providers[mine])
            for half, (kind, numbers) in enumerate(halves):
                codes = code_of(kind, numbers).tolist()
                parts[mine, half] = [self._key_of.get(code, NOWHERE) for code in codes]
        return parts

    def _admit_leaves(
        self, fresh: list[bytes], rows: Array, codes: Ints, slot: int
    ) -> None:
        """Make places for new leaves at once; there is room, and their keys have some.

        Args:
            fresh: their labels, each once.
            rows: numbers of their names.
            codes: the integers of their keys.
            slot: in which they live.
        """
        if not fresh:
            return
        places = _places(len(fresh), self._free_leaves, self.cells)
        if len(self.cells) > len(self.leaf_seen):
            capacity = roomy(len(self.cells))
            self.leaf_seen = widened(self.leaf_seen, capacity)
            self.leaf_keys = widened(self.leaf_keys, capacity)
        text = self._names.text.__getitem__
        columns = [map(text, column) for column in rows.T.tolist()]
        cells = map(Cell._make, zip(*columns, strict=True))
        for place, cell in zip(places, cells, strict=True):
            self.cells[place] = cell
        self._leaf_of.update(zip(fresh, places, strict=True))
        keys = map(self._key_of.get, codes.ravel().tolist(), repeat(NOWHERE))
        found = np.fromiter(keys, np.int32, codes.size)
        self.leaf_keys[places] = found.reshape(codes.shape)
        self.leaf_seen[places] = 0  # of who had the place before
        self._note(np.array(places), slot)

    def take_gone(self) -> tuple[Ints, Ints]:
        """Places of leaves and keys that were evicted since the last call.

        They may have new owners already, which have no counts yet.
        """
        gone = np.array(self._gone_leaves, int), np.array(self._gone_keys, int)
        self._gone_leaves, self._gone_keys = [], []
        return gone

    def take_new(self) -> Ints:
        """Places of keys that were admitted since the last call, ascending."""
        new: Ints = np.unique(np.array(self._new_keys, int))
        self._new_keys = []
        return new

    @property
    def _totals(self) -> tuple[int, int, int, int]:
        evicted = self.evicted_leaves, self.evicted_keys
        return *evicted, self.overflow, self.admitted

    def state(self) -> State:
        """Arrays that a snapshot needs, with ``cells`` and ``scopes`` beside them."""
        leaves, keys = len(self.cells), len(self.scopes)
        return {
            "leaf_keys": self.leaf_keys[:leaves],
            "leaf_seen": self.leaf_seen[:leaves],
            "key_seen": self.key_seen[:keys],
            "key_kind": self.key_kind[:keys],
            "key_parts": self.key_parts[:keys],
            "totals": np.array(self._totals),
        }

    def load(
        self, cells: list[Cell | None], scopes: list[Scope | None], state: State
    ) -> None:
        """Take back what was saved."""
        self.cells, self.scopes = cells, scopes
        self.leaf_keys, self.leaf_seen = state["leaf_keys"], state["leaf_seen"]
        self.key_seen, self.key_kind = state["key_seen"], state["key_kind"]
        self.key_parts = state["key_parts"]
        totals = state["totals"].tolist()
        self.evicted_leaves, self.evicted_keys, self.overflow, self.admitted = totals
        self._renumber()
        self._free_leaves = [n for n, cell in enumerate(cells) if cell is None]
        self._free_keys = [n for n, scope in enumerate(scopes) if scope is None]
        self._members = {}

    def _renumber(self) -> None:
        """Number the names anew, those only that are in use."""
        self._names = Names()
        taken = [place for place, cell in enumerate(self.cells) if cell is not None]
        cells = Cells.of([cell for cell in self.cells if cell is not None])
        self._leaf_of = dict(
            zip(labels_of(self._names.rows(cells)), taken, strict=True)
        )
        self._key_of = {}
        for place, scope in enumerate(self.scopes):
            if scope is not None:
                own, provider = halves_of(scope)
                self._names.numbers([own, provider])
                code = self._code_of(int(self.key_kind[place]), own, provider)
                self._key_of[code] = place
        self._most_names = 2 * max(len(self._names), self._max_leaves)

    def _code_of(self, kind: int, own: str, provider: str) -> int:
        """The integer of a key; of none that there is if a name has no number."""
        numbers = self._names.find(own), self._names.find(provider)
        if numbers[0] is None or numbers[1] is None:
            return NOWHERE
        return code_of(kind, numbers[0], numbers[1])

    def _note(self, leaves: Ints, slot: int) -> None:
        """Note that leaves and their keys live."""
        self.leaf_seen[leaves] = np.maximum(self.leaf_seen[leaves], slot)
        keys = self.leaf_keys[leaves]
        self._note_keys(keys[keys >= 0], slot)

    def _note_keys(self, keys: Ints, slot: int) -> None:
        self.key_seen[keys] = np.maximum(self.key_seen[keys], slot)

    def _widen_keys(self, capacity: int) -> None:
        self.key_seen = widened(self.key_seen, capacity)
        self.key_parts = widened(self.key_parts, capacity)
        have = len(self.key_kind)
        self.key_kind = widened(self.key_kind, capacity)
        self.key_kind[have:] = NOWHERE

    def _evict_keys(self, most: int, slot: int) -> None:
        kinds = self.key_kind[: len(self.scopes)]
        seen = self.key_seen[: len(self.scopes)]
        gone = np.zeros(len(self.key_kind) + 1, bool)  # the last place is NOWHERE's
        gone[idlest(seen, kinds > FLEET, most, slot)] = True
        gone[: len(self.key_parts)] |= gone[self.key_parts].any(axis=1)
        leaves = self.leaf_keys[: len(self.cells)]
        for leaf in np.flatnonzero(gone[leaves].any(axis=1)).tolist():
            self._drop_leaf(leaf)
        for place in np.flatnonzero(gone).tolist():
            self._drop_key(place)

    def _drop_leaf(self, place: int) -> None:
        cell = self.cells[place]
        assert cell is not None
        assert place != 0
        del self._leaf_of[labels_of(self._names.rows(Cells.of([cell])))[0]]
        self.cells[place] = None
        self.leaf_keys[place] = NOWHERE
        self._free_leaves.append(place)
        self._gone_leaves.append(place)
        self.evicted_leaves += 1

    def _drop_key(self, place: int) -> None:
        scope = self.scopes[place]
        assert scope is not None
        kind = int(self.key_kind[place])
        del self._key_of[self._code_of(kind, *halves_of(scope))]
        self.scopes[place] = None
        self.key_kind[place] = NOWHERE
        self.key_parts[place] = NOWHERE
        self._free_keys.append(place)
        self._gone_keys.append(place)
        self._members.pop(kind, None)
        self.evicted_keys += 1


def _places(number: int, free: list[int], taken: list[Any]) -> list[int]:
    """So many places: free ones, the last first, then new ones at the end."""
    reused = [free.pop() for _ in range(min(number, len(free)))]
    have, new = len(taken), number - len(reused)
    taken += [None] * new
    return [*reused, *range(have, have + new)]
