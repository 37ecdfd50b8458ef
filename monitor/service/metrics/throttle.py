"""Metrics of what was asked of the sender, and of who asked."""

from collections.abc import Mapping
from enum import StrEnum

from prometheus_client import Counter

from monitor.events import Action, Directive, Mode, Scope
from monitor.service.metrics.declare import Book, Entry
from monitor.service.metrics.family import Family, FleetRows, Labels, open_labels
from monitor.service.metrics.labels import Actor, RulingResult, WebhookResult
from monitor.throttle import RulingReason

#: Most scopes under a throttle shown; the blast-radius cap is far below.
MAX_THROTTLE_SERIES = 1_000

#: How long a freed scope shows 1: longer than any rule looks back.
THROTTLE_LINGER_SECONDS = 300.0

_LEVEL = Entry(
    "bouncemon_throttle_level_ratio",
    "gauge",
    open_labels("fleet", "scope", "key"),
    "Part of normal traffic that may flow, 0 (paused) to 1; 1 for five minutes after "
    "the end of a throttle.",
)


class ThrottleMetrics:
    """Directives, the rulings behind them, and the webhook that asks for some."""

    def __init__(self, book: Book, dropped: Counter) -> None:
        self._dropped = dropped
        self.directives = book.counter(
            "bouncemon_directives_total",
            "Directives sent, renewals of a lease among them.",
            action=Action,
            actor=Actor,
            mode=Mode,
        )
        self.rulings = book.counter(
            "bouncemon_directive_rulings_total",
            "What the governor ruled on a wish to act, and why.",
            result=RulingResult,
            reason=RulingReason,
        )
        self.mode = book.gauge(
            "bouncemon_mode_info", "1 for the mode of automation in force.", mode=Mode
        )
        self.webhook_requests = book.counter(
            "bouncemon_webhook_requests_total",
            "Calls of the Alertmanager webhook, by how they ended.",
            result=WebhookResult,
        )
        book.note(_LEVEL)
        self.level = Family(_LEVEL, MAX_THROTTLE_SERIES)
        self._level_rows = FleetRows(1.0, THROTTLE_LINGER_SECONDS)

    def set_mode(self, mode: Mode) -> None:
        """Show the mode in force."""
        for one in Mode:
            self.mode.labels(one).set(one is mode)

    def count_directive(self, directive: Directive) -> None:
        """Count one directive that was sent."""
        actor = Actor.of(directive.actor)
        self.directives.labels(directive.action, actor, directive.mode).inc()

    def count_ruling(self, result: StrEnum, reason: RulingReason) -> None:
        """Count one ruling of the governor; ``result`` is a ``RulingResult``."""
        self.rulings.labels(result, reason).inc()

    def set_levels(self, fleet: str, levels: Mapping[Scope, float], now: float) -> None:
        """Show the throttled scopes of a fleet, 0-1, and no others.

        Args:
            fleet: the fleet, owned by this worker.
            levels: part of normal traffic that may flow.
            now: seconds of a clock that only goes forward.
        """
        rows: dict[Labels, float] = {
            (fleet, scope.kind, scope.key): level for scope, level in levels.items()
        }
        self._level_rows.update(fleet, rows, now)
        self._show()

    def disown(self, fleet: str) -> None:
        """Drop the levels of a fleet that another worker owns now."""
        self._level_rows.forget(fleet)
        self._show()

    def _show(self) -> None:
        dropped = self.level.replace(self._level_rows.rows())
        self._dropped.labels(self.level.name).inc(dropped)
