"""The order of the rooms; the only file that knows them all.

``Ingest`` is the left half of the river: one record in, what is countable of it out.
``FleetMind`` is the right half: tallies and commands in, incidents and directives out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import msgspec

from monitor.classify import Classifier
from monitor.counting import (
    Countable,
    CountingPolicy,
    Evidence,
    Refusal,
    TallyMerger,
    columns_of,
)
from monitor.errors import InvalidEvent, MonitorError
from monitor.events import (
    Cell,
    Command,
    Decoded,
    DeliveryEvent,
    Directive,
    Incident,
    LedgerTally,
    Outcome,
    Tally,
    Verdict,
)
from monitor.observe import FleetObserver, ObservePolicy
from monitor.providers import ProviderMatcher
from monitor.throttle import Governor, Ruling, Step, ThrottlePolicy

Key = TypeVar("Key")

#: Nine events in ten are these; looked up once.
_DELIVERED = columns_of(Outcome.DELIVERED, None)


class Ingested(NamedTuple):
    """What one record came to."""

    countables: list[Countable]
    invalid: Sequence[InvalidEvent]


@dataclass(slots=True)
class IngestStats:
    """Totals since the start, for metrics; only ever grow."""

    outcomes: dict[tuple[str, str], int] = field(default_factory=dict)
    verdicts: dict[tuple[str, str], int] = field(default_factory=dict)
    invalid: dict[str, int] = field(default_factory=dict)


class Ingest:
    """sources > providers > classify, for one input topic.

    Args:
        decode: the topic's source.
        providers: maps a recipient domain or MX host to its provider.
        classifier: reads SMTP replies; may be shared between topics.
    """

    def __init__(
        self,
        decode: Callable[[bytes | None], Decoded],
        providers: ProviderMatcher,
        classifier: Classifier,
    ) -> None:
        self.stats = IngestStats()
        self._decode = decode
        self._providers = providers
        self._classifier = classifier

    def __call__(self, value: bytes | None) -> Ingested:
        """Read one record; never raises, whatever the bytes."""
        events, invalid = self._decode(value)
        for problem in invalid:
            _bump(self.stats.invalid, str(problem.reason))
        return Ingested([self._countable(event) for event in events], invalid)

    def _countable(self, event: DeliveryEvent) -> Countable:
        outcome = event.outcome
        _bump(self.stats.outcomes, (event.source, outcome))
        provider = self._providers.match(event.recipient_domain, event.mx_host)
        cell = Cell(
            provider, event.source_ip, event.campaign, event.tenant, event.segment
        )
        columns: tuple[int, ...] = ()
        evidence = None
        # By identity: this is the hot path, and enums hash and compare slowly.
        if not event.counts_to_rate:
            pass
        elif outcome is Outcome.DELIVERED:
            columns = _DELIVERED
        elif outcome is Outcome.DEFERRED or outcome is Outcome.BOUNCED:
            verdict = self._verdict(event, provider)
            columns = columns_of(outcome, verdict)
            evidence = Evidence(verdict.reason, event.diagnostic)
        else:
            columns = columns_of(outcome, None)
        return Countable(event.event_id, event.event_time, cell, columns, evidence)

    def _verdict(self, event: DeliveryEvent, provider: str) -> Verdict:
        verdict = self._classifier.classify(
            event.diagnostic,
            event.reply_code,
            event.enhanced_status,
            provider,
            event.provider_class,
        )
        _bump(self.stats.verdicts, (verdict.bounce_class, verdict.reason))
        return verdict


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
        """Carry out an order of a person or of an alert."""
        outflow = Outflow()
        outflow.add(self.governor.on_command(command, now))
        return outflow

    def tick(self, now: float) -> Outflow:
        """Look at everything once; call it about once a second."""
        outflow = Outflow(incidents=self.observer.tick(now))
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


def _bump(counts: dict[Key, int], key: Key) -> None:
    counts[key] = counts.get(key, 0) + 1
