"""The short texts that people read in directives and rulings."""

from monitor.events import Incident

#: Longest text taken over from outside: fits a log line and a table cell.
MAX_TEXT = 256


def clean(text: str) -> str:
    """Return text that is safe to log: printable, one line, at most ``MAX_TEXT``.

    >>> clean("two" + chr(10) + "lines")
    'two lines'
    """
    short = text[:MAX_TEXT]
    return "".join(char if char.isprintable() else " " for char in short)


def incident_reason(incident: Incident) -> str:
    """Return the channel and the foremost reply reason.

    An example: ``block: ip_reputation (83 % of replies)``.
    """
    if not incident.reasons:
        return str(incident.channel)
    first = max(incident.reasons, key=lambda part: part.share)
    return f"{incident.channel}: {first.reason} ({first.share:.0%} of replies)"


def incident_evidence(incident: Incident) -> str:
    """Return the figures that justify the directive, in one line."""
    rate = f"{incident.rate:.2%} ({incident.rate_low:.2%} to {incident.rate_high:.2%})"
    return (
        f"rate {rate}, normal {incident.baseline:.2%}, "
        f"{incident.attempts:.0f} attempts, {incident.excess:.0f} failures too many"
    )
