from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.events import Channel, Scope
from monitor.providers import ProviderMatcher
from monitor.service.demo.cast import IPS, PROVIDERS, Cast, zipf
from monitor.service.demo.incidents import ONSETS, injected

RATE = 400.0

casts = st.integers(0, 10_000).map(lambda seed: Cast.drawn(Random(seed)))


def test_the_cast_has_the_promised_size() -> None:
    cast = Cast.drawn(Random(1))
    assert len({name for name, _ in PROVIDERS}) == 30
    assert len(set(IPS)) == 40
    assert len({campaign.name for campaign in cast.campaigns}) == 60


def test_providers_are_those_that_the_monitor_knows() -> None:
    matcher = ProviderMatcher.builtin()
    assert [(matcher.match(domain), domain) for _, domain in PROVIDERS] == list(
        PROVIDERS
    )


@given(st.integers(1, 200), st.floats(0, 2))
def test_zipf_shares_fall_and_sum_to_one(count: int, slope: float) -> None:
    shares = zipf(count, slope)
    assert sum(shares) == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)


@settings(max_examples=20)
@given(casts)
def test_shares_of_a_dimension_sum_to_one(cast: Cast) -> None:
    assert cast.share(Scope()) == pytest.approx(1)
    assert sum(cast.share(Scope(source_ip=ip)) for ip in IPS) == pytest.approx(1)
    by_provider = [cast.share(Scope(provider=name)) for name, _ in PROVIDERS]
    assert sum(by_provider) == pytest.approx(1)


@settings(max_examples=20)
@given(casts)
def test_normal_rates_are_modest(cast: Cast) -> None:
    for chances in cast.chances.values():
        assert 0.02 < chances.deferred < 0.045
        assert 0.005 < chances.hard < 0.02
        assert 0.001 < chances.blocked < 0.004
        assert sum(chances) < 0.08


@settings(max_examples=20)
@given(casts)
def test_incidents_strike_where_there_is_traffic(cast: Cast) -> None:
    pair, campaign, provider = injected(cast, 0.0, 60.0)
    assert (pair.scope.kind, pair.channel) == ("ip_provider", Channel.BLOCK)
    assert (campaign.scope.kind, campaign.channel) == ("campaign", Channel.HARD)
    assert (provider.scope.kind, provider.channel) == ("provider", Channel.DEFERRAL)
    assert cast.share(pair.scope) * RATE >= 5
    assert 5 <= cast.share(campaign.scope) * RATE <= 40
    assert cast.share(provider.scope) * RATE >= 20
    assert pair.scope.provider != provider.scope.provider
    overlap = Scope(source_ip=pair.scope.source_ip, campaign=campaign.scope.campaign)
    assert cast.share(overlap) == 0
    assert [one.starts for one in (pair, campaign, provider)] == [
        part * 60 for part in ONSETS
    ]
