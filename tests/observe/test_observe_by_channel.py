"""Numbers by channel against a plain array of all channels."""

import numpy as np

from monitor.observe.by_channel import ByChannel
from monitor.observe.channels import WIDTH

BEGIN = (0.0, 1.0)
EVERY = np.array(BEGIN, np.float32)[:, None, None]


def test_numbers_are_those_of_a_plain_array() -> None:
    random = np.random.default_rng(5)
    some = ByChannel(4, BEGIN)
    plain = np.broadcast_to(EVERY, (2, WIDTH, 4)).copy()
    for capacity in (4, 9, 30):
        some.resize(capacity)
        new = np.broadcast_to(EVERY, (2, WIDTH, capacity)).copy()
        new[..., : plain.shape[2]] = plain
        plain = new
        for channel in random.integers(0, WIDTH - 2, 5).tolist():
            keys = random.permutation(capacity)[:3]
            some.of(channel)[:, keys] += 1.5
            plain[:, channel, keys] += 1.5
        gone = random.integers(0, capacity, 2)
        some.forget(gone)
        plain[..., gone] = EVERY
        asked = random.permutation(capacity)[:5]
        assert np.array_equal(some.all_of(asked), plain[..., asked])
    assert {channel for channel, _ in some.items()} <= set(range(WIDTH - 2))


def test_of_a_snapshot_only_what_is_told_takes_memory() -> None:
    some, again = ByChannel(5, BEGIN), ByChannel(8, BEGIN)
    some.of(3)[1, 2] = 7.0
    some.of(1)  # asked for, and left as it was
    again.load(some.all_of(np.arange(5)))
    assert [channel for channel, _ in again.items()] == [3]
    assert np.array_equal(again.all_of(np.arange(5)), some.all_of(np.arange(5)))
    assert again.of(3)[:, 7].tolist() == list(BEGIN)
