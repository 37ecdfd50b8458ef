"""Every metric of the product is declared here, and written as Prometheus text.

Plain metrics are the client library's, in a registry of our own. Families with many
series (scopes, incidents, throttle levels) are fed with whole rows by the owner of a
fleet and kept as text, under a series budget; see ``family``.

>>> metrics = Metrics()
>>> metrics.ingest.late_events.labels("ses").inc()
>>> b'bouncemon_late_events_total{topic="ses"} 1.0' in metrics.render()
True
"""

from time import perf_counter

from prometheus_client import (
    CollectorRegistry,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from monitor.service.metrics.classify import ClassifyMetrics
from monitor.service.metrics.declare import Book, Entry
from monitor.service.metrics.ingest import IngestMetrics
from monitor.service.metrics.labels import (
    Actor,
    CommitResult,
    DeadLetterResult,
    LookupResult,
    RecordResult,
    ReloadResult,
    ReplyResult,
    RulingResult,
    TallyResult,
    WebhookResult,
)
from monitor.service.metrics.observer import ObserverMetrics
from monitor.service.metrics.scopes import MAX_SCOPE_SERIES, WINDOWS, ScopeRow
from monitor.service.metrics.throttle import ThrottleMetrics
from monitor.service.metrics.worker import WorkerMetrics

__all__ = [
    "CONTENT_TYPE",
    "MAX_SCOPE_SERIES",
    "WINDOWS",
    "Actor",
    "CommitResult",
    "DeadLetterResult",
    "LookupResult",
    "Metrics",
    "RecordResult",
    "ReloadResult",
    "ReplyResult",
    "RulingResult",
    "ScopeRow",
    "TallyResult",
    "WebhookResult",
    "closed_labels",
    "metrics_table",
]

#: What ``Metrics.render`` returns, for the header of the answer.
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """All metrics of one worker, in groups named after who feeds them."""

    def __init__(self) -> None:
        # The client would add a `_created` series to each counter: twice the page.
        # It offers a switch for the process only; nobody else's metrics live in it.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._book = Book(self.registry)
        self.ingest = IngestMetrics(self._book)
        self.classify = ClassifyMetrics(self._book)
        self.worker = WorkerMetrics(self._book)
        dropped = self.worker.series_dropped
        self.observer = ObserverMetrics(self._book, dropped)
        self.throttle = ThrottleMetrics(self._book, dropped)
        ProcessCollector(registry=self.registry)

    def render(self) -> bytes:
        """Return the page of ``/metrics`` (``CONTENT_TYPE``)."""
        start = perf_counter()
        self._show_series()
        families = (
            self.observer.scopes.text,
            self.observer.active.text,
            self.throttle.level.text,
        )
        # A lone surrogate in a label must not cost the whole page.
        text = "".join(families).encode("utf-8", "replace")
        page = generate_latest(self.registry) + text
        self.worker.scrape_render.set(perf_counter() - start)
        return page

    def entries(self) -> list[Entry]:
        """What was declared, sorted by name."""
        return sorted(self._book.entries, key=lambda entry: entry.name)

    def _show_series(self) -> None:
        observer, throttle = self.observer, self.throttle
        series = dict(observer.scopes.series)
        series[observer.active.name] = observer.active.series
        series[throttle.level.name] = throttle.level.series
        for family, count in series.items():
            self.worker.series.labels(family).set(count)
            self.worker.series_dropped.labels(family)


def metrics_table() -> list[tuple[str, str, tuple[str, ...], str]]:
    """Return (name, type, labels, help) of every metric, sorted by name."""
    return [
        (entry.name, entry.type, tuple(entry.labels), entry.help)
        for entry in Metrics().entries()
    ]


def closed_labels() -> dict[str, dict[str, frozenset[str]]]:
    """Return, per metric, the values that each of its closed labels may take."""
    return {
        entry.name: {
            label: frozenset(values)
            for label, values in entry.labels.items()
            if values is not None
        }
        for entry in Metrics().entries()
    }
