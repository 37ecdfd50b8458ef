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

import numpy as np

from monitor.events import Cell, CellRows, Cells, Scope
from monitor.observe.arrays import Array, Ints, State, idlest, widened
from monitor.observe.names import UNKNOWN, Names, labels_of

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

#: Bits of a key's integer: its provider's number, its own, its kind.
_OWN_BIT, _KIND_BIT = 30, 60

#: Column of a cell that holds a kind's own name; a pair has the provider's beside it.
_OWN_COLUMN = {PROVIDER: 0, IP: 1, CAMPAIGN: 2, TENANT: 3, SEGMENT: 4}
_OWN_COLUMN |= {pair: _OWN_COLUMN[single] for pair, single in PAIRS.items()}

_OWN_FIELD = {kind: Cell._fields[column] for kind, column in _OWN_COLUMN.items()}

#: A leaf on its way in: its label, the numbers of its names, the integers of its keys.
_Row = tuple[bytes, list[int], list[int]]
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
        self._fresh: list[tuple[int, list[int]]] = []
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
        return self.key_of(KINDS.index(scope.kind), *_halves(scope))

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
        places = []
        arrivals = zip(
            labels_of(rows), rows.tolist(), _codes(rows).tolist(), strict=True
        )
        for row in arrivals:
            place = self._leaf_of.get(row[0])
            places.append(self._admit(row, slot) if place is None else place)
        self._write(slot)
        return places

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
                own, provider = _halves(scope)
                self._names.numbers([own, provider])
                code = self._code_of(int(self.key_kind[place]), own, provider)
                self._key_of[code] = place
        self._most_names = 2 * max(len(self._names), self._max_leaves)

    def _code_of(self, kind: int, own: str, provider: str) -> int:
        """The integer of a key; of none that there is if a name has no number."""
        numbers = self._names.find(own), self._names.find(provider)
        if numbers[0] is None or numbers[1] is None:
            return NOWHERE
        return (kind << _KIND_BIT) + (numbers[0] << _OWN_BIT) + numbers[1]

    def _note(self, leaves: Ints, slot: int) -> None:
        """Note that leaves and their keys live."""
        self.leaf_seen[leaves] = np.maximum(self.leaf_seen[leaves], slot)
        keys = self.leaf_keys[leaves]
        self._note_keys(keys[keys >= 0], slot)

    def _note_keys(self, keys: Ints, slot: int) -> None:
        self.key_seen[keys] = np.maximum(self.key_seen[keys], slot)

    def _write(self, slot: int) -> None:
        """Enter the leaves that were admitted since the last call."""
        if self._fresh:
            places = np.array([place for place, _ in self._fresh])
            self.leaf_keys[places] = [keys for _, keys in self._fresh]
            self._fresh = []
            self._note(places, slot)

    def _admit(self, row: _Row, slot: int) -> int:
        if self.leaves >= self._max_leaves and not self._evict_leaves(slot):
            self.overflow += 1
            return 0
        label, numbers, codes = row
        keys = [self._key_of.get(code, NOWHERE) for code in codes]
        for kind, code in enumerate(codes):
            if keys[kind] < 0 <= code:  # a dimension that is not known has no key
                keys[kind] = self._admit_key(kind, row, keys, slot)
        place = self._free_leaves.pop() if self._free_leaves else len(self.cells)
        if place == len(self.cells):
            self.cells.append(None)
            if place == len(self.leaf_seen):
                self.leaf_seen = widened(self.leaf_seen, 2 * place)
                self.leaf_keys = widened(self.leaf_keys, 2 * place)
        text = self._names.text
        self.cells[place] = Cell(*[text[number] for number in numbers])
        self._leaf_of[label] = place
        self.leaf_seen[place] = slot
        self._fresh.append((place, keys))
        return place

    def _admit_key(self, kind: int, row: _Row, others: list[int], slot: int) -> int:
        """Make a place for the key of a kind of a leaf that has some others already."""
        if self.keys >= self._max_keys:
            self._write(slot)
            self._note_keys(np.array([key for key in others if key >= 0], int), slot)
            if not self._evict_keys(slot):
                self.overflow += 1
                return NOWHERE
        place = self._free_keys.pop() if self._free_keys else len(self.scopes)
        if place == len(self.scopes):
            self.scopes.append(None)
            if place == len(self.key_seen):
                self._widen_keys(2 * place)
        _, numbers, codes = row
        text = self._names.text
        self.scopes[place] = _scope(kind, [text[number] for number in numbers])
        self._key_of[codes[kind]] = place
        self.key_kind[place] = kind
        self.key_seen[place] = slot
        parts = (others[PAIRS[kind]], others[PROVIDER]) if kind in PAIRS else NOWHERE
        self.key_parts[place] = parts
        self._members.pop(kind, None)
        self._new_keys.append(place)
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
        self._write(slot)
        idle = idlest(
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
        idle = idlest(
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
        del self._key_of[self._code_of(kind, *_halves(scope))]
        self.scopes[place] = None
        self.key_kind[place] = NOWHERE
        self.key_parts[place] = NOWHERE
        self._free_keys.append(place)
        self._gone_keys.append(place)
        self._members.pop(kind, None)
        self.evicted_keys += 1


def _codes(rows: Array) -> Ints:
    """The integers of all keys of cells, ``[cells, kinds]``; ``NOWHERE`` for none."""
    codes = np.zeros((len(rows), len(KINDS)), np.int64)
    providers = rows[:, _OWN_COLUMN[PROVIDER]].astype(np.int64)
    for kind, column in _OWN_COLUMN.items():
        own = rows[:, column].astype(np.int64)
        known = own != UNKNOWN
        code = (kind << _KIND_BIT) + (own << _OWN_BIT)
        if kind in PAIRS:
            known &= providers != UNKNOWN
            code += providers
        codes[:, kind] = np.where(known, code, NOWHERE)
    return codes


def _halves(scope: Scope) -> tuple[str, str]:
    """A scope's own name and its provider's, if it is a pair."""
    values = [value for value in scope.values if value is not None]
    own, provider = [*values, "", ""][:2]
    return own, provider


def _scope(kind: int, cell: Sequence[str]) -> Scope:
    if kind == FLEET:
        return Scope()
    own = cell[_OWN_COLUMN[kind]]
    fields = {_OWN_FIELD[kind]: own}
    if kind in PAIRS:
        fields["provider"] = cell[_OWN_COLUMN[PROVIDER]]
    return Scope(**fields)
