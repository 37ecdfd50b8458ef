"""The order of the rooms; the only file that knows them all.

``Ingest`` is the left half of the river: records in, what is countable of them out.
``FleetMind`` is the right half: tallies and commands in, incidents and directives out.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple, Protocol, cast

import msgspec

from monitor.counting import (
    CountBatch,
    CountingPolicy,
    Evidence,
    Refusal,
    TallyMerger,
    cells_of,
    columns_of,
)
from monitor.errors import InvalidEvent, MonitorError
from monitor.events import (
    Command,
    DeliveryEvent,
    Directive,
    Incident,
    LedgerTally,
    Outcome,
    Tally,
    Verdict,
)
from monitor.observe import HEALTHY, FleetObserver, Health, ObservePolicy
from monitor.providers import ProviderMatcher
from monitor.sources import Source
from monitor.throttle import Governor, Ruling, Step, ThrottlePolicy, is_human

#: Ledger and cells come as two records of one flush: what they disagree about is in
#: doubt when it has lasted so many ticks.
DOUBT_TICKS = 10

#: So long after events were lost, nothing new is opened: slots are that long open.
DOUBT_SECONDS = 600.0

#: Nine events in ten are these; looked up once.
_DELIVERED = Outcome.DELIVERED
_BOUNCED, _DEFERRED = Outcome.BOUNCED, Outcome.DEFERRED

_SOURCE_OUTCOME = attrgetter("source", "outcome")
_KIND = attrgetter("bounce_class", "reason")


class Records(NamedTuple):
    """Records of one stretch of a log; ``times`` are Kafka's, epoch seconds."""

    offsets: Sequence[int]
    times: Sequence[float]
    values: Sequence[bytes | None]


class Refused(NamedTuple):
    """A record that holds something unreadable, by its place in ``Records``."""

    place: int
    invalid: Sequence[InvalidEvent]


class Ingested(NamedTuple):
    """What records came to: all that is countable of them, and what is not."""

    batch: CountBatch
    refused: Sequence[Refused]


@dataclass(slots=True)
class IngestStats:
    """Totals since the start, for metrics; only ever grow."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)


class ReadsReplies(Protocol):
    """What reads SMTP replies: a ``Classifier``, or one that can be exchanged."""

    def classify_all(
        self, failures: Sequence[DeliveryEvent], providers: Sequence[str], /
    ) -> list[Verdict]:
        """The verdict on each event's reply; never raises."""
        ...


class Ingest:
    """sources > providers > classify, for one input topic.

    Theory of operation: a batch stays a batch. Its events are read, rolled up and keyed
    column by column, in C; only failures, one event in ten, are looked at one by one.

    Args:
        source: reads the topic's format.
        providers: maps a recipient domain or MX host to its provider.
        classifier: reads SMTP replies; may be shared between topics.
    """

    def __init__(
        self, source: Source, providers: ProviderMatcher, classifier: ReadsReplies
    ) -> None:
        self.stats = IngestStats()
        self._source = source
        self._providers = providers
        self._classifier = classifier

    def __call__(self, records: Records) -> Ingested:
        """Read records; never raises, whatever the bytes."""
        at, events, refused = self._decode(records)
        providers = self._providers.match_all(events)
        columns, evidence = self._judge(events, providers)
        batch = CountBatch(
            offsets=records.offsets,
            times=records.times,
            at=at,
            event_ids=[event.event_id for event in events],
            event_times=[event.event_time for event in events],
            cells=cells_of(events, providers),
            columns=columns,
            evidence=evidence,
            invalid=[records.offsets[place] for place, bad in refused for _ in bad],
        )
        return Ingested(batch, refused)

    def _decode(
        self, records: Records
    ) -> tuple[Sequence[int], Sequence[DeliveryEvent], list[Refused]]:
        """All events, the offset of each one's record, and what was unreadable."""
        plain = self._source.plain(records.values)
        if all(plain):
            return records.offsets, cast(Sequence[DeliveryEvent], plain), []
        at: list[int] = []
        events: list[DeliveryEvent] = []
        refused: list[Refused] = []
        for place, event in enumerate(plain):
            if event is not None:
                events.append(event)
                at.append(records.offsets[place])
                continue
            several, invalid = self._source(records.values[place])
            events += several
            at += [records.offsets[place]] * len(several)
            if invalid:
                refused.append(Refused(place, invalid))
        return at, events, refused

    def _judge(
        self, events: Sequence[DeliveryEvent], providers: Sequence[str]
    ) -> tuple[dict[int, tuple[int, ...]], dict[int, Evidence]]:
        """What those add to that are no deliveries; why some failed (by place)."""
        columns: dict[int, tuple[int, ...]] = {}
        failed: list[int] = []
        # By identity: this is the hot path, and enums compare slowly.
        others = [
            place
            for place, event in enumerate(events)
            if event.outcome is not _DELIVERED or not event.counts_to_rate
        ]
        for place in others:
            event = events[place]
            if not event.counts_to_rate:
                columns[place] = ()
            elif event.outcome is _BOUNCED or event.outcome is _DEFERRED:
                failed.append(place)
            else:
                columns[place] = columns_of(event.outcome, None)
        failures = [events[place] for place in failed]
        verdicts = self._classifier.classify_all(
            failures, [providers[place] for place in failed]
        )
        evidence: dict[int, Evidence] = {}
        for place, event, verdict in zip(failed, failures, verdicts, strict=True):
            columns[place] = columns_of(event.outcome, verdict)
            evidence[place] = Evidence(
                verdict.reason, event.diagnostic, verdict.template
            )
        self._note(events, others, verdicts)
        return columns, evidence

    def _note(
        self,
        events: Sequence[DeliveryEvent],
        others: Sequence[int],
        verdicts: Sequence[Verdict],
    ) -> None:
        """Add a batch to the totals."""
        outcomes = self.stats.outcomes
        outcomes.update(map(_SOURCE_OUTCOME, [events[place] for place in others]))
        if delivered := len(events) - len(others):
            outcomes[events[0].source, _DELIVERED] += delivered
        self.stats.verdicts.update(map(_KIND, verdicts))


