"""The rungs an incident's claim takes: where it starts, and when it climbs."""

import msgspec

from monitor.events import Incident
from monitor.throttle.clock import Clock
from monitor.throttle.judge import Judgement
from monitor.throttle.memory import Claim
from monitor.throttle.policy import ThrottlePolicy
from monitor.throttle.rulings import BOUNCEMON
from monitor.throttle.wording import incident_evidence, incident_reason


class Ladder:
    """Makes and moves claims; holds nothing but the policy and the present moment."""

    def __init__(self, policy: ThrottlePolicy, clock: Clock, now: float) -> None:
        self._policy = policy
        self._clock = clock
        self._now = now

    def claim(
        self, incident: Incident, verdict: Judgement, known: Claim | None
    ) -> Claim:
        """Return what an open incident claims now; a rung once taken is kept.

        An update without new attempts is no new evidence, whatever its time: the input
        may have stalled, or the traffic be paused. It keeps the age of the last one.
        """
        policy, reading = self._policy, self._clock.reading
        rung = min(max(known.rung if known else 0, verdict.start), policy.top)
        entered = known.entered if known and known.rung == rung else reading
        age = max(self._now - incident.updated_at, 0.0)
        claim = Claim(
            source=incident.id,
            actor=BOUNCEMON,
            action=policy.ladder[rung].action,
            rate_fraction=policy.ladder[rung].rate_fraction,
            reason=incident_reason(incident),
            evidence=incident_evidence(incident),
            ends=reading + policy.hold_age_seconds - age,
            heard=reading,
            fresh_until=reading + policy.max_age_seconds - age,
            entered=entered,
            asked_at=incident.updated_at,
            attempts=incident.attempts,
            rung=rung,
            top=verdict.top,
        )
        if known is None or _is_news(incident, known):
            return claim
        return msgspec.structs.replace(
            claim,
            ends=known.ends,
            heard=known.heard,
            fresh_until=known.fresh_until,
        )

    def held(self, claim: Claim, incident: Incident) -> Claim:
        """Return the claim of a recovering incident: it lasts, but asks no more."""
        age = max(self._now - incident.updated_at, 0.0)
        ends = self._clock.reading + self._policy.hold_age_seconds - age
        return msgspec.structs.replace(
            claim,
            ends=ends if _is_news(incident, claim) else claim.ends,
            fresh_until=0.0,
            asked_at=max(claim.asked_at, incident.updated_at),
            attempts=incident.attempts,
            top=claim.rung,
        )

    def climb(self, claim: Claim, since: float, fraction: float) -> Claim | None:
        """Return the claim one rung higher, or None where it must wait.

        Args:
            claim: the claim as it stands.
            since: the clock reading at which the present fraction came into force.
            fraction: what automation lets through at present.
        """
        policy, reading = self._policy, self._clock.reading
        since = max(since, claim.entered)
        if claim.rung >= min(claim.top, policy.top):
            return None
        may = (
            self._clock.settled
            # What was not granted yet has not been tried yet.
            and fraction <= claim.rate_fraction
            and reading - since >= policy.ladder[claim.rung].dwell_seconds
            and since < claim.heard
            and reading <= claim.fresh_until
        )
        if not may:
            return None
        rung = policy.ladder[claim.rung + 1]
        return msgspec.structs.replace(
            claim,
            rung=claim.rung + 1,
            action=rung.action,
            rate_fraction=rung.rate_fraction,
            entered=reading,
        )


def _is_news(incident: Incident, known: Claim) -> bool:
    return incident.updated_at > known.asked_at and incident.attempts != known.attempts
