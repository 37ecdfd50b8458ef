"""What is normal for a leaf, made of what is normal for its keys.

Leaves are too many and too small to be learned one by one. Their rate is the product
of effects: the provider's rate, times what the pair (IP, provider) is above it, times
what the pair (campaign, provider) is above it.
"""

import numpy as np

from monitor.observe.arrays import Array, Floats
from monitor.observe.baseline import HIGHEST_RATE
from monitor.observe.channels import FLOOR
from monitor.observe.keys import (
    CAMPAIGN,
    CAMPAIGN_PROVIDER,
    IP,
    IP_PROVIDER,
    PROVIDER,
    SEGMENT,
    TENANT,
)

#: A campaign that alone uses an IP gives it its own rate; counted twice that would
#: hide a spike. So the product may not be above the larger factor by more than this.
MOST_ABOVE_FACTORS = 1.5


def leaf_rates(keys: Array, rate: Floats) -> Floats:
    """Normal rates of leaves, ``[leaves, channels]``.

    Args:
        keys: the leaves' keys, ``[leaves, kinds]``; below 0 where there is none.
        rate: learned rates of keys, ``[keys, channels]``; place 0 is the fleet.
    """
    base = _first_known(keys, rate, (PROVIDER,), rate[0])
    sender = _first_known(keys, rate, (IP_PROVIDER, IP), base)
    content = _first_known(
        keys, rate, (CAMPAIGN_PROVIDER, CAMPAIGN, TENANT, SEGMENT), base
    )
    product = sender * content / base
    factors = np.maximum(np.maximum(sender, content), base)
    bounded = np.minimum(product, MOST_ABOVE_FACTORS * factors)
    rates: Floats = np.clip(bounded, FLOOR, HIGHEST_RATE)
    return rates


def _first_known(
    keys: Array, rate: Floats, kinds: tuple[int, ...], otherwise: Floats
) -> Floats:
    """Rates of each leaf's key of the first of some kinds that it has."""
    found = np.broadcast_to(otherwise, (len(keys), rate.shape[1]))
    for kind in reversed(kinds):
        places = keys[:, kind, None]
        found = np.where(places >= 0, rate[np.maximum(places[:, 0], 0)], found)
    return found
