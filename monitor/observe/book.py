"""The book of incidents: one per cause, kept until it is over and an hour longer.

While a case is open its leaves are *explained* in its channels: they neither alarm nor
teach any key, so one cause cannot open a second incident through another key, and what
is wrong does not become the new normal.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from monitor.events import (
    SCOPE_DIMENSIONS,
    Channel,
    Incident,
    ReasonCount,
    Scope,
    Severity,
)
from monitor.observe.arrays import Array, Bools, Floats, Ints
from monitor.observe.bounds import Bitten, Bound
from monitor.observe.case import Case, Writer
from monitor.observe.channels import CHANNELS, FOLLOWS, WIDTH, mask_of
from monitor.observe.inquiry import Finding
from monitor.observe.keys import FLEET, KINDS, Catalog
from monitor.observe.recent import Reasons
from monitor.observe.survey import SlotCounts

#: Most open cases. More causes at once than this are one that we cannot name; further
#: ones are refused and counted.
MOST_OPEN = 100

#: A closed case opens again, instead of a new one, for so long; so many are remembered.
REOPEN_SECONDS = 3_600.0
MOST_CLOSED = 500

#: A wider cause takes over a narrower one of its channel if they began so close.
WIDEN_SECONDS = 300.0


class Batch(NamedTuple):
    """Rows of one slot: their leaf keys, attempts and failures by channel."""

    slot: int
    leaf_keys: Array
    tried: Floats
    failed: Floats


class Book:
    """Open and lately closed cases.

    Args:
        writer: opens cases and writes them down.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.cases: list[Case] = []
        self.refused = 0
        #: Closed cases forgotten while they could have opened again.
        self.dropped = 0
        self._written: dict[str, Incident] = {}

    @property
    def fleet(self) -> str:
        """Whose book it is."""
        return self._writer.fleet

    @property
    def bitten(self) -> Bitten:
        """How often the bounds of the book were met."""
        return {Bound.INCIDENTS: self.refused, Bound.CLOSED: self.dropped}

    def find(self, incident_id: str) -> Case | None:
        """The open case of this id."""
        return next((case for case in self.open if case.id == incident_id), None)

    @property
    def open(self) -> list[Case]:
        """Cases that are not closed, in the order of their opening."""
        return [case for case in self.cases if case.is_open]

    def file(self, finding: Finding, now: float) -> Case | None:
        """Enter a cause: as a new case, or into one that it belongs to.

        Returns:
            The case, or none if the book is full.
        """
        case = self._known(finding)
        if case is not None:
            case.channels = list(dict.fromkeys([*case.channels, *finding.channels]))
            return case
        case = self._narrower(finding)
        if case is not None:
            self._widen(case, finding, now)
            return case
        case = self._closed(finding, now)
        if case is not None:
            case.reopen(finding, now)
            self._count(case, finding)
            return case
        if len(self.open) >= MOST_OPEN:
            self.refused += 1
            return None
        taken = {case.id for case in self.cases}
        case = self._writer.case_of(finding, now, taken)
        self.cases.append(case)
        return case

    def _known(self, finding: Finding) -> Case | None:
        """An open case that a finding is a consequence of."""
        for case in self.open:
            if not covers(case.scope, finding.scope):
                continue
            if case.standing and finding.detector != case.detector:
                continue
            if case.scope == finding.scope and finding.channel is case.channel:
                return case
            follows = case.channel in FOLLOWS.get(finding.channel, ())
            follows |= case.channel is Channel.BOUNCE
            if follows and case.scope.kind != "fleet":
                return case
        return None

    def _narrower(self, finding: Finding) -> Case | None:
        """An open case that turns out to be part of a finding."""
        for case in self.open:
            wider = covers(finding.scope, case.scope) or finding.scope in case.wider
            same = case.channel is finding.channel and wider
            if same and abs(case.start - finding.start) <= WIDEN_SECONDS:
                return case
        return None

    def _widen(self, case: Case, finding: Finding, now: float) -> None:
        case.scope, case.changed = finding.scope, True
        case.start = min(case.start, finding.start)
        case.share = min(1.0, case.share + finding.share)
        case.not_affected = finding.not_affected
        case.channels = list(dict.fromkeys([*case.channels, *finding.channels]))
        case.recovery.restart(now)
        self._count(case, finding)

    def narrow(
        self,
        case: Case,
        scope: Scope,
        baseline: float,
        counts: Sequence[SlotCounts],
        now: float,
    ) -> None:
        """Only a part of what a case was named for is bad: name that, and hold it to
        what is normal there.
        """
        case.wider.append(case.scope)
        case.scope, case.changed = scope, True
        case.recovery.restart(now)
        case.baseline = case.recovery.good = baseline
        case.tried = case.failed = 0.0
        case.slots, case.reasons = {}, Reasons()
        for slot in counts:
            tried, failed = slot.tried[case.column], slot.failed[case.column]
            case.count(slot.slot, tried, failed, self._writer.keep)

    def _count(self, case: Case, finding: Finding) -> None:
        column = CHANNELS.index(finding.channel)
        for slot in finding.counts:
            tried, failed = slot.tried[column], slot.failed[column]
            case.count(slot.slot, tried, failed, self._writer.keep)

    def _closed(self, finding: Finding, now: float) -> Case | None:
        for case in self.cases:
            if case.closed_at is None or now - case.closed_at > REOPEN_SECONDS:
                continue
            if case.scope == finding.scope and case.channel is finding.channel:
                return case
        return None

    def lately_closed(self, now: float) -> list[Case]:
        """Cases whose return needs less evidence."""
        return [
            case
            for case in self.cases
            if case.closed_at is not None
            and now - case.closed_at <= REOPEN_SECONDS
            and not case.accepted
        ]

    @property
    def standing(self) -> list[Case]:
        """Open tickets of limits that are always exceeded."""
        return [
            case
            for case in self.open
            if case.standing and case.severity is Severity.TICKET
        ]

    def explained(
        self, keys: Array, catalog: Catalog, to_limits: bool = False
    ) -> Bools:
        """For rows of leaf keys, the channels that open cases explain.

        Args:
            keys: rows of leaf keys.
            catalog: the keys.
            to_limits: what stands above a limit explains nothing but that.
        """
        explained = np.zeros((len(keys), WIDTH), bool)
        standing = [] if to_limits else [id(case) for case in self.standing]
        for case in self.open:
            if id(case) in standing:
                continue
            mine = inside(case.scope, keys, catalog)
            explained |= mine[:, None] & mask_of(tuple(case.channels))
        return explained

    def count(self, batch: Batch, now: float, catalog: Catalog) -> None:
        """Add rows of one slot to the open cases they belong to."""
        for case in self.open:
            mine = inside(case.scope, batch.leaf_keys, catalog)
            if batch.slot < self._writer.slot_of(case.start) or not mine.any():
                continue
            tried = float(batch.tried[mine, case.column].sum())
            failed = float(batch.failed[mine, case.column].sum())
            case.count(batch.slot, tried, failed, self._writer.keep)
            case.recovery.add(now, tried, failed)

    def note_reasons(self, slot: int, reasons: Sequence[ReasonCount]) -> None:
        """Add reasons of one slot to the open cases that they may be about."""
        for case in self.open:
            if slot >= self._writer.slot_of(case.start):
                case.note_reasons(reasons)

    def turn(self, now: float) -> list[Incident]:
        """Move all cases on, and write those that have news."""
        written = []
        for case in self.open:
            self._writer.follow(case, now)
            case.move(now)
            if case.has_news(now):
                case.changed, case.written_at = False, now
                incident = self._writer.write(case, now)
                self._written[case.id] = incident
                written.append(incident)
        self._forget(now)
        return written

    def incidents(self, now: float) -> list[Incident]:
        """The open incidents as they were last written, or as of now if never."""
        return [
            self._written.get(case.id) or self._writer.write(case, now)
            for case in self.open
        ]

    def _forget(self, now: float) -> None:
        closed = sorted(self.lately_closed(now), key=lambda case: case.closed_at or 0.0)
        self.dropped += max(0, len(closed) - MOST_CLOSED)
        kept = {id(case) for case in closed[-MOST_CLOSED:]}
        self.cases = [c for c in self.cases if c.is_open or id(c) in kept]
        for gone in self._written.keys() - {case.id for case in self.open}:
            del self._written[gone]


