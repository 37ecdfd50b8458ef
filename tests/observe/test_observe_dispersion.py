import numpy as np
import pytest

from monitor.observe.channels import WIDTH
from monitor.observe.dispersion import CV_MOST, CV_PRIOR, Dispersion

KEYS = np.arange(3)
SHAPE = (len(KEYS), WIDTH)
INFO = np.full(SHAPE, 1e6)
SURE = np.ones(SHAPE, bool)
CALM = ~SURE


def watched(breathing: float, clump: int = 1, hours: float = 3.0) -> Dispersion:
    random, dispersion = np.random.default_rng(3), Dispersion(len(KEYS))
    now, level = 0.0, np.zeros(SHAPE)
    for _ in range(int(hours * 360)):
        level += -0.02 * level + 0.2 * breathing * random.standard_normal(SHAPE)
        rate = 20.0 * np.exp(level) / clump
        failed = clump * random.poisson(rate).astype(float)
        dispersion.add(KEYS, failed, np.full(SHAPE, 20.0), INFO, SURE)
        now += 10.0
        dispersion.close_block(now, INFO, CALM)
    return dispersion


def test_clean_counts_show_no_dispersion() -> None:
    dispersion = watched(breathing=0.0)
    assert np.sqrt(dispersion.cv2).max() < CV_PRIOR
    assert dispersion.phi.max() < 1.2


def test_a_breathing_rate_shows() -> None:
    cv = np.sqrt(watched(breathing=0.3).cv2)
    assert cv.mean() == pytest.approx(0.3, abs=0.12)


def test_clumps_show() -> None:
    assert watched(breathing=0.0, clump=3).phi.mean() == pytest.approx(3.0, abs=0.5)


def test_one_wild_minute_changes_little() -> None:
    dispersion, calm = watched(0.0), watched(0.0)
    dispersion.add(KEYS, np.full(SHAPE, 900.0), np.full(SHAPE, 20.0), INFO, SURE)
    for now in np.arange(20_000.0, 24_000.0, 60.0):
        dispersion.close_block(now, INFO, CALM)
        calm.close_block(now, INFO, CALM)
    assert (np.sqrt(dispersion.cv2) < np.sqrt(calm.cv2) + 0.05).all()


def test_what_was_part_of_an_incident_is_dropped() -> None:
    dispersion, calm = watched(0.0), watched(0.0)
    for now in (20_000.0, 20_060.0, 20_120.0):
        dispersion.add(KEYS, np.full(SHAPE, 90.0), np.full(SHAPE, 20.0), INFO, SURE)
        dispersion.close_block(now, INFO, CALM)
        calm.close_block(now, INFO, CALM)
    dispersion.drop(KEYS, np.ones(WIDTH, bool))
    calm.drop(KEYS, np.ones(WIDTH, bool))
    for now in np.arange(20_180.0, 24_000.0, 60.0):
        dispersion.close_block(now, INFO, CALM)
        calm.close_block(now, INFO, CALM)
    assert np.allclose(dispersion.cv2, calm.cv2, atol=0.02)


def test_a_spike_that_is_not_told_yet_excuses_little_of_itself() -> None:
    # Five times as many failures for twenty minutes, with and without suspicion.
    excused = []
    for warm in (CALM, SURE):
        dispersion = watched(0.0, hours=0.5)
        for now in np.arange(20_000.0, 21_200.0, 60.0):
            dispersion.add(
                KEYS, np.full(SHAPE, 100.0), np.full(SHAPE, 20.0), INFO, SURE
            )
            dispersion.close_block(now, INFO, warm)
        excused.append(np.sqrt(dispersion.cv2).mean())
    assert excused[0] > 0.17
    assert excused[1] < 0.12


def test_a_poor_baseline_teaches_nothing() -> None:
    dispersion = Dispersion(len(KEYS))
    for now in np.arange(0.0, 7_200.0, 60.0):
        wild = np.full(SHAPE, 500.0)
        dispersion.add(KEYS, wild, np.full(SHAPE, 20.0), INFO, ~SURE)
        dispersion.close_block(now, INFO, CALM)
    assert np.allclose(dispersion.cv2, CV_PRIOR**2)
    assert (dispersion.phi == 1.0).all()


def test_it_stays_within_bounds_and_comes_back_from_a_snapshot() -> None:
    dispersion = watched(breathing=3.0, hours=1.0)
    assert (dispersion.cv2 <= CV_MOST**2).all()
    copy = Dispersion(8)
    copy.load({name: a.copy() for name, a in dispersion.state(len(KEYS)).items()})
    for one in (dispersion, copy):
        one.resize(8) if one is dispersion else None
        one.close_block(1e6, np.full((8, WIDTH), 100.0), np.zeros((8, WIDTH), bool))
    assert np.array_equal(dispersion.cv2, copy.cv2)
    dispersion.forget(np.arange(8))
    assert np.allclose(dispersion.cv2, CV_PRIOR**2)


