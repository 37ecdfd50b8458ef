"""Metrics of the process itself, and the guard of the series budget."""

from platform import python_version

from monitor import __version__
from monitor.service.metrics.declare import Book


class WorkerMetrics:
    """Is this worker well, and is its ``/metrics`` page within bounds?"""

    def __init__(self, book: Book) -> None:
        self.build = book.gauge(
            "bouncemon_build_info",
            "1; the labels say what runs.",
            version=None,
            python=None,
        )
        self.build.labels(__version__, python_version()).set(1)
        self.ready = book.gauge(
            "bouncemon_ready",
            "1 while assigned, caught up within the bound and making progress.",
        )
        self.loop_stall = book.gauge(
            "bouncemon_loop_stall_seconds_max",
            "Longest time in the last minute in which the event loop was not free.",
        )
        self.series = book.gauge(
            "bouncemon_series", "Series shown of a family with a budget.", family=None
        )
        self.series_dropped = book.counter(
            "bouncemon_series_dropped_total",
            "Series that the budget of a family kept off the page, at each update.",
            family=None,
        )
        self.scrape_render = book.gauge(
            "bouncemon_scrape_render_seconds", "Time the last scrape took to write."
        )
