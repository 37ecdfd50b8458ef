"""Which of a scope's claims rules, and whether the caps let it.

Holding and easing are always admitted; only what is new or stricter must pass. Each
automatic change is booked, and one is kept in reserve, so that letting go never has to
wait for the flap cap.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from monitor.events import Action
from monitor.throttle.memory import Claim
from monitor.throttle.policy import ThrottlePolicy
from monitor.throttle.rulings import RulingReason

#: The change itself and the release that must follow some day.
_CHANGES_NEEDED = 2


class Situation(NamedTuple):
    """What holds already, as far as it limits what may come.

    ``fraction`` is what automation lets through now (1 = free); ``changes`` are those
    of this scope in the last hour; ``elsewhere`` counts other throttled scopes;
    ``pauses`` are those of the whole fleet in the last ten minutes.
    """

    fraction: float
    reading: float
    settled: bool
    changes: int
    elsewhere: int
    pauses: int


class Choice(NamedTuple):
    """The claim that rules, as far as it was admitted, and what was refused."""

    claim: Claim | None
    refused: tuple[tuple[Claim, RulingReason], ...] = ()


def choose(
    claims: Iterable[Claim], situation: Situation, policy: ThrottlePolicy
) -> Choice:
    """Admit each claim as far as the caps allow; the strictest one rules."""
    admitted: list[Claim] = []
    refused: list[tuple[Claim, RulingReason]] = []
    for claim in claims:
        granted, reason = _admit(claim, situation, policy)
        if granted is not None:
            admitted.append(granted)
        if reason is not None:
            refused.append((claim, reason))
    ruling = min(admitted, key=lambda claim: claim.rate_fraction, default=None)
    eases = ruling is not None and ruling.rate_fraction > situation.fraction
    if ruling is not None and eases and not _has_room(situation, policy):
        # Easing is one more change; without room for it and the release, let go now.
        return Choice(None, (*refused, (ruling, RulingReason.FLAP)))
    return Choice(ruling, tuple(refused))


def _admit(
    claim: Claim, situation: Situation, policy: ThrottlePolicy
) -> tuple[Claim | None, RulingReason | None]:
    if claim.rate_fraction >= situation.fraction:
        return claim, None
    reason = _refuse_stricter(claim, situation, policy)
    if reason is not None:
        return _at(claim, situation.fraction), reason
    if claim.action is Action.PAUSE:
        reason = _refuse_pause(situation, policy)
    if reason is not None:
        slow = policy.ladder[policy.lowest_slow].rate_fraction
        return _at(claim, min(slow, situation.fraction)), reason
    return claim, None


def _refuse_stricter(
    claim: Claim, situation: Situation, policy: ThrottlePolicy
) -> RulingReason | None:
    if not situation.settled:
        return RulingReason.CLOCK_JUMP
    if situation.reading > claim.fresh_until:
        return RulingReason.STALE
    if not _has_room(situation, policy):
        return RulingReason.FLAP
    is_new = situation.fraction >= 1
    if is_new and situation.elsewhere >= policy.slowed_cap:
        return RulingReason.CAP
    return None


def _refuse_pause(situation: Situation, policy: ThrottlePolicy) -> RulingReason | None:
    if situation.elsewhere >= policy.max_active_directives:
        return RulingReason.CAP
    if situation.pauses >= policy.max_new_pauses_per_10_min:
        return RulingReason.PAUSE_RATE
    return None


def _has_room(situation: Situation, policy: ThrottlePolicy) -> bool:
    return situation.changes + _CHANGES_NEEDED <= policy.max_transitions_per_hour


def _at(claim: Claim, fraction: float) -> Claim | None:
    """Keep a claim at a milder fraction; None when that would be no throttle."""
    if fraction >= 1:
        return None
    return msgspec.structs.replace(claim, action=Action.SLOW, rate_fraction=fraction)
