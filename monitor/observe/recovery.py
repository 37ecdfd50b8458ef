"""Is a cause gone? A sequential test, since "the rate went down" clears wrongly.

The evidence for "back to normal" (rate ``good``) against "still bad" (rate ``bad``) is
summed over the attempts that still reach the cause and set to 0 when it falls below.
The cause is gone when the evidence has reached its line *and* some time has passed
since it last stood at 0.
"""

from math import log, sqrt

import msgspec

#: Evidence, in nats, from which an incident is called recovering: odds of 20 to 1.
RECOVERING_NATS = 3.0

#: Least evidence to close: odds of 1000 to 1. More traffic tests more often, and one
#: wrong closing a day is accepted, so above 1000 attempts a day it is their logarithm.
CLOSING_ATTEMPTS_A_DAY = 1000.0

#: Least time since the last bad sign; small lifts need more to be told from luck.
QUIET_SECONDS, QUIET_SECONDS_SMALL = 300.0, 900.0
SMALL_LIFT = 3.0

#: Without a single attempt for so long, there is nothing left to be wrong with. The
#: next mail of the scope starts with a clean sheet, and is reopened if it is bad.
IDLE_SECONDS = 900.0

_DAY = 86_400.0
_HIGHEST_RATE = 0.95


class Recovery(msgspec.Struct):
    """The test of one incident.

    Args:
        good: rate that counts as normal.
        worst: highest rate seen since it opened.
        evidence: for "back to normal", nats.
        quiet_since: time of the last bad sign.
        attempts: attempts since then.
        last_attempt: time of the last attempt.
    """

    good: float
    worst: float
    quiet_since: float
    last_attempt: float
    evidence: float = 0.0
    attempts: float = 0.0

    @property
    def bad(self) -> float:
        """The rate that the test must rule out."""
        bad = max(_at_odds(self.good, 2.0), sqrt(self.good * self.worst))
        return min(bad, _HIGHEST_RATE)

    def add(self, now: float, tried: float, failed: float) -> None:
        """Take in attempts and failures that came since the last call."""
        if tried <= 0 and failed <= 0:
            return
        good = min(self.good, _at_odds(self.bad, 0.5))
        fine = max(tried - failed, 0.0)
        self.evidence += failed * log(good / self.bad)
        self.evidence += fine * log((1.0 - good) / (1.0 - self.bad))
        self.attempts += tried
        self.last_attempt = now
        if self.evidence <= 0.0:
            self.restart(now)

    def restart(self, now: float) -> None:
        """Begin anew: something bad was seen."""
        self.evidence, self.attempts, self.quiet_since = 0.0, 0.0, now

    @property
    def hopeful(self) -> bool:
        """True when it looks like recovery, but not surely."""
        return self.evidence >= RECOVERING_NATS

    def done(self, now: float) -> bool:
        """True when the cause is gone, or all of its traffic is."""
        if now - self.last_attempt >= IDLE_SECONDS:
            return True
        small = self.worst < SMALL_LIFT * self.good
        quiet = now - self.quiet_since
        if quiet < (QUIET_SECONDS_SMALL if small else QUIET_SECONDS):
            return False
        a_day = self.attempts / quiet * _DAY
        return self.evidence >= log(max(CLOSING_ATTEMPTS_A_DAY, a_day))


def _at_odds(rate: float, times: float) -> float:
    """The rate whose odds are so many times as large: for small rates, so many times
    the rate; twice as bad as 40 % is 57 %, not 80 %.
    """
    return times * rate / (1.0 + (times - 1.0) * rate)