def test_a_key_that_tells_little_breathes_as_the_others_do() -> None:
    random, dispersion = np.random.default_rng(3), Dispersion(11)
    keys, shape = np.arange(11), (11, WIDTH)
    info, level = np.full(shape, 1e6), np.zeros(shape)
    expected = np.full(shape, 20.0)
    expected[-1] = 0.2
    for number in range(6 * 360):
        level += -0.02 * level + 0.2 * 0.4 * random.standard_normal(shape)
        failed = random.poisson(expected * np.exp(level)).astype(float)
        sure = np.ones(shape, bool)
        dispersion.add(keys, failed, expected, info, sure)
        dispersion.close_block(10.0 * (number + 1), info, np.zeros_like(info, bool))
    assert (np.sqrt(dispersion.cv2[-1]) > 2 * CV_PRIOR).all()


def mixed(
    clumps: list[int], expected: list[float], hours: float, info: float
) -> Dispersion:
    """Keys whose failures come in clumps of these sizes, by seconds, not by looks."""
    random, dispersion = np.random.default_rng(3), Dispersion(len(clumps))
    shape, keys = (len(clumps), WIDTH), np.arange(len(clumps))
    size, mean = np.array(clumps)[:, None], np.array(expected)[:, None]
    behind, sure = np.full(shape, info), np.ones(shape, bool)
    for number in range(int(hours * 360)):
        failed = size * random.poisson(mean / size, shape).astype(float)
        dispersion.add(keys, failed, np.broadcast_to(mean, shape), behind, sure)
        dispersion.close_block(10.0 * (number + 1), behind, ~sure)
    return dispersion


def test_clumps_show_before_a_key_has_a_baseline_of_its_own() -> None:
    # Three failures an hour of each key, in an hour one clump; its parents' rate.
    dispersion = mixed([1] * 10 + [3] * 10, [3.0 / 360.0] * 20, 12.0, info=5.0)
    assert np.median(dispersion.phi[:10]) < 1.3
    assert np.median(dispersion.phi[10:]) > 2.2
    assert np.allclose(dispersion.cv2, CV_PRIOR**2)


def test_a_rate_that_is_wrongly_known_is_no_clump() -> None:
    random, dispersion = np.random.default_rng(3), Dispersion(len(KEYS))
    for number in range(12 * 360):
        failed = random.poisson(0.05, SHAPE).astype(float)
        info = np.full(SHAPE, 5.0)
        dispersion.add(KEYS, failed, np.full(SHAPE, 0.01), info, SURE)
        dispersion.close_block(10.0 * (number + 1), info, np.zeros_like(info, bool))
    assert dispersion.phi.max() < 1.4


def test_who_is_unknown_may_be_one_of_the_wildest_of_its_fleet() -> None:
    alike = mixed([1] * 28 + [1, 1], [1.0] * 28 + [0.0, 0.02], 4.0, info=1e6)
    unlike = mixed([1] * 20 + [4] * 9 + [1], [1.0] * 28 + [0.0, 0.02], 4.0, info=1e6)
    assert alike.phi[-2:].max() < 1.2
    assert (unlike.phi[-2] > 2.5).all()
    # The one that has shown thirty failures, each of them alone, is believed.
    assert np.median(unlike.phi[-1]) < 1.6


def test_breathing_keys_are_not_lent_the_calm_of_the_others() -> None:
    random, dispersion = np.random.default_rng(3), Dispersion(40)
    keys, shape, size = np.arange(40), (40, WIDTH), np.zeros((40, 1))
    size[:10] = 0.55
    # One key breathes, but has too few failures to show it.
    expected = np.full(shape, 1.0)
    expected[0] = 0.1
    info, level = np.full(shape, 1e6), np.zeros(shape)
    for number in range(4 * 360):
        level += -0.08 * level + 0.4 * size * random.standard_normal(shape)
        rate = expected * np.exp(level - size**2 / 2)
        failed = random.poisson(rate).astype(float)
        dispersion.add(keys, failed, expected, info, np.ones(shape, bool))
        dispersion.close_block(10.0 * (number + 1), info, np.zeros_like(info, bool))
    cv = np.sqrt(dispersion.cv2)
    assert cv[0].min() > 2 * CV_PRIOR
    assert np.median(cv[10:]) < CV_PRIOR
