"""Counts in base 256 against plain ones."""

import numpy as np

from monitor.observe.digits import GRAIN, Digits


def test_counts_are_those_of_a_plain_array() -> None:
    random = np.random.default_rng(5)
    digits, plain = Digits(), np.zeros(3 * GRAIN, np.int64)
    for most in (1, 10, 300, 70_000, 20_000_000) * 3:
        places = np.flatnonzero(random.random(len(plain)) < 0.4)
        counts = random.integers(0, most, len(places))
        digits.add(places, counts)
        plain[places] += counts
        gone = random.integers(0, len(plain), 5)
        digits.clear(gone)
        plain[gone] = 0
        asked = random.integers(0, len(plain), 50)
        assert digits.of(asked).tolist() == plain[asked].tolist()
        assert digits.first(len(plain)).tolist() == plain.tolist()
    assert digits.first(7).tolist() == plain[:7].tolist()
    again = Digits()
    again.load(digits.state())
    digits.add(places, counts)
    assert again.first(len(plain)).tolist() == plain.tolist()


def test_places_beyond_the_last_one_counted_have_0() -> None:
    digits = Digits()
    digits.add(np.array([3]), np.array([5]))
    assert digits.of(np.array([3, 10 * GRAIN])).tolist() == [5.0, 0.0]
    digits.clear(np.array([10 * GRAIN]))
    assert digits.first(2 * GRAIN).sum() == 5.0


def test_one_large_count_costs_its_own_digits_only() -> None:
    digits = Digits()
    digits.add(np.arange(100 * GRAIN), np.ones(100 * GRAIN, int))
    digits.add(np.array([0]), np.array([2**32 - 2]))
    assert digits.of(np.array([0])).tolist() == [2.0**32 - 1]
    assert sum(low.nbytes for low in digits._digits) == 103 * GRAIN
