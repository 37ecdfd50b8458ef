"""Which columns of a count matrix one event adds to."""

from functools import cache

from monitor.events import (
    BLOCK_REASONS,
    COLUMNS,
    CONFIG_REASONS,
    BounceClass,
    Channel,
    Outcome,
    Reason,
    Verdict,
)

_COLUMN = {name: index for index, name in enumerate(COLUMNS)}


def columns_of(outcome: Outcome, verdict: Verdict | None) -> tuple[int, ...]:
    """Indexes into ``COLUMNS`` that one event adds 1 to; empty if it counts nowhere.

    >>> [COLUMNS[i] for i in columns_of(Outcome.DELIVERED, None)]
    ['attempts', 'delivered']
    """
    if verdict is None:
        return _columns(outcome, BounceClass.OTHER, Reason.UNDETERMINED)
    return _columns(outcome, verdict.bounce_class, verdict.reason)


@cache
def _columns(
    outcome: Outcome, bounce_class: BounceClass, reason: Reason
) -> tuple[int, ...]:
    names = _names(outcome, bounce_class, reason)
    return tuple(_COLUMN[name] for name in names)


def _names(
    outcome: Outcome, bounce_class: BounceClass, reason: Reason
) -> tuple[str, ...]:
    match outcome:
        case Outcome.DELIVERED:
            return ("attempts", "delivered")
        case Outcome.DEFERRED:
            return ("attempts", Channel.DEFERRAL, *_kind(bounce_class, reason))
        case Outcome.BOUNCED:
            kind = _kind(bounce_class, reason) or _final_kind(bounce_class, reason)
            return ("attempts", Channel.BOUNCE, *kind)
        case Outcome.COMPLAINED:
            return (Channel.COMPLAINT,)
        case Outcome.DROPPED | Outcome.OTHER:
            return ()


def _kind(bounce_class: BounceClass, reason: Reason) -> tuple[str, ...]:
    """The channel that a reply feeds, whether it is final or not."""
    if reason in CONFIG_REASONS:
        return (Channel.CONFIG,)
    if reason in BLOCK_REASONS:
        return (Channel.BLOCK,)
    if bounce_class is BounceClass.TECHNICAL or reason is Reason.RELAY_DENIED:
        return (Channel.TECHNICAL,)
    return ()


def _final_kind(bounce_class: BounceClass, reason: Reason) -> tuple[str, ...]:
    """The channels that only a final failure feeds."""
    if bounce_class is BounceClass.HARD:
        return (Channel.HARD,)
    if reason is Reason.THROTTLED:
        return (Channel.BLOCK,)
    return ()
