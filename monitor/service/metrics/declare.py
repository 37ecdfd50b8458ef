"""One place where a metric gets its name, its help and its labels.

A label is either *closed* (an enum: every value known here) or *open* (``None``: a
topic, a fleet; bounded by whoever feeds it). A metric whose labels are all closed
exists at zero from the start, so that ``increase()`` sees its first event.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from itertools import product
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

#: The values of a label: an enum, or ``None`` for an open one.
Values = type[StrEnum] | None

#: More combinations than this are not made at the start: most of them never occur.
MAX_PRESET = 64


class Entry(NamedTuple):
    """What the documentation says of one metric; ``labels`` in order of use."""

    name: str
    type: str
    labels: Mapping[str, Values]
    help: str


class Book:
    """Declares metrics in one registry and remembers what it declared."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.entries: list[Entry] = []

    def counter(self, name: str, text: str, **labels: Values) -> Counter:
        """Declare a count that only grows; the name ends in ``_total``."""
        assert name.endswith("_total"), name
        self.note(Entry(name, "counter", labels, text))
        counter = Counter(name, text, tuple(labels), registry=self.registry)
        _preset(counter.labels, labels)
        return counter

    def gauge(self, name: str, text: str, **labels: Values) -> Gauge:
        """Declare a value that goes up and down."""
        self.note(Entry(name, "gauge", labels, text))
        gauge = Gauge(name, text, tuple(labels), registry=self.registry)
        _preset(gauge.labels, labels)
        return gauge

    def histogram(self, name: str, text: str, buckets: Sequence[float]) -> Histogram:
        """Declare a distribution of seconds over given upper bounds, no labels."""
        self.note(Entry(name, "histogram", {}, text))
        return Histogram(name, text, buckets=tuple(buckets), registry=self.registry)

    def note(self, entry: Entry) -> None:
        """Remember a metric; a name is declared once."""
        assert entry.name not in {known.name for known in self.entries}, entry.name
        self.entries.append(entry)


def _preset(child: Callable[..., object], labels: Mapping[str, Values]) -> None:
    closed = [list(values) for values in labels.values() if values is not None]
    if not labels or len(closed) < len(labels):
        return
    combinations = list(product(*closed))
    if len(combinations) <= MAX_PRESET:
        for values in combinations:
            child(*values)
