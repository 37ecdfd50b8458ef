"""One incident while it lives: what is counted of it, and where it stands."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Set
from itertools import count

import msgspec

from monitor.events import (
    Channel,
    Incident,
    IncidentState,
    ReasonCount,
    Scope,
    Severity,
    feeds,
)
from monitor.observe.channels import CHANNELS
from monitor.observe.inquiry import Finding
from monitor.observe.interval import rate_interval, rate_mean
from monitor.observe.policy import Limit
from monitor.observe.recent import Reasons, concerns
from monitor.observe.recovery import Recovery

#: The rate "now" is that of so many seconds, if they hold so many attempts.
RATE_SECONDS = 300.0
RATE_ATTEMPTS = 20.0

#: An incident is written at most so often while nothing but its numbers change.
UPDATE_SECONDS = 10.0

#: Failures in the rate's window without which no page is sent: nobody should wake up
#: for nineteen bounces.
PAGE_FAILURES = 20.0

#: Under the page limit, a page needs this lift and so many excess failures a minute.
PAGE_LIFT = 5.0
PAGE_HARM = 60.0

#: A ticket of the limit rule that is still open after so long is how its scope always
#: is: from then on a spike on top of it is another incident.
STANDING_SECONDS = 1_800.0
LIMIT = "limit"

#: Digits of an id: 64 bits.
ID_DIGITS = 16

_Counts = tuple[float, float]


class Case(msgspec.Struct):
    """An incident with its books.

    Args:
        id: stable name.
        scope: the cause.
        channel: names the incident.
        channels: all channels in which it explains the scope's traffic.
        detector: the rule that found it.
        start: estimated onset.
        detected_at: time of the finding.
        baseline: learned rate.
        share: part of the fleet's excess at that time.
        not_affected: sibling scopes that looked normal.
        recovery: the test of whether it is over.
        accepted: a person takes it for the new normal.
        standing: it is above a limit as ever, so it explains no more than that.
        reviews: how often its name was looked at again.
        wider: names that it had before it was narrowed.
        slots: attempts and failures of the newest slots.
    """

    id: str
    scope: Scope
    channel: Channel
    channels: list[Channel]
    detector: str
    start: float
    detected_at: float
    baseline: float
    share: float
    not_affected: tuple[Scope, ...]
    recovery: Recovery
    state: IncidentState = IncidentState.OPEN
    severity: Severity = Severity.TICKET
    closed_at: float | None = None
    written_at: float = 0.0
    reviews: int = 0
    wider: list[Scope] = []
    accepted: bool = False
    standing: bool = False
    changed: bool = True
    tried: float = 0.0
    failed: float = 0.0
    slots: dict[int, _Counts] = {}
    reasons: Reasons = msgspec.field(default_factory=Reasons)

    @property
    def column(self) -> int:
        """Place of its channel."""
        return CHANNELS.index(self.channel)

    @property
    def is_open(self) -> bool:
        """True until it is closed; a recovering one is still open."""
        return self.state is not IncidentState.CLOSED

    def stands(self, now: float) -> bool:
        """True for a limit's ticket so old that it is how its scope always is."""
        old = self.is_open and now - self.detected_at >= STANDING_SECONDS
        return old and self.detector == LIMIT and self.severity is Severity.TICKET

    def count(self, slot: int, tried: float, failed: float, keep: int) -> None:
        """Add counts of one slot; only the ``keep`` newest slots make the rate now."""
        old = self.slots.get(slot, (0.0, 0.0))
        self.slots[slot] = old[0] + tried, old[1] + failed
        self.tried += tried
        self.failed += failed
        newest = max(self.slots)
        for gone in [number for number in self.slots if number <= newest - keep]:
            del self.slots[gone]

    def recent(self, head: int, keep: int) -> _Counts:
        """Attempts and failures of the newest slots; of all, if those are few."""
        rows = [row for slot, row in self.slots.items() if slot > head - keep]
        tried, failed = sum(row[0] for row in rows), sum(row[1] for row in rows)
        if tried < RATE_ATTEMPTS:
            return self.tried, self.failed
        return tried, failed

    def note_reasons(self, reasons: Iterable[ReasonCount]) -> None:
        """Count those reasons that may be about it."""
        for reason in reasons:
            fits = feeds(reason.reason, self.channel)
            if fits and concerns(self.scope, reason):
                self.reasons.add(reason.reason, reason.count, reason.sample)

    def move(self, now: float) -> None:
        """Let the recovery test decide where the incident stands."""
        if self.accepted or self.recovery.done(now):
            self.state, self.closed_at = IncidentState.CLOSED, now
        elif self.recovery.hopeful:
            self.state = IncidentState.RECOVERING
        elif self.recovery.evidence <= 0.0:
            self.state = IncidentState.OPEN

    def has_news(self, now: float) -> bool:
        """True if it is to be written: at once when it is new, reopened, over, wider or
        worse; else, wavering between open and recovering included, now and then.
        """
        if now - self.written_at >= UPDATE_SECONDS:
            return True
        return self.changed or not self.is_open

    def reopen(self, finding: Finding, now: float) -> None:
        """The same cause again, within the hour."""
        self.state, self.closed_at, self.changed = IncidentState.OPEN, None, True
        self.channels = list(dict.fromkeys([*self.channels, *finding.channels]))
        self.start, self.detected_at = finding.start, now
        self.standing = False
        self.baseline, self.share = finding.baseline, finding.share
        self.not_affected, self.reviews = finding.not_affected, 0
        # Of its first life nothing counts any more but its severity.
        self.tried = self.failed = 0.0
        self.slots, self.reasons = {}, Reasons()
        self.recovery = Recovery(finding.good, finding.good, now, now)

    def judge(self, low: float, a_minute: float, limit: Limit | None) -> None:
        """Raise the severity if need be; it never falls while the incident lives.

        Args:
            low: lower bound of the rate now: its window was picked for being extreme.
            a_minute: attempts a minute.
            limit: of the channel.
        """
        if self.pages(low, a_minute, limit) and self.severity is not Severity.PAGE:
            self.severity, self.changed = Severity.PAGE, True

    def pages(self, rate: float, a_minute: float, limit: Limit | None) -> bool:
        """True if somebody should be woken for a rate."""
        harm = (rate - self.baseline) * a_minute
        over = limit is not None and rate > limit.page
        return over or (rate >= PAGE_LIFT * self.baseline and harm >= PAGE_HARM)


