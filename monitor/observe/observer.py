"""The mind of one fleet: counts in, incidents out.

Theory of operation. Deltas wait until the next tick. A tick takes them in slot by slot:
into the windows, into the recent leaf counts, into the books of open incidents, and
into the baselines. Slots that ended lately are also looked at by the detectors, all of
them together as one look; older ones (a backlog, a catch-up) teach but never alarm.
Anomalies go to an inquiry, which names causes; causes go to the book, which makes them
incidents (``watch``). What an open incident explains is left out of detection and
learning (``book``).
"""

from dataclasses import dataclass
from typing import Self

from monitor.errors import MonitorError
from monitor.events import CountDelta, Incident, Scope
from monitor.observe.book import Batch, Book
from monitor.observe.bounds import Bitten
from monitor.observe.case import Writer
from monitor.observe.channels import split
from monitor.observe.gate import HEALTHY, Health
from monitor.observe.inbox import Inbox
from monitor.observe.memory import Memory, Sums
from monitor.observe.policy import ObservePolicy
from monitor.observe.rates import RateSheet, ScopeRate
from monitor.observe.snapshot import (
    VERSION,
    Snapshot,
    decode,
    encode,
    pack_all,
    unpack_all,
)
from monitor.observe.watch import Listener, Watch
from monitor.observe.windows import FUTURE_SECONDS


@dataclass(frozen=True, slots=True)
class ObserverStats:
    """How the observer is doing; totals since the start unless a name says otherwise.

    ``keys`` and ``leaves`` have a place now; ``bitten`` says which bounds were met;
    ``stale_deltas`` taught but could not alarm; ``waiting_slots`` wait for the next
    tick; ``unexplained`` inquiries found no cause among the leaves; ``threshold`` is in
    nats; ``expected_false_pages`` is a week's; ``baseline_age_seconds`` is the event
    time learned from; ``rhythms`` scopes and channels have a rhythm of their own,
    ``rhythms_refused`` found no place for one; ``snapshot_bytes`` is the size of the
    last snapshot.
    """

    keys: int
    leaves: int
    bitten: Bitten
    stale_deltas: int
    waiting_slots: int
    open_incidents: int
    unexplained: int
    threshold: float
    expected_false_pages: float
    baseline_age_seconds: float
    rhythms: int
    rhythms_refused: int
    snapshot_bytes: int


