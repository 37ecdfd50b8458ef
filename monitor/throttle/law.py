"""The consumer's law: the greatest ``(epoch, seq)`` wins, and a lease ends by itself.

``apply`` is a join: in whatever order and however often directives arrive, the same
set of them leaves the same table. A zombie owner has a lower epoch and loses against
everything its successor said, whatever its ``seq``.
"""

from collections.abc import Iterable, MutableMapping

from monitor.events import Action, Cell, Directive, Mode, Scope
from monitor.throttle.rulings import is_human

#: A consumer's memory: the latest directive of each fleet and scope.
Table = MutableMapping[tuple[str, Scope], Directive]


def version(directive: Directive) -> tuple[int, int]:
    """Return ``(epoch, seq)``, the order of directives."""
    return directive.epoch, directive.seq


def supersedes(new: Directive, old: Directive | None) -> bool:
    """True when ``new`` replaces ``old``; the same version twice replaces nothing."""
    return old is None or version(new) > version(old)


def apply(table: Table, directive: Directive) -> bool:
    """Take a directive into the table; True when the table changed.

    Observed and suggested directives are taken in too, since they replace an enforced
    one; ask ``in_force`` before acting.
    """
    key = (directive.fleet, directive.scope)
    if not supersedes(directive, table.get(key)):
        return False
    table[key] = directive
    return True


def throttles(directive: Directive) -> bool:
    """True for slow and pause."""
    return directive.action is not Action.RESUME


def in_force(directive: Directive, now: float) -> bool:
    """True while a consumer must hold mail back for this directive.

    Leases are renewed early enough that a clock that is ahead by the tolerated skew
    sees no gap, so a consumer compares with its own clock and adds nothing.
    """
    return (
        directive.mode is Mode.ENFORCE
        and throttles(directive)
        and now < directive.expires_at
    )


def allowed(directives: Iterable[Directive], cell: Cell, now: float) -> float:
    """Return the part of a cell's traffic that may flow, 0-1.

    Several scopes may contain a cell. What a person said, to let mail flow too, rules
    over automation, and the narrowest word of people rules; automation's words rule
    together, by the strictest. Automation's deny-list is ``ThrottlePolicy.spares``.
    """
    valid = [
        directive
        for directive in directives
        if directive.mode is Mode.ENFORCE
        and now < directive.expires_at
        and directive.scope.contains(cell)
    ]
    people = [directive for directive in valid if is_human(directive.actor)]
    if people:
        return max(people, key=_narrowness).rate_fraction
    return min((directive.rate_fraction for directive in valid), default=1.0)


def _narrowness(directive: Directive) -> tuple[int, int, int]:
    fixed = sum(value is not None for value in directive.scope.values)
    return fixed, *version(directive)