def covers(outer: Scope, inner: Scope) -> bool:
    """True if every cell of the inner scope is in the outer one.

    >>> covers(Scope(provider="gmail"), Scope(provider="gmail", campaign="c1"))
    True
    """
    pairs = zip(outer.values, inner.values, strict=True)
    return all(want is None or want == have for want, have in pairs)


def inside(scope: Scope, keys: Array, catalog: Catalog) -> Bools:
    """Which rows of leaf keys belong to a scope."""
    mine = np.ones(len(keys), bool)
    for kind, value in _fixed(scope):
        # A value without a place has place 0, the fleet's, which no value has.
        mine &= keys[:, kind] == max(catalog.key_of(kind, value), FLEET)
    return mine


def _fixed(scope: Scope) -> Sequence[tuple[int, str]]:
    return [
        (KINDS.index(name), value)
        for name, value in zip(SCOPE_DIMENSIONS, scope.values, strict=True)
        if value is not None
    ]


def keys_of(scope: Scope, catalog: Catalog) -> tuple[Ints, Ints]:
    """Keys that have leaves in a scope, and those of them that have no others."""
    leaves = catalog.leaf_keys[: len(catalog.cells)]
    mine = inside(scope, leaves, catalog)
    touched = np.unique(leaves[mine]).astype(np.int64)
    touched = touched[touched >= 0]
    return touched, np.setdiff1d(touched, leaves[~mine])
