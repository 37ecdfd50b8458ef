"""Orders of people and of Alertmanager: which are obeyed, and what they claim."""

import math

from monitor.events import Action, Command
from monitor.throttle.judge import is_provider_wide, refuse_scope, refuse_selector
from monitor.throttle.memory import LEAST_SECONDS, MAX_HOLDS, Claim, Memory
from monitor.throttle.policy import ThrottlePolicy
from monitor.throttle.rulings import BOUNCEMON, RulingReason, is_human, order_of
from monitor.throttle.wording import clean

#: The part of traffic that flows under actions that leave no choice.
_FIXED_FRACTION = {Action.PAUSE: 0.0, Action.RESUME: 1.0}

#: Why an order cannot hold a scope, though nothing is wrong with the order.
_HOLDS_NOTHING = frozenset(
    {RulingReason.FLEET_WIDE, RulingReason.UNADDRESSABLE, RulingReason.CAP}
)


def refuse_command(
    command: Command, memory: Memory, policy: ThrottlePolicy, now: float
) -> RulingReason | None:
    """Say why an order is not carried out, or None."""
    if not _is_sound(command):
        return RulingReason.BAD_COMMAND
    if command.id in memory.orders:
        return RulingReason.DUPLICATE
    if _seconds_left(command, policy, now) < LEAST_SECONDS:
        return RulingReason.EXPIRED
    if is_human(command.actor):
        return refuse_selector(command.scope) or _refuse_human(command, memory)
    if command.action is Action.RESUME:
        return refuse_selector(command.scope)
    return refuse_scope(command.scope, policy) or _refuse_late(command, memory, policy)


def only_accepts(command: Command, refused: RulingReason | None) -> bool:
    """True for a person's order that can hold nothing, but accepts an incident.

    Args:
        command: the order.
        refused: what ``refuse_command`` says of it.
    """
    accepts = bool(command.accepts) and is_human(command.actor)
    return accepts and command.action is Action.RESUME and refused in _HOLDS_NOTHING


def claim_of_command(
    command: Command, memory: Memory, policy: ThrottlePolicy, now: float
) -> Claim:
    """Return what an order claims; its lease counts from when it was given.

    Alertmanager is automation: it never pauses a whole provider, only slows it.
    """
    reading = memory.clock.reading
    action = command.action
    fraction = _FIXED_FRACTION.get(action, command.rate_fraction)
    human = is_human(command.actor)
    if not human and action is Action.PAUSE and is_provider_wide(command.scope):
        action, fraction = Action.SLOW, policy.ladder[policy.lowest_slow].rate_fraction
    ends = reading + _seconds_left(command, policy, now)
    return Claim(
        source=command.id if human else order_of(command.id),
        actor=clean(command.actor),
        action=action,
        rate_fraction=fraction,
        reason=clean(command.reason),
        evidence="",
        ends=ends,
        heard=reading,
        fresh_until=min(ends, reading + policy.max_age_seconds),
        entered=reading,
        asked_at=command.issued_at,
    )


def _is_sound(command: Command) -> bool:
    return (
        bool(order_of(command.id))
        and command.actor.strip() not in ("", BOUNCEMON)
        and math.isfinite(command.issued_at)
        and 0 < command.lease_seconds < math.inf
        and (command.action is not Action.SLOW or 0 < command.rate_fraction < 1)
    )


def _seconds_left(command: Command, policy: ThrottlePolicy, now: float) -> float:
    human = is_human(command.actor)
    longest = policy.max_order_seconds if human else policy.max_alert_lease_seconds
    # A sender whose clock is ahead gains nothing by it.
    given = min(command.issued_at, now)
    return given + min(command.lease_seconds, longest) - now


def _refuse_human(command: Command, memory: Memory) -> RulingReason | None:
    hold = memory.holds.get(command.scope)
    if hold is None:
        return RulingReason.CAP if len(memory.holds) >= MAX_HOLDS else None
    # Delivered out of order: the later word of people stands.
    return RulingReason.SUPERSEDED if command.issued_at < hold.asked_at else None


def _refuse_late(
    command: Command, memory: Memory, policy: ThrottlePolicy
) -> RulingReason | None:
    """Refuse a firing alert that was overtaken by its own end.

    Only for a short while: an alert that Alertmanager lost sight of and found again
    fires under the same order, and is then meant.
    """
    over = memory.closed.get(order_of(command.id), -math.inf)
    late = command.issued_at <= over + policy.skew_seconds
    return RulingReason.NOT_OPEN if late else None
