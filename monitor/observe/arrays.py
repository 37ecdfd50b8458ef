"""Names for the arrays of this room, and the few things done to all of them."""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Array = npt.NDArray[Any]

#: State by name: what a component hands to the snapshot and takes back from it.
State = dict[str, Array]


def widened(array: Array, capacity: int, axis: int = 0) -> Array:
    """A copy with ``capacity`` places along ``axis``; the new ones are zero."""
    shape = list(array.shape)
    have = shape[axis]
    assert capacity >= have
    shape[axis] = capacity
    wide = np.zeros(shape, array.dtype)
    wide[(slice(None),) * axis + (slice(0, have),)] = array
    return wide


def roll_up(groups: Ints, values: Array) -> tuple[Ints, Floats]:
    """Sum rows by each of their groups.

    Args:
        groups: ``[rows, kinds]``, the group of a row in each kind; below 0: in none.
        values: ``[rows, columns]``.

    Returns:
        The groups met, ascending, and the sums ``[groups, columns]``.
    """
    flat = groups.T.ravel()
    rows = np.tile(np.arange(len(values)), groups.shape[1])
    named = flat >= 0
    met, place = np.unique(flat[named], return_inverse=True)
    taken = values[rows[named]]
    sums = np.empty((len(met), values.shape[1]))
    for column in range(values.shape[1]):
        sums[:, column] = np.bincount(place, taken[:, column], minlength=len(met))
    return met, sums