@dataclass(frozen=True)
class FleetPolicy:
    """All that one fleet is judged by."""

    counting: CountingPolicy = field(default_factory=CountingPolicy)
    observe: ObservePolicy = field(default_factory=ObservePolicy)
    throttle: ThrottlePolicy = field(default_factory=ThrottlePolicy)


@dataclass
class Outflow:
    """What came of one step: to be sent in this order, audit before action."""

    incidents: list[Incident] = field(default_factory=list)
    rulings: list[Ruling] = field(default_factory=list)
    directives: list[Directive] = field(default_factory=list)

    def add(self, step: Step) -> None:
        """Take over what the governor decided."""
        self.rulings.extend(step.rulings)
        self.directives.extend(step.directives)


class Doubt:
    """Events that ledgers and cells have come to disagree about (invariant I5).

    What was lost long ago says nothing of the counts that come now, or one lost record
    would silence a fleet for ever; the metric goes on showing it.
    """

    def __init__(self) -> None:
        self._looks: list[int] = []
        self._known = self._new = 0
        self._until = 0.0

    def fresh(self, imbalance: int, now: float) -> int:
        """How many events are in doubt that were not before; 0 after a while."""
        self._looks = [*self._looks, imbalance][-DOUBT_TICKS:]
        lasting = min(self._looks) if len(self._looks) == DOUBT_TICKS else 0
        if lasting > self._known:
            before = self._new if now < self._until else 0
            self._new = before + lasting - self._known
            self._until = now + DOUBT_SECONDS
        self._known = lasting
        return self._new if now < self._until else 0


class MindState(msgspec.Struct, array_like=True):
    """A snapshot of a fleet's mind, room by room."""

    merger: bytes
    observer: bytes
    governor: bytes


class FleetMind:
    """counting's merge > observe > throttle, for one fleet: the mind that decides.

    Args:
        fleet: whose tallies it takes; others are not shown to it.
        policy: what to judge by.
        epoch: greater than that of every owner before (fencing, T6).
        held: the newest directive of each scope, from the compacted topic.
    """

    def __init__(
        self,
        fleet: str,
        policy: FleetPolicy,
        epoch: int,
        held: Sequence[Directive] = (),
    ) -> None:
        self.fleet = fleet
        self.policy = policy
        self.epoch = epoch
        self.merger = TallyMerger(policy.counting)
        self.observer = FleetObserver(fleet, policy.observe)
        self.governor = Governor(policy.throttle, fleet, epoch, held)
        self._doubt = Doubt()

    def take(self, tally: Tally | LedgerTally) -> Refusal | None:
        """Merge one tally; says why if it changed nothing."""
        if isinstance(tally, LedgerTally):
            ledger = self.merger.merge_ledger(tally)
            return ledger if isinstance(ledger, Refusal) else None
        delta = self.merger.merge(tally)
        if isinstance(delta, Refusal):
            return delta
        self.observer.apply(delta)
        return None

    def command(self, command: Command, now: float) -> Outflow:
        """Carry out an order of a person or of an alert.

        A person may take an incident for the new normal: it is closed by the next tick.
        """
        outflow = Outflow()
        outflow.add(self.governor.on_command(command, now))
        obeyed = any(ruling.applied for ruling in outflow.rulings)
        if command.accepts and obeyed and is_human(command.actor):
            self.observer.accept(command.accepts, now)
        return outflow

    def tick(self, now: float, health: Health = HEALTHY) -> Outflow:
        """Look at everything once; call it about once a second.

        Args:
            now: time, epoch seconds.
            health: what the caller knows of the counts; the merger's books are added.
        """
        doubt = self._doubt.fresh(sum(self.merger.imbalance().values()), now)
        health = health._replace(unaccounted=health.unaccounted + doubt)
        outflow = Outflow(incidents=self.observer.tick(now, health))
        for incident in outflow.incidents:
            outflow.add(self.governor.on_incident(incident, now))
        outflow.add(self.governor.tick(now))
        self.merger.forget()
        return outflow

    def snapshot(self) -> bytes:
        """Everything that a new owner needs beside the directives."""
        return msgspec.msgpack.encode(
            MindState(
                self.merger.snapshot(),
                self.observer.snapshot(),
                self.governor.snapshot(),
            )
        )

    def restore(self, snapshot: bytes, held: Sequence[Directive] = ()) -> None:
        """Go on from a snapshot; epoch and policy stay our own.

        Args:
            snapshot: what ``snapshot`` returned, perhaps in another process.
            held: directives of the topic; they win where they are newer.

        Raises:
            MonitorError: the snapshot is not one of this version and fleet.
        """
        try:
            state = msgspec.msgpack.decode(snapshot, type=MindState)
            merger = TallyMerger.restore(self.policy.counting, state.merger)
        except (msgspec.MsgspecError, ValueError) as error:
            raise MonitorError(f"snapshot of {self.fleet}: {error}") from None
        self.observer = FleetObserver.restore(
            self.fleet, self.policy.observe, state.observer
        )
        self.governor = Governor.restore(
            self.policy.throttle, self.fleet, self.epoch, state.governor, held
        )
        self.merger = merger
