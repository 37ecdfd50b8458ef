from collections.abc import Sequence

import numpy as np
import pytest

from monitor.observe.arrays import Floats
from monitor.observe.blame import Cause, Leaves, search

PROVIDER, IP, CAMPAIGN, TENANT, SEGMENT = range(5)


class Fleet:
    """Leaves of 12 providers, 10 IPs and 20 campaigns of 5 tenants, in 2 segments."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        full = np.argwhere(np.ones((12, 10, 20), bool))
        codes = full[self.random.random(len(full)) < 0.25]
        campaign = codes[:, 2]
        self.codes = np.column_stack([codes, campaign % 5, campaign % 2])
        volume = 1.0 / (1.0 + codes[:, 0])
        self.tried = 200_000 * volume / volume.sum()
        self.rate = 0.02 * np.exp(0.3 * self.random.standard_normal(12))[codes[:, 0]]

    def bad(self, lift: float, **named: int) -> None:
        """Raise the rate where the named dimensions have these values."""
        dimensions = {"provider": 0, "ip": 1, "campaign": 2, "tenant": 3}
        mine = np.ones(len(self.codes), bool)
        for name, value in named.items():
            mine &= self.codes[:, dimensions[name]] == value
        self.lift = np.where(mine, lift, getattr(self, "lift", 1.0))

    def leaves(self) -> Leaves:
        expected = self.tried * self.rate
        lifted: Floats = expected * getattr(self, "lift", 1.0)
        failed = self.random.poisson(lifted).astype(float)
        return Leaves(self.codes, failed, expected, self.tried)


def names(causes: Sequence[Cause]) -> set[tuple[tuple[int, int], ...]]:
    return {
        tuple(sorted(zip(cause.dimensions, cause.codes, strict=True)))
        for cause in causes
    }


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("named", "want"),
    [
        ({"provider": 2}, ((PROVIDER, 2),)),
        ({"ip": 3}, ((IP, 3),)),
        ({"campaign": 4}, ((CAMPAIGN, 4),)),
        ({"tenant": 1}, ((TENANT, 1),)),
        ({"provider": 1, "ip": 5}, ((PROVIDER, 1), (IP, 5))),
        ({"provider": 0, "campaign": 7}, ((PROVIDER, 0), (CAMPAIGN, 7))),
        ({"ip": 2, "campaign": 7}, ((IP, 2), (CAMPAIGN, 7))),
        ({}, ()),
    ],
)
def test_one_cause_is_named_exactly(
    named: dict[str, int], want: tuple[tuple[int, int], ...], seed: int
) -> None:
    fleet = Fleet(seed)
    fleet.bad(8.0, **named)
    causes = search(fleet.leaves())
    assert names(causes) == {want}
    assert causes[0].multiplier == pytest.approx(8.0, rel=0.35)
    assert causes[0].share > 0.3


@pytest.mark.parametrize("seed", range(4))
def test_causes_side_by_side_are_told_apart(seed: int) -> None:
    fleet = Fleet(seed)
    fleet.bad(20.0, provider=0, ip=5)
    fleet.bad(6.0, campaign=4)
    fleet.bad(8.0, provider=3)
    want = {
        ((PROVIDER, 0), (IP, 5)),
        ((CAMPAIGN, 4),),
        ((PROVIDER, 3),),
    }
    assert names(search(fleet.leaves())) == want


@pytest.mark.parametrize("seed", [0, 2, 3, 5, 7])
def test_two_large_causes_are_not_taken_for_the_fleet(seed: int) -> None:
    fleet = Fleet(seed)
    fleet.tried /= 100.0
    mine = (fleet.codes[:, PROVIDER] == 0) | (fleet.codes[:, TENANT] == 1)
    fleet.lift = np.where(mine, 8.0, 1.0)
    assert names(search(fleet.leaves())) == {((PROVIDER, 0),), ((TENANT, 1),)}


@pytest.mark.parametrize("seed", range(6))
def test_a_fleet_that_is_bad_by_unlike_parts_is_still_the_fleet(seed: int) -> None:
    fleet = Fleet(seed)
    fleet.codes[:, IP] %= 2
    fleet.lift = np.array([3.3, 4.7])[fleet.codes[:, IP]]
    assert () in {cause.dimensions for cause in search(fleet.leaves())}


@pytest.mark.parametrize("seed", range(10))
def test_a_calm_fleet_has_no_causes(seed: int) -> None:
    assert search(Fleet(seed).leaves()) == []


def test_a_fleet_that_breathes_has_none_either_but_a_limit_excuses_nothing() -> None:
    fleet = Fleet(1)
    fleet.bad(1.4)
    leaves = fleet.leaves()
    assert search(leaves) == []
    assert names(search(leaves, cv=0.0)) == {()}


def test_an_innocent_campaign_at_a_bad_provider_is_not_blamed() -> None:
    fleet = Fleet(3)
    big = fleet.codes[:, CAMPAIGN] == 9
    fleet.tried = np.where(big, 12 * fleet.tried, fleet.tried)
    fleet.bad(8.0, provider=1)
    assert names(search(fleet.leaves())) == {((PROVIDER, 1),)}


def test_of_names_for_the_same_leaves_the_first_is_taken() -> None:
    fleet = Fleet(1)
    fleet.codes[:, TENANT] = fleet.codes[:, CAMPAIGN]
    fleet.codes[:, SEGMENT] = 0
    fleet.bad(8.0, campaign=4)
    assert names(search(fleet.leaves())) == {((CAMPAIGN, 4),)}
    only = fleet.codes[:, PROVIDER] == 1
    each = np.ones(only.sum())
    one = Leaves(fleet.codes[only], 9.0 * each, 0.5 * each, 50.0 * each)
    assert names(search(one)) == {((PROVIDER, 1),)}  # not the fleet


def test_unknown_values_are_no_cause_and_zero_expectations_no_accident() -> None:
    fleet = Fleet(1)
    fleet.bad(8.0, campaign=4)
    mine = fleet.codes[:, CAMPAIGN] == 4
    fleet.codes[mine] = -1
    assert names(search(fleet.leaves())) <= {()}
    leaves = Leaves(
        fleet.codes, np.where(mine, 3.0, 0.0), np.zeros(len(mine)), fleet.tried
    )
    with np.errstate(all="raise"):
        search(leaves)
    nothing = np.zeros(0)
    assert search(Leaves(np.zeros((0, 5), int), nothing, nothing, nothing)) == []


def test_what_is_a_trifle_beside_the_rest_waits_for_its_turn() -> None:
    fleet = Fleet(2)
    fleet.bad(10.0, provider=1, ip=5)
    fleet.bad(6.0, campaign=4)
    fleet.bad(8.0, provider=3)
    assert names(search(fleet.leaves())) == {((PROVIDER, 3),), ((CAMPAIGN, 4),)}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("level", [0.1, 0.3, 0.6])
def test_what_was_clean_is_not_blamed_for_rising_most(seed: int, level: float) -> None:
    # Campaigns fail by 0.2 to 8 %; then so many of all mails of a provider fail.
    fleet = Fleet(seed)
    fleet.rate = np.geomspace(0.002, 0.08, 20)[fleet.codes[:, CAMPAIGN]]
    for named, want in (({}, ()), ({"provider": 1}, ((PROVIDER, 1),))):
        mine = np.ones(len(fleet.codes), bool)
        if named:
            mine = fleet.codes[:, PROVIDER] == 1
        rate = np.where(mine, np.maximum(fleet.rate, level), fleet.rate)
        failed = fleet.random.poisson(fleet.tried * rate).astype(float)
        expected = fleet.tried * fleet.rate
        leaves = Leaves(fleet.codes, failed, expected, fleet.tried)
        assert names(search(leaves)) == {want}


def test_a_tenant_is_not_blamed_for_one_of_its_campaigns() -> None:
    # Tenant 4 has campaigns 0-9; campaign 3 is bad, the others have some bad luck.
    codes = np.array(
        [[p, 0, c, 4 if c < 10 else 5, 0] for c in range(60) for p in (0, 1)]
    )
    expected = np.full(len(codes), 0.7)
    failed = np.full(len(codes), 0.7)
    tenant, campaign = codes[:, 3] == 4, codes[:, 2] == 3
    failed[tenant] = 1.2
    failed[campaign] = 12.0
    (cause,) = search(Leaves(codes, failed, expected, 50.0 * expected))
    assert (cause.dimensions, cause.codes) == ((2,), (3,))
    failed[tenant] = 12.0
    (wide,) = search(Leaves(codes, failed, expected, 50.0 * expected))
    assert (wide.dimensions, wide.codes) == ((3,), (4,))
