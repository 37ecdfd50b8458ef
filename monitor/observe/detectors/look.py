"""What a detector is shown, what it says, and what it must be able to do."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from monitor.events import IncidentKind
from monitor.observe.arrays import Array, Bools, Floats, Ints, Singles, State


@dataclass(frozen=True, slots=True)
class Look:
    """New counts of some keys, and what is known of those keys.

    Args:
        now: time of the look, epoch seconds.
        begins: event time from which most of its counts are, epoch seconds.
        keys: places of the keys, ``[rows]``, each once.
        kinds: their kinds, as numbers of ``keys.KINDS``.
        tried: attempts (complaints: delivered), ``[rows, channels]``.
        failed: failures, ``[rows, channels]``.
        rate: learned baseline rates.
        info: failures that stand behind the rates.
        cv2: squared coefficient of variation of the rates.
        phi: variance over mean of clumped counts.
        known: where a baseline has been learned at all.
        threshold: score, in nats, from which a key is over the line.
    """

    now: float
    begins: float
    keys: Ints
    kinds: Array
    tried: Floats
    failed: Floats
    rate: Floats
    info: Floats
    cv2: Floats
    phi: Floats
    known: Bools
    threshold: Floats

    def counts(self, rows: Ints, channel: int) -> tuple[Singles, Singles]:
        """Attempts and failures of some rows in one channel, 32-bit."""
        tried = column_of(self.tried, rows, channel)
        return tried, column_of(self.failed, rows, channel)


class Reading(NamedTuple):
    """What a detector makes of a look; all ``[rows, channels]``.

    ``score`` is evidence in nats since ``start`` (epoch seconds; of no meaning where
    nothing is over); ``over`` is where it
    is an anomaly; ``warm`` is where the baseline should learn slowly meanwhile.
    """

    score: Floats
    over: Bools
    start: Floats
    warm: Bools


def column_of(values: Array, rows: Ints, channel: int) -> Singles:
    """Some rows in one channel of what is ``[rows, channels]``, 32-bit."""
    # Both are much faster than values[rows, channel].
    found: Array
    if values.flags.c_contiguous:
        found = values.ravel().take(rows * values.shape[1] + channel)
    else:
        found = values[:, channel].take(rows)
    return found.astype(np.float32, copy=False)


def nothing_in(look: Look) -> Reading:
    """A reading without any news, to enter some into."""
    shape = look.tried.shape
    # Zeros cost nothing where nothing is entered.
    over, warm = np.zeros((2, *shape), bool)
    return Reading(np.zeros(shape), over, np.zeros(shape), warm)


class Detector(Protocol):
    """One rule, with state for every key; places are as in ``Look.keys``.

    ``name`` is its name in policies and incidents; ``kind`` is what it finds: a spike
    is looked into and hidden from what is learned, all else becomes a ticket; ``pace``
    is the length of the shortest change that it is made for, seconds. ``ceiling`` is,
    for each channel, the rate from which nothing is normal to the rule: infinite where
    it asks for the learned baseline only.
    """

    name: str
    kind: IncidentKind
    pace: float
    ceiling: Floats

    def look(self, look: Look) -> Reading:
        """Take new counts in and judge them."""

    def reset(self, keys: Ints, channels: Bools) -> None:
        """Start anew where the evidence has found its cause."""

    def resize(self, capacity: int) -> None:
        """Make place for more keys."""

    def forget(self, keys: Ints) -> None:
        """Clear the places of evicted keys."""

    def state(self, size: int) -> State:
        """What a snapshot needs of the first ``size`` places."""

    def load(self, state: State) -> None:
        """Take back what ``state`` gave."""
