"""What to do about an incident, and for how long.

Theory of operation. Incidents and alerts *claim* that a scope be slowed or paused;
people *hold* a scope. For each scope a person's hold rules; otherwise the strictest
claim that the safety caps admit. Whatever rules is said as a directive, a lease that
is renewed while its claim lives and that consumers end by themselves when nobody
renews it. Each decision, refused ones too, is a ruling for the audit.

An incident's claim starts on the lowest rung of the ladder (slow to 50 %), climbs when
a rung had its time and newer evidence still shows harm (10 %, then pause), and is
dropped when the incident closes. Only a bad list or a blocklist, proven by many
attempts, starts at the pause. A cause that is a whole provider slows it, never more.
"""

from monitor.throttle.governor import Governor
from monitor.throttle.law import (
    Table,
    allowed,
    apply,
    in_force,
    supersedes,
    throttles,
    version,
)
from monitor.throttle.policy import DEFAULT_LADDER, Rung, ThrottlePolicy
from monitor.throttle.rulings import (
    ALERTMANAGER,
    BOUNCEMON,
    Ruling,
    RulingReason,
    Step,
    is_human,
    order_of,
)
from monitor.throttle.wording import clean

__all__ = [
    "ALERTMANAGER",
    "BOUNCEMON",
    "DEFAULT_LADDER",
    "Governor",
    "Ruling",
    "RulingReason",
    "Rung",
    "Step",
    "Table",
    "ThrottlePolicy",
    "allowed",
    "apply",
    "clean",
    "in_force",
    "is_human",
    "order_of",
    "supersedes",
    "throttles",
    "version",
]
