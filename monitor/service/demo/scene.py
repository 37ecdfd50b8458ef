"""What a viewer of the demo sees, as values; the views only draw it."""

from dataclasses import dataclass, field

from monitor.events import Directive, Incident
from monitor.service.demo.rates import RateBoard
from monitor.service.demo.sightings import Sightings


@dataclass
class Scene:
    """The present moment of the demo.

    ``elapsed`` and ``seconds`` are those of the live traffic; ``speed`` is records a
    second; ``held`` counts mails that the sender holds back because it was told to.
    """

    phase: str = "starting"
    elapsed: float = 0.0
    seconds: float = 0.0
    produced: int = 0
    speed: float = 0.0
    held: int = 0
    rates: RateBoard = field(default_factory=RateBoard)
    heard: Sightings = field(default_factory=Sightings)


def incident_text(incident: Incident) -> str:
    """Say one incident in a line.

    >>> incident_text(incident)  # doctest: +SKIP
    'block on ip_provider 203.0.113.11|yahoo: 68 % (normally 0.2 %), open'
    """
    reason = f", {incident.reasons[0].reason}" if incident.reasons else ""
    return (
        f"{incident.channel} on {incident.scope.kind} {incident.scope.key}: "
        f"{incident.rate:.0%} (normally {incident.baseline:.1%}){reason}, "
        f"{incident.state}"
    )


def directive_text(directive: Directive) -> str:
    """Say one directive in a line."""
    return (
        f"{directive.action} {directive.scope.kind} {directive.scope.key} "
        f"to {directive.rate_fraction:.0%}: {directive.reason}"
    )
