import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.events import SCOPE_DIMENSIONS, Cell, Channel, Scope
from monitor.observe.arrays import Floats
from monitor.observe.baseline import K_POP, LAG_SECONDS, Baseline
from monitor.observe.channels import CHANNELS, FLOOR, PRIOR, WIDTH
from monitor.observe.expected import leaf_rates
from monitor.observe.keys import Catalog

HARD = CHANNELS.index(Channel.HARD)
ONE = np.array([0])


def row(value: float) -> Floats:
    return np.full((1, WIDTH), value)


def catalog_of(*cells: Cell) -> Catalog:
    catalog = Catalog(SCOPE_DIMENSIONS, 1000, 1000)
    catalog.seat(cells, slot=0)
    return catalog


def taught(rates: dict[Cell, float], tried: float = 50.0) -> tuple[Catalog, Baseline]:
    """An hour of slots in which each cell fails at its rate."""
    catalog = catalog_of(*rates)
    baseline = Baseline(10.0, 256)
    leaves = catalog.seat(list(rates), 0)
    counts = np.zeros((2, 256, WIDTH))
    for leaf, rate in zip(leaves, rates.values(), strict=True):
        keys = catalog.leaf_keys[leaf]
        counts[0, keys[keys >= 0]] += tried
        counts[1, keys[keys >= 0]] += tried * rate
    for slot in range(360):
        baseline.advance(slot)
        baseline.add(slot, np.arange(256), counts[0], counts[1])
    baseline.refresh(catalog)
    return catalog, baseline


def rate_of(catalog: Catalog, baseline: Baseline, scope: Scope) -> float:
    return float(baseline.rate[catalog.place_of(scope), HARD])


def test_without_counts_the_prior_is_normal() -> None:
    baseline = Baseline(10.0, 256)
    baseline.refresh(catalog_of(Cell("p", "i", "c", "", "")))
    assert np.allclose(baseline.rate, PRIOR)
    assert np.allclose(baseline.info, 2 * K_POP, atol=K_POP)


def test_a_key_learns_its_own_rate() -> None:
    catalog, baseline = taught(
        {Cell("p1", "i", "c", "", ""): 0.02, Cell("p2", "i", "c", "", ""): 0.10}
    )
    assert rate_of(catalog, baseline, Scope(provider="p1")) == pytest.approx(0.02, 0.1)
    assert rate_of(catalog, baseline, Scope(provider="p2")) == pytest.approx(0.10, 0.1)
    assert rate_of(catalog, baseline, Scope()) == pytest.approx(0.06, 0.1)


def test_the_last_minute_does_not_explain_itself_away() -> None:
    baseline = Baseline(10.0, 1)
    catalog = catalog_of(Cell("", "", "", "", ""))
    for slot in range(720):
        baseline.advance(slot)
        baseline.add(slot, ONE, row(100.0), row(2.0))
    baseline.refresh(catalog)
    calm = baseline.rate[0, HARD]
    for slot in range(720, 726):
        baseline.advance(slot)
        baseline.add(slot, ONE, row(100.0), row(60.0))
    baseline.refresh(catalog)
    assert calm == pytest.approx(0.02, rel=0.02)
    assert baseline.rate[0, HARD] < 1.6 * calm


def test_a_pair_without_counts_is_the_product_of_its_halves() -> None:
    bad, good = 0.06, 0.02
    catalog, baseline = taught(
        {
            Cell("p1", "i1", "c1", "", ""): good,
            Cell("p2", "i1", "c1", "", ""): bad,
            Cell("p1", "i2", "c2", "", ""): 2 * good,
        }
    )
    catalog.seat([Cell("p2", "i2", "c1", "", "")], slot=400)
    baseline.refresh(catalog)
    pair = rate_of(catalog, baseline, Scope(source_ip="i2", provider="p2"))
    # Twice what providers do with others, at the provider that is thrice as strict.
    single = rate_of(catalog, baseline, Scope(source_ip="i2"))
    mix = rate_of(catalog, baseline, Scope(provider="p1"))
    assert pair == pytest.approx(bad * single / mix, rel=0.15)
    assert pair > bad


