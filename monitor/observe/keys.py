"""Which leaves and scopes have a place in the arrays of this room.

Theory of operation. Ingest counts *leaves* (cells). Each leaf names the *keys* (scopes)
that its counts roll up to, one a kind, so that a roll-up is one look-up in an integer
table. Leaves and keys are numbered; the number is the place in every array.

Both are bounded. When a bound is reached, the idle longest lose their places, a part
at a time. Nothing else needs to be folded: the counts of an evicted key are part of
its parents' counts already, and a key that comes back starts from its parents' rates.
A key is never idler than its leaves, so evicting a key takes its leaves along.
"""

from collections.abc import Sequence

import numpy as np

from monitor.events import Cell, Scope
from monitor.observe.arrays import Array, Ints, State, widened

#: Kinds of keys, parents first.
KINDS = (
    "fleet",
    "provider",
    "ip",
    "campaign",
    "tenant",
    "segment",
    "ip_provider",
    "campaign_provider",
)
FLEET, PROVIDER, IP, CAMPAIGN, TENANT, SEGMENT, IP_PROVIDER, CAMPAIGN_PROVIDER = range(
    len(KINDS)
)

#: Fields of a cell by short dimension name, in the order of ``Cell``.
FIELDS = {
    "provider": "provider",
    "ip": "source_ip",
    "campaign": "campaign",
    "tenant": "tenant",
    "segment": "segment",
}

#: The two halves of a pair: its own single kind; the other half is the provider.
PAIRS = {IP_PROVIDER: IP, CAMPAIGN_PROVIDER: CAMPAIGN}

#: Places to start with; they double as needed.
FIRST_PLACES = 256

#: Part of a full bound that one eviction frees, so that evictions stay rare.
EVICTED_PART = 16

NOWHERE = -1

