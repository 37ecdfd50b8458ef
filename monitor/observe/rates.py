"""Rates for the metrics: the heaviest scopes of each kind, and the rest as one."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from monitor.events import COLUMNS, Scope
from monitor.observe.arrays import Floats, Ints
from monitor.observe.channels import NUMERATORS
from monitor.observe.keys import FLEET, KINDS
from monitor.observe.memory import KNOWN_ATTEMPTS, Memory

#: Key of what is not shown by itself. A scope that really has this name (ingest and
#: the provider list use it for what they do not know) is part of it.
OTHER = "other"

_ATTEMPTS = COLUMNS.index("attempts")

#: A row of counts: attempts, delivered, then the numerators in the order of Channel.
_FIRST_NUMERATOR = 2

assert NUMERATORS[0] == _FIRST_NUMERATOR


class ScopeRate(NamedTuple):
    """Counts of one scope in one window.

    ``kind`` and ``key`` are those of ``Scope``, with ``other`` as the key of the rest:
    what the fleet has more than the shown scopes of the kind have together, so that
    the attempts of a kind always sum to the fleet's. ``counts`` and ``baseline`` are
    in the order of ``Channel``; a baseline not learned yet is NaN, the rest has none.
    """

    kind: str
    key: str
    window: str
    attempts: float
    delivered: float
    counts: tuple[float, ...]
    baseline: tuple[float, ...]


class RateSheet:
    """Reads windows and baselines.

    Args:
        memory: the scopes, their counts, and what is normal for them.
        slot: as of which it is.
    """

    def __init__(self, memory: Memory, slot: int) -> None:
        self._catalog, self._windows = memory.catalog, memory.windows
        self._memory, self._slot = memory, slot

    def rows(self, now: float, top: int, wanted: Iterable[Scope]) -> list[ScopeRate]:
        """Rows of the ``top`` heaviest scopes a kind by the last hour, and the rest.

        Args:
            now: end of the windows.
            top: how many scopes a kind, besides the wanted.
            wanted: scopes to show however light they are.
        """
        places = {self._catalog.place_of(scope) for scope in wanted}
        volume = self._windows.column("1h", now, _ATTEMPTS)
        kinds = {
            kind: self._shown(kind, volume, top, places)
            for kind in range(FLEET + 1, len(KINDS))
            if len(self._catalog.members(kind))
        }
        shown = np.concatenate([[FLEET], *kinds.values()])
        totals = self._totals(now, shown)
        rows = self._rows(shown[:1], totals[:, :1])
        end = 1
        for kind, members in kinds.items():
            begin, end = end, end + len(members)
            mine = totals[:, begin:end]
            rows += self._rows(members, mine)
            rest = totals[:, 0] - mine.sum(axis=1)
            rows += [
                _row(KINDS[kind], OTHER, window, counts, ())
                for window, counts in zip(
                    self._windows.names, rest.tolist(), strict=True
                )
            ]
        return rows

    def _shown(self, kind: int, volume: Floats, top: int, wanted: set[int]) -> Ints:
        """Members to show: the wanted ones, then the others, heaviest first."""
        members = self._catalog.members(kind)
        members = members[members != self._catalog.key_of(kind, OTHER)]
        ranked = members[np.argsort(-volume[members], kind="stable")]
        first = np.isin(ranked, list(wanted))
        shown: Ints = np.concatenate([ranked[first], ranked[~first][:top]])
        return shown

    def _totals(self, now: float, keys: Ints) -> Floats:
        """Sums ``[windows, keys, COLUMNS]``."""
        names = self._windows.names
        return np.array([self._windows.total(name, now, keys) for name in names])

    def _rows(self, keys: Ints, totals: Floats) -> list[ScopeRate]:
        known = self._memory.baseline.learned[keys] >= KNOWN_ATTEMPTS
        rates = self._memory.normal(self._slot, keys)
        baselines = np.where(known, rates, np.nan).tolist()
        rows = []
        for number, place in enumerate(keys):
            scope = self._catalog.scopes[place]
            assert scope is not None
            normal = tuple(baselines[number])
            rows += [
                _row(scope.kind, scope.key, window, counts, normal)
                for window, counts in zip(
                    self._windows.names, totals[:, number].tolist(), strict=True
                )
            ]
        return rows


def _row(
    kind: str,
    key: str,
    window: str,
    counts: list[float],
    baseline: tuple[float, ...],
) -> ScopeRate:
    numerators = tuple(counts[_FIRST_NUMERATOR:])
    attempts, delivered = counts[:_FIRST_NUMERATOR]
    return ScopeRate(kind, key, window, attempts, delivered, numerators, baseline)
