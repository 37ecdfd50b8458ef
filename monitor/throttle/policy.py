"""What the governor is allowed to do, checked once."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.errors import ConfigError
from monitor.events import Action, Channel, Mode

#: No automatic lease may outlive a dead monitor by more than this.
MAX_LEASE_SECONDS = 3_600.0
#: A person's order lasts a week at most; longer is a setting, not an order.
MAX_ORDER_SECONDS = 7 * 86_400.0
#: Opening, two climbs and the release must fit, or a ladder cannot be finished.
MIN_TRANSITIONS_PER_HOUR = 4


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of the ladder.

    Attributes:
        action: slow or pause.
        rate_fraction: part of normal traffic that still flows, 0-1.
        dwell_seconds: least time on this rung before the next one may be taken.
    """

    action: Action
    rate_fraction: float
    dwell_seconds: float


#: 50 % for a minute, 10 % for two, then nothing: real harm is stopped within three
#: minutes, and an alarm that passes sooner costs a short delay.
DEFAULT_LADDER = (
    Rung(Action.SLOW, 0.5, 60.0),
    Rung(Action.SLOW, 0.1, 120.0),
    Rung(Action.PAUSE, 0.0, 0.0),
)

#: A pause needs the lower confidence bound of the rate above these. Channels that are
#: absent never pause: deferred and technical failures pass by themselves, and only a
#: person can mend a configuration.
DEFAULT_PAUSE_LIMITS: Mapping[Channel, float] = {
    Channel.HARD: 0.05,
    Channel.BLOCK: 0.10,
    Channel.BOUNCE: 0.10,
    Channel.COMPLAINT: 0.003,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottlePolicy:
    """What may be throttled, how far, how fast and on what evidence.

    Attributes:
        mode: how far automation may go; stamped on every directive.
        kill_switch: while true automation starts nothing and lets go of everything.
        lease_seconds: an automatic directive ends after this unless renewed.
        renew_before_seconds: a lease is renewed when this much of it is left;
            ``None`` is two fifths of the lease.
        skew_seconds: clocks may differ by this; a longer step is a clock jump.
        ladder: slow rungs, then at most one pause, each stricter than the last.
        max_active_directives: automatic throttles above which nothing new is paused.
        max_slowed_directives: automatic throttles above which nothing new is slowed;
            never less than ``max_active_directives``.
        max_new_pauses_per_10_min: automatic pauses begun in any ten minutes.
        max_transitions_per_hour: automatic changes of one scope in any hour.
        deny_campaigns: campaigns automation never touches; a trailing ``*`` matches
            any ending.
        min_attempts: attempts behind any automatic throttle.
        pause_min_attempts: attempts behind an automatic pause.
        pause_limits: rate (0-1) a channel's lower bound must reach for a pause.
        straight_min_attempts: attempts behind a pause that skips the slow rungs.
        straight_rate: lower bound of the rate (0-1) behind such a pause.
        straight_share: least share (0-1) of replies with a damning reason.
        max_age_seconds: evidence older than this starts and tightens nothing.
        hold_age_seconds: evidence older than this renews nothing. Longer than
            ``max_age_seconds``, since paused traffic makes no new evidence.
        max_alert_lease_seconds: longest lease an alert may ask for.
        max_order_seconds: longest lease a person may ask for.

    Raises:
        ConfigError: a value is out of its range or contradicts another.
    """

    mode: Mode = Mode.OBSERVE
    kill_switch: bool = False
    lease_seconds: float = 300.0
    renew_before_seconds: float | None = None
    skew_seconds: float = 60.0
    ladder: tuple[Rung, ...] = DEFAULT_LADDER
    max_active_directives: int = 20
    max_slowed_directives: int = 200
    max_new_pauses_per_10_min: int = 5
    max_transitions_per_hour: int = 6
    deny_campaigns: tuple[str, ...] = ()
    min_attempts: int = 50
    pause_min_attempts: int = 200
    pause_limits: Mapping[Channel, float] = field(
        default_factory=lambda: dict(DEFAULT_PAUSE_LIMITS)
    )
    straight_min_attempts: int = 500
    straight_rate: float = 0.2
    straight_share: float = 0.5
    max_age_seconds: float = 120.0
    hold_age_seconds: float = 1_800.0
    max_alert_lease_seconds: float = 3_600.0
    max_order_seconds: float = 86_400.0

    def __post_init__(self) -> None:
        checks = (*_lease_checks(self), *_cap_checks(self), *_evidence_checks(self))
        for good, what in checks:
            if not good:
                raise ConfigError(f"throttle: {what}")
        _check_ladder(self.ladder)

    @property
    def renew_before(self) -> float:
        """Seconds before its end at which a lease is renewed."""
        renew = self.renew_before_seconds
        return self.lease_seconds * 2 / 5 if renew is None else renew

    @property
    def slowed_cap(self) -> int:
        """Automatic throttles above which nothing new is slowed."""
        return max(self.max_slowed_directives, self.max_active_directives)

    @property
    def lowest_slow(self) -> int:
        """Index of the strictest rung that still lets mail through."""
        return sum(rung.action is Action.SLOW for rung in self.ladder) - 1

    @property
    def top(self) -> int:
        """Index of the last rung."""
        return len(self.ladder) - 1

    def spares(self, campaign: str | None) -> bool:
        """True when automation must leave this campaign alone.

        Consumers of wider scopes (an IP, a provider) must ask this too.

        >>> ThrottlePolicy(deny_campaigns=("receipts-*",)).spares("receipts-eu")
        True
        """
        return campaign is not None and any(
            campaign.startswith(name[:-1]) if name.endswith("*") else campaign == name
            for name in self.deny_campaigns
        )


def _lease_checks(policy: ThrottlePolicy) -> tuple[tuple[bool, str], ...]:
    lease, renew, skew = policy.lease_seconds, policy.renew_before, policy.skew_seconds
    return (
        (1 <= lease <= MAX_LEASE_SECONDS, f"lease_seconds must be 1-3600, not {lease}"),
        (skew > 0, "skew_seconds must be above 0"),
        # A consumer whose clock is ahead by the skew must see the renewal in time.
        (
            skew < renew < lease,
            f"a lease of {lease:g} s, renewed {renew:g} s before its end, is too short "
            f"for clocks that differ by {skew:g} s (skew_seconds)",
        ),
        (
            0 < policy.max_alert_lease_seconds <= MAX_ORDER_SECONDS,
            "max_alert_lease_seconds must be above 0 and at most a week",
        ),
        (
            0 < policy.max_order_seconds <= MAX_ORDER_SECONDS,
            "max_order_seconds must be above 0 and at most a week",
        ),
    )


def _cap_checks(policy: ThrottlePolicy) -> tuple[tuple[bool, str], ...]:
    return (
        (policy.max_active_directives >= 0, "max_active_directives is negative"),
        (policy.max_slowed_directives >= 0, "max_slowed_directives is negative"),
        (
            policy.max_new_pauses_per_10_min >= 0,
            "max_new_pauses_per_10_min is negative",
        ),
        (
            policy.max_transitions_per_hour >= MIN_TRANSITIONS_PER_HOUR,
            f"max_transitions_per_hour must be {MIN_TRANSITIONS_PER_HOUR} or more",
        ),
        (
            all(name.strip("*") for name in policy.deny_campaigns),
            "deny_campaigns holds an empty name or a bare *; use kill_switch instead",
        ),
    )


def _evidence_checks(policy: ThrottlePolicy) -> tuple[tuple[bool, str], ...]:
    attempts = (
        policy.min_attempts,
        policy.pause_min_attempts,
        policy.straight_min_attempts,
    )
    return (
        (
            1 <= attempts[0] <= attempts[1] <= attempts[2],
            "need 1 <= min_attempts <= pause_min_attempts <= straight_min_attempts",
        ),
        (
            all(0 < limit < 1 for limit in policy.pause_limits.values()),
            "every one of pause_limits must lie between 0 and 1",
        ),
        (0 < policy.straight_rate < 1, "straight_rate must lie between 0 and 1"),
        (0 < policy.straight_share <= 1, "straight_share must be above 0, at most 1"),
        (
            0 < policy.max_age_seconds <= policy.hold_age_seconds <= MAX_ORDER_SECONDS,
            "need 0 < max_age_seconds <= hold_age_seconds <= a week",
        ),
    )


def _check_ladder(ladder: tuple[Rung, ...]) -> None:
    slow = [rung for rung in ladder if rung.action is Action.SLOW]
    fractions = [1.0, *(rung.rate_fraction for rung in ladder)]
    checks = (
        (bool(slow), "needs at least one slow rung"),
        (len(ladder) - len(slow) <= 1, "has more than one rung that is not slow"),
        (
            all(rung.action is Action.PAUSE for rung in ladder[len(slow) :]),
            "may end in a pause and holds slow rungs before it, nothing else",
        ),
        (
            all(b < a for a, b in itertools.pairwise(fractions)),
            "must fall from rung to rung, from below 1",
        ),
        (
            all(rung.rate_fraction > 0 for rung in slow),
            "slows to nothing; pause instead",
        ),
        (
            all(rung.rate_fraction == 0 for rung in ladder[len(slow) :]),
            "pauses at a rate_fraction that is not 0",
        ),
        (
            all(0 <= rung.dwell_seconds <= MAX_ORDER_SECONDS for rung in ladder),
            "has a dwell_seconds that is negative or beyond a week",
        ),
    )
    for good, what in checks:
        if not good:
            raise ConfigError(f"throttle: the ladder {what}")
