"""Names for the arrays of this room, and the few things done to all of them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Array = npt.NDArray[Any]

#: A place that is none.
NOWHERE = -1

#: State by name: what a component hands to the snapshot and takes back from it.
State = dict[str, Array]


#: Arrays that are full grow by this part, and to a multiple of so many places: what is
#: not used yet costs memory, but each growth costs a copy.
GROWTH, GRAIN = 0.03, 256


def roomy(places: int) -> int:
    """The capacity to grow to when there must be so many places.

    >>> roomy(257), roomy(100_000)
    (512, 103168)
    """
    return -(-int(places * (1.0 + GROWTH)) // GRAIN) * GRAIN


#: Rows worked on at a time where a step has many intermediate results: they stay in the
#: processor's cache, and their memory is used again and again. No fewer than numpy's
#: buffers hold: shorter rows are copied to be worked on together, at twice the cost.
PART = 8_192


def slices_of(rows: int) -> Iterator[slice]:
    """Some thousand rows at a time.

    >>> list(slices_of(9000))
    [slice(0, 8192, None), slice(8192, 16384, None)]
    """
    return (slice(first, first + PART) for first in range(0, rows, PART))


def widened(array: Array, capacity: int, axis: int = 0) -> Array:
    """A copy with ``capacity`` places along ``axis``; the new ones are zero."""
    shape = list(array.shape)
    have = shape[axis]
    assert capacity >= have
    shape[axis] = capacity
    wide = np.zeros(shape, array.dtype)
    wide[(slice(None),) * axis + (slice(0, have),)] = array
    return wide


def side_by_side(places: Ints) -> Ints | slice:
    """A slice, if places, which ascend, have no gaps: cheaper to use, and not a copy.

    >>> side_by_side(np.array([4, 5, 6])), side_by_side(np.array([4, 6]))
    (slice(4, 7, None), array([4, 6]))
    """
    if not len(places):
        return places
    first, end = int(places[0]), int(places[-1]) + 1
    return slice(first, end) if len(places) == end - first else places


def used(counts: Array) -> list[int]:
    """Columns of counts, none below 0, that are not 0 throughout.

    >>> used(np.array([[0.0, 2.0], [0.0, 0.0]]))
    [1]
    """
    # Several times as fast as to ask for any that is not 0.
    return np.flatnonzero(counts.max(axis=0, initial=0) > 0).tolist()


def rows_of(values: Array, places: Ints) -> Array:
    """Some rows of what is kept column by column, as it is kept; to be read at once,
    since it may not be a copy.
    """
    ascend = bool((places[1:] > places[:-1]).all())
    mine = side_by_side(places) if ascend else places
    rows: Array = values.T.take(places, axis=1).T if mine is places else values[mine]
    return rows


def roll_up(groups: Ints, values: Array, kind: type = np.float64) -> tuple[Ints, Array]:
    """Sum rows by each of their groups.

    Args:
        groups: ``[rows, kinds]``, the group of a row in each kind; below 0: in none.
        values: ``[rows, columns]``.
        kind: of the numbers that sums are kept as.

    Returns:
        The groups met, ascending, and the sums ``[groups, columns]``, each column
        in one piece.
    """
    seen = np.zeros(int(groups.max(initial=NOWHERE)) + 2, bool)
    seen[groups] = True  # the last place is that of NOWHERE
    seen[-1] = False
    met = np.flatnonzero(seen)
    rank = np.cumsum(seen) - 1
    rank[-1] = len(met)
    # Kind by kind, and without kinds that no row has: their sums are close together.
    place = rank[groups.T[(groups >= 0).any(axis=0)]]
    return met, added_up(place, values, len(met) + 1, kind)[:-1]


def added_up(places: Ints, values: Array, size: int, kind: type = np.float64) -> Array:
    """Sums of rows by their places, ``[size, columns]``, each column in one piece.

    Args:
        places: ``[rows]``, or ``[kinds, rows]`` for a row that belongs to several.
        values: ``[rows, columns]``.
        size: of the sums; places are below it.
        kind: of the numbers that sums are kept as; what they cannot hold is their most.
    """
    kinds = np.atleast_2d(places)
    sums: Array = np.zeros((values.shape[1], size), kind)
    most = np.iinfo(kind).max if np.issubdtype(kind, np.integer) else np.inf
    for column, counts in zip(sums, values.T, strict=True):
        # Most rows have no failures, so most entries of most columns are 0.
        rows = np.flatnonzero(counts)
        weights = counts[rows].astype(float)
        over = np.abs(weights).sum() > most
        for of_kind in kinds if len(rows) else ():
            mine = of_kind if len(rows) == len(counts) else of_kind[rows]
            found = np.bincount(mine, weights, minlength=size)
            if over:
                found = np.clip(column + found, -most, most) - column
            np.add(column, found, out=column, casting="unsafe")
    return sums.T


def idlest(seen: Ints, taken: Array, most: int, slot: int) -> Ints:
    """Up to ``most`` taken places, the least recently seen, all before ``slot``."""
    taken = taken.copy()
    taken[0] = False  # the fleet and the nameless leaf stay
    old = np.flatnonzero(taken & (seen < slot))
    return old[np.argsort(seen[old], kind="stable")[: max(1, most)]]
