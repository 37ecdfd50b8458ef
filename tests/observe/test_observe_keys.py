import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.events import SCOPE_DIMENSIONS, Cell, Scope
from monitor.observe.keys import FLEET, KINDS, NOWHERE, Catalog

NAMES = st.sampled_from(["", "a", "b", "c"])
CELLS = st.builds(Cell, NAMES, NAMES, NAMES, NAMES, NAMES)


def catalog(**changes: int) -> Catalog:
    bounds = {"max_keys": 1000, "max_leaves": 1000} | changes
    return Catalog(SCOPE_DIMENSIONS, **bounds)


def cell(number: int) -> Cell:
    return Cell(f"p{number}", f"ip{number}", f"c{number}", "", "")


def test_a_leaf_rolls_up_to_one_key_of_each_kind() -> None:
    keys = catalog()
    place = keys.seat([Cell("p", "i", "c", "t", "s")], slot=5)[0]
    scopes = [keys.scopes[key] for key in keys.leaf_keys[place]]
    assert scopes == [
        Scope(),
        Scope(provider="p"),
        Scope(source_ip="i"),
        Scope(campaign="c"),
        Scope(tenant="t"),
        Scope(segment="s"),
        Scope(source_ip="i", provider="p"),
        Scope(campaign="c", provider="p"),
    ]
    assert [scope.kind for scope in scopes if scope] == list(KINDS)
    assert keys.place_of(Scope(campaign="c", provider="p")) == keys.leaf_keys[place][7]


def test_a_dimension_that_is_not_known_has_no_key() -> None:
    keys = catalog()
    place = keys.seat([Cell("", "i", "c", "", "")], slot=5)[0]
    have = [KINDS[kind] for kind in np.flatnonzero(keys.leaf_keys[place] >= 0)]
    assert have == ["fleet", "ip", "campaign"]


def test_dimensions_that_are_off_do_not_tell_leaves_apart() -> None:
    keys = Catalog(("provider", "ip"), 1000, 1000)
    places = keys.seat(
        [Cell("p", "i", "c1", "t", "s"), Cell("p", "i", "c2", "", "")], 5
    )
    assert places[0] == places[1]
    have = {scope.kind for scope in keys.scopes if scope is not None}
    assert have == {"fleet", "provider", "ip", "ip_provider"}


def test_the_idle_longest_lose_their_places() -> None:
    keys = catalog(max_leaves=32)
    for number in range(31):
        keys.seat([cell(number)], slot=number)
    keys.seat([cell(0)], slot=40)
    keys.seat([cell(99)], slot=41)
    assert keys.leaves <= 32
    assert keys.evicted_leaves == 2  # a sixteenth of the bound
    fresh = set(keys.cells)
    assert cell(0) in fresh
    assert not {cell(1), cell(2)} & fresh
    leaves, gone = keys.take_gone()
    assert len(leaves) == 2
    assert len(gone) == 0
    assert len(keys.take_gone()[0]) == 0


def test_evicting_a_key_takes_its_pairs_and_leaves_along() -> None:
    keys = catalog(max_keys=32)
    for number in range(12):
        keys.seat([cell(number)], slot=number)
    assert keys.keys <= 32
    assert keys.evicted_keys > 0
    for place, scope in enumerate(keys.scopes):
        if scope is not None and place != FLEET:
            assert keys.place_of(scope) == place
    for leaf in keys.cells:
        if leaf is not None and leaf.provider:
            provider = keys.place_of(Scope(provider=leaf.provider))
            assert provider != NOWHERE


def test_when_all_are_fresh_the_rest_counts_for_the_fleet_only() -> None:
    keys = catalog(max_leaves=16)
    places = keys.seat([cell(number) for number in range(30)], slot=7)
    assert keys.leaves == 16
    assert (places == 0).sum() == 15
    assert keys.overflow == 15
    assert keys.leaf_keys[0].tolist() == [FLEET] + [NOWHERE] * 7


@given(st.lists(st.tuples(st.lists(CELLS, max_size=6), st.integers(0, 9)), max_size=30))
def test_whatever_comes_places_and_names_agree(
    arrivals: list[tuple[list[Cell], int]],
) -> None:
    keys = catalog(max_keys=16, max_leaves=16)
    for cells, slot in arrivals:
        places = keys.seat(cells, slot)
        assert len(places) == len(cells)
        for place, one in zip(places, cells, strict=True):
            assert place == 0 or keys.cells[place] == one
        keys.take_gone()
        assert keys.leaves <= 16
        assert keys.keys <= 16
        assert_whole(keys)


