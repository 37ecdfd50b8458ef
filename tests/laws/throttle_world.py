"""A small fleet whose governor has tight caps, and what may happen in it."""

import math
from typing import Any

from monitor.events import (
    Channel,
    Incident,
    IncidentState,
    Mode,
    Reason,
    ReasonShare,
    Scope,
    Severity,
)
from monitor.throttle import ThrottlePolicy

NOW = 1_800_000_000.0
FLEET = "default"
POLICY = ThrottlePolicy(
    mode=Mode.ENFORCE,
    max_active_directives=2,
    max_slowed_directives=4,
    max_new_pauses_per_10_min=2,
    max_transitions_per_hour=5,
    deny_campaigns=("receipts",),
    hold_age_seconds=600.0,
    max_alert_lease_seconds=900.0,
    max_order_seconds=1_200.0,
)
#: Those that automation may throttle.
REAL = (
    Scope(provider="yahoo"),
    Scope(campaign="spring"),
    Scope(campaign="spring", provider="yahoo"),
    Scope(source_ip="203.0.113.7"),
    Scope(source_ip="203.0.113.7", provider="yahoo"),
    Scope(tenant="acme"),
    Scope(tenant="duff"),
    Scope(segment="de"),
)
SCOPES = (Scope(), Scope(provider=""), Scope(campaign="receipts"), *REAL)
IDS = tuple(f"inc-{number}" for number in range(6))

#: What an incident may have instead of harm beyond doubt.
ODD_INCIDENTS: tuple[dict[str, Any], ...] = (
    {},
    {"attempts": 0.0},
    {"attempts": 60.0},
    {"attempts": math.nan},
    {"rate_low": 0.0},
    {"rate_low": 0.04},
    {"rate_low": math.nan},
    {"severity": Severity.TICKET},
    {"severity": Severity.INFO},
    {"state": IncidentState.RECOVERING},
    {"state": IncidentState.CLOSED},
    {"reasons": ()},
    *({"channel": channel} for channel in Channel),
)


def bad_list(incident_id: str, scope: Scope, updated_at: float) -> Incident:
    """Return harm beyond doubt: where a pause may be, it is paused at once."""
    return Incident(
        id=incident_id,
        fleet=FLEET,
        scope=scope,
        channel=Channel.HARD,
        state=IncidentState.OPEN,
        severity=Severity.PAGE,
        detector="any",
        start=updated_at,
        detected_at=updated_at,
        updated_at=updated_at,
        rate=0.35,
        rate_low=0.3,
        rate_high=0.4,
        baseline=0.01,
        lift=35.0,
        excess=340.0,
        attempts=1_000.0 + abs(updated_at - NOW),
        reasons=(ReasonShare(reason=Reason.USER_UNKNOWN, share=0.9),),
    )


def proves(incident: Incident, *, pause: bool) -> bool:
    """Say whether an incident is evidence enough (T1), in words of our own."""
    limit = POLICY.pause_limits.get(incident.channel, math.inf)
    slows = (
        incident.state is IncidentState.OPEN
        and incident.attempts >= POLICY.min_attempts
        and incident.rate_low > incident.baseline
        and incident.channel is not Channel.CONFIG
        and incident.severity is not Severity.INFO
    )
    pauses = (
        incident.severity is Severity.PAGE
        and incident.attempts >= POLICY.pause_min_attempts
        and incident.rate_low >= limit
    )
    return slows and (pauses or not pause)
