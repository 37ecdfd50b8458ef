"""The slow rules at work: what they find becomes tickets (``tickets``).

Drift is told of the keys where it is plainest, and not again of what those explain.
Silence is a roll call: keys that have a place but no mail are judged as of the newest
mail of the fleet, so that a stream that stands still accuses nobody; that is the
fleet's own silence, and while it lasts no other is told.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from monitor.events import (
    Channel,
    IncidentKind,
    ReasonCount,
    ReasonShare,
    Scope,
)
from monitor.observe.arrays import Bools, Floats, Ints, State
from monitor.observe.book import covers, keys_of
from monitor.observe.bounds import Bitten, Bound
from monitor.observe.channels import CHANNELS, SPECIFIC_FIRST, TWINS, WIDTH
from monitor.observe.detectors import NEW_REPLY, Detector, Look, Reading
from monitor.observe.detectors.drift import SCREEN, Drift
from monitor.observe.detectors.silence import Silence
from monitor.observe.gate import Gate
from monitor.observe.keys import FLEET, PAIRS
from monitor.observe.memory import Memory
from monitor.observe.policy import ObservePolicy
from monitor.observe.replies import NewReply, Replies
from monitor.observe.tickets import Matter, Ticket, Tickets

#: A round is made this often.
ROUND_SECONDS = 10.0

#: A gap between ticks from which we ourselves were silent, not the fleet.
ABSENT_SECONDS = 60.0

#: Of the drifts found at once those with almost as much evidence as the best are one:
#: the widest key stands for them.
ALMOST = 0.7

#: A drift is explained by told ones that make up this part of its excess.
EXPLAINED_PART = 0.5

#: Most tickets of one kind that one round files.
MOST_A_ROUND = 5

#: The fleet is silent if so many keys of a kind are, with this part of its mail.
FLEET_KEYS, FLEET_PART = 2, 0.8

#: What is silent for so long is not coming back: a campaign that is over.
GONE_SECONDS = 3 * 86_400.0

#: A new text is told until it is known: a day; or until it was not seen for an hour.
NEWS_LASTS_SECONDS = 86_400.0
NEWS_IDLE_SECONDS = 3_600.0


class Rounds:
    """The slow rules and the tickets of one fleet.

    Args:
        fleet: its name.
        policy: gives the bounds.
        memory: what is known of the fleet.
        rules: the rules that file tickets; each is attached to the memory already.
    """

    def __init__(
        self,
        fleet: str,
        policy: ObservePolicy,
        memory: Memory,
        rules: Sequence[Detector],
    ) -> None:
        self._policy, self._memory, self._rules = policy, memory, rules
        self._drift = next((r for r in rules if isinstance(r, Drift)), None)
        self._silence = next((r for r in rules if isinstance(r, Silence)), None)
        self.replies = Replies()
        self._threshold = np.inf
        self._watching = self._ticked = self._done = 0.0
        self.tickets = Tickets(fleet)
        self.gate = Gate(policy.stale_after_seconds)

    @property
    def bitten(self) -> Bitten:
        """How often the bounds of tickets and known texts were met."""
        return {
            Bound.TICKETS: self.tickets.refused,
            Bound.TEXTS: self.replies.dropped,
        }

    def look(self, look: Look) -> None:
        """Show new counts to the slow rules."""
        self._threshold = float(look.threshold.max(initial=0.0))
        for rule in self._rules:
            reading = rule.look(look)
            if rule is self._drift and reading.over.any():
                self._drifts(look, reading)

    def hear(self, slot: int, reasons: Sequence[ReasonCount], now: float) -> None:
        """Show replies of one slot."""
        if NEW_REPLY not in self._policy.detectors:
            return
        news = self.gate.is_open and not self._policy.is_stale(slot, now)
        seconds = float(slot * self._policy.slot_seconds)
        for found in self.replies.note(seconds, reasons, news):
            self.tickets.tell(_news(found), now)

    def turn(self, now: float) -> None:
        """Make a round if one is due."""
        if now - self._ticked > ABSENT_SECONDS:
            self._watching = now
        self._ticked = now
        if now - self._done < ROUND_SECONDS:
            return
        self._done = now
        self.gate.tell(self.tickets, now)
        self._end_drifts(now)
        self._end_news(now)
        self._end_silences(now)
        if self._silence is not None and self.gate.is_open:
            self._roll_call(self._silence, now)

    def accept(self, ticket: Ticket, now: float) -> bool:
        """Take what a ticket tells for the new normal; a shut gate never is."""
        matter = ticket.matter
        if matter.kind is IncidentKind.GATE:
            return False
        touched, own = keys_of(matter.scope, self._memory.catalog)
        keys = own if matter.kind is IncidentKind.SILENCE else touched
        channels = np.isin(CHANNELS, _counted_twice(matter.channel))
        for rule in self._rules:
            if rule.kind is matter.kind:
                rule.reset(keys, channels)
        self.tickets.close(ticket, now)
        return True

    # -- drift ------------------------------------------------------------------

    def _drifts(self, look: Look, reading: Reading) -> None:
        """Tell the plainest of the drifts that no told one explains."""
        told = 0
        for channel in SPECIFIC_FIRST:
            column = CHANNELS.index(channel)
            score = np.where(reading.over, reading.score, 0.0)[:, column].copy()
            while score.any() and told < MOST_A_ROUND and self.gate.is_open:
                row = self._plainest(look.keys, score, column)
                score[row] = 0.0
                key = int(look.keys[row])
                matter = self._drifting(key, column, reading.start(row, column))
                if matter is not None and not self._is_explained(matter):
                    self.tickets.tell(matter, look.now)
                    told += 1

    def _plainest(self, keys: Ints, score: Floats, column: int) -> int:
        rows = np.flatnonzero(score >= ALMOST * score.max())
        excess = [self._excess(int(keys[row]), column) for row in rows]
        return int(rows[int(np.argmax(excess))])

    def _excess(self, key: int, column: int) -> float:
        assert self._drift is not None
        tried, failed, rate = self._drift.figures(key, column)
        return failed - tried * rate

    def _drifting(self, key: int, column: int, start: float) -> Matter | None:
        scope = self._memory.catalog.scopes[key]
        if scope is None or self._drift is None:
            return None
        tried, failed, rate = self._drift.figures(key, column)
        now = failed / max(tried, 1.0)
        return Matter(
            kind=IncidentKind.DRIFT,
            scope=scope,
            channel=CHANNELS[column],
            start=start,
            attempts=tried,
            failed=failed,
            baseline=rate,
            note=f"{now:.2%} over the last day, {rate:.2%} over the weeks before it",
        )

    def _is_explained(self, matter: Matter) -> bool:
        """True if other open tickets account for a good part of its excess."""
        excess = matter.failed - matter.attempts * matter.baseline
        theirs = 0.0
        for ticket in self.tickets.of(IncidentKind.DRIFT):
            other = ticket.matter
            if matter.channel not in _counted_twice(other.channel):
                continue
            if matter.name == other.name:
                return False
            if covers(other.scope, matter.scope):
                return True
            if self._share_mail(other.scope, matter.scope):
                theirs += other.failed - other.attempts * other.baseline
        return theirs >= EXPLAINED_PART * excess

    def _share_mail(self, one: Scope, other: Scope) -> bool:
        catalog = self._memory.catalog
        return catalog.place_of(other) in keys_of(one, catalog)[0]

    def _end_drifts(self, now: float) -> None:
        for ticket in self.tickets.of(IncidentKind.DRIFT):
            key = self._memory.catalog.place_of(ticket.matter.scope)
            column = CHANNELS.index(ticket.matter.channel)
            matter = None
            if key >= 0 and self._drift and self._drift.score(key, column) > SCREEN:
                matter = self._drifting(key, column, ticket.matter.start)
            if matter is None:
                self.tickets.close(ticket, now)
            else:
                self.tickets.tell(matter, now)

    # -- silence ----------------------------------------------------------------

    def _roll_call(self, rule: Silence, now: float) -> None:
        catalog = self._memory.catalog
        seconds = self._policy.slot_seconds
        kinds = catalog.key_kind[: len(catalog.scopes)]
        keys = np.flatnonzero((kinds >= FLEET) & ~np.isin(kinds, tuple(PAIRS)))
        rule.seen(keys, (catalog.key_seen[keys] + 1) * seconds)
        fleet, others = keys[:1], keys[1:]
        head = (float(catalog.key_seen[FLEET]) + 1.0) * seconds
        watched = now - self._watching >= now - head
        if watched and self._silent(rule, fleet, now).any():
            self._tell_fleet(rule, now)
            return
        others = others[rule.may_be_silent(others, head)]
        silent = others[self._silent(rule, others, head)]
        if not len(silent):
            return
        since = np.full(len(silent) + 1, head - ROUND_SECONDS)
        whole, *missing = rule.expected(np.append(fleet, silent), since, head)
        by_kind = np.bincount(catalog.key_kind[silent], missing)
        by_kind[np.bincount(catalog.key_kind[silent]) < FLEET_KEYS] = 0.0
        if by_kind.max() >= FLEET_PART * whole:
            self._tell_fleet(rule, head)
        else:
            self._tell_widest(rule, silent, head)

    def _tell_widest(self, rule: Silence, silent: Ints, head: float) -> None:
        """Tell those whose mail is not all part of another's."""
        catalog = self._memory.catalog
        told = set()
        for ticket in self.tickets.of(IncidentKind.SILENCE):
            told.update(keys_of(ticket.matter.scope, catalog)[1].tolist())
        gaps = rule.gap(silent, head)[1]
        for key in silent[np.argsort(-gaps, kind="stable")][:MOST_A_ROUND]:
            scope = catalog.scopes[key]
            if scope is None or int(key) in told:
                continue
            inner = set(keys_of(scope, catalog)[1].tolist())
            told.update(inner)
            self._tell_silence(rule, int(key), head)
            for ticket in self.tickets.of(IncidentKind.SILENCE):
                place = catalog.place_of(ticket.matter.scope)
                if place != key and place in inner:
                    self.tickets.close(ticket, self._done)

    def _silent(self, rule: Silence, keys: Ints, head: float) -> Bools:
        nothing = np.zeros((len(keys), WIDTH))
        look = Look(
            now=head,
            begins=head,
            keys=keys,
            kinds=self._memory.catalog.key_kind[keys],
            tried=nothing,
            failed=nothing,
            rate=nothing,
            info=nothing,
            cv2=nothing,
            phi=nothing,
            known=nothing > 0,
            threshold=np.full(nothing.shape, self._threshold),
        )
        silent: Bools = rule.look(look).over[:, 0]
        return silent

    def _tell_fleet(self, rule: Silence, head: float) -> None:
        """One ticket for all: what stands still is the pipeline."""
        for ticket in self.tickets.of(IncidentKind.SILENCE):
            if ticket.matter.scope != Scope():
                self.tickets.close(ticket, self._done)
        self._tell_silence(rule, FLEET, head)

    def _tell_silence(self, rule: Silence, key: int, head: float) -> None:
        scope = self._memory.catalog.scopes[key]
        assert scope is not None
        since, missing = rule.gap(np.array([key]), head)
        minutes = (head - since[0]) / 60.0
        note = f"no mail for {minutes:.0f} min, {missing[0]:.0f} attempts were expected"
        if key == FLEET:
            note += "; is the pipeline well?"
        matter = Matter(
            kind=IncidentKind.SILENCE,
            scope=scope,
            start=float(since[0]),
            attempts=float(missing[0]),
            failed=float(missing[0]),
            note=note,
        )
        self.tickets.tell(matter, self._done)

    def _end_silences(self, now: float) -> None:
        """Over is what sends again, and what is idle for so long that it is gone."""
        catalog = self._memory.catalog
        for ticket in self.tickets.of(IncidentKind.SILENCE):
            key = catalog.place_of(ticket.matter.scope)
            seen = (catalog.key_seen[key] + 1.0) * self._policy.slot_seconds
            if key < 0 or seen > ticket.matter.start + ROUND_SECONDS:
                self.tickets.close(ticket, now)
            elif now - ticket.matter.start > GONE_SECONDS:
                self.accept(ticket, now)

    # -- new replies ------------------------------------------------------------

    def _end_news(self, now: float) -> None:
        for ticket in self.tickets.of(IncidentKind.NEW_REPLY):
            matter = ticket.matter
            last = self.replies.last(matter.scope.provider or "", matter.detail)
            known = now - matter.start >= NEWS_LASTS_SECONDS
            if known or now - last >= NEWS_IDLE_SECONDS:
                self.tickets.close(ticket, now)

    # -- snapshot ---------------------------------------------------------------

    def state(self) -> dict[str, State]:
        """What a snapshot needs beside the rules'."""
        return {"tickets": self.tickets.state(), "replies": self.replies.state()}

    def load(self, parts: Mapping[str, State]) -> None:
        """Take back what ``state`` gave."""
        self.tickets.load(parts["tickets"])
        self.replies.load(parts["replies"])


def _counted_twice(channel: Channel) -> tuple[Channel, ...]:
    return (channel, *TWINS[channel])


def _news(found: NewReply) -> Matter:
    share = ReasonShare(reason=found.reason, share=1.0, sample=found.sample)
    return Matter(
        kind=IncidentKind.NEW_REPLY,
        scope=Scope(provider=found.provider),
        detail=found.template,
        start=found.first,
        reasons=(share,),
        note=f"a reply not seen for a week came {found.early:.0f} times in ten minutes",
    )
