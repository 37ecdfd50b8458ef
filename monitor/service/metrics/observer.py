"""Metrics of the one mind that decides: scopes, incidents, snapshots."""

from collections.abc import Iterable, Sequence
from itertools import product

from prometheus_client import Counter

from monitor.events import Channel, Incident, IncidentKind, IncidentState, Severity
from monitor.observe import Bound
from monitor.service.metrics.declare import Book, Entry
from monitor.service.metrics.family import Family, FleetRows, Labels, open_labels
from monitor.service.metrics.scopes import ScopeFamilies, ScopeRow

#: Most incidents shown; more at once are one disaster, and an alert counts them.
MAX_INCIDENT_SERIES = 1_000

#: How long a closed incident shows 0: longer than any rule looks back.
INCIDENT_LINGER_SECONDS = 300.0

#: A tick is meant to take milliseconds, and must not outlast the slot of 10 s.
_TICK_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

#: The promise is 30 s; weak spikes may take an hour.
_DETECTION_SECONDS = (1, 2, 5, 10, 15, 20, 30, 45, 60, 120, 300, 600, 1800, 3600)

_ACTIVE = Entry(
    "bouncemon_incident_active",
    "gauge",
    {
        **open_labels("fleet", "scope", "key"),
        "kind": IncidentKind,
        "channel": Channel,
        "severity": Severity,
    },
    "1 while an incident is open or recovering; 0 for five minutes after its end. The "
    "channel tells something of a spike and a drift only.",
)

#: Kinds whose incidents are about a channel; of the others it is always this one.
_OF_A_CHANNEL = frozenset({IncidentKind.SPIKE, IncidentKind.DRIFT})
_NO_CHANNEL = Channel.BOUNCE


