"""How far one incident may go: refused, slow only, up to a pause, straight to it."""

import math
from typing import NamedTuple

from monitor.events import Channel, Incident, IncidentKind, Reason, Scope, Severity
from monitor.throttle.policy import ThrottlePolicy
from monitor.throttle.rulings import RulingReason

#: Values that name nobody in particular: unknown, a wildcard, the folded rest.
UNADDRESSABLE = frozenset({"", "*", "other"})

#: Reasons of a bad list. Every further mail to it may hit a spam trap, which answers
#: like any dead mailbox, so slowing down only delays the damage.
LIST_REASONS = frozenset(
    {
        Reason.USER_UNKNOWN,
        Reason.DOMAIN_UNKNOWN,
        Reason.NULL_MX,
        Reason.MAILBOX_INACTIVE,
    }
)
#: Reasons of a listing. One provider's own filter is not a blocklist, so they count
#: only when the cause spans providers.
REPUTATION_REASONS = frozenset({Reason.IP_REPUTATION, Reason.DOMAIN_REPUTATION})


class Judgement(NamedTuple):
    """What one incident may ask for.

    ``start`` and ``top`` are the first and last rung of the ladder it may take.
    ``refused`` says why it may take none, ``held_back`` why it may not pause.
    """

    start: int = 0
    top: int = 0
    refused: RulingReason | None = None
    held_back: RulingReason | None = None


def judge(incident: Incident, policy: ThrottlePolicy, now: float) -> Judgement:
    """Weigh an open incident; nothing else about the fleet is looked at."""
    refused = (
        refuse_scope(incident.scope, policy)
        or _refuse_kind(incident)
        or refuse_age(now - incident.updated_at, policy)
        or _refuse_evidence(incident, policy)
    )
    if refused is not None:
        return Judgement(refused=refused)
    top, held_back = _top(incident, policy)
    straight = top > policy.lowest_slow and _is_straight(incident, policy)
    return Judgement(start=top if straight else 0, top=top, held_back=held_back)


def covers(outer: Scope, inner: Scope) -> bool:
    """True when all traffic of ``inner`` belongs to ``outer`` too."""
    pairs = zip(outer.values, inner.values, strict=True)
    return all(want is None or want == have for want, have in pairs)


def is_provider_wide(scope: Scope) -> bool:
    """True when the cause is a provider as a whole."""
    return scope.kind == "provider"


def refuse_scope(scope: Scope, policy: ThrottlePolicy) -> RulingReason | None:
    """Say why automation must not touch a scope, or None."""
    refused = refuse_selector(scope)
    if refused is None and policy.spares(scope.campaign):
        return RulingReason.DENYLIST
    return refused


def refuse_selector(scope: Scope) -> RulingReason | None:
    """Say why nobody may order anything for a scope, or None.

    An empty selector once meant "everything" to somebody; here it means nothing.
    """
    if scope.kind == "fleet":
        return RulingReason.FLEET_WIDE
    if any(value in UNADDRESSABLE for value in scope.values):
        return RulingReason.UNADDRESSABLE
    return None


def refuse_age(age: float, policy: ThrottlePolicy) -> RulingReason | None:
    """Say why evidence of this age starts nothing, or None; NaN counts as old."""
    if age < -policy.skew_seconds:
        return RulingReason.CLOCK_JUMP
    return None if age <= policy.max_age_seconds else RulingReason.STALE


def _refuse_kind(incident: Incident) -> RulingReason | None:
    # No throttle mends a DNS record or a key; a person must. What drifts or is silent
    # is a person's business, too.
    spike = incident.kind is IncidentKind.SPIKE
    if not spike or incident.channel is Channel.CONFIG:
        return RulingReason.TICKET_ONLY
    if incident.severity is Severity.INFO:
        return RulingReason.LOW_SEVERITY
    return None


def _refuse_evidence(incident: Incident, policy: ThrottlePolicy) -> RulingReason | None:
    low, limit = incident.rate_low, policy.pause_limits.get(incident.channel, math.inf)
    figures = (incident.attempts, incident.rate, low, incident.baseline)
    good = (
        all(math.isfinite(figure) for figure in figures)
        and incident.attempts >= policy.min_attempts
        and 0 < low <= 1
        # What is bad from birth has no better baseline to rise above.
        and (low > incident.baseline or low >= limit)
    )
    return None if good else RulingReason.LOW_EVIDENCE


def _top(incident: Incident, policy: ThrottlePolicy) -> tuple[int, RulingReason | None]:
    """Find the last rung, and why it is not a pause where one was in question."""
    limit = policy.pause_limits.get(incident.channel)
    if incident.severity is not Severity.PAGE:
        return 0, RulingReason.LOW_SEVERITY
    if limit is None:
        return policy.lowest_slow, None
    if is_provider_wide(incident.scope):
        return policy.lowest_slow, RulingReason.PROVIDER_WIDE
    if incident.attempts < policy.pause_min_attempts or incident.rate_low < limit:
        return policy.lowest_slow, RulingReason.LOW_EVIDENCE
    return policy.top, None


def _is_straight(incident: Incident, policy: ThrottlePolicy) -> bool:
    """Is it a bad list or a blocklist, beyond doubt?"""
    scope = incident.scope
    if incident.channel is Channel.HARD:
        damning = LIST_REASONS
        fits = any((scope.campaign, scope.tenant, scope.segment))
    elif incident.channel is Channel.BLOCK:
        damning = REPUTATION_REASONS
        fits = scope.provider is None
    else:
        return False
    share = sum(part.share for part in incident.reasons if part.reason in damning)
    return (
        fits
        and share >= policy.straight_share
        and incident.attempts >= policy.straight_min_attempts
        and incident.rate_low >= policy.straight_rate
    )
