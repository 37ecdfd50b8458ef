"""Which leaves and scopes have a place in the arrays of this room.

Theory of operation. Ingest counts *leaves* (cells). Each leaf names the *keys* (scopes)
that its counts roll up to, one a kind, so that a roll-up is one look-up in an integer
table. Leaves and keys are numbered; the number is the place in every array.

Both are bounded. When a bound is reached, the idle longest lose their places, a part
at a time. Nothing else needs to be folded: the counts of an evicted key are part of
its parents' counts already, and a key that comes back starts from its parents' rates.
A key is never idler than its leaves, so evicting a key takes its leaves along.

Names are numbered too (``names``). A leaf is looked up by its five numbers, a key by
one integer made of its kind and of one or two of them (``places``). All of it is done
for thousands at a time; a ``Cell`` or a ``Scope`` is made only when one is asked for.
"""

from collections.abc import Sequence

import numpy as np

from monitor.events import Cell, CellRows, Cells, Scope
from monitor.observe.arrays import (
    NOWHERE,
    Array,
    Ints,
    State,
    idlest,
    roomy,
    slices_of,
    widened,
)
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
    renamed,
    scope_of,
)
from monitor.observe.names import (
    LABEL_WORDS,
    UNKNOWN,
    Names,
    labels_of,
    numbers_in,
)
from monitor.observe.places import FIRST_PLACES, Made, Places, firsts

