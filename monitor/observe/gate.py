"""May new incidents be opened? Not on counts that are late, or that may be wrong.

Open incidents go on as before, and what comes meanwhile is learned from like a backlog.
Nobody should have to guess why nothing is said: a gate that stays shut is told.
"""

from typing import NamedTuple

from monitor.events import IncidentKind, Scope, Severity
from monitor.observe.tickets import Matter, Tickets

#: A gate that is shut for less is not worth a word: each takeover shuts it.
TOLD_AFTER_SECONDS = 30.0


class Health(NamedTuple):
    """What the owner of a fleet knows about the counts it shows to the observer.

    Args:
        lag_seconds: how far the latest input partition is behind the others.
        recovering: counts from before a takeover are still being read.
        unaccounted: events that ledgers and cells disagree about, lastingly.
    """

    lag_seconds: float = 0.0
    recovering: bool = False
    unaccounted: int = 0


HEALTHY = Health()


class Gate:
    """Shut while counts are no ground for a new incident.

    Args:
        stale_after_seconds: lag from which counts are late.
    """

    def __init__(self, stale_after_seconds: float) -> None:
        self._stale = stale_after_seconds
        self._shut_at = 0.0
        self.why = ""

    @property
    def is_open(self) -> bool:
        """True when incidents may be opened."""
        return not self.why

    def heed(self, health: Health, waiting: int, now: float) -> None:
        """Decide anew.

        Args:
            health: what the owner says.
            waiting: slots that wait for the next tick.
            now: time of the tick.
        """
        why = self._reason(health, waiting)
        if why and not self.why:
            self._shut_at = now
        self.why = why

    def _reason(self, health: Health, waiting: int) -> str:
        if health.recovering:
            return "recovering: counts from before the takeover are still read"
        if waiting:
            return f"catching up: {waiting} slots wait"
        if health.lag_seconds > self._stale:
            return f"late: a partition is {health.lag_seconds:.0f} s behind"
        if health.unaccounted:
            return f"unaccounted: {health.unaccounted} events are in doubt"
        return ""

    def tell(self, tickets: Tickets, now: float) -> None:
        """Keep the one ticket that says so."""
        if self.why and now - self._shut_at >= TOLD_AFTER_SECONDS:
            matter = Matter(
                kind=IncidentKind.GATE,
                scope=Scope(),
                severity=Severity.INFO,
                note=f"no new incidents are opened; {self.why}",
                start=self._shut_at,
            )
            tickets.tell(matter, now)
        elif not self.why:
            for ticket in tickets.of(IncidentKind.GATE):
                tickets.close(ticket, now)
