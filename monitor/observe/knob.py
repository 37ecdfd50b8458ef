"""The one knob: how many false pages a week the whole fleet may cost.

A score crosses a threshold of h nats by chance about ``exp(-h)`` times a look, so with
N looks a week and one false page allowed, ``h = ln(N) + 0.6``, less what was measured
to be too much. Only looks that hold a failure count: no other can raise a score; and
the keys and channels that one failure is rolled up to are one look, since what they say
together becomes one incident. That is the theory. Where rates breathe more than what
was learned of them, scores run higher: then the tail of finished excursions foretells
more false pages than accepted, and the threshold rises until it does not.
"""

from math import exp, log

import numpy as np

from monitor.observe.arrays import Floats, State
from monitor.observe.detectors.tail import HIGH
from monitor.observe.policy import WEEK_SECONDS

#: Nats on top of the logarithm of the looks: neighbouring looks say the same.
MARGIN = -0.8

#: Until a fleet is known, it is taken for one with so many looks a second, and this
#: belief weighs ten minutes.
FIRST_LOOKS, FIRST_SECONDS = 100.0, 600.0

#: Time constant of forgetting how busy the fleet was.
MEMORY_SECONDS = 6 * 3_600.0

#: No fleet is so idle that less evidence than this should open an incident.
LOWEST = 12.0

#: A scope that was closed within the hour alarms again with so much less evidence.
REPEAT_NATS = 5.0

#: With fewer high peaks than this, their tail is taken for the theory's.
FEWEST_PEAKS = 5.0

#: Peaks of the theory's tail that the fitted one is shrunk to, and the flattest tail
#: and the highest threshold that are believed: real spikes that nobody named may be
#: among the peaks.
PRIOR_PEAKS, FLATTEST, MOST_RAISED = 60.0, 0.4, 8.0


class Knob:
    """From looks to the threshold, and back to what it will cost.

    Args:
        false_pages_per_week: what the user accepts.
    """

    def __init__(self, false_pages_per_week: float) -> None:
        self._accepted = false_pages_per_week
        self._looks = FIRST_LOOKS * FIRST_SECONDS
        self._seconds = FIRST_SECONDS
        self._watched = 0.0
        self._high: Floats = np.zeros(2)

    def note(self, looks: float, seconds: float) -> None:
        """Count looks that held a failure, in a span of time."""
        fade = exp(-seconds / MEMORY_SECONDS)
        self._looks = self._looks * fade + looks
        self._seconds = self._seconds * fade + seconds
        self._watched += seconds

    @property
    def threshold(self) -> float:
        """Evidence, in nats, that an anomaly needs."""
        looks = self._looks / self._seconds * WEEK_SECONDS
        theory = max(LOWEST, log(max(looks / self._accepted, 1.0)) + MARGIN)
        a_week, slope = self._tail
        if self._high[0] < FEWEST_PEAKS:
            return theory
        measured = HIGH + log(max(a_week / self._accepted, 1.0)) / slope
        return min(max(theory, measured), theory + MOST_RAISED)

    @property
    def expected_false_pages(self) -> float:
        """False pages a week that the tail of finished excursions foretells."""
        a_week, slope = self._tail
        return a_week * exp(-slope * (self.threshold - HIGH))

    def heed(self, high: Floats) -> None:
        """Take in the tail of finished excursions.

        Args:
            high: number of peaks above ``HIGH``, and the sum of what they exceed it by.
        """
        self._high = high

    @property
    def _tail(self) -> tuple[float, float]:
        """Peaks above ``HIGH`` a week, and how their number falls with each nat."""
        peaks, excess = float(self._high[0]), float(self._high[1])
        slope = (peaks + PRIOR_PEAKS) / (excess + PRIOR_PEAKS)
        a_week = (peaks + 1.0) / (self._watched + FIRST_SECONDS) * WEEK_SECONDS
        return a_week, min(max(slope, FLATTEST), 1.0)

    def state(self) -> State:
        """What a snapshot needs."""
        return {"knob": np.array([self._looks, self._seconds, self._watched])}

    def load(self, state: State) -> None:
        """Take back what ``state`` gave."""
        self._looks, self._seconds, self._watched = map(float, state["knob"])
