"""The grid against the plainest one: all windows of all keys, look by look."""

import numpy as np
import pytest

from monitor.observe.arrays import Array, Floats, Ints
from monitor.observe.channels import WIDTH
from monitor.observe.detectors import grid as grid_module
from monitor.observe.detectors.grid import MULTIPLIERS
from monitor.observe.detectors.scan import Candidates, Scan

GRID = len(MULTIPLIERS)
FAILED = np.tile(np.log(MULTIPLIERS.astype(float)), (WIDTH, 1))
AGAINST = np.tile(1.0 - MULTIPLIERS.astype(float), (WIDTH, 1))
LINE = 1.5


class Plain:
    """State ``[channels, multipliers, keys]``, three sums of it."""

    def __init__(self, keys: int) -> None:
        self.sums = np.zeros((3, WIDTH, GRID, keys), np.float32)
        self.start = np.zeros((WIDTH, GRID, keys))

    def step(self, now: float, channel: int, keys: Ints, counts: Array) -> Floats:
        sums, start = self.sums[:, channel][..., keys], self.start[channel][:, keys]
        start[sums[0] == 0] = now
        sums += counts[:, None]
        weights = FAILED[channel, :, None], AGAINST[channel, :, None]
        evidence = np.array(weights, np.float32)
        found = evidence[0] * sums[0] + evidence[1] * sums[1]
        sums[:, found <= 0.0] = 0.0
        self.sums[:, channel][..., keys], self.start[channel][:, keys] = sums, start
        best: Floats = np.maximum(found.max(axis=0), 0.0)
        return best


def assert_same(plain: Plain, channel: int, keys: Ints, windows: Candidates) -> None:
    sums = plain.sums[:, channel][..., keys]
    open_ = sums[0] > 0
    assert (windows.sums == sums).all()
    assert (windows.start == plain.start[channel][:, keys] * open_).all()
    assert ((windows.evidence > 0) == open_).all()


@pytest.mark.parametrize(("keys", "part"), [(300, 0.9), (300, 0.1), (9_000, 0.7)])
def test_the_grid_is_that_of_all_windows_of_all_keys(keys: int, part: float) -> None:
    random = np.random.default_rng(7)
    scan, plain = Scan(keys // 2, FAILED, AGAINST), Plain(keys)
    for look in range(30):
        if look == 10:
            scan.resize(keys)
        if look % 7 == 6:
            copy = Scan(keys, FAILED, AGAINST)
            copy.load({name: a.copy() for name, a in scan.state(keys).items()})
            scan = copy
        if look % 5 == 4:
            channels = random.random(WIDTH) < 0.5
            gone = np.flatnonzero(random.random(keys // 2) < 0.3)
            scan.reset(gone, channels)
            plain.sums[:, channels, :, gone[:, None]] = 0.0
        size = keys // 2 if look < 10 else keys
        mine = np.flatnonzero(random.random(size) < (1.0 if look == 3 else part))
        chance = 0.3 if look % 10 else 0.0
        failed = random.poisson(chance, (len(mine), WIDTH)).astype(float)
        failed[:, 5:] = 0
        for channel, rows in enumerate(scan.news(mine, failed)):
            shape = (len(rows),)
            expected = random.gamma(2.0, 0.15, shape)
            counts = np.array([failed[rows, channel], expected, expected * 50])
            counts = counts.astype(np.float32)
            late = 50.0 if look % 4 == 3 else 0.0  # of a lagging partition, say
            places, now = (rows, mine[rows]), 1_000.0 + look - late
            best, windows = scan.step(now, channel, places, counts, LINE)
            wanted = plain.step(now, channel, mine[rows], counts)
            assert np.allclose(best, wanted, atol=1e-6)
            assert windows.rows.tolist() == rows[wanted >= LINE].tolist()
            assert_same(plain, channel, mine[windows.rows], windows)
    still = plain.sums[0].any(axis=1).sum()
    assert len(scan.state(keys)["places"]) == still


def test_rows_without_news_change_nothing() -> None:
    scan = Scan(10, FAILED, AGAINST)
    news = scan.news(np.arange(10), np.zeros((10, WIDTH)))
    assert [len(rows) for rows in news] == [0] * WIDTH
    assert sum(array.nbytes for array in scan.state(10).values()) == 0


def test_failures_that_were_expected_open_nothing() -> None:
    scan, rows = Scan(10, FAILED, AGAINST), np.arange(10)
    counts = np.full((10, 3), (1.0, 50.0, 900.0), np.float32).T
    for now in (1.0, 2.0):
        best, windows = scan.step(now, 0, (rows, rows), counts, LINE)
        assert best.tolist() == [0.0] * 10
        assert windows.rows.tolist() == []
    assert len(scan.state(10)["places"]) == 0


def test_when_few_windows_are_left_their_room_is_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grid_module, "STEPS", 1)
    scan, keys = Scan(5_000, FAILED, AGAINST), np.arange(5_000)
    counts = np.full((5_000, 3), (1.0, 0.1, 5.0), np.float32).T
    scan.step(1.0, 0, (keys, keys), counts, LINE)
    assert len(scan.news(keys, np.zeros((5_000, WIDTH)))[0]) == 5_000
    scan.reset(keys[7:], np.ones(WIDTH, bool))
    few = np.arange(7)
    scan.step(2.0, 0, (few, few), counts[:, :7], LINE)
    rows = scan.news(keys, np.zeros((5_000, WIDTH)))[0]
    assert rows.tolist() == few.tolist()
    assert scan.state(5_000)["start"].tolist() == [[1] * GRID] * 7