_KeyName = tuple[int, str, str]
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
        self._used = frozenset(dimensions)
        self._whole = self._used.issuperset(FIELDS)
        self._max_keys, self._max_leaves = max_keys, max_leaves
        self._leaf_of: dict[Cell, int] = {}
        self._key_of: dict[_KeyName, int] = {}
        self._free_leaves: list[int] = []
        self._free_keys: list[int] = []
        self._gone_leaves: list[int] = []
        self._gone_keys: list[int] = []
        self._members: dict[int, Ints] = {}
        self._admit(_ANONYMOUS, 0)

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
        return self._key_of.get((kind, value, provider), NOWHERE)

    def place_of(self, scope: Scope) -> int:
        """Place of the key of a scope, ``NOWHERE`` if it has none."""
        if scope.kind not in KINDS:
            return NOWHERE
        return self._key_of.get(_name_of(KINDS.index(scope.kind), scope), NOWHERE)

    def members(self, kind: int) -> Ints:
        """Places of the keys of a kind, ascending."""
        found = self._members.get(kind)
        if found is None:
            found = np.flatnonzero(self.key_kind == kind)
            self._members[kind] = found
        return found

    def seat(self, cells: Sequence[Cell], slot: int) -> Ints:
        """Places of leaves, made for those that have none, and note that they live.

        A leaf that finds no place, because all others are as fresh, shares leaf 0:
        its events still count for the fleet.
        """
        if not self._whole:
            cells = [self._reduced(cell) for cell in cells]
        places = np.array([self._leaf_of.get(cell, NOWHERE) for cell in cells], int)
        self._note(places[places >= 0], slot)
        for row in np.flatnonzero(places < 0):
            cell = cells[int(row)]
            known = self._leaf_of.get(cell, NOWHERE)
            places[row] = known if known >= 0 else self._admit(cell, slot)
        return places

    def take_gone(self) -> tuple[Ints, Ints]:
        """Places of leaves and keys that were evicted since the last call.

        They may have new owners already, which have no counts yet.
        """
        gone = np.array(self._gone_leaves, int), np.array(self._gone_keys, int)
        self._gone_leaves, self._gone_keys = [], []
        return gone

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
        self._leaf_of = {cell: n for n, cell in enumerate(cells) if cell is not None}
        self._key_of = {
            _name_of(int(kind), scope): place
            for place, (kind, scope) in enumerate(
                zip(self.key_kind, scopes, strict=True)
            )
            if scope is not None
        }
        self._free_leaves = [n for n, cell in enumerate(cells) if cell is None]
        self._free_keys = [n for n, scope in enumerate(scopes) if scope is None]
        self._members = {}

    def _reduced(self, cell: Cell) -> Cell:
        return Cell(
            *(v if d in self._used else "" for d, v in zip(FIELDS, cell, strict=True))
        )

    def _note(self, leaves: Ints, slot: int) -> None:
        np.maximum.at(self.leaf_seen, leaves, slot)
        keys = self.leaf_keys[leaves].ravel()
        np.maximum.at(self.key_seen, keys[keys >= 0], slot)

    def _admit(self, cell: Cell, slot: int) -> int:
        if self.leaves >= self._max_leaves and not self._evict_leaves(slot):
            self.overflow += 1
            return 0
        keys = [self._key(kind, cell, slot) for kind in range(len(KINDS))]
        place = self._free_leaves.pop() if self._free_leaves else len(self.cells)
        if place == len(self.cells):
            self.cells.append(None)
            if place == len(self.leaf_seen):
                self.leaf_seen = widened(self.leaf_seen, 2 * place)
                self.leaf_keys = widened(self.leaf_keys, 2 * place)
        self.cells[place] = cell
        self._leaf_of[cell] = place
        self.leaf_keys[place] = keys
        self.leaf_seen[place] = slot
        return place

    def _key(self, kind: int, cell: Cell, slot: int) -> int:
        """Place of the cell's key of a kind; a dimension not known has no key."""
        name = _name(kind, cell)
        if name is None:
            return NOWHERE
        place = self._key_of.get(name, NOWHERE)
        if place < 0:
            place = self._admit_key(name, cell, slot)
        if place >= 0:
            self.key_seen[place] = max(self.key_seen[place], slot)
        return place

    def _admit_key(self, name: _KeyName, cell: Cell, slot: int) -> int:
        if self.keys >= self._max_keys and not self._evict_keys(slot):
            self.overflow += 1
            return NOWHERE
        place = self._free_keys.pop() if self._free_keys else len(self.scopes)
        if place == len(self.scopes):
            self.scopes.append(None)
            if place == len(self.key_seen):
                self._widen_keys(2 * place)
        kind = name[0]
        self.scopes[place] = _scope(kind, cell)
        self._key_of[name] = place
        self.key_kind[place] = kind
        self.key_seen[place] = slot
        self.key_parts[place] = NOWHERE
        if kind in PAIRS:
            own = self.key_of(PAIRS[kind], name[1])
            self.key_parts[place] = own, self.key_of(PROVIDER, cell.provider)
        self._members.pop(kind, None)
        self.admitted += 1
        return place

    def _widen_keys(self, capacity: int) -> None:
        self.key_seen = widened(self.key_seen, capacity)
        self.key_parts = widened(self.key_parts, capacity)
        have = len(self.key_kind)
        self.key_kind = widened(self.key_kind, capacity)
        self.key_kind[have:] = NOWHERE

    def _evict_leaves(self, slot: int) -> bool:
        """Free the leaves idle longest, none that is as fresh as ``slot``."""
        idle = _idlest(
            self.leaf_seen[: len(self.cells)],
            np.array([cell is not None for cell in self.cells]),
            self._max_leaves // EVICTED_PART,
            slot,
        )
        for place in idle:
            self._drop_leaf(int(place))
        return len(idle) > 0

    def _evict_keys(self, slot: int) -> bool:
        kinds = self.key_kind[: len(self.scopes)]
        idle = _idlest(
            self.key_seen[: len(self.scopes)],
            kinds > FLEET,
            self._max_keys // EVICTED_PART,
            slot,
        )
        gone = np.zeros(len(self.key_kind) + 1, bool)  # the last place is NOWHERE's
        gone[idle] = True
        gone[: len(self.key_parts)] |= gone[self.key_parts].any(axis=1)
        for leaf in np.flatnonzero(gone[self.leaf_keys].any(axis=1)):
            self._drop_leaf(int(leaf))
        for place in np.flatnonzero(gone):
            self._drop_key(int(place))
        return len(idle) > 0

    def _drop_leaf(self, place: int) -> None:
        cell = self.cells[place]
        assert cell is not None
        assert place != 0
        del self._leaf_of[cell]
        self.cells[place] = None
        self.leaf_keys[place] = NOWHERE
        self._free_leaves.append(place)
        self._gone_leaves.append(place)
        self.evicted_leaves += 1

    def _drop_key(self, place: int) -> None:
        scope = self.scopes[place]
        assert scope is not None
        kind = int(self.key_kind[place])
        del self._key_of[_name_of(kind, scope)]
        self.scopes[place] = None
        self.key_kind[place] = NOWHERE
        self.key_parts[place] = NOWHERE
        self._free_keys.append(place)
        self._gone_keys.append(place)
        self._members.pop(kind, None)
        self.evicted_keys += 1


def _idlest(seen: Ints, taken: Array, most: int, slot: int) -> Ints:
    """Up to ``most`` taken places, the least recently seen, all before ``slot``."""
    taken = taken.copy()
    taken[0] = False  # the fleet and the nameless leaf stay
    old = np.flatnonzero(taken & (seen < slot))
    return old[np.argsort(seen[old], kind="stable")[: max(1, most)]]


def _name(kind: int, cell: Cell) -> _KeyName | None:
    match kind:
        case 0:
            return (kind, "", "")
        case 1:
            value, provider = cell.provider, ""
        case 2 | 6:
            value, provider = cell.source_ip, cell.provider
        case 3 | 7:
            value, provider = cell.campaign, cell.provider
        case 4:
            value, provider = cell.tenant, ""
        case _:
            value, provider = cell.segment, ""
    if kind not in PAIRS:
        return (kind, value, "") if value else None
    return (kind, value, provider) if value and provider else None


def _name_of(kind: int, scope: Scope) -> _KeyName:
    values = [value for value in scope.values if value is not None]
    own, provider = [*values, "", ""][:2]
    return kind, own, provider


def _scope(kind: int, cell: Cell) -> Scope:
    named = set(KINDS[kind].split("_"))
    return Scope(
        **{
            field: value
            for (short, field), value in zip(FIELDS.items(), cell, strict=True)
            if short in named
        }
    )
