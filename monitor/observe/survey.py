"""What the leaves have counted since some slot, laid out for an inquiry."""

from typing import NamedTuple

import numpy as np

from monitor.events import Scope
from monitor.observe.arrays import Array, Bools, Floats, Ints, added_up
from monitor.observe.blame import DIMENSIONS
from monitor.observe.channels import split
from monitor.observe.expected import leaf_rates
from monitor.observe.keys import FIELDS, FLEET, KINDS, Catalog
from monitor.observe.recent import Rows

#: A sibling looks normal up to this lift (and two standard deviations of chance), if it
#: has at least so many attempts; so many of them are shown.
NORMAL_LIFT = 1.5
NORMAL_ATTEMPTS = 20.0
SIBLINGS = 3

#: Columns of a leaf's keys that are the codes of blame, in its order.
CODES = tuple(KINDS.index(name) for name in DIMENSIONS)


class SlotCounts(NamedTuple):
    """Attempts and failures of one slot, all channels."""

    slot: int
    tried: tuple[float, ...]
    failed: tuple[float, ...]


class Survey:
    """Counts by leaf; arrays are ``[leaves]`` or ``[leaves, channels]``.

    ``leaf_keys`` are the leaves' keys, ``codes`` those of the single dimensions, in the
    order of ``blame.DIMENSIONS``; ``normal`` is expected by what was learned.

    Args:
        catalog: the leaves and their keys.
        rate: learned rates of keys.
        rows: leaf counts by slot.
    """

    def __init__(self, catalog: Catalog, rate: Floats, rows: Rows) -> None:
        self._catalog, self._rows = catalog, rows
        leaves, self._place = np.unique(rows.leaves, return_inverse=True)
        counts = added_up(self._place, rows.counts, len(leaves))
        self.leaf_keys: Array = catalog.leaf_keys[leaves]
        self.codes: Ints = self.leaf_keys[:, CODES].astype(np.int64)
        self.tried, self.failed = split(counts)
        self.rate = leaf_rates(self.leaf_keys, rate)
        self.normal: Floats = self.tried * self.rate

    def by_slot(self, leaves: Ints) -> tuple[SlotCounts, ...]:
        """The counts of some leaves, slot by slot, oldest first."""
        mine = np.isin(self._place, leaves)
        numbers, place = np.unique(self._rows.slots[mine], return_inverse=True)
        counts = added_up(place, self._rows.counts[mine], len(numbers))
        tried, failed = split(counts)
        return tuple(
            SlotCounts(int(number), tuple(row), tuple(bad))
            for number, row, bad in zip(
                numbers, tried.tolist(), failed.tolist(), strict=True
            )
        )

    def scope(self, dimensions: tuple[int, ...], codes: tuple[int, ...]) -> Scope:
        """The scope that has these codes in these dimensions."""
        fields = {}
        for dimension, code in zip(dimensions, codes, strict=True):
            scope = self._catalog.scopes[code]
            assert scope is not None
            fields[FIELDS[DIMENSIONS[dimension]]] = scope.key
        return Scope(**fields)

    def not_affected(
        self, scope: Scope, column: int, unexplained: Bools
    ) -> list[Scope]:
        """The busiest scopes of the same kind that look normal.

        Siblings of a crossed scope share a value with it: the same IP elsewhere, other
        IPs at the same provider.

        Args:
            scope: whose siblings to look for.
            column: the channel.
            unexplained: for each leaf, whether no open incident explains it.
        """
        columns, own = self._codes_of(scope)
        if not columns:
            return []
        codes = self.codes[:, columns]
        near = (codes == own).any(axis=1) | (len(columns) == 1)
        used = near & (codes >= 0).all(axis=1) & unexplained
        names, place = np.unique(codes[used], axis=0, return_inverse=True)
        tried, failed, normal = (
            np.bincount(place, values[used, column], minlength=len(names))
            for values in (self.tried, self.failed, self.normal)
        )
        fine = failed <= NORMAL_LIFT * normal + 2.0 * np.sqrt(normal) + 1.0
        fine &= (tried >= NORMAL_ATTEMPTS) & (names != own).any(axis=1)
        busiest = names[fine][np.argsort(-tried[fine], kind="stable")[:SIBLINGS]]
        return [self.scope(tuple(columns), tuple(row)) for row in busiest.tolist()]

    def _codes_of(self, scope: Scope) -> tuple[list[int], list[int]]:
        """The dimensions that a scope fixes, and their codes; unknown values have the
        fleet's, which no leaf has there.
        """
        columns, codes = [], []
        for column, dimension in enumerate(DIMENSIONS):
            value = getattr(scope, FIELDS[dimension])
            if value is not None:
                columns.append(column)
                place = self._catalog.key_of(CODES[column], value)
                codes.append(max(place, FLEET))
        return columns, codes