class FleetObserver:
    """Watches one fleet.

    Args:
        fleet: its name.
        policy: what to watch for.

    Raises:
        ConfigError: if the policy names a detector that does not exist.
    """

    def __init__(self, fleet: str, policy: ObservePolicy) -> None:
        self._fleet, self._policy = fleet, policy
        self._now = 0.0
        self._inbox = Inbox()
        self._memory = Memory(policy)
        self._book = Book(Writer(fleet, policy.slot_seconds, policy.limits))
        self._watch = Watch(policy, self._memory, self._book)
        self._stale = self._snapshot_bytes = 0

    def apply(self, delta: CountDelta) -> None:
        """Take in what one tally added; it counts from the next tick on."""
        self._inbox.add(delta)

    def tick(self, now: float, health: Health = HEALTHY) -> list[Incident]:
        """Look at what has come; call it about once a second.

        Args:
            now: time, epoch seconds; should not go back.
            health: of the counts; no incident is opened on what may be wrong.

        Returns:
            Incidents opened, updated, recovering or closed since the last call.
        """
        seconds = max(now - self._now, 0.0) if self._now else 0.0
        self._now = now
        fresh = self._take(now)
        self._watch.rounds.gate.heed(health, self._inbox.slots, now)
        self._memory.refresh(self._policy.slot_of(now))
        if fresh:
            self._watch.judge(fresh, now, seconds)
        for sums in fresh:
            self._memory.learn(sums)
        self._watch.look_around(now)
        return self._book.turn(now) + self._watch.rounds.tickets.turn(now)

    def accept(self, incident_id: str, now: float) -> bool:
        """Take what an open incident tells for the new normal, and close it.

        Returns:
            False if there is no such incident, or it is about an absolute limit.
        """
        return self._watch.accept(incident_id, now)

    def listen(self, listener: Listener) -> None:
        """Have each look shown, and what each rule makes of it; for the lab."""
        self._watch.listener = listener

    def place_of(self, scope: Scope) -> int:
        """Place of a scope among the keys of a look; -1 if it has none."""
        return self._memory.catalog.place_of(scope)

    def rates(self, top: int) -> list[ScopeRate]:
        """Rates of the heaviest scopes of each kind, of those with an open incident,
        and of the rest, as of the last tick.
        """
        memory = self._memory
        sheet = RateSheet(memory, self._policy.slot_of(self._now))
        return sheet.rows(self._now, top, [case.scope for case in self._book.open])

    @property
    def incidents(self) -> list[Incident]:
        """The open incidents, recovering ones included, as ``tick`` last told them."""
        tickets = self._watch.rounds.tickets.incidents()
        return self._book.incidents(self._now) + tickets

    @property
    def stats(self) -> ObserverStats:
        """How the observer is doing."""
        catalog = self._memory.catalog
        return ObserverStats(
            keys=catalog.keys,
            leaves=catalog.leaves,
            bitten=self._memory.bitten | self._book.bitten | self._watch.bitten,
            stale_deltas=self._stale,
            waiting_slots=self._inbox.slots,
            open_incidents=len(self._book.open) + len(self._watch.rounds.tickets.open),
            unexplained=self._watch.unexplained,
            threshold=self._watch.threshold,
            expected_false_pages=self._watch.expected_false_pages,
            baseline_age_seconds=self._memory.baseline.age_seconds,
            rhythms=self._memory.season.rows,
            rhythms_refused=self._memory.season.refused,
            snapshot_bytes=self._snapshot_bytes,
        )

    def snapshot(self) -> bytes:
        """All that is known, for ``restore`` on another worker."""
        memory = self._memory
        parts = memory.state() | self._watch.state()
        data = encode(
            Snapshot(
                version=VERSION,
                fleet=self._fleet,
                slot_seconds=self._policy.slot_seconds,
                dimensions=tuple(sorted(self._policy.dimensions)),
                now=self._now,
                names=memory.catalog.names,
                parts={name: pack_all(state) for name, state in parts.items()},
                reasons=memory.reasons.state(),
                cases=self._book.cases,
                waiting=self._inbox.deltas,
            )
        )
        self._snapshot_bytes = len(data)
        return data

    @classmethod
    def restore(cls, fleet: str, policy: ObservePolicy, data: bytes) -> Self:
        """An observer that goes on where another one stopped.

        If slots or dimensions are others than before, what was learned does not fit
        any more: only incidents are taken over, and learning begins anew. Detectors
        that are new to the policy begin anew, too.

        Raises:
            MonitorError: if the bytes are not a snapshot of this fleet and version.
            ConfigError: if the policy names a detector that does not exist.
        """
        saved = decode(data)
        if saved.fleet != fleet:
            raise MonitorError(f"snapshot: of fleet {saved.fleet!r}, not {fleet!r}")
        self = cls(fleet, policy)
        self._now = saved.now
        self._snapshot_bytes = len(data)
        self._book.cases = saved.cases
        for delta in saved.waiting:
            self._inbox.add(delta)
        same = saved.slot_seconds == policy.slot_seconds
        if same and saved.dimensions == tuple(sorted(policy.dimensions)):
            self._load(saved)
        return self

    def _load(self, saved: Snapshot) -> None:
        parts = {name: unpack_all(part) for name, part in saved.parts.items()}
        self._memory.load(saved.names, parts)
        self._memory.reasons.load(saved.reasons)
        self._watch.load(parts)

    def _take(self, now: float) -> list[Sums]:
        """Enter what waits; what is old is learned at once, the rest is returned."""
        newest = self._policy.slot_of(now + FUTURE_SECONDS)
        fresh: list[Sums] = []
        for slot, deltas in self._inbox.take(newest):
            sums = self._enter(slot, deltas)
            gone = self._memory.take_gone()
            if len(gone):
                # Their places may be others' by now.
                fresh = [one.without(gone) for one in fresh]
            if not len(sums.keys):
                continue
            if self._policy.is_stale(slot, now):
                self._stale += len(deltas)
                self._memory.learn(sums, stale=True)
                self._memory.refresh_in_backlog(slot)
            else:
                fresh.append(sums)
        return fresh

    def _enter(self, slot: int, deltas: list[CountDelta]) -> Sums:
        memory, book = self._memory, self._book
        rows = memory.seat(slot, deltas)
        explained = book.explained(rows.leaf_keys, memory.catalog)
        if book.open:
            tried, failed = split(rows.counts)
            batch = Batch(slot, rows.leaf_keys, tried, failed)
            book.count(batch, self._now, memory.catalog)
        for delta in deltas:
            book.note_reasons(slot, delta.reasons)
            self._watch.rounds.hear(slot, delta.reasons, self._now)
        return memory.enter(rows, explained)
