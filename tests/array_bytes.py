"""How much memory the arrays of an object take."""

import numpy as np


def array_bytes(held: object) -> int:
    """Bytes of all arrays in an object, however deep."""
    if isinstance(held, np.ndarray):
        return held.nbytes
    if hasattr(held, "__dict__"):
        held = vars(held)
    if isinstance(held, dict):
        held = list(held.values())
    parts = held if isinstance(held, (list, tuple)) else ()
    return sum(map(array_bytes, parts))
