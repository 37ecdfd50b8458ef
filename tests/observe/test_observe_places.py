import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.observe import places as room
from monitor.observe.arrays import NOWHERE, Ints
from monitor.observe.places import Places, firsts

LABEL = st.tuples(st.integers(0, 3), st.integers(-2, 2), st.just(7))
STEPS = st.lists(st.tuples(st.booleans(), st.sets(LABEL, max_size=9)), max_size=20)


def rows(labels: list[tuple[int, int, int]]) -> Ints:
    return np.array(labels, np.int64).reshape(-1, 3)


@given(STEPS)
def test_places_are_those_of_a_dictionary(
    steps: list[tuple[bool, set[tuple[int, int, int]]]],
) -> None:
    places, truth = Places(3), dict[tuple[int, int, int], int]()
    for come, labels in steps:
        mine = sorted(one for one in labels if (one in truth) != come)
        if come:
            found = places.take(rows(mine)).tolist()
            free = [n for n in range(len(truth) + 99) if n not in truth.values()]
            assert found == free[: len(mine)]
            truth.update(zip(mine, found, strict=True))
        else:
            places.drop(np.array([truth.pop(one) for one in mine], np.int64))
        assert len(places) == len(truth)
        every = sorted({*labels, *truth})
        wanted = [truth.get(one, NOWHERE) for one in every]
        assert places.find(rows(every)).tolist() == wanted
        held = np.flatnonzero(places.taken)
        assert {tuple(one) for one in places.labels(held).tolist()} == set(truth)


def test_thousands_come_and_go() -> None:
    random = np.random.default_rng(3)
    labels = np.unique(random.integers(0, 2**62, (20_000, 2)), axis=0)
    random.shuffle(labels)
    places = Places(2)
    for first in range(0, 12_000, 2_000):
        old, new = labels[first : first + 4_000], labels[first + 4_000 :][:2_000]
        places.take(old[places.find(old) == NOWHERE])
        assert (np.sort(places.find(old)) == np.flatnonzero(places.taken)).all()
        assert (places.find(new) == NOWHERE).all()
        places.drop(places.find(old[:2_000]))
        assert (places.find(old[:2_000]) == NOWHERE).all()
        assert (places.labels(places.find(old[2_000:])) == old[2_000:]).all()
    assert places.end == 4_000


def test_labels_that_look_alike_are_told_apart() -> None:
    # With these mixers the sum of a label's words is all that is looked at.
    mixers = room._MIXERS.copy()
    try:
        room._MIXERS[:] = 1
        labels = np.array([(n, 40 - n, 0) for n in range(41)])
        places = Places(3)
        assert places.take(labels).tolist() == list(range(41))
        assert places.find(labels).tolist() == list(range(41))
        assert firsts(np.repeat(labels, 2, axis=0)).tolist() == list(range(0, 82, 2))
        assert firsts(labels).tolist() == list(range(41))
    finally:
        room._MIXERS[:] = mixers


def test_what_was_saved_is_found_again() -> None:
    labels = np.arange(600)[:, None]
    places, copy = Places(1), Places(1)
    places.take(labels)
    places.drop(np.arange(0, 600, 7))
    copy.load(places.labels(slice(places.end)), places.taken[: places.end])
    assert (copy.find(labels) == places.find(labels)).all()
    assert len(copy) == len(places)
    assert (copy.take(labels[:14:7]) == places.take(labels[:14:7])).all()
