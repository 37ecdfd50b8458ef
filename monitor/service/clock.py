"""The only reader of clocks; everything else takes ``now`` as an argument."""

import time


def now() -> float:
    """Wall time, epoch seconds."""
    return time.time()  # noqa: TID251 - the one place


def monotonic() -> float:
    """Seconds since some moment; never goes back."""
    return time.monotonic()
