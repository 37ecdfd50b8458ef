"""What is particular to each rule; what all must do is in the contract."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from monitor.events import Channel
from monitor.observe import Limit, ObservePolicy
from monitor.observe.arrays import Array
from monitor.observe.channels import CHANNELS, FEWEST, PRIOR, SLACK, WIDTH
from monitor.observe.detectors import Detector, Look, Reading
from monitor.observe.detectors.deviance import binomial_gain, deviance
from monitor.observe.detectors.limit import CHOICE_NATS, LEAST_NATS, LimitRule
from monitor.observe.detectors.margin import MARGIN
from monitor.observe.detectors.nb_glr import NbGlr
from monitor.observe.detectors.tail import GROWTH_AN_HOUR, Tail
from monitor.observe.knob import MOST_RAISED, Knob
from monitor.observe.policy import WEEK_SECONDS

EPOCH = 1_767_571_200.0
ONE = np.array([0])
ALL = np.ones((1, WIDTH), bool)


def look(tried: float, failed: float, now: float = EPOCH, **changes: Any) -> Look:
    def full(value: float) -> Any:
        return np.full((1, WIDTH), value)

    fields: dict[str, Any] = {
        "now": now,
        "begins": now,
        "keys": ONE,
        "kinds": np.ones(1, np.int8),
        "tried": full(tried),
        "failed": full(failed),
        "rate": PRIOR[None, :],
        "info": full(100.0),
        "cv2": full(0.01),
        "phi": full(1.0),
        "known": ALL,
        "threshold": full(16.0),
    }
    return Look(**(fields | changes))


def watch(detector: Detector, looks: int, tried: float, failed: float) -> Reading:
    for number in range(looks):
        reading = detector.look(look(tried, failed, EPOCH + number))
    return reading


def nb_glr() -> NbGlr:
    return NbGlr(ObservePolicy(), 4)


def limit(**changes: Any) -> LimitRule:
    return LimitRule(ObservePolicy(**changes), 4)


def test_the_deviance_is_poisson_without_spread_and_capped_with_it() -> None:
    failed, expected = np.array([30.0, 300.0]), np.array([10.0, 100.0])
    poisson = failed * np.log(3.0) - failed + expected
    assert np.allclose(deviance(failed, expected, np.array([1e9])), poisson, rtol=1e-5)
    spread = deviance(failed, expected, np.array([4.0]))
    # However much is counted, a rate that breathes by half says no more than this.
    assert (spread < 4.0 * (3.0 - 1.0 - np.log(3.0))).all()
    assert not deviance(np.array([5.0]), np.array([9.0]), np.array([4.0])).any()


def test_large_rates_say_more_than_poisson_thinks() -> None:
    tried, expected = np.array([100.0, 1e6]), np.array([30.0, 30.0])
    gain = binomial_gain(tried, np.array([90.0, 90.0]), expected)
    assert gain[0] > 1.5
    assert gain[1] == pytest.approx(1.0, abs=1e-3)
    more_failed_than_tried = binomial_gain(*(np.array([x]) for x in (1.0, 5.0, 0.5)))
    assert np.isfinite(more_failed_than_tried).all()


#: A key that is known to the last digit.
STEADY: dict[str, Any] = {
    "info": np.full((1, WIDTH), 1e9),
    "cv2": np.full((1, WIDTH), 1e-9),
}


def test_a_rate_that_is_a_little_up_is_no_news_at_any_volume() -> None:
    rule, rate = nb_glr(), STEADY | {"rate": np.full((1, WIDTH), 0.02)}
    for number in range(100):
        creeps = look(1e6, 0.02e6 * (1.0 + 1.5 * MARGIN), EPOCH + number, **rate)
        assert not rule.look(creeps).score.any()
    risen = look(1e6, 0.02e6 * (1.0 + 3.0 * MARGIN), EPOCH + 100, **rate)
    assert rule.look(risen).over.all()


def test_the_margin_costs_a_small_key_no_evidence() -> None:
    reading = nb_glr().look(look(5.0 / PRIOR[0], 25.0, **STEADY))
    free = deviance(*(np.array([x]) for x in (25.0, 5.0 + SLACK[0], 1e9)))
    assert 0.97 * free[0] < reading.score[0, 0] < 1.03 * free[0]


def test_a_key_without_a_baseline_is_not_judged_by_it() -> None:
    detector = nb_glr()
    unknown = look(100.0, 90.0, known=~ALL)
    reading = detector.look(unknown)
    assert (reading.score > 16.0).all()
    assert not reading.over.any()


def test_one_or_two_events_are_never_an_anomaly() -> None:
    detector = nb_glr()
    rate = np.zeros((1, WIDTH))
    for failed in (1.0, 1.0):
        reading = detector.look(look(10.0, failed, rate=rate, threshold=rate))
    assert not reading.over.any()
    many = detector.look(look(40.0, 30.0, rate=rate))
    assert many.over.all()


def test_a_handful_of_config_faults_is_news_and_of_hard_bounces_is_not() -> None:
    detector = nb_glr()
    rate = np.tile(np.minimum(PRIOR, 0.0005), (1, 1))
    for number in range(7):
        reading = detector.look(look(5.0, 1.0, EPOCH + number, rate=rate))
    assert reading.score[0, CHANNELS.index(Channel.CONFIG)] > 16.0
    assert (reading.score[0] <= reading.score[0, CHANNELS.index(Channel.CONFIG)]).all()


def test_no_deliveries_and_some_complaints_make_no_nonsense() -> None:
    for detector in (nb_glr(), limit()):
        reading = watch(detector, 3, tried=0.0, failed=1.0)
        assert np.isfinite(reading.score).all()
        assert not reading.over.any()


def test_the_limit_needs_no_baseline_but_attempts() -> None:
    detector = limit(limit_min_attempts=50)
    readings = [
        detector.look(look(5.0, 3.0, EPOCH + number, known=~ALL))
        for number in range(12)
    ]
    first = [bool(reading.over[0, 0]) for reading in readings].index(True)
    assert first == 9  # the look that makes 50 attempts
    assert readings[first].start(0, 0) == EPOCH
    assert (FEWEST <= 30).all()


def test_below_its_limit_a_key_is_fine_for_ever() -> None:
    detector = limit()
    for number in range(2_000):
        reading = detector.look(look(100.0, 4.0, EPOCH + number))
        assert not reading.over[0, CHANNELS.index(Channel.HARD)]


def first_over(detector: LimitRule, good_seconds: int) -> int:
    """Seconds from where 2/s begin to bounce by 15 % to the alarm, a calm threshold."""
    calm = np.full((1, WIDTH), 16.0)
    for number in range(good_seconds):
        detector.look(look(2.0, 0.0, EPOCH + number, threshold=calm))
    for number in range(600):
        now = EPOCH + good_seconds + number
        reading = detector.look(look(2.0, 0.3, now, threshold=calm))
        if reading.over[0, CHANNELS.index(Channel.HARD)]:
            return number
    return 600


def test_what_is_bad_from_birth_needs_less_evidence() -> None:
    assert first_over(limit(), 0) <= 90 < first_over(limit(), 120)


def test_many_births_ask_for_more_evidence() -> None:
    detector, few = limit(), 0.0
    for number in range(40):
        detector.look(look(5.0, 0.0, EPOCH + number, keys=ONE + number % 4))
        few = few or detector.young
        detector.forget(np.arange(4))
    assert detector.young > few + 2.0
    detector.look(look(5.0, 0.0, EPOCH + 7 * 86_400.0))
    assert detector.young == LEAST_NATS


def test_births_within_a_limit_are_told_as_rarely_as_was_asked_for() -> None:
    keys, random = 4_000, np.random.default_rng(3)
    policy = ObservePolicy(false_pages_per_week=1e5)
    detector, over = LimitRule(policy, keys), np.zeros(keys, bool)
    whole = np.full((keys, WIDTH), 16.0)
    arrays: dict[str, Any] = dict.fromkeys(("tried", "threshold"), whole)
    names = {"keys": np.arange(keys), "kinds": np.ones(keys, np.int8)}
    for number in range(60):
        failed = random.binomial(16, 0.05, (keys, 1)) * np.ones(WIDTH)
        at = replace(look(0.0, 0.0, EPOCH + number, **names), **arrays, failed=failed)
        over |= detector.look(at).over[:, CHANNELS.index(Channel.HARD)]
    assert 0.0 < over.mean() < np.exp(CHOICE_NATS - detector.young)


def test_births_are_remembered() -> None:
    detector, again = limit(), limit()
    detector.look(look(5.0, 0.0))
    again.load(detector.state(4))
    assert again.young == detector.young
    assert first_over(again, 120) == first_over(detector, 120)


def test_a_channel_without_a_limit_has_no_limit_rule() -> None:
    detector = limit(limits={Channel.HARD: Limit(0.05, 0.10)})
    reading = watch(detector, 30, 100.0, 90.0)
    over = [
        channel for channel, out in zip(CHANNELS, reading.over[0], strict=True) if out
    ]
    assert over == [Channel.HARD]
    assert np.isfinite(detector.ceiling).tolist() == [True] + [False] * (WIDTH - 1)


def scaled_to(tail: Tail, score: float, now: float) -> Array:
    tail.settle(now)
    scores = np.full((WIDTH, 1), score, np.float32)
    for channel, mine in enumerate(scores):
        tail.scale(ONE, channel, mine)
    return scores


def test_scores_that_run_high_are_scaled_down_but_slowly() -> None:
    tail = Tail(1)
    for number in range(200):
        now = EPOCH + 40.0 * number
        scaled_to(tail, 9.0, now)
        scaled_to(tail, 0.0, now + 20.0)
    scaled = scaled_to(tail, 9.0, EPOCH + 8_000.0)
    assert (scaled >= 9.0 / GROWTH_AN_HOUR**3).all()
    assert (scaled < 9.0).all()
    assert tail.high[0] == 200 * WIDTH


def test_what_was_real_is_no_tail() -> None:
    tail = Tail(1)
    scaled_to(tail, 50.0, EPOCH)
    tail.drop(ONE, np.ones(WIDTH, bool))
    scaled_to(tail, 0.0, EPOCH + 1)
    assert tail.high.tolist() == [0.0, 0.0]


def test_ten_times_the_looks_or_a_tenth_of_the_pages_cost_the_same() -> None:
    def threshold(pages: float, looks: int) -> float:
        knob = Knob(pages)
        for _ in range(100):
            knob.note(looks, 1_000.0)
        return knob.threshold

    base = threshold(1.0, 100_000)
    assert threshold(1.0, 1_000_000) - base == pytest.approx(np.log(10), abs=0.1)
    assert threshold(0.1, 100_000) - base == pytest.approx(np.log(10), abs=0.01)
    assert threshold(1e9, 1) == 12.0  # the lowest


def test_expected_false_pages_follow_the_tail() -> None:
    knob = Knob(1.0)
    for _ in range(700):
        knob.note(10_000, 1_000.0)
    theory = knob.threshold
    knob.heed(np.array([100.0, 100.0]))
    assert knob.threshold == theory
    assert knob.expected_false_pages == pytest.approx(
        101 / 700_600 * WEEK_SECONDS * np.exp(6.0 - theory)
    )
    copy = Knob(1.0)
    copy.load(knob.state())
    assert copy.threshold == knob.threshold


def test_a_heavy_tail_raises_the_threshold_until_the_knob_is_kept() -> None:
    knob = Knob(1.0)
    for _ in range(700):
        knob.note(10_000, 1_000.0)
    theory = knob.threshold
    knob.heed(np.array([4_000.0, 6_000.0]))
    assert theory + 1.0 < knob.threshold < theory + MOST_RAISED
    assert knob.expected_false_pages == pytest.approx(1.0)
    knob.heed(np.array([4_000.0, 60_000.0]))
    assert knob.threshold == theory + MOST_RAISED  # and no deafer than that
    assert knob.expected_false_pages > 1.0