def assert_whole(keys: Catalog) -> None:
    taken = [place for place, one in enumerate(keys.cells) if one is not None]
    assert len(taken) == keys.leaves
    for place in taken:
        leaf = keys.cells[place]
        assert leaf is not None
        for kind, key in enumerate(keys.leaf_keys[place]):
            if key >= 0:
                scope = keys.scopes[key]
                assert scope is not None
                assert scope.kind == KINDS[kind]
                assert scope.contains(leaf)
                assert keys.key_seen[key] >= keys.leaf_seen[place]
    for kind in range(len(KINDS)):
        for key in keys.members(kind):
            assert keys.scopes[key] is not None


def test_what_was_saved_comes_back() -> None:
    keys, copy = catalog(max_leaves=16), catalog(max_leaves=16)
    for number in range(20):
        keys.seat([cell(number)], slot=number)
    state = {name: array.copy() for name, array in keys.state().items()}
    copy.load(list(keys.names), state)
    # Who takes over has evicted none.
    assert (keys.evicted_leaves, copy.evicted_leaves) == (5, 0)
    for number in range(15, 25):
        assert copy.seat([cell(number)], 30 + number) == keys.seat(
            [cell(number)], 30 + number
        )
    assert list(copy.cells) == list(keys.cells)
    assert list(copy.scopes) == list(keys.scopes)


@pytest.mark.parametrize("scope", [Scope(provider="x"), Scope(tenant="t", segment="s")])
def test_a_scope_without_a_place_is_nowhere(scope: Scope) -> None:
    assert catalog().place_of(scope) == NOWHERE


@given(st.lists(CELLS, max_size=12), st.lists(CELLS, max_size=12))
def test_leaves_come_to_the_same_places_at_once_or_one_by_one(
    some: list[Cell], others: list[Cell]
) -> None:
    at_once, one_by_one = catalog(), catalog()
    places = [*at_once.seat(some, 3), *at_once.seat(others, 4)]
    singly = [
        one_by_one.seat([cell], slot)[0]
        for slot, cells in ((3, some), (4, others))
        for cell in cells
    ]
    assert places == singly
    assert list(at_once.scopes) == list(one_by_one.scopes)
    assert list(at_once.cells) == list(one_by_one.cells)
    assert (at_once.leaf_keys[places] == one_by_one.leaf_keys[singly]).all()
    assert at_once.take_new().tolist() == one_by_one.take_new().tolist()
    mine, theirs = at_once.state(), one_by_one.state()
    assert all((mine[name] == theirs[name]).all() for name in mine)


def test_what_comes_at_once_and_is_too_much_shares_the_nameless_leaf() -> None:
    keys = catalog(max_leaves=32)
    keys.seat([cell(number) for number in range(20)], slot=1)
    places = keys.seat([cell(number) for number in range(20, 60)], slot=2)
    assert keys.leaves == 32
    assert keys.evicted_leaves == 20
    assert np.count_nonzero(places == 0) == 40 - 31  # the nameless leaf stays
    assert keys.overflow == 40 - 31
    assert len(np.unique(places)) == 32
    named = [keys.cells[place] for place in places if place]
    assert named == [cell(number) for number in range(20, 20 + 31)]


def test_names_that_nobody_has_any_more_lose_their_numbers() -> None:
    keys = catalog(max_keys=64, max_leaves=16)
    for number in range(400):
        place = int(keys.seat([cell(number)], slot=number)[0])
        assert keys.cells[place] == cell(number)
        assert_whole(keys)
    assert len(keys.names) <= 2 * 16 + 3 * 16
    assert keys.place_of(Scope(campaign="c399")) >= 0
    assert keys.place_of(Scope(campaign="c0")) == NOWHERE


def test_nouns_are_read_like_a_list() -> None:
    keys = catalog()
    keys.seat([cell(1)], slot=1)
    assert keys.cells[1:] == [cell(1)]
    assert keys.cells[-1] == cell(1)
    assert keys.scopes[0] == Scope()
    with pytest.raises(IndexError):
        keys.cells[2]
