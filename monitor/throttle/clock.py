"""The governor's own clock.

Theory of operation. Wall clocks jump; a jump must neither pause mail nor forget a
person's order. So the governor ages everything on a reading of its own, which follows
the wall in steps of at most the tolerated skew. After a longer step (a jump, or a
stalled process: from inside they look the same) the reading gains that tolerance only
and counts as unsettled for as long again; nothing is tightened meanwhile. Wall time
appears in ``issued_at`` and ``expires_at`` only, and where fresh evidence comes in.
"""

import math


class Clock:
    """The governor's own reading; see the module's theory of operation."""

    def __init__(self) -> None:
        self.reading = 0.0
        self._last: float | None = None
        self._settled_at = -math.inf

    @property
    def started(self) -> bool:
        """False until the first call of ``advance``."""
        return self._last is not None

    @property
    def settled(self) -> bool:
        """False for a while after a jump."""
        return self.reading >= self._settled_at

    @property
    def lag(self) -> float:
        """Seconds by which the wall is ahead of the reading."""
        return 0.0 if self._last is None else self._last - self.reading

    def advance(self, now: float, tolerance: float) -> None:
        """Follow the wall to ``now`` by at most ``tolerance`` seconds."""
        assert math.isfinite(now)
        step = 0.0 if self._last is None else now - self._last
        if self._last is None:
            self.reading = now
        self.reading += min(max(step, 0.0), tolerance)
        if abs(step) > tolerance:
            self._settled_at = self.reading + tolerance
        self._last = now
