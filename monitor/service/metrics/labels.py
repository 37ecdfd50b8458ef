"""Closed sets of label values that are nobody else's noun."""

from enum import StrEnum


class RecordResult(StrEnum):
    """What a source made of one Kafka record."""

    DECODED = "decoded"
    IGNORED = "ignored"
    INVALID = "invalid"


class DeadLetterResult(StrEnum):
    """Whether a refused record was kept, or only counted (rate limit)."""

    SENT = "sent"
    SUPPRESSED = "suppressed"


class TallyResult(StrEnum):
    """What became of a tally: written by ingest, then judged by the merge law."""

    SENT = "sent"
    ACCEPTED = "accepted"
    STALE = "stale"
    REFUSED = "refused"


class CommitResult(StrEnum):
    """How an offset commit ended."""

    DONE = "done"
    FAILED = "failed"


class Actor(StrEnum):
    """Who asked for a directive; every person is one label value."""

    BOUNCEMON = "bouncemon"
    ALERTMANAGER = "alertmanager"
    PERSON = "person"

    @classmethod
    def of(cls, actor: str) -> "Actor":
        """The label of a directive's actor.

        >>> Actor.of("jane@example.org").value
        'person'
        """
        machines = (cls.BOUNCEMON, cls.ALERTMANAGER)
        return cls(actor) if actor in machines else cls.PERSON


class RulingResult(StrEnum):
    """Whether the governor let a wish to act through."""

    APPLIED = "applied"
    REFUSED = "refused"


class WebhookResult(StrEnum):
    """How a call of the Alertmanager webhook ended."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    UNAUTHORIZED = "unauthorized"
    INVALID = "invalid"
    FAILED = "failed"


class ReplyResult(StrEnum):
    """Whether a reply's reason was found."""

    DETERMINED = "determined"
    UNDETERMINED = "undetermined"


class LookupResult(StrEnum):
    """Whether a verdict was remembered or had to be found."""

    HIT = "hit"
    MISS = "miss"


class ReloadResult(StrEnum):
    """What became of a changed rules file."""

    LOADED = "loaded"
    REFUSED = "refused"
