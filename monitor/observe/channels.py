"""What this room knows of each channel, as arrays in the order of ``Channel``."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from monitor.events import COLUMNS, Channel
from monitor.observe.arrays import Array, Bools, Floats, Ints

CHANNELS = tuple(Channel)
WIDTH = len(CHANNELS)

#: Column of each channel's numerator and denominator in a count matrix. Only a message
#: that was delivered can be complained about.
NUMERATORS: Ints = np.array([COLUMNS.index(channel) for channel in CHANNELS])
assert NUMERATORS.tolist() == list(range(NUMERATORS[0], len(COLUMNS)))
DENOMINATORS: Ints = np.array(
    [
        COLUMNS.index("delivered" if channel is Channel.COMPLAINT else "attempts")
        for channel in CHANNELS
    ]
)


class Trait(NamedTuple):
    """How a channel behaves in a healthy fleet.

    Args:
        prior: rate to expect before anything is learned; counts for ``K_POP`` failures.
        floor: no baseline is taken for lower, or one failure would be a wonder.
        slack: failures that every window may hold for nothing: protects baselines
            near 0, where the first few events would otherwise be worth a page.
        fewest: failures that a window needs before it may alarm.
    """

    prior: float
    floor: float
    slack: float
    fewest: int


TRAITS: dict[Channel, Trait] = {
    Channel.HARD: Trait(0.010, 0.0010, 0.25, 5),
    Channel.BLOCK: Trait(0.005, 0.0005, 0.25, 5),
    # A fault of our own set-up is news at once, so a handful is enough.
    Channel.CONFIG: Trait(0.0005, 0.0002, 0.02, 3),
    Channel.TECHNICAL: Trait(0.010, 0.0010, 0.25, 8),
    # Greylisting makes deferrals a daily thing, and they come in heaps.
    Channel.DEFERRAL: Trait(0.050, 0.0050, 0.25, 10),
    # Complaints come hours after the mail, from feedback loops that send in batches.
    Channel.COMPLAINT: Trait(0.0005, 0.0001, 0.50, 5),
    Channel.BOUNCE: Trait(0.020, 0.0020, 0.25, 5),
}

PRIOR: Floats = np.array([TRAITS[channel].prior for channel in CHANNELS])
FLOOR: Floats = np.array([TRAITS[channel].floor for channel in CHANNELS])
SLACK: Floats = np.array([TRAITS[channel].slack for channel in CHANNELS])
FEWEST: Floats = np.array([float(TRAITS[channel].fewest) for channel in CHANNELS])

#: One reply may count in several channels; an incident gets one name. For an anomaly
#: in a channel these are the names it may get, the most telling first: the first one
#: whose excess is a good part of the anomaly's. A wave of 4xx that speaks of reputation
#: is a block; one that speaks of a busy server is a deferral.
NAMES: dict[Channel, tuple[Channel, ...]] = {
    Channel.HARD: (Channel.HARD,),
    Channel.BLOCK: (Channel.BLOCK,),
    Channel.CONFIG: (Channel.CONFIG,),
    Channel.TECHNICAL: (Channel.DEFERRAL, Channel.TECHNICAL),
    Channel.DEFERRAL: (Channel.CONFIG, Channel.BLOCK, Channel.DEFERRAL),
    Channel.COMPLAINT: (Channel.COMPLAINT,),
    Channel.BOUNCE: (
        Channel.CONFIG,
        Channel.BLOCK,
        Channel.HARD,
        Channel.TECHNICAL,
        Channel.BOUNCE,
    ),
}

#: Channels that count the same replies as another one.
TWINS: dict[Channel, tuple[Channel, ...]] = {
    Channel.HARD: (Channel.BOUNCE,),
    Channel.BLOCK: (Channel.DEFERRAL, Channel.BOUNCE),
    Channel.CONFIG: (Channel.DEFERRAL, Channel.BOUNCE),
    Channel.TECHNICAL: (Channel.DEFERRAL, Channel.BOUNCE),
    Channel.DEFERRAL: (Channel.CONFIG, Channel.BLOCK, Channel.TECHNICAL),
    Channel.COMPLAINT: (),
    Channel.BOUNCE: (Channel.CONFIG, Channel.BLOCK, Channel.HARD, Channel.TECHNICAL),
}

#: What an open incident in one of some channels leads to in another: what is deferred
#: today expires tomorrow, and all that bounces is in ``bounce``. Deferrals follow from
#: nothing else: where they count the same replies, they are twins.
FOLLOWS: dict[Channel, frozenset[Channel]] = {
    Channel.TECHNICAL: frozenset({Channel.DEFERRAL}),
    Channel.BOUNCE: frozenset(
        {Channel.CONFIG, Channel.BLOCK, Channel.HARD, Channel.TECHNICAL}
        | {Channel.DEFERRAL}
    ),
}

#: Anomalies are looked into in this order: what names a cause best comes first.
SPECIFIC_FIRST = (
    Channel.CONFIG,
    Channel.BLOCK,
    Channel.HARD,
    Channel.COMPLAINT,
    Channel.DEFERRAL,
    Channel.TECHNICAL,
    Channel.BOUNCE,
)


@lru_cache(maxsize=512)
def mask_of(channels: tuple[Channel, ...]) -> Bools:
    """True at the places of some channels; not to be written to."""
    mask = np.isin(CHANNELS, channels)
    mask.flags.writeable = False
    return mask


def split(counts: Array, kind: type = np.float64) -> tuple[Array, Array]:
    """Denominators and numerators, ``[rows, channels]`` each, never below 0, channel by
    channel, as numbers of a kind.
    """
    tried: Array = np.zeros((WIDTH, len(counts)), kind)
    failed: Array = np.zeros((WIDTH, len(counts)), kind)
    for of, columns in ((DENOMINATORS, tried), (NUMERATORS, failed)):
        for place, column in zip(of.tolist(), columns, strict=True):
            np.maximum(counts[:, place], 0, out=column, casting="unsafe")
    return tried.T, failed.T
