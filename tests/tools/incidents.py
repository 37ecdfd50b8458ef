"""An incident as an owner tells it, for tests to which most of it is all the same."""

from typing import Any

import msgspec

from monitor.events import Channel, Incident, IncidentState, Scope, Severity

_USUAL = Incident(
    id="i-1",
    fleet="default",
    scope=Scope(provider="gmail"),
    channel=Channel.HARD,
    state=IncidentState.OPEN,
    severity=Severity.TICKET,
    detector="nb_glr",
    start=0.0,
    detected_at=10.0,
    updated_at=10.0,
    rate=0.3,
    rate_low=0.25,
    rate_high=0.35,
    baseline=0.01,
    lift=30.0,
    excess=110.0,
    attempts=400.0,
)


def make_incident(**fields: Any) -> Incident:
    """The usual one, with some fields of your own."""
    return msgspec.structs.replace(_USUAL, **fields)
