"""The mind of one fleet, driven by the time of the data."""

from dataclasses import replace

import msgspec

from monitor.backtest.curves import Curves
from monitor.backtest.journal import Found, Journal
from monitor.events import Mode
from monitor.observe import Bound
from monitor.observe.policy import MAX_SLOT_SECONDS, WEEK_SECONDS
from monitor.pipeline import FleetMind, FleetPolicy

#: Recordings are of one fleet.
FLEET = "default"

#: A tick comes at the last instant of its span, while its newest slot is still the
#: present one to the observer: its windows and its dispersion count it as such.
INSTANT = 1e-3

DAY_SECONDS = 86_400.0


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a backtest came to.

    ``key_days`` is the time that scopes were watched, summed over scopes;
    ``expected_false_pages`` is what the observer foretells of chance for so long a
    time; ``span_seconds`` is event time, ``seconds`` is how long the backtest took.
    """

    span_seconds: float
    keys: int
    key_days: float
    incidents: int
    pages: int
    open_at_end: int
    threshold: float
    expected_false_pages: float
    expected_false_pages_per_week: float
    unexplained: int
    refused: int
    records: int = 0
    events: int = 0
    counted: int = 0
    late: int = 0
    future: int = 0
    duplicates: int = 0
    excluded: int = 0
    invalid: int = 0
    rows: int = 0
    seconds: float = 0.0
    events_per_second: float = 0.0


def adapted(policy: FleetPolicy, step: int) -> FleetPolicy:
    """The policy for recorded counts of ``step`` seconds a row.

    Shorter rows are summed into the policy's slots; longer ones make longer slots, as
    long as the observer takes them.

    Raises:
        ConfigError: the observer refuses such slots.
    """
    counting, observe = policy.counting, policy.observe
    if step > observe.slot_seconds:
        slot = min(step, MAX_SLOT_SECONDS)
        lateness = max(counting.allowed_lateness_seconds, float(slot))
        counting = replace(
            counting, slot_seconds=slot, allowed_lateness_seconds=lateness
        )
        observe = replace(observe, slot_seconds=slot)
    return replace(policy, counting=counting, observe=observe)


class Mind:
    """A ``FleetMind`` with a journal of its incidents.

    Args:
        policy: what to judge by; the throttle only watches.
        step: seconds between two ticks.
        phase: second within a step at which a step begins.
        curves: takes samples of the rates, if they are wanted.
    """

    def __init__(
        self,
        policy: FleetPolicy,
        step: int = 1,
        phase: int = 0,
        curves: Curves | None = None,
    ) -> None:
        # Nothing can be slowed in a recording.
        throttle = replace(policy.throttle, mode=Mode.OBSERVE)
        self.fleet = FleetMind(FLEET, replace(policy, throttle=throttle), epoch=1)
        self.step, self.phase = step, phase
        self._journal = Journal(step, phase)
        self._curves = curves
        self._began: float | None = None
        self._last = 0.0
        self._key_seconds = 0.0

    def tick(self, end: float) -> list[Found]:
        """Look at what has come until ``end``; returns the incidents that are over."""
        begin = end - self.step
        if self._began is None:
            self._began = self._last = begin
        outflow = self.fleet.tick(end - INSTANT)
        stats = self.fleet.observer.stats
        self._key_seconds += stats.keys * (end - self._last)
        self._last = end
        if self._curves is not None:
            self._curves.sample(end, self.fleet.observer)
        return self._journal.note(outflow.incidents)

    def wait(self, until: float) -> list[Found]:
        """Let time pass without data, as long as an incident may end by itself."""
        found = []
        while self._journal.open and self._last + self.step <= until:
            found += self.tick(self._last + self.step)
        return found

    def rest(self) -> list[Found]:
        """The incidents that were not over at the end."""
        return self._journal.rest()

    def summary(self) -> Summary:
        """What it came to; numbers of the input are for others to fill in."""
        stats = self.fleet.observer.stats
        span = 0.0 if self._began is None else self._last - self._began
        a_week = stats.expected_false_pages
        return Summary(
            span_seconds=span,
            keys=stats.keys,
            key_days=round(self._key_seconds / DAY_SECONDS, 4),
            incidents=self._journal.incidents,
            pages=self._journal.pages,
            open_at_end=self._journal.open,
            threshold=round(stats.threshold, 3),
            expected_false_pages=round(a_week * span / WEEK_SECONDS, 6),
            expected_false_pages_per_week=round(a_week, 6),
            unexplained=stats.unexplained,
            refused=stats.bitten[Bound.INCIDENTS],
        )
