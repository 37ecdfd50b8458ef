"""Metrics of the hands that count: from a Kafka record to an acknowledged tally."""

from monitor.errors import InvalidReason
from monitor.events import BounceClass, Outcome, Reason
from monitor.service.metrics.declare import Book
from monitor.service.metrics.labels import (
    CommitResult,
    DeadLetterResult,
    RecordResult,
    TallyResult,
)

#: A flush is meant to take tens of milliseconds; the last bounds show a sick broker.
_FLUSH_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class IngestMetrics:
    """What this worker read, counted, wrote and committed, since it started."""

    def __init__(self, book: Book) -> None:
        self._declare_events(book)
        self._declare_odd_events(book)
        self._declare_time(book)
        self._declare_tallies(book)
        self._declare_partitions(book)

    def _declare_events(self, book: Book) -> None:
        self.records = book.counter(
            "bouncemon_records_total",
            "Kafka records read, by what the source made of them.",
            topic=None,
            result=RecordResult,
        )
        self.events = book.counter(
            "bouncemon_events_total",
            "Delivery events decoded, by what the receiver said.",
            source=None,
            outcome=Outcome,
        )
        self.verdicts = book.counter(
            "bouncemon_verdicts_total",
            "Replies classified, by class and reason.",
            **{"class": BounceClass, "reason": Reason},
        )
        self.dead_letters = book.counter(
            "bouncemon_dead_letters_total",
            "Records or events refused, by reason; suppressed ones are over the rate "
            "limit of their reason and only counted.",
            reason=InvalidReason,
            result=DeadLetterResult,
        )

    def _declare_odd_events(self, book: Book) -> None:
        self.late_events = book.counter(
            "bouncemon_late_events_total",
            "Events older than the allowed lateness against their Kafka timestamp; "
            "not used for detection.",
            topic=None,
        )
        self.future_events = book.counter(
            "bouncemon_future_events_total",
            "Events whose time lay in the future and was clamped; they are counted.",
        )
        self.duplicate_events = book.counter(
            "bouncemon_duplicate_events_total",
            "Events dropped because their id had been seen within the window.",
        )
        self.excluded_events = book.counter(
            "bouncemon_excluded_events_total",
            "Events that never reached a receiver and so belong to no rate.",
        )
        self.folded_events = book.counter(
            "bouncemon_folded_events_total",
            "Events counted in the cell 'other' because their slot was full of cells.",
        )
        self.unaccounted_events = book.gauge(
            "bouncemon_unaccounted_events",
            "Events read minus those counted, duplicate, late or excluded; must be 0.",
        )

    def _declare_time(self, book: Book) -> None:
        self.lag = book.gauge(
            "bouncemon_lag_records",
            "Records between the end of a partition and the next one to be read.",
            topic=None,
            partition=None,
        )
        self.watermark = book.gauge(
            "bouncemon_watermark_timestamp_seconds",
            "Log time reached in a partition: its largest Kafka timestamp read.",
            topic=None,
            partition=None,
        )
        self.last_event = book.gauge(
            "bouncemon_last_event_timestamp_seconds",
            "Event time of the newest delivery event counted, Unix seconds.",
        )
        self.open_slots = book.gauge(
            "bouncemon_open_slots", "Slots held in memory, over all partitions."
        )
        self.remembered_ids = book.gauge(
            "bouncemon_remembered_ids", "Event ids held to find duplicates."
        )
        self.id_overflow = book.counter(
            "bouncemon_id_overflow_total",
            "Events counted without a duplicate check because their slot was full of "
            "ids.",
        )

    def _declare_tallies(self, book: Book) -> None:
        self.tallies = book.counter(
            "bouncemon_tallies_total",
            "Tallies: sent by ingest; accepted, stale (a shorter prefix) or refused "
            "(unreadable) by the observer.",
            result=TallyResult,
        )
        self.tally_bytes = book.counter(
            "bouncemon_tally_bytes_total", "Bytes of tallies sent, before compression."
        )
        self.flush_seconds = book.histogram(
            "bouncemon_flush_seconds",
            "From the start of a flush to the last acknowledgement, in seconds.",
            _FLUSH_SECONDS,
        )
        self.commits = book.counter(
            "bouncemon_commits_total",
            "Commits of input offsets, by how they ended; after a failed one comes "
            "another try.",
            result=CommitResult,
        )
        self.commit_delay = book.gauge(
            "bouncemon_commit_delay_seconds",
            "For how long an offset that may be committed has waited for it, in the "
            "worst partition. That commits trail by the allowed lateness is no delay.",
        )

    def _declare_partitions(self, book: Book) -> None:
        self.replayed_records = book.counter(
            "bouncemon_replayed_records_total",
            "Records read again that a restored tally covered already.",
        )
        self.log_gaps = book.counter(
            "bouncemon_log_gaps_total",
            "Holes in the offsets of an input partition that nothing explains.",
        )
        self.rebalances = book.counter(
            "bouncemon_rebalances_total", "Assignments of partitions to this worker."
        )
        self.assigned_partitions = book.gauge(
            "bouncemon_assigned_partitions", "Input partitions this worker reads."
        )

    def expect(self, topic: str, source: str) -> None:
        """Make an input's series exist at zero before its first record."""
        self.late_events.labels(topic)
        for result in RecordResult:
            self.records.labels(topic, result)
        for outcome in Outcome:
            self.events.labels(source, outcome)

    def forget_partition(self, topic: str, partition: int) -> None:
        """Drop the gauges of a partition that another worker reads now."""
        for gauge in (self.lag, self.watermark):
            gauge.remove_by_labels({"topic": topic, "partition": str(partition)})
