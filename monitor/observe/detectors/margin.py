"""A rate that is only a little up is no news.

Where much is expected, the margin keeps rates that creep from being told. Where little
is, chance moves the count by more than they do, and the margin would cost every seventh
nat of a rise to five times as many. So it grows with what is expected.
"""

from monitor.observe.arrays import Floats

#: A rate that is up by this part is no news, if much is expected.
MARGIN = 0.15

#: Failures expected where half of the margin counts: there all of it is one standard
#: deviation of chance.
HALF_AT = MARGIN**-2


def without_margin(most: Floats) -> Floats:
    """What is expected, of sums that hold the whole margin."""
    expected: Floats = most / (1.0 + MARGIN)
    return expected


def with_margin(expected: Floats) -> Floats:
    """What may fail in a window and be no news, failures."""
    allowed: Floats = expected * (1.0 + MARGIN * expected / (expected + HALF_AT))
    return allowed