__all__ = [
    "CAMPAIGN",
    "CAMPAIGN_PROVIDER",
    "FIELDS",
    "FIRST_PLACES",
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

#: Part of a full bound that one eviction frees, so that evictions stay rare.
EVICTED_PART = 16


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
        self._leaves, self._keys = Places(LABEL_WORDS), Places(1)
        self.cells = Made(self._leaves, self._cell)
        self.scopes = Made(self._keys, self._scope)
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
        self._gone_leaves: list[Ints] = []
        self._gone_keys: list[Ints] = []
        self._new_keys: list[Ints] = []
        self._members: dict[int, Ints] = {}
        self.seat([Cell("", "", "", "", "")], 0)

    @property
    def keys(self) -> int:
        """How many keys have a place."""
        return len(self._keys)

    @property
    def leaves(self) -> int:
        """How many leaves have a place."""
        return len(self._leaves)

    @property
    def names(self) -> list[str]:
        """All names that have a number, by number."""
        return self._names.text

    def key_of(self, kind: int, value: str, provider: str = "") -> int:
        """Place of a key, ``NOWHERE`` if it has none."""
        own, beside = self._names.find(value), self._names.find(provider)
        if own is None or beside is None:
            return NOWHERE
        return int(self._keys.find(np.array([[code_of(kind, own, beside)]]))[0])

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
        """Places of leaves, made for those that have none, and note that they live."""
        return self.seat_all([Cells.of(cells)], slot)

    def seat_all(self, tables: Sequence[Cells], slot: int) -> Ints:
        """The same for the leaves of several tables, one after the other.

        A leaf that finds no place, because all others are as fresh, shares leaf 0:
        its events still count for the fleet.
        """
        if len(self._names) > self._most_names:
            self._renumber()
        labels = np.concatenate([self._names.labels(cells) for cells in tables])
        numbers_in(labels)[:, self._unused] = UNKNOWN
        places = self._leaves.find(labels)
        self._note(places[places >= 0], slot)
        new = np.flatnonzero(places < 0)
        if len(new):
            places[new] = self._seat_new(labels[new], slot)
        return places

    def _seat_new(self, labels: Ints, slot: int) -> Ints:
        mine = firsts(labels)
        mine = mine[: self._make_room_for_leaves(len(mine), slot)]
        codes = codes_of(numbers_in(labels[mine]))
        keys = self._keys.find(codes.reshape(-1, 1))
        self._note_keys(keys[keys >= 0], slot)
        wanting = np.flatnonzero((keys < 0) & (codes.ravel() >= 0))
        new, which = _distinct(codes.ravel()[wanting])
        room = self._make_room_for_keys(len(new), slot)
        self.overflow += max(0, len(new) - room)
        first = np.zeros(len(new), np.int64)
        first[which[::-1]] = np.arange(len(which))[::-1]
        admitted = np.argsort(first)[:room]  # in the order in which they came
        places = np.full(len(new), NOWHERE)
        places[admitted] = self._admit_keys(new[admitted], slot)
        keys[wanting] = places[which]
        self._admit_leaves(labels[mine], keys.reshape(codes.shape), slot)
        found = self._leaves.find(labels)
        self.overflow += int(np.count_nonzero(found < 0))
        return np.maximum(found, 0)

    def _make_room_for_leaves(self, number: int, slot: int) -> int:
        """Free the leaves idle longest if there are too many, none that is as fresh as
        ``slot``; returns how many may come.
        """
        excess = self.leaves + number - self._max_leaves
        if excess > 0:
            end, most = self._leaves.end, self._max_leaves // EVICTED_PART
            taken = self._leaves.taken[:end]
            idle = idlest(self.leaf_seen[:end], taken, max(excess, most), slot)
            self._drop_leaves(idle)
        return self._max_leaves - self.leaves

    def _make_room_for_keys(self, number: int, slot: int) -> int:
        """The same for keys."""
        excess = self.keys + number - self._max_keys
        if excess > 0:
            self._evict_keys(max(excess, self._max_keys // EVICTED_PART), slot)
        return self._max_keys - self.keys

    def _admit_keys(self, codes: Ints, slot: int) -> Ints:
        """Make places for new keys at once; there is room for all."""
        places = self._keys.take(codes[:, None])
        if not len(codes):
            return places
        if self._keys.end > len(self.key_seen):
            self._widen_keys(roomy(self._keys.end))
        kinds, owns, providers = parts_of(codes)
        self.key_kind[places] = kinds
        self.key_seen[places] = slot
        self.key_parts[places] = self._parts(kinds, owns, providers)
        for kind in np.unique(kinds).tolist():
            self._members.pop(kind, None)
        self._new_keys.append(places)
        self.admitted += len(codes)
        return places

    def _parts(self, kinds: Ints, owns: Ints, providers: Ints) -> Array:
        """Places of the two halves of pairs; ``NOWHERE`` for keys of other kinds."""
        parts = np.full((len(kinds), 2), NOWHERE)
        for pair, single in PAIRS.items():
            mine = np.flatnonzero(kinds == pair)
            halves = (single, owns[mine]), (PROVIDER, providers[mine])
            for half, (kind, numbers) in enumerate(halves):
                parts[mine, half] = self._keys.find(code_of(kind, numbers)[:, None])
        return parts

    def _admit_leaves(self, labels: Ints, keys: Array, slot: int) -> None:
        """Make places for new leaves at once; there is room, and their keys have some.

        Args:
            labels: each once.
            keys: places of their keys, ``[leaves, kinds]``.
            slot: in which they live.
        """
        places = self._leaves.take(labels)
        if self._leaves.end > len(self.leaf_seen):
            capacity = roomy(self._leaves.end)
            self.leaf_seen = widened(self.leaf_seen, capacity)
            self.leaf_keys = widened(self.leaf_keys, capacity)
        self.leaf_keys[places] = keys
        self.leaf_seen[places] = slot

    def take_gone(self) -> tuple[Ints, Ints]:
        """Places of leaves and keys that were evicted since the last call.

        They may have new owners already, which have no counts yet.
        """
        gone = _joined(self._gone_leaves), _joined(self._gone_keys)
        self._gone_leaves, self._gone_keys = [], []
        return gone

    def take_new(self) -> Ints:
        """Places of keys that were admitted since the last call, ascending."""
        new: Ints = np.unique(_joined(self._new_keys))
        self._new_keys = []
        return new

    def state(self) -> State:
        """Arrays that a snapshot needs, with ``names`` beside them."""
        leaves, keys = slice(self._leaves.end), slice(self._keys.end)
        return {
            "leaf_names": numbers_in(self._leaves.labels(leaves)),
            "leaf_keys": self.leaf_keys[leaves],
            "leaf_seen": self.leaf_seen[leaves],
            "leaf_taken": self._leaves.taken[leaves],
            "key_codes": self._keys.labels(keys)[:, 0],
            "key_seen": self.key_seen[keys],
            "key_kind": self.key_kind[keys],
            "key_parts": self.key_parts[keys],
            "totals": np.array(
                [self.evicted_leaves, self.evicted_keys, self.overflow, self.admitted]
            ),
        }

    def load(self, names: Sequence[str], state: State) -> None:
        """Take back what was saved."""
        self._names = Names(names)
        self._leaves.load(labels_of(state["leaf_names"]), state["leaf_taken"])
        self._keys.load(state["key_codes"][:, None], state["key_kind"] >= FLEET)
        self.leaf_keys, self.leaf_seen = state["leaf_keys"], state["leaf_seen"]
        self.key_seen, self.key_kind = state["key_seen"], state["key_kind"]
        self.key_parts = state["key_parts"]
        self.admitted = int(state["totals"][-1])  # the rest is whose who saved it
        self._new_keys, self._members = [], {}

    def _renumber(self) -> None:
        """Number the names anew, those only that are in use."""
        leaves, keys = self._leaves, self._keys
        rows = numbers_in(leaves.labels(slice(leaves.end)))
        rows = np.where(leaves.taken[: leaves.end, None], rows, UNKNOWN)
        taken = keys.taken[: keys.end]
        codes = np.where(taken, keys.labels(slice(keys.end))[:, 0], 0)
        _, owns, providers = parts_of(codes)
        used = np.unique(np.concatenate([[UNKNOWN], rows.ravel(), owns, providers]))
        number = np.zeros(len(self._names), np.int64)
        number[used] = np.arange(len(used))
        self._names = Names([self._names.text[name] for name in used.tolist()])
        leaves.load(labels_of(number[rows]), leaves.taken[: leaves.end])
        keys.load(renamed(codes, number)[:, None], taken)
        self._most_names = 2 * max(len(self._names), self._max_leaves)

    def _cell(self, place: int) -> Cell:
        numbers = numbers_in(self._leaves.labels(np.array([place])))[0]
        return Cell(*[self._names.text[number] for number in numbers.tolist()])

    def _scope(self, place: int) -> Scope:
        kind, own, provider = parts_of(self._keys.labels(np.array([place]))[0])
        text = self._names.text
        return scope_of(int(kind[0]), text[own[0]], text[provider[0]])

    def _note(self, leaves: Ints, slot: int) -> None:
        """Note that leaves and their keys live."""
        for part in slices_of(len(leaves)):
            mine = leaves[part]
            self.leaf_seen[mine] = np.maximum(self.leaf_seen[mine], slot)
            keys = self.leaf_keys[mine]
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
        kinds = self.key_kind[: self._keys.end]
        seen = self.key_seen[: self._keys.end]
        gone = np.zeros(len(self.key_kind) + 1, bool)  # the last place is NOWHERE's
        gone[idlest(seen, kinds > FLEET, most, slot)] = True
        if not gone.any():
            return
        gone[: len(self.key_parts)] |= gone[self.key_parts].any(axis=1)
        leaves = self.leaf_keys[: self._leaves.end]
        self._drop_leaves(np.flatnonzero(gone[leaves].any(axis=1)))
        self._drop_keys(np.flatnonzero(gone))

    def _drop_leaves(self, places: Ints) -> None:
        assert 0 not in places
        self._leaves.drop(places)
        self.leaf_keys[places] = NOWHERE
        self._gone_leaves.append(places)
        self.evicted_leaves += len(places)

    def _drop_keys(self, places: Ints) -> None:
        self._keys.drop(places)
        for kind in np.unique(self.key_kind[places]).tolist():
            self._members.pop(kind, None)
        self.key_kind[places] = NOWHERE
        self.key_parts[places] = NOWHERE
        self._gone_keys.append(places)
        self.evicted_keys += len(places)


def _distinct(codes: Ints) -> tuple[Ints, Ints]:
    """Each code once, ascending, and for each of the given ones which of them it is."""
    codes_once = np.unique(codes)
    return codes_once, np.searchsorted(codes_once, codes)


def _joined(parts: list[Ints]) -> Ints:
    return np.concatenate([np.zeros(0, np.int64), *parts])
