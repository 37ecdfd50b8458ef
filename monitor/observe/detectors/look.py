"""What a detector is shown, what it says, and what it must be able to do."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from monitor.events import IncidentKind
from monitor.observe.arrays import Array, Bools, Floats, Ints, Singles, State

#: What is summed: failures, what speaks against a rise (expected failures, or
#: successes), attempts.
FAILED, AGAINST, TRIED = range(3)


@dataclass(frozen=True, slots=True)
class Look:
    """New counts of some keys, and what is known of those keys; all 32-bit and kept
    channel by channel, or it takes longer. It is of this moment, and not to be kept.

    Args:
        now: time of the look, epoch seconds.
        begins: event time from which most of its counts are, epoch seconds.
        keys: places of the keys, ``[rows]``, ascending.
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
    tried: Array
    failed: Array
    rate: Array
    info: Array
    cv2: Array
    phi: Array
    known: Bools
    threshold: Floats

    def keys_of(self, rows: Ints) -> Ints:
        """The keys of some rows, ascending."""
        return self.keys if len(rows) == len(self.keys) else self.keys.take(rows)

    def counts(self, rows: Ints, channel: int) -> Singles:
        """Counts of some rows, ascending, in one channel, ``[3, rows]``, in the order
        of ``FAILED``, ``AGAINST``, ``TRIED``; what speaks against is the rule's to say.
        """
        counts = np.empty((3, len(rows)), np.float32)
        counts[FAILED] = column_of(self.failed, rows, channel)
        counts[TRIED] = column_of(self.tried, rows, channel)
        return counts


class Reading(NamedTuple):
    """What a detector makes of a look, ``[rows, channels]``.

    ``score`` is evidence in nats; ``over`` is where it is an anomaly; ``warm`` is where
    the baseline should learn slowly meanwhile. ``starts`` holds by channel rows,
    ascending, among them all that are over, and since when, epoch seconds.
    """

    score: Array
    over: Bools
    warm: Bools
    starts: dict[int, tuple[Ints, Array]]

    def dates(self, row: int, channel: int) -> bool:
        """True if it tells of a row and channel since when."""
        rows, _ = self.starts.get(channel, _NONE)
        return row in rows

    def start(self, row: int, channel: int) -> float:
        """Since when what is over has been so, epoch seconds."""
        assert self.dates(row, channel)
        rows, since = self.starts[channel]
        return float(since[np.searchsorted(rows, row)])


_NONE: tuple[Ints, Array] = np.zeros(0, np.int64), np.zeros(0)


def column_of(values: Array, rows: Ints, channel: int) -> Array:
    """Some rows, ascending, in one channel of what is ``[rows, channels]``."""
    # All are much faster than values[rows, channel].
    found: Array
    if len(rows) == len(values):
        found = values[:, channel]
    elif values.flags.c_contiguous:
        found = values.ravel().take(rows * values.shape[1] + channel)
    else:
        found = values[:, channel].take(rows)
    return found


def enter(values: Array, rows: Ints, channel: int, new: Array | float) -> None:
    """Put something into some rows, ascending, of one channel."""
    if len(rows) == len(values):
        values[:, channel] = new
    else:
        values[rows, channel] = new


def no_news(look: Look) -> Reading:
    """A reading without any news, not to be written to."""
    shape = look.tried.shape
    no, zero = np.broadcast_to(False, shape), np.broadcast_to(0.0, shape)
    return Reading(zero, no, no, {})


def nothing_in(look: Look) -> Reading:
    """A reading without any news, to enter some into."""
    shape = look.tried.shape
    # Zeros cost nothing where nothing is entered; channels are read one by one.
    score = np.zeros(shape, np.float32, order="F")
    over, warm = (np.zeros(shape, bool, order="F") for _ in range(2))
    return Reading(score, over, warm, {})


def tell(reading: Reading, at: tuple[Ints, int], over: Bools, since: Array) -> None:
    """Enter which of some rows, ascending, of a channel are over, and since when."""
    rows, channel = at
    reading.over[rows, channel] = over
    told = np.flatnonzero(over)
    if len(told):
        reading.starts[channel] = rows[told], since[told]


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
