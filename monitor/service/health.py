"""Is this worker well: what ``/readyz`` says, and the watchdog that ends a dead one."""

import faulthandler
import os
import sys
import threading
from collections.abc import Callable, Mapping

import structlog
from faust.types import TP

from monitor.service import clock
from monitor.service.ingest import IngestService
from monitor.service.settings_sections import WatchdogSettings

log = structlog.get_logger(__name__)

#: Exit status of a worker that stood still; see the table in README.
EXIT_STALLED = 4

#: How often the watchdog looks.
LOOK_SECONDS = 1.0


class Health:
    """Progress of one worker, judged by what moved and not by what was logged.

    Args:
        settings: the bounds.
        ingest: whose positions count as progress.
    """

    def __init__(self, settings: WatchdogSettings, ingest: IngestService) -> None:
        self.highwaters: dict[TP, int] = {}
        self.assigned = False
        self.stopping = False
        self._settings = settings
        self._ingest = ingest
        self._beat_at = clock.monotonic()
        self._gaps: list[tuple[float, float]] = []

    def beat(self) -> None:
        """The event loop ran; called several times a second."""
        now = clock.monotonic()
        self._gaps.append((now, now - self._beat_at))
        self._gaps = [(at, gap) for at, gap in self._gaps if now - at < 60.0]
        self._beat_at = now

    @property
    def longest_gap(self) -> float:
        """Longest time in the last minute between two beats, seconds."""
        return max((gap for _, gap in self._gaps), default=0.0)

    @property
    def lags(self) -> Mapping[TP, int]:
        """Records waiting, by assigned partition."""
        # The copy is made in one step: the watchdog asks from a thread of its own.
        return {
            tp: max(0, self.highwaters.get(tp, 0) - counter.position)
            for tp, counter in self._ingest.counters.copy().items()
        }

    def not_ready(self) -> str | None:
        """Why the worker is not ready, or ``None`` if it is."""
        if self.stopping:
            return "stopping"
        if not self.assigned:
            return "no assignment yet"
        lag = sum(self.lags.values())
        if lag > self._settings.ready_lag_records:
            return f"{lag} records behind"
        idle = self._stall()
        if idle > self._settings.ready_progress_seconds:
            return f"no progress for {idle:.0f} s with input waiting"
        return None

    def stalled(self) -> str | None:
        """Why the worker should be ended, or ``None``."""
        quiet = clock.monotonic() - self._beat_at
        if quiet > self._settings.stall_seconds:
            return f"the event loop has been blocked for {quiet:.0f} s"
        idle = self._stall()
        if idle > self._settings.stall_seconds:
            return f"no progress for {idle:.0f} s with input waiting"
        delay = self._ingest.commits.delay(clock.monotonic())
        if delay > self._settings.commit_stall_seconds:
            return f"an offset has waited {delay:.0f} s to be committed"
        return None

    def _stall(self) -> float:
        """Longest time that an assigned partition with input waiting stood still."""
        now = clock.monotonic()
        waiting = [tp for tp, lag in self.lags.items() if lag > 0]
        return max(
            (now - self._ingest.progress_at.get(tp, now) for tp in waiting), default=0.0
        )


class Watchdog(threading.Thread):
    """Ends the process when it stands still; a thread, since the loop may be stuck."""

    def __init__(self, health: Health, end: Callable[[int], None] = os._exit) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._health = health
        self._end = end
        self._done = threading.Event()

    def run(self) -> None:
        """Look once a second until ``stop``."""
        while not self._done.wait(LOOK_SECONDS):
            why = self._health.stalled()
            if why is not None:
                log.critical("worker stalled, ending it", why=why)
                faulthandler.dump_traceback(file=sys.stderr)
                self._end(EXIT_STALLED)
                return

    def stop(self) -> None:
        """Stop looking."""
        self._done.set()
