"""Rates for the metrics: the heaviest scopes of each kind, and the rest as one."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from monitor.events import COLUMNS, Scope
from monitor.observe.arrays import Array, Floats, Ints
from monitor.observe.baseline import Baseline
from monitor.observe.channels import NUMERATORS
from monitor.observe.keys import FLEET, KINDS, Catalog
from monitor.observe.memory import KNOWN_ATTEMPTS
from monitor.observe.windows import Windows

#: Key of what is not shown by itself. A scope that really has this name (ingest and
#: the provider list use it for what they do not know) is part of it.
OTHER = "other"

_ATTEMPTS = COLUMNS.index("attempts")
_DELIVERED = COLUMNS.index("delivered")


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
        catalog: the scopes.
        windows: their counts.
        baseline: what is normal for them.
    """

    def __init__(self, catalog: Catalog, windows: Windows, baseline: Baseline) -> None:
        self._catalog, self._windows, self._baseline = catalog, windows, baseline

    def rows(self, now: float, top: int, wanted: Iterable[Scope]) -> list[ScopeRate]:
        """Rows of the ``top`` heaviest scopes a kind by the last hour, and the rest.

        Args:
            now: end of the windows.
            top: how many scopes a kind, besides the wanted.
            wanted: scopes to show however light they are.
        """
        places = {self._catalog.place_of(scope) for scope in wanted}
        fleet = self._totals(now, np.array([FLEET]))
        rows = self._rows(np.array([FLEET]), fleet)
        for kind in range(FLEET + 1, len(KINDS)):
            members = self._catalog.members(kind)
            if len(members):
                shown = self._shown(members, now, top, places)
                totals = self._totals(now, shown)
                rows += self._rows(shown, totals)
                rest = fleet[:, 0] - totals.sum(axis=1)
                rows += [
                    _row(KINDS[kind], OTHER, window, counts, ())
                    for window, counts in zip(self._windows.names, rest, strict=True)
                ]
        return rows

    def _shown(self, members: Ints, now: float, top: int, wanted: set[int]) -> Ints:
        """Members to show: the wanted ones, then the others, heaviest first."""
        volume = self._windows.total("1h", now, members)[:, _ATTEMPTS]
        ranked = members[np.argsort(-volume, kind="stable")]
        first = np.isin(ranked, list(wanted))
        nameless = np.array([self._is_other(place) for place in ranked], bool)
        shown: Ints = np.concatenate(
            [ranked[first & ~nameless], ranked[~first & ~nameless][:top]]
        )
        return shown

    def _is_other(self, place: int) -> bool:
        scope = self._catalog.scopes[place]
        assert scope is not None
        return scope.key == OTHER

    def _totals(self, now: float, keys: Ints) -> Floats:
        """Sums ``[windows, keys, COLUMNS]``."""
        names = self._windows.names
        return np.array([self._windows.total(name, now, keys) for name in names])

    def _rows(self, keys: Ints, totals: Floats) -> list[ScopeRate]:
        known = self._baseline.learned[keys] >= KNOWN_ATTEMPTS
        baselines = np.where(known, self._baseline.rate[keys], np.nan)
        rows = []
        for number, place in enumerate(keys):
            scope = self._catalog.scopes[place]
            assert scope is not None
            normal = tuple(baselines[number].tolist())
            rows += [
                _row(scope.kind, scope.key, window, counts, normal)
                for window, counts in zip(
                    self._windows.names, totals[:, number], strict=True
                )
            ]
        return rows


def _row(
    kind: str, key: str, window: str, counts: Array, baseline: tuple[float, ...]
) -> ScopeRate:
    return ScopeRate(
        kind,
        key,
        window,
        float(counts[_ATTEMPTS]),
        float(counts[_DELIVERED]),
        tuple(counts[NUMERATORS].tolist()),
        baseline,
    )
