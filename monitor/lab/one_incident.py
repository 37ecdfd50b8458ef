"""One incident from its first failure to its close, as the product lives it.

A campaign among others goes bad and is mended. Every second the learned rule's
evidence and threshold are noted, and what the incident says of itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

import msgspec
import numpy as np

from monitor.events import Channel, CountDelta, Incident, IncidentState, Scope
from monitor.lab.drive import EPOCH, Drive, Floats, policy_for
from monitor.lab.false_alarms import A_THOUSAND, DETECTORS
from monitor.lab.found import looks
from monitor.lab.regimes import HOUR, Regime, Span, Spikes, Traffic
from monitor.observe import FleetObserver, ObservePolicy
from monitor.observe.channels import CHANNELS
from monitor.observe.detectors import Look, Reading

#: The campaign that goes bad, and what is looked at.
BAD_KEY, CHANNEL = 0, Channel.HARD
_SCOPE, _COLUMN = Scope(campaign=f"c{BAD_KEY}"), CHANNELS.index(CHANNEL)
(_RULE,) = DETECTORS

MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class IncidentSize:
    """What is watched.

    Args:
        keys: campaigns, one of which goes bad.
        a_second: events a second of each.
        lift: what the bad one's rate is multiplied with.
        lasts: seconds that it is bad.
        history: seconds before anything is noted.
        before: seconds noted before the change.
        after: seconds noted after it, most.
    """

    keys: int = 40
    a_second: float = 5.0
    lift: float = 5.0
    lasts: float = 600.0
    history: float = 6 * HOUR
    before: float = 600.0
    after: float = 1_500.0


class Minute(msgspec.Struct, frozen=True):
    """Counts of the minute that begins at ``seconds``, and the learned rate."""

    seconds: float
    attempts: float
    failures: float
    baseline: float


class Evidence(msgspec.Struct, frozen=True):
    """What the learned rule holds against the campaign, and its line, nats."""

    seconds: float
    score: float
    threshold: float


class IncidentFigure(msgspec.Struct, frozen=True):
    """All times are seconds since the rate changed; what did not happen is none.

    Args:
        seed: where chance began.
        normal: the true rate before and after.
        lift: what it was multiplied with meanwhile.
        a_second: events a second.
        ended: when it was mended.
        onset: when it began, in the incident's words.
        detected: when it was opened.
        recovering: when it was first called recovering.
        closed: when it was closed.
        minutes: counts.
        evidence: of each second.
    """

    seed: int
    normal: float
    lift: float
    a_second: float
    ended: float
    onset: float | None
    detected: float | None
    recovering: float | None
    closed: float | None
    minutes: tuple[Minute, ...]
    evidence: tuple[Evidence, ...]


def incident_figure(size: IncidentSize, seed: int) -> IncidentFigure:
    """Let one campaign go bad, and watch."""
    change = size.history + size.before
    span = Span(size.history, size.before + size.after)
    traffic = _traffic(size, span, np.random.default_rng(seed))
    policy = policy_for(size.keys, A_THOUSAND, DETECTORS)
    witness = _Witness(policy, EPOCH + change)
    drive = Drive(size.keys, policy, lambda _: witness)
    for end, seconds in looks(span):
        counts = traffic.step(end, seconds)
        drive.step(end, seconds, counts)
        drive.tick(end)
        if end > size.history:
            witness.count(end - seconds - change, counts)
    times = witness.times
    return IncidentFigure(
        seed=seed,
        normal=float(traffic.rate[BAD_KEY]),
        lift=size.lift,
        a_second=size.a_second,
        ended=size.lasts,
        onset=times.get("onset"),
        detected=times.get("detected"),
        recovering=times.get(IncidentState.RECOVERING),
        closed=times.get(IncidentState.CLOSED),
        minutes=witness.minutes,
        evidence=tuple(one for one in witness.evidence if one.seconds > -size.before),
    )


def _traffic(size: IncidentSize, span: Span, random: np.random.Generator) -> Traffic:
    start = np.full(size.keys, inf)
    start[BAD_KEY] = size.history + size.before
    regime = Regime("steady", a_second=(size.a_second, size.a_second), spread=0.0)
    spikes = Spikes(start, start + size.lasts, size.lift)
    return Traffic(regime, size.keys, span, random, spikes)


class _Witness:
    """Stands between the drive and the product, and writes down what passes.

    Args:
        policy: of the product.
        change: when the rate changes, epoch seconds.
    """

    def __init__(self, policy: ObservePolicy, change: float) -> None:
        self._observer = FleetObserver("lab", policy)
        self._observer.listen(self._hear)
        self._change, self._baseline = change, 0.0
        self._counts: dict[float, tuple[float, float, float]] = {}
        self.evidence: list[Evidence] = []
        self.times: dict[str, float] = {}

    def apply(self, delta: CountDelta) -> None:
        """Pass counts on."""
        self._observer.apply(delta)

    def tick(self, now: float) -> list[Incident]:
        """Pass incidents on; note when ours was first what it is."""
        incidents = self._observer.tick(now)
        for incident in incidents:
            if incident.scope == _SCOPE and incident.detected_at > self._change:
                self.times.setdefault("onset", incident.start - self._change)
                self.times.setdefault("detected", incident.detected_at - self._change)
                self.times.setdefault(incident.state, now - self._change)
        return incidents

    def count(self, seconds: float, counts: tuple[Floats, Floats]) -> None:
        """Count the second that began at ``seconds``."""
        minute = seconds // MINUTE * MINUTE
        tried, failed, _ = self._counts.get(minute, (0.0, 0.0, 0.0))
        tried += float(counts[0][BAD_KEY])
        failed += float(counts[1][BAD_KEY])
        self._counts[minute] = tried, failed, self._baseline

    @property
    def minutes(self) -> tuple[Minute, ...]:
        """Counts by minute, with the rate learned by its end."""
        return tuple(Minute(when, *of) for when, of in sorted(self._counts.items()))

    def _hear(self, look: Look, readings: Mapping[str, Reading]) -> None:
        for row in np.flatnonzero(look.keys == self._observer.place_of(_SCOPE)):
            self._baseline = float(look.rate[row, _COLUMN])
            score = float(readings[_RULE].score[row, _COLUMN])
            line = float(look.threshold[row, _COLUMN])
            self.evidence.append(Evidence(look.now - self._change, score, line))
