"""Rates, attempts and baselines of scopes: the three families with many series."""

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import NamedTuple

from monitor.events import Channel
from monitor.service.metrics.declare import Book, Entry
from monitor.service.metrics.family import header, label_text, open_labels

#: Most series of the three families together. Fifty scopes of seven kinds in four
#: windows are 13,650: about 1.5 MB a scrape, written in some 20 ms.
MAX_SCOPE_SERIES = 15_000

#: How a window is called in its label; dashboards and alert rules name these.
WINDOWS = ("1m", "5m", "1h", "24h")

_CHANNELS = tuple(Channel)
_COMPLAINT = _CHANNELS.index(Channel.COMPLAINT)

_RATE = Entry(
    "bouncemon_scope_rate_ratio",
    "gauge",
    {**open_labels("fleet", "scope", "key"), "channel": Channel, "window": None},
    "Failures over attempts (complaints: over delivered) of a scope in a window of "
    "event time, 0-1; no series without attempts. A window is made of whole buckets: "
    "it may be shorter than its name by a sixth (1m), a tenth (5m) or a twelfth.",
)
_ATTEMPTS = Entry(
    "bouncemon_scope_attempts",
    "gauge",
    open_labels("fleet", "scope", "key", "window"),
    "Delivery attempts of a scope in a window of event time.",
)
_BASELINE = Entry(
    "bouncemon_scope_baseline_ratio",
    "gauge",
    {**open_labels("fleet", "scope", "key"), "channel": Channel},
    "Learned normal rate of a scope and channel, 0-1.",
)


_FAMILIES = (_RATE, _ATTEMPTS, _BASELINE)


class ScopeRow(NamedTuple):
    """What the observer says of one scope and window.

    ``scope`` and ``key`` are ``Scope.kind`` and ``Scope.key``; ``window`` is one of
    ``WINDOWS``; ``counts`` and ``baseline`` follow the order of ``Channel``. A baseline
    is the key's, not the window's: only the first row of a key needs one, and NaN means
    not learned yet.
    """

    fleet: str
    scope: str
    key: str
    window: str
    attempts: float
    delivered: float
    counts: tuple[float, ...]
    baseline: tuple[float, ...] = ()

    def rates(self) -> list[float | None]:
        """The rate of each channel, None where nothing was tried."""
        below = [self.attempts] * len(_CHANNELS)
        below[_COMPLAINT] = self.delivered
        pairs = zip(self.counts, below, strict=True)
        return [count / tried if tried > 0 else None for count, tried in pairs]


class _Prefixes(NamedTuple):
    """Line beginnings of one scope and window."""

    attempts: str
    rates: tuple[str, ...]
    baseline: tuple[str, ...]


_PrefixKey = tuple[str, str, str, str]


class ScopeFamilies:
    """The three families, rewritten at each update, under one series budget."""

    names = tuple(entry.name for entry in _FAMILIES)

    def __init__(self, book: Book, budget: int = MAX_SCOPE_SERIES) -> None:
        for entry in _FAMILIES:
            book.note(entry)
        self.text = ""
        self.series = dict.fromkeys(self.names, 0)
        self._budget = budget
        self._rows: dict[str, Sequence[ScopeRow]] = {}
        self._prefixes: dict[_PrefixKey, _Prefixes] = {}

    def update(self, fleet: str, rows: Sequence[ScopeRow]) -> dict[str, int]:
        """Replace the rows of a fleet, the most important first.

        Returns:
            How many series of each family the budget dropped; each fleet has an
            equal share of it.
        """
        self._rows[fleet] = rows
        return self._rewrite()

    def forget(self, fleet: str) -> None:
        """Drop the rows of a fleet that another worker owns now."""
        self._rows.pop(fleet, None)
        self._rewrite()

    def _rewrite(self) -> dict[str, int]:
        shown, dropped = _Lines(), _Lines()
        prefixes: dict[_PrefixKey, _Prefixes] = {}
        share = self._budget // max(1, len(self._rows))
        for rows in self._rows.values():
            room = share
            for row in _distinct(rows):
                lines = self._lines(row, prefixes)
                room -= lines.count
                (shown if room >= 0 else dropped).extend(lines)
        self._prefixes = prefixes
        self.series = shown.counts()
        self.text = shown.text()
        return dropped.counts()

    def _lines(self, row: ScopeRow, prefixes: dict[_PrefixKey, _Prefixes]) -> "_Lines":
        """The row's lines in each family; its prefixes go into the new cache."""
        key = (row.fleet, row.scope, row.key, row.window)
        cached = self._prefixes.get(key) or _prefixes_of(row)
        prefixes[key] = cached
        rates = zip(cached.rates, row.rates(), strict=True)
        baselines = zip(cached.baseline, row.baseline, strict=False)
        return _Lines(
            [f"{prefix}{rate}\n" for prefix, rate in rates if rate is not None],
            [f"{cached.attempts}{row.attempts}\n"],
            [f"{prefix}{rate}\n" for prefix, rate in baselines if isfinite(rate)],
        )


class _Lines:
    """Lines of the three families, in the order of ``_FAMILIES``."""

    def __init__(self, *lines: list[str]) -> None:
        self._lines = lines or ([], [], [])

    @property
    def count(self) -> int:
        return sum(map(len, self._lines))

    def extend(self, more: "_Lines") -> None:
        for ours, theirs in zip(self._lines, more._lines, strict=True):
            ours.extend(theirs)

    def counts(self) -> dict[str, int]:
        pairs = zip(_FAMILIES, self._lines, strict=True)
        return {entry.name: len(lines) for entry, lines in pairs}

    def text(self) -> str:
        pairs = zip(_FAMILIES, self._lines, strict=True)
        return "".join(
            header(entry.name, entry.help) + "".join(lines) for entry, lines in pairs
        )


def _distinct(rows: Sequence[ScopeRow]) -> Iterator[ScopeRow]:
    """The rows without a second one of a window, nor a second baseline of a key.

    A series written twice would cost Prometheus one of the two, at random.
    """
    keys: set[tuple[str, ...]] = set()
    for row in rows:
        scope = (row.fleet, row.scope, row.key)
        if (*scope, row.window) in keys:
            continue
        yield row._replace(baseline=()) if scope in keys else row
        keys.add((*scope, row.window))
        if row.baseline:
            keys.add(scope)


def _prefixes_of(row: ScopeRow) -> _Prefixes:
    scope = label_text(("fleet", "scope", "key"), (row.fleet, row.scope, row.key))
    window = label_text(("window",), (row.window,))
    return _Prefixes(
        f"{_ATTEMPTS.name}{{{scope},{window}}} ",
        tuple(f'{_RATE.name}{{{scope},channel="{c}",{window}}} ' for c in _CHANNELS),
        tuple(f'{_BASELINE.name}{{{scope},channel="{c}"}} ' for c in _CHANNELS),
    )
