"""What the mind of a fleet saw and ruled, as metrics."""

from monitor.events import Incident, IncidentState, Mode
from monitor.pipeline import FleetMind, Outflow
from monitor.service import clock
from monitor.service.ingest_report import Growth
from monitor.service.metrics import Metrics, RulingResult, ScopeRow, TallyResult

#: Rates of windows of a minute and more are shown anew this often: a fraction of any
#: scrape interval, and a tenth of the cost of doing it with every tick.
SCOPES_SECONDS = 5.0

#: An imbalance between ledger and cells counts once it has lasted so many looks: the
#: two come as two records of one flush.
IMBALANCE_LOOKS = 10


class OwnerReport:
    """Copies what fleets' minds hold into the metrics of this worker."""

    def __init__(self, metrics: Metrics, top_scopes: int) -> None:
        self._metrics = metrics
        self._top = top_scopes
        self._growth: dict[str, Growth] = {}
        self._imbalances: dict[str, list[int]] = {}
        self._scopes_due: dict[str, float] = {}
        self._leaves: dict[str, int] = {}

    def own(self, fleet: str, mode: Mode) -> None:
        """This worker observes the fleet now."""
        self._metrics.observer.own(fleet)
        self._growth[fleet] = Growth()
        self._metrics.throttle.set_mode(mode)

    def disown(self, fleet: str) -> None:
        """It does not any more."""
        self._metrics.observer.disown(fleet)
        self._metrics.throttle.disown(fleet)
        self._imbalances.pop(fleet, None)
        self._growth.pop(fleet, None)
        self._leaves.pop(fleet, None)
        self._scopes_due.pop(fleet, None)
        self._metrics.observer.leaves.set(sum(self._leaves.values()))

    def tally(self, result: TallyResult, number: int = 1) -> None:
        """Tallies were merged, or not."""
        self._metrics.ingest.tallies.labels(result).inc(number)

    def snapshot(self, size: int) -> None:
        """A snapshot was written."""
        self._metrics.observer.snapshots.inc()
        self._metrics.observer.snapshot_bytes.set(size)

    def ticked(self, mind: FleetMind, outflow: Outflow, seconds: float) -> None:
        """One look at everything is done."""
        observer = self._metrics.observer
        observer.tick_seconds.observe(seconds)
        for incident in outflow.incidents:
            if _just_opened(incident):
                observer.count_opened(incident)
        observer.set_incidents(mind.fleet, mind.observer.incidents, clock.monotonic())
        self._imbalance(mind)
        self.ruled(mind, outflow)
        if clock.monotonic() >= self._scopes_due.get(mind.fleet, 0.0):
            self._scopes_due[mind.fleet] = clock.monotonic() + SCOPES_SECONDS
            self._scopes(mind)

    def _scopes(self, mind: FleetMind) -> None:
        """Show the rates of the heaviest scopes, and how full the observer is."""
        observer, stats = self._metrics.observer, mind.observer.stats
        rates = mind.observer.rates(self._top)
        observer.set_scopes(mind.fleet, [ScopeRow(mind.fleet, *rate) for rate in rates])
        observer.keys.labels(mind.fleet).set(stats.keys)
        self._leaves[mind.fleet] = stats.leaves
        observer.leaves.set(sum(self._leaves.values()))
        observer.rhythms_refused.labels(mind.fleet).set(stats.rhythms_refused)
        observer.threshold.labels(mind.fleet).set(stats.threshold)
        observer.false_pages.labels(mind.fleet).set(stats.expected_false_pages)
        grown = self._growth[mind.fleet].of
        for bound, total in stats.bitten.items():
            observer.bitten.labels(bound).inc(grown(bound, total))
        observer.unexplained.inc(grown("unexplained", stats.unexplained))
        observer.stale_slots.inc(grown("stale", stats.stale_deltas))

    def ruled(self, mind: FleetMind, outflow: Outflow) -> None:
        """The governor decided something."""
        throttle = self._metrics.throttle
        for ruling in outflow.rulings:
            result = RulingResult.APPLIED if ruling.applied else RulingResult.REFUSED
            throttle.count_ruling(result, ruling.reason)
        for directive in outflow.directives:
            throttle.count_directive(directive)
        levels = {one.scope: one.rate_fraction for one in mind.governor.active}
        throttle.set_levels(mind.fleet, levels, clock.monotonic())

    def _imbalance(self, mind: FleetMind) -> None:
        """Export I5 as the smallest imbalance of the last looks."""
        looks = self._imbalances.setdefault(mind.fleet, [])
        looks.append(sum(mind.merger.imbalance().values()))
        del looks[:-IMBALANCE_LOOKS]
        lasting = [min(looks) for looks in self._imbalances.values()]
        self._metrics.ingest.unaccounted_events.set(sum(lasting))


def _just_opened(incident: Incident) -> bool:
    opened = incident.state is IncidentState.OPEN
    return opened and incident.updated_at == incident.detected_at