def test_an_ip_leans_on_the_providers_that_it_sends_to() -> None:
    catalog, baseline = taught(
        {Cell("p1", "i1", "", "", ""): 0.01, Cell("p2", "i1", "", "", ""): 0.20}
    )
    new = Cell("p2", "i9", "", "", "")
    leaf = catalog.seat([new], slot=400)
    keys = catalog.leaf_keys[leaf[0]]
    keys = keys[keys >= 0]
    baseline.add(
        359, keys, np.full((len(keys), WIDTH), 1.0), np.zeros((len(keys), WIDTH))
    )
    baseline.refresh(catalog)
    assert rate_of(catalog, baseline, Scope(source_ip="i9")) == pytest.approx(0.2, 0.1)


@given(st.permutations(list(range(40))), st.integers(0, 39))
def test_slots_may_come_in_any_order(order: list[int], first: int) -> None:
    def learned(slots: list[int]) -> Baseline:
        baseline = Baseline(10.0, 1)
        baseline.advance(first)
        for slot in slots:
            baseline.advance(slot)
            baseline.add(slot, ONE, row(slot + 1.0), row(slot / 10))
        baseline.advance(120)
        return baseline

    one, other = learned(sorted(order)), learned(order)
    assert np.allclose(one.state(1)["sums"], other.state(1)["sums"], rtol=1e-5)
    assert one.age_seconds == other.age_seconds


def test_what_waits_arrives() -> None:
    baseline = Baseline(10.0, 1)
    baseline.advance(0)
    baseline.add(0, ONE, row(1000.0), row(10.0))
    assert baseline.learned[0, HARD] == 0.0
    baseline.advance(int(LAG_SECONDS / 10))
    assert baseline.learned[0, HARD] == pytest.approx(1000 * (1 - np.exp(-1)), rel=0.02)


def test_what_was_part_of_an_incident_never_becomes_normal() -> None:
    baseline, catalog = Baseline(10.0, 1), catalog_of(Cell("", "", "", "", ""))
    for slot in range(400):
        baseline.advance(slot)
        baseline.add(slot, ONE, row(100.0), row(2.0 if slot < 394 else 90.0))
    baseline.drop(ONE, np.array([c is not Channel.BLOCK for c in CHANNELS]))
    baseline.advance(700)
    baseline.refresh(catalog)
    rate = baseline.rate[0]
    assert rate[HARD] == pytest.approx(0.02, rel=0.25)
    assert rate[CHANNELS.index(Channel.BLOCK)] > 0.03


def test_places_grow_are_cleared_and_saved() -> None:
    baseline = Baseline(10.0, 2)
    baseline.advance(3)
    baseline.add(3, np.array([1]), row(10.0), row(1.0))
    baseline.resize(4)
    copy = Baseline(10.0, 4)
    copy.load({name: array.copy() for name, array in baseline.state(3).items()})
    assert (copy.head, copy.first) == (3, 3)
    assert np.array_equal(copy.state(4)["sums"], baseline.state(4)["sums"])
    baseline.forget(np.array([1]))
    assert not baseline.state(4)["sums"].any()


def test_a_leaf_is_the_product_of_its_keys_within_reason() -> None:
    rate = np.tile(PRIOR, (8, 1))
    rate[1, HARD], rate[6, HARD], rate[7, HARD] = 0.02, 0.04, 0.024
    keys = np.array([[0, 1, 2, 3, 4, 5, 6, 7], [0, -1, -1, -1, -1, -1, -1, -1]])
    found = leaf_rates(keys, rate)
    assert found[0, HARD] == pytest.approx(0.048)
    assert np.allclose(found[1], np.maximum(PRIOR, FLOOR))
    rate[7, HARD] = 0.04
    assert leaf_rates(keys, rate)[0, HARD] == pytest.approx(0.06)  # not 0.08
