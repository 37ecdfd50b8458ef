"""From what the mind says of its incidents, line by line, to one line an incident."""

from collections.abc import Sequence
from typing import Self

import msgspec

from monitor.events import (
    Incident,
    IncidentState,
    ReasonShare,
    Scope,
    Severity,
)

#: Digits of rates and shares: more would be noise.
DIGITS = 6


class Spot(msgspec.Struct, frozen=True, omit_defaults=True):
    """A scope as people write it, with its dimensions one by one."""

    kind: str
    key: str
    provider: str | None = None
    source_ip: str | None = None
    campaign: str | None = None
    tenant: str | None = None
    segment: str | None = None

    @classmethod
    def of(cls, scope: Scope) -> Self:
        """The spot of a scope.

        >>> Spot.of(Scope(provider="yahoo")).kind
        'provider'
        """
        return cls(scope.kind, scope.key, **msgspec.structs.asdict(scope))


class OtherCause(msgspec.Struct, frozen=True):
    """Another cause of the same finding."""

    scope: Spot
    share: float


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One incident from its opening to its end.

    Times are event time, epoch seconds; ``closed_at`` is None if it was not over at the
    end. ``rate`` (with its 95 % interval) is the highest while it was open, over five
    minutes; ``excess`` is the failures beyond the baseline; ``share`` is the part of
    the fleet's excess that this cause explained when it was found, and
    ``other_causes`` explained the rest. An incident that came back within an hour keeps
    its id, is ``reopened`` and has a line for each time; its onset is then not known,
    and is the time of its finding.
    """

    incident: str
    scope: Spot
    channel: str
    onset: float
    detected_at: float
    closed_at: float | None
    severity: Severity
    detector: str
    rate: float
    rate_low: float
    rate_high: float
    baseline: float
    lift: float
    excess: float
    attempts: float
    share: float
    other_causes: tuple[OtherCause, ...]
    reasons: tuple[ReasonShare, ...]
    not_affected: tuple[Spot, ...]
    reopened: bool


class _Spell:
    """One opening of an incident, while it lasts."""

    __slots__ = ("detected_at", "first", "last", "others", "peak", "reopened")

    def __init__(self, first: Incident) -> None:
        self.first = self.last = self.peak = first
        self.detected_at = first.updated_at
        self.reopened = first.detected_at < first.updated_at
        self.others: tuple[OtherCause, ...] = ()

    def note(self, news: Incident) -> None:
        """Take the newest word; the peak is of when it was bad."""
        self.last = news
        if news.state is IncidentState.OPEN and news.rate > self.peak.rate:
            self.peak = news


class Journal:
    """Open incidents; at most as many as the observer keeps open.

    Args:
        step: seconds a span of data.
        phase: second within a step at which a span begins.
    """

    def __init__(self, step: int, phase: int) -> None:
        self._step, self._phase = step, phase
        self._spells: dict[str, _Spell] = {}
        self.incidents = self.pages = 0

    @property
    def open(self) -> int:
        """How many incidents are open."""
        return len(self._spells)

    def note(self, incidents: Sequence[Incident]) -> list[Found]:
        """Take what one tick said; returns what is over."""
        opened = []
        for news in incidents:
            spell = self._spells.get(news.id)
            if spell is None:
                spell = self._spells[news.id] = _Spell(news)
                opened.append(spell)
            spell.note(news)
        for spell in opened:
            spell.others = _others(spell, opened)
        over = [news.id for news in incidents if news.state is IncidentState.CLOSED]
        return [self._found(self._spells.pop(name)) for name in over]

    def rest(self) -> list[Found]:
        """What is not over; the journal stays as it is."""
        return [self._found(spell) for spell in self._spells.values()]

    def _found(self, spell: _Spell) -> Found:
        last, peak = spell.last, spell.peak
        self.incidents += 1
        self.pages += last.severity is Severity.PAGE
        return Found(
            incident=last.id,
            scope=Spot.of(last.scope),
            channel=last.channel.value,
            onset=self._onset(spell),
            detected_at=_second(spell.detected_at),
            closed_at=None if last.closed_at is None else _second(last.closed_at),
            severity=last.severity,
            detector=last.detector,
            rate=round(peak.rate, DIGITS),
            rate_low=round(peak.rate_low, DIGITS),
            rate_high=round(peak.rate_high, DIGITS),
            baseline=round(last.baseline, DIGITS),
            lift=round(peak.lift, 3),
            excess=round(last.excess, 1),
            attempts=last.attempts,
            share=round(last.share, DIGITS),
            other_causes=spell.others,
            reasons=last.reasons,
            not_affected=tuple(Spot.of(scope) for scope in last.not_affected),
            reopened=spell.reopened,
        )

    def _onset(self, spell: _Spell) -> float:
        """Begin of the span of data that the change is dated to."""
        latest = spell.detected_at - self._step
        start = latest if spell.reopened else min(spell.last.start, latest)
        steps = (start + 0.5 - self._phase) // self._step
        return float(steps * self._step + self._phase)


def _others(spell: _Spell, opened: Sequence[_Spell]) -> tuple[OtherCause, ...]:
    """Causes that one inquiry named together: same tick, same rule, same channel."""
    mine = spell.first
    return tuple(
        OtherCause(Spot.of(other.first.scope), round(other.first.share, DIGITS))
        for other in opened
        if other is not spell
        and other.first.detector == mine.detector
        and other.first.channel is mine.channel
    )


def _second(time: float) -> float:
    """A time without the instant that a tick comes before the end of its span."""
    return round(time, 2)
