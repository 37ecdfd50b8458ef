"""What ingest did, copied from its rooms' own totals into metrics, once a second.

The hot path increments plain integers; here their growth since the last look becomes
the increments of Prometheus counters.
"""

from collections import Counter
from collections.abc import Hashable, Mapping

from faust.types import TP

from monitor.counting import PartitionCounter
from monitor.service import clock
from monitor.service.ingest import IngestService, TopicInput
from monitor.service.metrics import RecordResult
from monitor.service.metrics.ingest import IngestMetrics


class Growth:
    """Turns totals into increments; a total that starts anew counts from zero."""

    def __init__(self) -> None:
        self._seen: dict[Hashable, float] = {}

    def of(self, key: Hashable, total: float) -> float:
        """How much the total named ``key`` has grown since it was last asked for."""
        before = self._seen.get(key, 0.0)
        self._seen[key] = total
        return total - before if total >= before else total


class IngestReport:
    """Copies the totals of an ``IngestService`` into its metrics."""

    def __init__(
        self,
        service: IngestService,
        inputs: Mapping[str, TopicInput],
        metrics: IngestMetrics,
    ) -> None:
        self._service = service
        self._inputs = inputs
        self._metrics = metrics
        self._growth = Growth()
        self._shown: set[TP] = set()

    def update(self, highwaters: Mapping[TP, int | None]) -> None:
        """Bring all metrics of ingest up to date.

        Args:
            highwaters: end of the log of each assigned input partition, if known.
        """
        for topic, one in self._inputs.items():
            self._replies(topic, one)
        for tp, counter in self._service.counters.items():
            self._ledger(tp, counter)
            self._partition(tp, counter, highwaters.get(tp))
        for tp in self._shown - self._service.counters.keys():
            self._metrics.forget_partition(tp.topic, tp.partition)
        self._shown = set(self._service.counters)
        counters = self._service.counters.values()
        self._metrics.open_slots.set(sum(one.open_slots for one in counters))
        self._metrics.remembered_ids.set(sum(one.remembered_ids for one in counters))
        self._metrics.assigned_partitions.set(len(counters))
        self._metrics.commit_delay.set(self._service.commits.delay(clock.monotonic()))

    def _replies(self, topic: str, one: TopicInput) -> None:
        stats = one.ingest.stats
        for labels, total in stats.outcomes.items():
            grown = self._growth.of((topic, "event", labels), total)
            self._metrics.events.labels(*labels).inc(grown)
        for labels, total in stats.verdicts.items():
            grown = self._growth.of((topic, "verdict", labels), total)
            self._metrics.verdicts.labels(*labels).inc(grown)

    def _ledger(self, tp: TP, counter: PartitionCounter) -> None:
        totals = counter.totals
        # A new counter of a partition starts its totals at zero.
        ident = (tp, id(counter))
        grown = Counter(
            {
                name: int(self._growth.of((ident, name), total))
                for name, total in totals.items()
            }
        )
        metrics = self._metrics
        records = metrics.records.labels
        bad = min(grown["records"], grown["invalid"])
        records(tp.topic, RecordResult.INVALID).inc(grown["invalid"])
        records(tp.topic, RecordResult.IGNORED).inc(grown["ignored"])
        read = max(0, grown["records"] - grown["ignored"] - bad)
        records(tp.topic, RecordResult.DECODED).inc(read)
        metrics.late_events.labels(tp.topic).inc(grown["late"])
        metrics.duplicate_events.inc(grown["duplicates"])
        metrics.excluded_events.inc(grown["excluded"])
        metrics.future_events.inc(grown["future"])
        metrics.folded_events.inc(grown["folded"])
        replayed = counter.replayed["records"]
        metrics.replayed_records.inc(self._growth.of((ident, "replayed"), replayed))
        overflow = counter.id_overflow
        metrics.id_overflow.inc(self._growth.of((ident, "overflow"), overflow))

    def _partition(
        self, tp: TP, counter: PartitionCounter, highwater: int | None
    ) -> None:
        labels = (tp.topic, str(tp.partition))
        if highwater is not None:
            lag = max(0, highwater - counter.position)
            self._metrics.lag.labels(*labels).set(lag)
        if counter.log_time > 0:
            self._metrics.watermark.labels(*labels).set(counter.log_time)
            newest = max(one.log_time for one in self._service.counters.values())
            self._metrics.last_event.set(newest)
