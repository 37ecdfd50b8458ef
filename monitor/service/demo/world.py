"""The traffic model: a seeded world of senders and receivers, without a clock.

Theory of operation
-------------------
New mail arrives as a Poisson process; its rate follows the hour (a day is pressed into
one hour) and bursts of single campaigns. Each attempt meets a fate, and makes an event
that reaches the log a moment later. Some events are written twice, some long after
the fact; a deferred mail is tried again. All that waits for its time sits in one heap,
so the world's log comes out in order of log time, whatever steps it is advanced in,
and is a function of the seed, the incidents and the directives that it was given.
"""

import heapq
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate
from math import pi, sin
from random import Random
from typing import NamedTuple

from monitor.events import Cell, Outcome
from monitor.service.demo.brakes import Brakes
from monitor.service.demo.cast import PROVIDERS, Campaign, Cast, Chances
from monitor.service.demo.incidents import Incident
from monitor.service.demo.records import Mail, encode_complaint, encode_event
from monitor.service.demo.replies import OUTCOMES, Fate
from monitor.service.demo.truth import Truth

#: A day of the model: short, so that a demo sees the volume change.
DAY_SECONDS = 3600.0
DAY_SWING = 0.25

#: Arrival rates are laid down for so long; a burst begins and ends between plans.
PLAN_SECONDS = 5.0
BURST_CHANCE = 0.15
BURST_FACTOR = 2.5
BURST_PLANS = (4, 12)

#: A deferred mail is tried again after so long, at most so often.
RETRY_SECONDS = (15.0, 60.0)
MAX_ATTEMPTS = 4

#: Seconds from an attempt to its record in the log.
TRANSIT_SECONDS = (0.02, 0.25)

#: Shares of events that are written twice, or long after the fact.
DUPLICATE_SHARE = 0.004
LATE_SHARE = 0.002

#: A copy comes at once or minutes later, always within the allowed lateness.
COPY_SECONDS = ((0.1, 2.0), (30.0, 180.0))

#: A late event is so much older than the allowed lateness: more than any slot.
BEYOND_LATENESS = (60.0, 240.0)

#: Share of delivered mail that someone complains about, some time later.
COMPLAINT_SHARE = 0.0002
COMPLAINT_SECONDS = (20.0, 200.0)

#: What a deferral says, when nothing special goes on.
DEFERRALS = (Fate.GREYLISTED, Fate.GREYLISTED, Fate.BUSY, Fate.THROTTLED)


@dataclass(frozen=True)
class WorldPolicy:
    """Size and shape of a world.

    Args:
        seed: everything random comes from it.
        start: when its history begins, epoch seconds.
        live_from: from here on the full rate is sent.
        rate: new mails a second, mean over the day.
        history_share: part of the rate that is sent before ``live_from``.
        allowed_lateness: that of the monitor, seconds.
    """

    seed: int
    start: float
    live_from: float
    rate: float
    history_share: float = 1.0
    allowed_lateness: float = 600.0


class Record(NamedTuple):
    """One record for Kafka; ``log_time`` is its timestamp, ``key`` the event's id."""

    log_time: float
    key: str
    value: bytes


class _Kind(Enum):
    """What the truth will say of a record."""

    FIRST = "first"
    COPY = "copy"
    LATE = "late"


class _Written(NamedTuple):
    """A record on its way to the log."""

    record: Record
    cell: Cell
    outcome: Outcome
    kind: _Kind


