import numpy as np
import pytest

from monitor.lab.regimes import (
    DAY,
    HOUR,
    REGIMES,
    Regime,
    Span,
    Spikes,
    Traffic,
)
from monitor.lab.rules_others import LITERAL, OtherRules, Windows

SPAN = Span(HOUR, 2 * HOUR)


def total(traffic: Traffic, begin: float, end: float, step: float = 10.0) -> float:
    """Failure rate of all keys together in a stretch of time."""
    counts = np.zeros(2)
    for now in np.arange(begin + step, end + step / 2, step):
        tried, failed = traffic.step(float(now), step)
        assert (failed <= tried).all()
        counts += tried.sum(), failed.sum()
    return float(counts[1] / counts[0])


def mail(regime: Regime, seed: int = 1, spikes: Spikes | None = None) -> Traffic:
    return Traffic(regime, 50, SPAN, np.random.default_rng(seed), spikes)


def test_there_are_thirteen_regimes_with_names_of_their_own() -> None:
    assert len({regime.name for regime in REGIMES}) == 13


@pytest.mark.parametrize("regime", REGIMES, ids=lambda regime: regime.name)
def test_a_seed_makes_the_same_mail_again(regime: Regime) -> None:
    runs = [
        [mail(regime, seed).step(now, 10.0) for now in (10.0, 2 * HOUR, 3 * HOUR)]
        for seed in (1, 1, 2)
    ]
    assert all(np.array_equal(a, b) for a, b in zip(runs[0], runs[1], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(runs[0], runs[2], strict=True))


def test_keys_have_their_rates() -> None:
    traffic = mail(Regime("steady", a_second=(20.0, 20.0)))
    assert total(traffic, 0.0, 600.0) == pytest.approx(traffic.rate.mean(), rel=0.03)


def test_a_spike_begins_within_a_step_and_ends() -> None:
    steady = Regime("steady", a_second=(100.0, 100.0))
    spikes = Spikes(np.full(50, 105.0), np.full(50, 200.0), 5.0)
    traffic = mail(steady, spikes=spikes)
    normal = traffic.rate.mean()
    assert total(traffic, 0.0, 100.0) == pytest.approx(normal, rel=0.05)
    assert total(traffic, 100.0, 110.0) == pytest.approx(3 * normal, rel=0.1)
    assert total(traffic, 110.0, 200.0) == pytest.approx(5 * normal, rel=0.05)
    assert total(traffic, 200.0, 300.0) == pytest.approx(normal, rel=0.05)


def test_a_mended_key_is_as_before_and_changes_nobody_elses_luck() -> None:
    steady = Regime("steady", a_second=(100.0, 100.0))
    spikes = Spikes(np.zeros(50), np.full(50, HOUR), 5.0)
    mended, other = (mail(steady, spikes=spikes) for _ in range(2))
    keys = np.arange(50) < 20
    mended.mend(keys)
    for end in (10.0, 20.0, 30.0):
        now, then = mended.step(end, 10.0), other.step(end, 10.0)
        assert np.array_equal(now[0], then[0])
        assert np.array_equal(now[1][~keys], then[1][~keys])
        assert (now[1][keys] <= then[1][keys]).all()
        rate = now[1][keys].sum() / now[0][keys].sum()
        assert rate == pytest.approx(mended.rate[keys].mean(), rel=0.1)


def test_new_keys_send_nothing_before_they_appear() -> None:
    traffic = mail(Regime("new", cold=True))
    assert traffic.step(HOUR, 10.0)[0].sum() == 0
    assert (traffic.appears >= HOUR).all()
    assert (traffic.step(3 * HOUR, 100.0)[0] > 0).all()


def test_drift_jump_dip_and_clumps_are_there() -> None:
    busy = (50.0, 50.0)
    drift = mail(Regime("drift", a_second=busy, drift=3.0))
    assert drift.step(HOUR, 100.0)[1].sum() * 2 < drift.step(3 * HOUR, 100.0)[1].sum()
    jump = mail(Regime("jump", a_second=busy, jump=20.0))
    before, after = jump.step(HOUR, 10.0)[0], jump.step(3 * HOUR, 10.0)[0]
    assert (after > 10 * before).all()
    dips = mail(Regime("dip", a_second=busy, dips=True))
    assert total(dips, 0.0, HOUR) > total(dips, HOUR, 2 * HOUR)
    clumps = mail(Regime("clumps", a_second=busy, clump=3))
    tried, failed = clumps.step(10.0, 10.0)
    assert not (tried % 3).any()
    assert not (failed % 3).any()


def test_a_breathing_rate_moves_round_its_mean() -> None:
    breathing = Regime(
        "breathes",
        a_second=(200.0, 200.0),
        spread=0.0,
        breathing=0.5,
        breathing_seconds=60.0,
    )
    traffic = mail(breathing)
    rates = []
    for now in np.arange(10.0, 2 * HOUR, 10.0):
        tried, failed = traffic.step(float(now), 10.0)
        rates.append(failed / tried)
    assert np.mean(rates) == pytest.approx(0.02, rel=0.05)
    assert np.std(rates) / np.mean(rates) > 0.4


def test_windows_are_the_sums_of_the_last_buckets() -> None:
    random = np.random.default_rng(2)
    counts = random.poisson(30.0, (200, 2, 3)).astype(float)
    windows = Windows(3, 10.0, (30.0, 600.0))
    for number, (tried, failed) in enumerate(counts):
        windows.add(tried, failed, 5.0)
        full, rest = divmod(number + 1, 2)
        for which, buckets in enumerate((3, 60)):
            first = 2 * max(0, full - buckets)
            assert np.allclose(windows.sums(which), counts[first : number + 1].sum(0))
        assert rest in (0, 1)


def test_other_rules_see_a_gross_spike_and_not_a_quiet_key() -> None:
    rules, day = OtherRules(2), int(DAY / 10 / 12)
    quiet, spike = np.array([50.0, 50.0]), np.array([1.0, 40.0])
    for _ in range(day):
        scores = rules.step(quiet, np.ones(2), 10.0)
    assert all((scores[name] < LITERAL[name]).all() for name in LITERAL)
    for _ in range(360):
        scores = rules.step(quiet, spike, 10.0)
        if (scores["z-score"] >= LITERAL["z-score"])[1]:
            break
    assert (scores["z-score"] >= LITERAL["z-score"]).tolist() == [False, True]
    for _ in range(360):
        scores = rules.step(quiet, spike, 10.0)
    for name in set(LITERAL) - {"z-score"}:
        assert (scores[name] >= LITERAL[name]).tolist() == [False, True], name
