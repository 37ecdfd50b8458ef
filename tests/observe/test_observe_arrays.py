"""Sums of rows in few bytes: the same numbers, and never a wrong sign."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from monitor.observe.arrays import NOWHERE, roll_up

MOST = np.iinfo(np.int32).max
GROUPS = arrays(np.int64, (6, 2), elements=st.integers(NOWHERE, 4))


@given(GROUPS, arrays(np.int32, (6, 3), elements=st.integers(-1000, MOST)))
def test_whole_numbers_are_the_plain_sums_or_the_most(
    groups: np.ndarray, values: np.ndarray
) -> None:
    # A key is of one kind: no group is in two of them.
    groups[:, 1] += 5 * (groups[:, 1] >= 0)
    met, exact = roll_up(groups, values)
    same, sums = roll_up(groups, values, np.int32)
    assert same.tolist() == met.tolist()
    assert sums.dtype == np.int32
    assert sums.tolist() == np.minimum(exact, MOST).tolist()