class Writer:
    """Writes cases down as incidents.

    Args:
        fleet: name of the fleet.
        slot_seconds: length of a slot.
        limits: absolute limits by channel.
    """

    def __init__(
        self, fleet: str, slot_seconds: float, limits: Mapping[Channel, Limit]
    ) -> None:
        self.fleet, self._limits = fleet, limits
        self._slot_seconds = slot_seconds
        self.keep = max(1, int(RATE_SECONDS // slot_seconds))

    def slot_of(self, seconds: float) -> int:
        """The slot that a time falls into."""
        return int(seconds // self._slot_seconds)

    def case_of(self, finding: Finding, now: float, taken: Set[str]) -> Case:
        """Open a case for a cause, with an id that no other case has."""
        column = CHANNELS.index(finding.channel)
        case = Case(
            id=next(name for name in self._ids(finding) if name not in taken),
            scope=finding.scope,
            channel=finding.channel,
            channels=list(finding.channels),
            detector=finding.detector,
            start=finding.start,
            detected_at=now,
            baseline=finding.baseline,
            share=finding.share,
            not_affected=finding.not_affected,
            recovery=Recovery(finding.good, finding.good, now, now),
        )
        for slot in finding.counts:
            case.count(slot.slot, slot.tried[column], slot.failed[column], self.keep)
        return case

    def follow(self, case: Case, now: float) -> None:
        """Bring severity and the recovery test up to date with the rate now."""
        head = self.slot_of(now)
        tried, failed = case.recent(head, self.keep)
        if case.state is not IncidentState.OPEN or tried <= 0:
            return
        mean = rate_mean(failed, tried, case.baseline)
        case.recovery.worst = max(case.recovery.worst, mean)
        if failed >= PAGE_FAILURES and case.severity is not Severity.PAGE:
            span = min(RATE_SECONDS, max(now - case.start, self._slot_seconds))
            a_minute, limit = tried / span * 60.0, self._limits.get(case.channel)
            # The lower bound is dear, and only worth it where the mean would do.
            if case.pages(mean, a_minute, limit):
                _, low, _ = rate_interval(failed, tried, case.baseline)
                case.judge(low, a_minute, limit)

    def write(self, case: Case, now: float) -> Incident:
        """The incident as of now."""
        head = self.slot_of(now)
        tried, failed = case.recent(head, self.keep)
        mean, low, high = rate_interval(failed, tried, case.baseline)
        return Incident(
            id=case.id,
            fleet=self.fleet,
            scope=case.scope,
            channel=case.channel,
            state=case.state,
            severity=case.severity,
            detector=case.detector,
            start=case.start,
            detected_at=case.detected_at,
            updated_at=now,
            closed_at=case.closed_at,
            rate=mean,
            rate_low=low,
            rate_high=high,
            baseline=case.baseline,
            lift=mean / case.baseline,
            excess=max(0.0, case.failed - case.tried * case.baseline),
            attempts=case.tried,
            share=case.share,
            reasons=case.reasons.top(),
            not_affected=case.not_affected,
        )

    def _ids(self, finding: Finding) -> Iterator[str]:
        """What a cause may be called; the first, but where a narrowed case has it."""
        slot = self.slot_of(finding.start)
        scope = finding.scope
        parts = [self.fleet, scope.kind, scope.key, finding.channel.value, str(slot)]
        for number in count(1):
            # The separator cannot be part of a name, so no two tuples make one text.
            digest = hashlib.sha256("\x00".join(parts).encode())
            yield digest.hexdigest()[:ID_DIGITS]
            parts[5:] = [str(number)]
