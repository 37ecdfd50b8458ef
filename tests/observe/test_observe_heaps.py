"""Many failures in one look: news, unless such heaps come and go."""

from typing import Any

import numpy as np

from monitor.events import Channel
from monitor.lab.drive import Drive, policy_for
from monitor.observe import ObservePolicy
from monitor.observe.arrays import Array
from monitor.observe.channels import CHANNELS, PRIOR, WIDTH
from monitor.observe.detectors import Look, Reading
from monitor.observe.detectors.heaps import (
    ALONE_SECONDS,
    HEAP_NATS,
    LEAST_LIFT,
    MOST_MOMENTS,
)
from monitor.observe.detectors.margin import MARGIN
from monitor.observe.detectors.nb_glr import NbGlr

EPOCH = 1_767_571_200.0
KEYS = 3
HARD = CHANNELS.index(Channel.HARD)
ALL = np.ones(WIDTH, bool)

#: Mail of a look, its usual failures, and those of a heap.
TRIED, FEW, HEAP = 100.0, 1.0, 40.0


class Mail:
    """Shows a rule one look after the other, ten seconds apart."""

    def __init__(self, keys: int = KEYS) -> None:
        self.keys = keys
        self.rule = NbGlr(ObservePolicy(), keys)
        self.now = EPOCH

    def look(self, *failed: float, tried: float = TRIED) -> Reading:
        self.now += 10.0

        def full(value: float) -> Array:
            return np.full((self.keys, WIDTH), value)

        fields: dict[str, Any] = {
            "now": self.now,
            "begins": self.now,
            "keys": np.arange(self.keys),
            "kinds": np.ones(self.keys, np.int8),
            "tried": full(tried),
            "failed": np.repeat(np.array(failed)[:, None], WIDTH, axis=1),
            "rate": np.tile(PRIOR, (self.keys, 1)),
            "info": full(500.0),
            "cv2": full(0.01),
            "phi": full(1.0),
            "known": full(1.0) > 0,
            "threshold": full(16.0),
        }
        return self.rule.look(Look(**fields))

    def calm(self, looks: int) -> None:
        for _ in range(looks):
            self.look(FEW, 0.0, 0.0)

    def heaps(self, number: int, *, explained: bool = False) -> None:
        for _ in range(number):
            self.look(HEAP, 0.0, 0.0)
            # Whatever the score says, nothing is reset unless an incident opens.
            if explained:
                self.rule.reset(np.array([0]), ALL)
            self.calm(1 + int(ALONE_SECONDS / 10.0))


def test_the_first_heap_is_news() -> None:
    mail = Mail()
    mail.calm(100)
    assert mail.look(HEAP, 0.0, 0.0).over[0, HARD]


def test_where_heaps_came_alone_one_look_is_not_enough_at_any_key() -> None:
    mail = Mail()
    mail.heaps(8)
    reading = mail.look(0.0, HEAP, 0.0)
    assert not reading.over[1, HARD]
    assert 0.0 < reading.score[1, HARD] <= HEAP_NATS


def test_a_spike_goes_on_and_is_found_all_the_same() -> None:
    mail = Mail()
    mail.heaps(8)
    over = [mail.look(0.0, HEAP, 0.0).over[1, HARD] for _ in range(6)]
    assert not over[0]
    assert over[-1]


def test_what_an_incident_explains_is_no_heap() -> None:
    mail = Mail()
    mail.heaps(8, explained=True)
    assert mail.look(0.0, HEAP, 0.0).over[1, HARD]


def test_an_outage_that_was_not_told_is_one_heap() -> None:
    mail = Mail()
    for _ in range(4):
        mail.look(HEAP, 0.0, HEAP)
        mail.calm(1 + int(ALONE_SECONDS / 10.0))
    assert mail.look(0.0, HEAP, 0.0).over[1, HARD]


def test_heaps_are_forgotten() -> None:
    mail = Mail()
    mail.heaps(8)
    mail.now += 10 * 86_400.0
    mail.calm(1)
    assert mail.look(0.0, HEAP, 0.0).over[1, HARD]


def test_a_multiple_of_much_is_no_heap() -> None:
    mail = Mail()
    mail.heaps(8)
    tried = 100_000.0
    usual = tried * PRIOR[HARD] * (1.0 + MARGIN)
    reading = mail.look(0.0, (LEAST_LIFT + 1.0) * usual, 0.0, tried=tried)
    assert reading.over[1, HARD]


def test_in_a_large_fleet_chance_hides_no_heaps() -> None:
    random, keys = np.random.default_rng(3), 20_000
    mail, over = Mail(keys), []
    for key in range(keys - 1, keys - 40, -1):
        # By chance more than a thousand have some times what they should.
        failed = np.zeros(keys)
        failed[random.choice(keys, 1_500)] = 4.0 * FEW
        failed[key] = HEAP
        over.append(mail.look(*failed).over[key, HARD])
    assert all(over[:5])
    assert not any(over[-5:])
    # Where four are many, there were some 1,450 moments a look, and 200 are watched.
    many = 4.0 * FEW > LEAST_LIFT * TRIED * PRIOR * (1.0 + MARGIN)
    looks = int(np.count_nonzero(many)) * len(over)
    assert (
        looks * 1_200 < mail.rule.heaps.unwatched < looks * (1_500 - MOST_MOMENTS // 2)
    )


def test_what_finds_room_is_watched() -> None:
    mail = Mail()
    mail.heaps(8)
    assert mail.rule.heaps.unwatched == 0


def test_heaps_come_back_from_a_snapshot() -> None:
    mail, copy = Mail(), Mail()
    mail.heaps(8)
    mail.look(0.0, 0.0, HEAP)
    saved = {name: one.copy() for name, one in mail.rule.state(KEYS).items()}
    copy.rule.load(saved)
    copy.now = mail.now
    assert not copy.look(0.0, HEAP, 0.0).over[1, HARD]


def test_clumps_without_a_typical_size_are_told_a_few_times_and_then_no_more() -> None:
    random, keys, step = np.random.default_rng(5), 20, 30.0
    drive, found = Drive(keys, policy_for(keys, 1.0, ("nb_glr",))), []
    volume = random.uniform(0.5, 5.0, keys) * step
    for end in np.arange(step, 9 * 3_600.0, step).tolist():
        decisions = random.poisson(0.01 * volume)
        sizes = np.minimum(1.0 + random.pareto(1.5, decisions.sum()), 100.0)
        owner = np.repeat(np.arange(keys), decisions)
        failed = np.floor(np.bincount(owner, sizes, keys))
        tried = random.poisson(volume).astype(float) + failed
        drive.step(end, step, (tried, failed))
        found += [alarm.seconds / 3_600.0 for alarm in drive.tick(end)]
    assert len(found) <= 6
    assert not [hour for hour in found if hour > 5.0]
