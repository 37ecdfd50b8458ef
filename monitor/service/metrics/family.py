"""A metric family fed with whole rows and written from cached label text.

The client's own gauges cost about 10 us a series and scrape; ten thousand series would
hold the event loop for 100 ms and more. Here the label text of a series is escaped once
and kept while the series lives; an update writes the family's text, a scrape only
joins it.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b

from monitor.service.metrics.declare import Entry, Values

#: Longest label value in characters: two dimensions of 256, the longest that an alert
#: may name to the webhook, with room to spare. Prometheus refuses a whole scrape for
#: one value over its own limit, so a hostile campaign name must not pass; and one that
#: was cut names no scope, since it is still too long for the webhook.
MAX_LABEL_LENGTH = 520

_DIGEST_BYTES = 4

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})

Labels = tuple[str, ...]


def escaped(value: str) -> str:
    r"""Return a label value as the text format wants it between quotes.

    Values over ``MAX_LABEL_LENGTH`` are cut and end in a digest, so that two of them
    stay two series.

    >>> escaped('a "b"')
    'a \\"b\\"'
    """
    if len(value) > MAX_LABEL_LENGTH:
        raw = value.encode("utf-8", "replace")
        digest = blake2b(raw, digest_size=_DIGEST_BYTES).hexdigest()
        value = f"{value[: MAX_LABEL_LENGTH - len(digest) - 1]}~{digest}"
    return value.translate(_ESCAPES)


def label_text(names: Iterable[str], values: Iterable[str]) -> str:
    """Return ``name="value",...`` with escaped values."""
    pairs = zip(names, values, strict=True)
    return ",".join(f'{name}="{escaped(value)}"' for name, value in pairs)


def header(name: str, text: str) -> str:
    """Return the two comment lines that open a gauge's family."""
    return f"# HELP {name} {text}\n# TYPE {name} gauge\n"


class Family:
    """Gauges of one name whose rows are replaced as a whole.

    Args:
        entry: name, help and labels.
        budget: most series shown; rows beyond it are dropped, last ones first.
    """

    def __init__(self, entry: Entry, budget: int) -> None:
        self.name = entry.name
        self.text = ""
        self.series = 0
        self._header = header(entry.name, entry.help)
        self._labels = tuple(entry.labels)
        self._budget = budget
        self._prefixes: dict[Labels, str] = {}

    def replace(self, rows: Mapping[Labels, float]) -> int:
        """Show these rows and no others; return how many the budget dropped."""
        known, prefixes = self._prefixes, {}
        lines = [self._header]
        for values, number in list(rows.items())[: self._budget]:
            prefix = known.get(values) or self._prefix(values)
            prefixes[values] = prefix
            lines.append(f"{prefix}{number}\n")
        self._prefixes = prefixes
        self.series = len(prefixes)
        self.text = "".join(lines)
        return len(rows) - self.series

    def _prefix(self, values: Labels) -> str:
        return f"{self.name}{{{label_text(self._labels, values)}}} "


class FleetRows:
    """Rows of the fleets that this worker owns, with a farewell to those that end.

    An alert that reads a gauge must see it fall; a series that just vanishes looks like
    a missed scrape. So a row that ends shows ``farewell`` for ``linger_seconds`` more.
    """

    def __init__(self, farewell: float, linger_seconds: float) -> None:
        self._farewell = farewell
        self._linger = linger_seconds
        self._live: dict[str, dict[Labels, float]] = {}
        self._ended: dict[str, dict[Labels, float]] = {}

    def update(self, fleet: str, rows: Mapping[Labels, float], now: float) -> None:
        """Take a fleet's rows; ``now`` is in seconds of any clock, always the same."""
        ended = self._ended.get(fleet, {})
        for labels in self._live.get(fleet, {}):
            ended.setdefault(labels, now)
        self._live[fleet] = dict(rows)
        self._ended[fleet] = {
            labels: since
            for labels, since in ended.items()
            if labels not in rows and now - since < self._linger
        }

    def forget(self, fleet: str) -> None:
        """Drop a fleet that another worker owns now, without farewell."""
        self._live.pop(fleet, None)
        self._ended.pop(fleet, None)

    def rows(self) -> dict[Labels, float]:
        """All rows, the living ones first, so that a budget cuts the others."""
        shown = {
            labels: value
            for rows in self._live.values()
            for labels, value in rows.items()
        }
        for ended in self._ended.values():
            for labels in ended:
                shown.setdefault(labels, self._farewell)
        return shown


def open_labels(*names: str) -> dict[str, Values]:
    """Return labels whose values are bounded by a budget only."""
    return dict.fromkeys(names)
