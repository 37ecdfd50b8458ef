"""The rules at work: they look at new counts, and what they see becomes incidents.

All slots that ended lately are one look. Every rule judges every key of the look; for
each rule and channel the anomaly with the best evidence goes to an inquiry, its causes
go to the book, and all evidence that a cause explains is taken back at once: from the
other keys, from the other channels, from what was about to be learned. What is still
over the line after that is another cause's.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from monitor.events import Channel, IncidentKind
from monitor.observe.arrays import Bools, Floats, Ints, State, rows_of
from monitor.observe.blame import MOST_CAUSES, PLAIN_NATS
from monitor.observe.book import Book, keys_of
from monitor.observe.bounds import Bitten, Bound
from monitor.observe.case import LIMIT, Case
from monitor.observe.channels import CHANNELS, SPECIFIC_FIRST, WIDTH
from monitor.observe.detectors import Detector, Look, Reading, detectors_of
from monitor.observe.detectors.heaps import Heaps
from monitor.observe.detectors.nb_glr import NbGlr
from monitor.observe.inquiry import Finding, Inquiry, Suspicion
from monitor.observe.knob import REPEAT_NATS, Knob
from monitor.observe.memory import Memory, Sums
from monitor.observe.policy import ObservePolicy
from monitor.observe.review import Review
from monitor.observe.rounds import Rounds

#: An anomaly without a cause among the leaves (a mix that shifts, say) is looked into
#: again after so long, when more has been counted.
RETRY_SECONDS = 5.0

#: Two names for a few failures may be about as likely, and the wrong one slows the
#: innocent. What is not plain waits so long for the next looks, if they come so soon.
DOUBT_SECONDS = 3.0

#: So many nats below its threshold a key may be blamed together with another one.
NEAR_NATS = 5.0

#: Channels that one failure is counted in.
CHANNELS_EACH = 2.0

#: A change is dated by event time: by the slot before which only this part of a look's
#: counts lie. Events may come a minute late; a few stragglers must not date a change.
EARLY_PART = 0.1

#: Is shown each look, and what each rule makes of it before anything is taken back.
Listener = Callable[[Look, Mapping[str, Reading]], None]


class _Doubt(NamedTuple):
    """What waits to be named: since when, and what was last said and found of it."""

    since: float
    suspicion: Suspicion
    findings: list[Finding]


class Watch:
    """Detectors, threshold and inquiries of one fleet.

    Args:
        policy: which rules, and how loud.
        memory: what is known of the fleet.
        book: where causes are filed.
    """

    def __init__(self, policy: ObservePolicy, memory: Memory, book: Book) -> None:
        self._policy, self._memory, self._book = policy, memory, book
        detectors = detectors_of(policy, memory.capacity)
        for detector in detectors:
            memory.attach(detector)
        self._detectors = [d for d in detectors if d.kind is IncidentKind.SPIKE]
        self._slow = [d for d in detectors if d.kind is not IncidentKind.SPIKE]
        self._review = Review(policy, memory, book)
        self.rounds = Rounds(book.fleet, policy, memory, self._slow)
        self._knob = Knob(policy.false_pages_per_week)
        self._retry: dict[tuple[str, Channel], float] = {}
        self._doubts: dict[tuple[str, Channel, int], _Doubt] = {}
        self._now = self._cadence = 0.0
        self.unexplained = 0
        self.listener: Listener = lambda *_: None

    @property
    def threshold(self) -> float:
        """Evidence, in nats, that an anomaly needs."""
        return self._knob.threshold

    @property
    def expected_false_pages(self) -> float:
        """False pages a week that finished excursions foretell."""
        return self._knob.expected_false_pages

    @property
    def heaps(self) -> list[Heaps]:
        """The heaps of the rules that count them."""
        return [rule.heaps for rule in self._detectors if isinstance(rule, NbGlr)]

    @property
    def bitten(self) -> Bitten:
        """How often the bounds of rules and rounds were met."""
        unwatched = sum(heaps.unwatched for heaps in self.heaps)
        return self.rounds.bitten | {Bound.MOMENTS: unwatched}

    def judge(self, fresh: list[Sums], now: float, seconds: float) -> None:
        """Let the rules look at new counts, and find out what they have seen.

        Args:
            fresh: counts of slots that ended lately, oldest first.
            now: time of the look.
            seconds: time since the last one.
        """
        self._now, self._cadence = now, seconds
        if not self.rounds.gate.is_open:
            return
        sums = _merged(fresh)
        look = self._look(sums, self._begins(fresh))
        self.rounds.look(look)
        readings = [detector.look(look) for detector in self._detectors]
        names = (detector.name for detector in self._detectors)
        self.listener(look, dict(zip(names, readings, strict=True)))
        warm = [reading.warm for reading in readings]
        self._memory.warm[sums.keys] = np.logical_or.reduce(warm)
        settled = np.zeros_like(self._memory.warm)
        for detector, reading in zip(self._detectors, readings, strict=True):
            self._pass_over(detector, reading, sums.keys)
            for channel in SPECIFIC_FIRST:
                self._follow((detector, channel), reading, look, settled)
        self._knob.note(_looks(look), seconds)
        self._heed()

    def _follow(
        self,
        rule: tuple[Detector, Channel],
        reading: Reading,
        look: Look,
        settled: Bools,
    ) -> None:
        """Look into what is over the line in a channel, the best evidence first."""
        (detector, channel), column = rule, CHANNELS.index(rule[1])
        score = reading.score[:, column]
        for _ in range(MOST_CAUSES):
            over = reading.over[:, column] & ~settled[look.keys, column]
            if not over.any():
                return
            near = score >= look.threshold[:, column] - NEAR_NATS
            best = int(np.argmax(np.where(over, score, -1.0)))
            suspicion = Suspicion(
                detector.name,
                channel,
                int(look.keys[best]),
                reading.start(best, column),
                detector.ceiling,
                float(np.sqrt(look.cv2[best, column])),
                look.keys[near],
            )
            self._inquire(suspicion, settled)

    def _heed(self) -> None:
        for detector in self._detectors:
            if isinstance(detector, NbGlr):
                self._knob.heed(detector.tail.high)

    def _pass_over(self, detector: Detector, reading: Reading, keys: Ints) -> None:
        """Take back what a limit says of what stands above it, and of its parents."""
        if not reading.over.any() or not np.isfinite(detector.ceiling).any():
            return
        for case in self._book.standing:
            touched, _ = keys_of(case.scope, self._memory.catalog)
            channels = np.isin(CHANNELS, case.channels)
            reading.over[np.ix_(np.isin(keys, touched), channels)] = False
            detector.reset(touched, channels)

    def _begins(self, fresh: list[Sums]) -> float:
        """Event time from which all but a few of the counts are."""
        volume = np.cumsum([sums.tried[0].max() for sums in fresh])
        first = int(np.argmax(volume >= EARLY_PART * volume[-1]))
        ends = (fresh[first].slot + 1) * self._policy.slot_seconds
        return min(self._now, ends - 1.0)

    def _look(self, sums: Sums, begins: float) -> Look:
        memory, keys = self._memory, sums.keys
        return Look(
            now=self._now,
            begins=begins,
            keys=keys,
            kinds=memory.catalog.key_kind[keys],
            tried=sums.tried,
            failed=sums.failed,
            rate=memory.normal(sums.slot, keys),
            info=rows_of(memory.baseline.info, keys),
            cv2=rows_of(memory.dispersion.cv2, keys),
            phi=rows_of(memory.dispersion.phi, keys),
            known=memory.known(keys),
            threshold=self._thresholds(sums),
        )

    def _thresholds(self, sums: Sums) -> Floats:
        # One number for all of them, unless some differ.
        thresholds = np.broadcast_to(self._knob.threshold, sums.tried.shape)
        place_of, cases = self._memory.catalog.place_of, self._book.lately_closed
        again = [(place_of(case.scope), case.column) for case in cases(self._now)]
        if again:
            thresholds = thresholds.copy()
            places, columns = np.array(again).T
            rows = np.searchsorted(sums.keys, places) % len(sums.keys)
            met = sums.keys[rows] == places
            thresholds[rows[met], columns[met]] -= REPEAT_NATS
        return thresholds

    def _inquire(
        self, suspicion: Suspicion, settled: Bools, last_word: bool = False
    ) -> bool:
        """Find causes and file them, but for those that wait; mark the keys and
        channels they explain. Returns whether any was filed.
        """
        name = suspicion.detector, suspicion.channel
        if self._now < self._retry.get(name, 0.0) and not last_word:
            return False
        catalog = self._memory.catalog
        survey = self._memory.survey(self._policy.slot_of(suspicion.start))
        absolute = bool(np.isfinite(suspicion.ceiling).any())
        explained = self._book.explained(survey.leaf_keys, catalog, absolute)
        inquiry = Inquiry(survey, explained, catalog, self._policy.slot_seconds)
        findings = inquiry.findings(suspicion)
        hasty = last_word or self._cadence > DOUBT_SECONDS
        plain = [one for one in findings if hasty or one.lead >= PLAIN_NATS]
        waiting = [one for one in findings if not hasty and one.lead < PLAIN_NATS]
        filed = [self._file(one, settled) for one in plain]
        if waiting:
            self._wait(waiting, suspicion, settled)
        self.unexplained += not findings
        if not any(filed) and not waiting:
            self._retry[name] = self._now + RETRY_SECONDS
        return any(filed)

    def _wait(
        self, findings: list[Finding], suspicion: Suspicion, settled: Bools
    ) -> None:
        """Let findings wait until their causes are plain. In this look nobody else is
        to tell of them either: some rules take the widest key for the cause.
        """
        name = suspicion.detector, suspicion.channel, suspicion.key
        since = self._doubts[name].since if name in self._doubts else self._now
        self._doubts[name] = _Doubt(since, suspicion, findings)
        for finding in findings:
            touched, _ = keys_of(finding.scope, self._memory.catalog)
            channels = np.flatnonzero(np.isin(CHANNELS, finding.channels))
            settled[np.ix_(np.append(touched, suspicion.key), channels)] = True

    def _end_doubts(self, now: float) -> None:
        """Name what has waited long enough, whether or not there was more mail; if it
        looks like nothing now, as it looked then: it was over the line.
        """
        if not self._doubts:
            return
        self._now = now
        settled = np.zeros_like(self._memory.warm)
        for name, doubt in list(self._doubts.items()):
            if name not in self._doubts or now - doubt.since < DOUBT_SECONDS:
                continue
            del self._doubts[name]
            # A key may have been evicted meanwhile.
            known = self._memory.catalog.scopes[doubt.suspicion.key] is not None
            if not known or not self.rounds.gate.is_open:
                continue
            if not self._inquire(doubt.suspicion, settled, last_word=True):
                for finding in doubt.findings:
                    self._file(finding, settled)

    def look_around(self, now: float) -> None:
        """Let the slow rules make their rounds, and see after what is open."""
        self._end_doubts(now)
        self.rounds.turn(now)
        for case in self._book.open:
            if case.stands(now) and not case.standing:
                case.standing = True
                self._relearn(case)
        self._review.turn(now)

    def _file(self, finding: Finding, settled: Bools) -> bool:
        case = self._book.file(self._honest(finding), self._now)
        if case is None:
            return False
        if not case.reasons.counts:
            first = self._policy.slot_of(case.start)
            case.note_reasons(self._memory.reasons.since(first))
        self._settle(case, settled)
        return True

    def _honest(self, finding: Finding) -> Finding:
        """Where nothing was learned, the limit is all that a rate can be held to."""
        place = self._memory.catalog.place_of(finding.scope)
        column = CHANNELS.index(finding.channel)
        limit = self._policy.limits.get(finding.channel)
        if place < 0 or finding.detector != LIMIT or limit is None:
            return finding
        if self._memory.known(np.array([place]))[0, column]:
            return finding
        return replace(finding, baseline=limit.warning)

    def _settle(self, case: Case, settled: Bools) -> None:
        """Take back the evidence that a case has explained, wherever it went."""
        memory = self._memory
        touched, own = keys_of(case.scope, memory.catalog)
        channels = np.isin(CHANNELS, case.channels)
        settled[np.ix_(touched, np.flatnonzero(channels))] = True
        memory.baseline.drop(own, channels)
        memory.season.drop(own, channels)
        memory.dispersion.drop(touched, channels)
        for detector in self._detectors:
            detector.reset(touched, channels)
        self._doubts = {
            name: doubt
            for name, doubt in self._doubts.items()
            if name[1] not in case.channels or name[2] not in touched
        }

    def accept(self, incident_id: str, now: float) -> bool:
        """A person says that what an open incident tells is the new normal.

        Returns:
            False if there is no such incident, if its rate is above an absolute limit,
            which is the policy's to change, or if it tells of a gate, which opens when
            the counts are well.
        """
        ticket = self.rounds.tickets.find(incident_id)
        if ticket is not None:
            return self.rounds.accept(ticket, now)
        case = self._book.find(incident_id)
        if case is None or self._is_absolute(case):
            return False
        case.accepted = True
        self._relearn(case)
        return True

    def _is_absolute(self, case: Case) -> bool:
        """True if a limit found it, and that limit still stands."""
        rules = [rule for rule in self._detectors if rule.name == case.detector]
        return any(np.isfinite(rule.ceiling[case.column]) for rule in rules)

    def _relearn(self, case: Case) -> None:
        """Take the rates since a case began for normal."""
        memory, channels = self._memory, np.isin(CHANNELS, case.channels)
        touched, _ = keys_of(case.scope, memory.catalog)
        memory.relearn(touched, channels, self._policy.slot_of(case.start))
        for detector in self._detectors:
            detector.reset(touched, channels)

    def state(self) -> dict[str, State]:
        """What a snapshot needs, by component."""
        size = len(self._memory.catalog.scopes)
        detectors = (*self._detectors, *self._slow)
        parts = {detector.name: detector.state(size) for detector in detectors}
        return parts | {"knob": self._knob.state()} | self.rounds.state()

    def load(self, parts: Mapping[str, State]) -> None:
        """Take back what ``state`` gave; a rule that was not there begins anew."""
        self._knob.load(parts["knob"])
        self.rounds.load(parts)
        for detector in (*self._detectors, *self._slow):
            if detector.name in parts:
                detector.load(parts[detector.name])
        self._heed()


def _looks(look: Look) -> float:
    """Looks that held a failure; one counts once, whatever it is rolled up to."""
    held = np.count_nonzero(look.known & (look.failed > 0), axis=1)
    return float(np.bincount(look.kinds, held, minlength=1).max()) / CHANNELS_EACH


def _merged(fresh: list[Sums]) -> Sums:
    """Several slots as one look."""
    if len(fresh) == 1:
        return fresh[0]
    keys = np.unique(np.concatenate([sums.keys for sums in fresh]))
    counts = np.zeros((2 * WIDTH, len(keys)), np.float32)
    for sums in fresh:
        places = np.searchsorted(keys, sums.keys)
        for mine, column in zip(counts, (*sums.tried.T, *sums.failed.T), strict=True):
            mine[places] += column
    return Sums(fresh[-1].slot, keys, counts[:WIDTH].T, counts[WIDTH:].T)