class World:
    """Produces the log of one world, and keeps the truth about it.

    Args:
        policy: size and shape.
        cast: who sends to whom.
        brakes: directives that the sender obeys.
    """

    def __init__(self, policy: WorldPolicy, cast: Cast, brakes: Brakes) -> None:
        self.policy = policy
        self.truth = Truth()
        self.held = 0
        self._cast = cast
        self._brakes = brakes
        self._incidents: tuple[Incident, ...] = ()
        self._rng = Random(policy.seed)
        self._serial = 0
        self._waiting: list[tuple[float, int, Mail | _Written | None]] = []
        self._bursts: dict[int, float] = {}
        self._providers = list(accumulate(cast.provider_weights))
        self._plan_ends = policy.start
        self._campaigns: list[float] = []
        self._rate = 0.0
        self._expect(policy.start, None)

    def strike(self, incidents: Sequence[Incident]) -> None:
        """Let these incidents happen, each at its time; replaces earlier ones."""
        self._incidents = tuple(incidents)

    def advance(self, until: float) -> list[Record]:
        """Let the world run; returns what reached the log before ``until``."""
        log: list[Record] = []
        while self._waiting[0][0] < until:
            moment, _, item = heapq.heappop(self._waiting)
            if isinstance(item, _Written):
                self._note(item)
                log.append(item.record)
            elif isinstance(item, Mail):
                self._retry(item, moment)
            else:
                self._arrive(moment)
        return log

    def _expect(self, moment: float, item: Mail | _Written | None) -> None:
        """Let something happen later; None is the next new mail."""
        self._serial += 1
        heapq.heappush(self._waiting, (moment, self._serial, item))

    def _arrive(self, moment: float) -> None:
        """Send one new mail, and say when the next one comes."""
        if moment >= self._plan_ends:
            self._lay_plan(moment)
        mail = self._new_mail()
        if self._free(mail.cell, moment):
            self._attempt(mail, moment)
        else:
            # It waits in the sender's queue, beyond the end of the demo.
            self.held += 1
        self._expect(moment + self._rng.expovariate(self._rate), None)

    def _lay_plan(self, moment: float) -> None:
        """Set the arrival rates for the next few seconds."""
        policy, rng = self.policy, self._rng
        self._plan_ends = moment + PLAN_SECONDS
        self._bursts = {
            index: ends for index, ends in self._bursts.items() if ends > moment
        }
        if rng.random() < BURST_CHANCE:
            lasting = PLAN_SECONDS * rng.randint(*BURST_PLANS)
            self._bursts[rng.randrange(len(self._cast.campaigns))] = moment + lasting
        weights = [
            campaign.weight * (BURST_FACTOR if index in self._bursts else 1.0)
            for index, campaign in enumerate(self._cast.campaigns)
        ]
        self._campaigns = list(accumulate(weights))
        hour = sin(2 * pi * (moment - policy.start) / DAY_SECONDS)
        share = policy.history_share if moment < policy.live_from else 1.0
        swing = 1 + DAY_SWING * hour
        self._rate = policy.rate * share * swing * self._campaigns[-1]

    def _new_mail(self) -> Mail:
        rng = self._rng
        campaign: Campaign = self._cast.campaigns[_draw(rng, self._campaigns)]
        provider, domain = PROVIDERS[_draw(rng, self._providers)]
        ip = campaign.ips[int(rng.random() * len(campaign.ips))]
        cell = Cell(provider, ip, campaign.name, campaign.tenant, campaign.segment)
        self._serial += 1
        return Mail(f"m{self._serial:x}", domain, cell, 1)

    def _free(self, cell: Cell, moment: float) -> bool:
        fraction = self._brakes.fraction(cell, moment)
        return fraction >= 1 or self._rng.random() < fraction

    def _retry(self, mail: Mail, moment: float) -> None:
        """Try a deferred mail again, later still if the sender is to go slow."""
        if self._free(mail.cell, moment):
            self._attempt(mail, moment)
        else:
            self._expect(moment + self._rng.uniform(*RETRY_SECONDS), mail)

    def _attempt(self, mail: Mail, moment: float) -> None:
        """Try to deliver one mail; what comes of it is expected later."""
        rng = self._rng
        fate = self._fate(mail, moment)
        event_id = self._event_id()
        value = encode_event(event_id, mail, moment, fate, rng)
        self._log(mail, moment, OUTCOMES[fate], Record(moment, event_id, value))
        if OUTCOMES[fate] is Outcome.DEFERRED and mail.attempt < MAX_ATTEMPTS:
            again = moment + rng.uniform(*RETRY_SECONDS)
            self._expect(again, mail._replace(attempt=mail.attempt + 1))
        elif fate is Fate.DELIVERED and rng.random() < COMPLAINT_SHARE:
            self._complain(mail, moment + rng.uniform(*COMPLAINT_SECONDS))

    def _complain(self, mail: Mail, moment: float) -> None:
        event_id = self._event_id()
        value = encode_complaint(event_id, mail, moment)
        record = Record(moment, event_id, value)
        self._log(mail, moment, Outcome.COMPLAINED, record)

    def _event_id(self) -> str:
        self._serial += 1
        return f"{self.policy.seed:x}-{self._serial:x}"

    def _fate(self, mail: Mail, moment: float) -> Fate:
        rng = self._rng
        for incident in self._incidents:
            if incident.strikes(mail.cell, moment) and rng.random() < incident.share:
                return incident.fate
        chances = self._cast.chances[mail.cell.provider, mail.cell.campaign]
        return _normal_fate(rng, chances)

    def _log(self, mail: Mail, moment: float, outcome: Outcome, record: Record) -> None:
        """Send a record on its way to the log: once, twice, or far too late."""
        rng = self._rng
        written = moment + rng.uniform(*TRANSIT_SECONDS)
        kind, luck = _Kind.FIRST, rng.random()
        if luck < LATE_SHARE:
            written += self.policy.allowed_lateness + rng.uniform(*BEYOND_LATENESS)
            kind = _Kind.LATE
        record = record._replace(log_time=written)
        self._expect(written, _Written(record, mail.cell, outcome, kind))
        if luck > 1 - DUPLICATE_SHARE:
            again = written + rng.uniform(*rng.choice(COPY_SECONDS))
            copy = record._replace(log_time=again)
            self._expect(again, _Written(copy, mail.cell, outcome, _Kind.COPY))

    def _note(self, written: _Written) -> None:
        match written.kind:
            case _Kind.FIRST:
                self.truth.count(written.cell, written.outcome)
            case _Kind.COPY:
                self.truth.duplicate()
            case _Kind.LATE:
                self.truth.lateness()


def _draw(rng: Random, cumulative: list[float]) -> int:
    index = bisect(cumulative, rng.random() * cumulative[-1])
    return min(index, len(cumulative) - 1)


def _normal_fate(rng: Random, chances: Chances) -> Fate:
    luck = rng.random()
    if luck >= sum(chances):
        return Fate.DELIVERED
    if luck < chances.deferred:
        return rng.choice(DEFERRALS)
    luck -= chances.deferred
    if luck < chances.hard:
        return Fate.UNKNOWN_USER
    luck -= chances.hard
    if luck < chances.soft:
        return Fate.MAILBOX_FULL
    luck -= chances.soft
    if luck < chances.blocked:
        return Fate.SPAM if rng.random() < 0.5 else Fate.IP_BLOCKED
    return Fate.UNREACHABLE