class ObserverMetrics:
    """What the owner of a fleet sees. All rows of a fleet go when its owner does."""

    def __init__(self, book: Book, dropped: Counter) -> None:
        self._dropped = dropped
        self._declare_state(book)
        self._declare_work(book)
        self._declare_incidents(book)
        self.scopes = ScopeFamilies(book)
        book.note(_ACTIVE)
        self.active = Family(_ACTIVE, MAX_INCIDENT_SERIES)
        self._active_rows = FleetRows(0.0, INCIDENT_LINGER_SECONDS)

    def _declare_state(self, book: Book) -> None:
        self.owner = book.gauge(
            "bouncemon_owner", "1 on the worker that observes a fleet.", fleet=None
        )
        self.keys = book.gauge(
            "bouncemon_observer_keys", "Scopes held in memory.", fleet=None
        )
        self.leaves = book.gauge(
            "bouncemon_observer_leaves", "Cells held in memory, all fleets."
        )
        self.bitten = book.counter(
            "bouncemon_observer_bounds_total",
            "Times that something had to go, or to stay out, since an observer holds "
            "no more of it; what comes again counts again.",
            bound=Bound,
        )
        self.rhythms_refused = book.gauge(
            "bouncemon_rhythms_refused",
            "Scopes and channels with failures enough for a rhythm of their own, "
            "but no place for it.",
            fleet=None,
        )
        self.stale_slots = book.counter(
            "bouncemon_stale_slots_total",
            "Slots that came after their window had closed; not used for detection.",
        )

    def _declare_work(self, book: Book) -> None:
        self.tick_seconds = book.histogram(
            "bouncemon_tick_seconds",
            "One look at all scopes of a fleet, in seconds.",
            _TICK_SECONDS,
        )
        self.snapshot_bytes = book.gauge(
            "bouncemon_snapshot_bytes", "Size of the last snapshot written."
        )
        self.snapshots = book.counter(
            "bouncemon_snapshots_total", "Snapshots written and acknowledged."
        )

    def _declare_incidents(self, book: Book) -> None:
        self.unexplained = book.counter(
            "bouncemon_unexplained_anomalies_total",
            "Inquiries into an anomaly that found no cause among the cells, repeated "
            "ones included.",
        )
        self.incidents_open = book.gauge(
            "bouncemon_incidents_open",
            "Incidents open or recovering.",
            fleet=None,
            severity=Severity,
        )
        self.incidents = book.counter(
            "bouncemon_incidents_total",
            "Incidents opened.",
            fleet=None,
            kind=IncidentKind,
            channel=Channel,
            severity=Severity,
        )
        self.gate_shut = book.gauge(
            "bouncemon_detection_gate_shut",
            "1 while no new incident may be opened, for half a minute or longer; the "
            "incident of kind gate says why.",
            fleet=None,
        )
        self.threshold = book.gauge(
            "bouncemon_detection_threshold_nats",
            "Evidence that the learned rule asks for before it pages.",
            fleet=None,
        )
        self.false_pages = book.gauge(
            "bouncemon_expected_false_pages_per_week",
            "False pages a week that finished excursions foretell at that threshold; "
            "to be held against observe.false_pages_per_week.",
            fleet=None,
        )
        self.detection_latency = book.histogram(
            "bouncemon_detection_latency_seconds",
            "From the estimated onset of a spike to its opening, in seconds.",
            _DETECTION_SECONDS,
        )

    def own(self, fleet: str) -> None:
        """Say that this worker observes the fleet now."""
        self.owner.labels(fleet).set(1)
        for severity in Severity:
            self.incidents_open.labels(fleet, severity)
        for kind, channel, severity in product(IncidentKind, Channel, Severity):
            if kind in _OF_A_CHANNEL or channel is _NO_CHANNEL:
                self.incidents.labels(fleet, kind, channel, severity)
        self.gate_shut.labels(fleet).set(0)

    def disown(self, fleet: str) -> None:
        """Say that it does not, and drop what only the owner may show."""
        self.owner.labels(fleet).set(0)
        self.keys.remove_by_labels({"fleet": fleet})
        self.incidents_open.remove_by_labels({"fleet": fleet})
        self.gate_shut.remove_by_labels({"fleet": fleet})
        self.threshold.remove_by_labels({"fleet": fleet})
        self.false_pages.remove_by_labels({"fleet": fleet})
        self.scopes.forget(fleet)
        self._active_rows.forget(fleet)
        self._show_active()

    def set_scopes(self, fleet: str, rows: Sequence[ScopeRow]) -> None:
        """Show these rows of a fleet and no others, the most important first."""
        for family, series in self.scopes.update(fleet, rows).items():
            self._dropped.labels(family).inc(series)

    def count_opened(self, incident: Incident) -> None:
        """Count an incident that was opened just now, and a spike's latency."""
        kind, channel, severity = incident.kind, incident.channel, incident.severity
        self.incidents.labels(incident.fleet, kind, channel, severity).inc()
        if kind is IncidentKind.SPIKE:  # a ticket may take days, and may do so
            latency = incident.detected_at - incident.start
            self.detection_latency.observe(max(0.0, latency))

    def set_incidents(
        self, fleet: str, incidents: Iterable[Incident], now: float
    ) -> None:
        """Show a fleet's incidents; closed ones may be among them.

        Args:
            fleet: the fleet, owned by this worker.
            incidents: all of its incidents.
            now: seconds of a clock that only goes forward.
        """
        alive = [one for one in incidents if one.state is not IncidentState.CLOSED]
        for severity in Severity:
            count = sum(one.severity is severity for one in alive)
            self.incidents_open.labels(fleet, severity).set(count)
        shut = any(one.kind is IncidentKind.GATE for one in alive)
        self.gate_shut.labels(fleet).set(shut)
        rows = {_labels_of(fleet, one): 1.0 for one in alive}
        self._active_rows.update(fleet, rows, now)
        self._show_active()

    def _show_active(self) -> None:
        dropped = self.active.replace(self._active_rows.rows())
        self._dropped.labels(self.active.name).inc(dropped)


def _labels_of(fleet: str, one: Incident) -> Labels:
    scope = one.scope
    return (fleet, scope.kind, scope.key, one.kind, one.channel, one.severity)
