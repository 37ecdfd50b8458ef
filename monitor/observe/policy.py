"""What we want of the observer, checked once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from monitor.errors import ConfigError
from monitor.events import SCOPE_DIMENSIONS, Channel

WEEK_SECONDS = 604_800.0

#: Slots longer than this could not fill the 5-minute window.
MAX_SLOT_SECONDS = 300


class Limit(NamedTuple):
    """Rates, 0-1, that are too high whatever is normal: for a ticket, for a page."""

    warning: float
    page: float


#: Bounces: what large receivers and providers of mail services act on (5 % review,
#: 10 % stop). Deferrals: only what stops mail, since greylisting alone may reach 30 %.
DEFAULT_LIMITS: Mapping[Channel, Limit] = MappingProxyType(
    {
        Channel.HARD: Limit(0.05, 0.10),
        Channel.BLOCK: Limit(0.05, 0.10),
        Channel.CONFIG: Limit(0.02, 0.05),
        Channel.TECHNICAL: Limit(0.10, 0.25),
        Channel.DEFERRAL: Limit(0.50, 0.80),
        Channel.COMPLAINT: Limit(0.001, 0.003),
        Channel.BOUNCE: Limit(0.05, 0.10),
    }
)


@dataclass(frozen=True, slots=True)
class ObservePolicy:
    """How to watch one fleet.

    Args:
        slot_seconds: length of a slot of event time, as in counting.
        dimensions: short names of the dimensions to roll up by.
        false_pages_per_week: false alarms to accept over the whole fleet; the knob.
        detectors: names of the rules to run.
        limits: absolute limits by channel; a channel without one has no limit rule.
        limit_min_attempts: attempts that a window needs before a limit may be
            called exceeded.
        max_keys: scopes with state, about 1.5 kB each; the idle longest are evicted.
        max_leaves: cells remembered; the idle longest are evicted.
        stale_after_seconds: a slot that ended longer ago teaches, but never alarms.

    Raises:
        ConfigError: if a value cannot be used.
    """

    slot_seconds: int = 10
    dimensions: tuple[str, ...] = SCOPE_DIMENSIONS
    false_pages_per_week: float = 1.0
    detectors: tuple[str, ...] = ("nb_glr", "limit", "drift", "silence", "new_reply")
    limits: Mapping[Channel, Limit] = field(default_factory=lambda: DEFAULT_LIMITS)
    limit_min_attempts: int = 50
    max_keys: int = 20_000
    max_leaves: int = 50_000
    stale_after_seconds: float = 120.0

    def __post_init__(self) -> None:
        if not 1 <= self.slot_seconds <= MAX_SLOT_SECONDS:
            raise ConfigError("observe: slot_seconds must be 1 to 300")
        unknown = set(self.dimensions) - set(SCOPE_DIMENSIONS)
        if unknown:
            raise ConfigError(f"observe: unknown dimension {sorted(unknown)[0]!r}")
        if not self.false_pages_per_week > 0:
            raise ConfigError("observe: false_pages_per_week must be above 0")
        if min(self.max_keys, self.max_leaves) < 16:
            raise ConfigError("observe: max_keys and max_leaves must be 16 or more")
        if self.limit_min_attempts < 1 or not self.stale_after_seconds > 0:
            raise ConfigError(
                "observe: limit_min_attempts and stale_after_seconds must be above 0"
            )
        self._check_limits()

    def _check_limits(self) -> None:
        for channel, limit in self.limits.items():
            if not 0 < limit.warning <= limit.page < 1:
                raise ConfigError(
                    f"observe: limits of {channel.value}: not 0 < warning <= page < 1"
                )

    def slot_of(self, seconds: float) -> int:
        """The slot that a time falls into."""
        return int(seconds // self.slot_seconds)

    def is_stale(self, slot: int, now: float) -> bool:
        """True if the slot ended too long ago to raise an alarm."""
        return (slot + 1) * self.slot_seconds < now - self.stale_after_seconds
