"""Counts that come late, all of them alike, teach what counts on time teach."""

import numpy as np
import pytest

from monitor.events import COLUMNS, Cell, Cells, Channel, CountDelta
from monitor.observe import FleetObserver, ObservePolicy
from monitor.observe.arrays import Array
from monitor.observe.channels import CHANNELS
from monitor.observe.dispersion import CV_PRIOR
from monitor.observe.lateness import Lateness

EPOCH = 1_767_571_200.0
HARD = CHANNELS.index(Channel.HARD)
NAMES, SLOTS = 40, 540
CELLS = Cells.of(Cell("p", "i", f"c{number}", "", "") for number in range(NAMES))

#: Mail of a name in ten seconds, its usual rate, and how wide that breathes, within
#: about two minutes.
TRIED, RATE, BREATH, TURN = 60, 0.03, 0.6, 12.0


def mail(slots: int) -> Array:
    """Counts ``[slots, names, columns]`` of names whose rates breathe."""
    random = np.random.default_rng(4)
    counts = np.zeros((slots, NAMES, len(COLUMNS)), "<i4")
    breath, keep = np.zeros(NAMES), np.exp(-1.0 / TURN)
    for slot in counts:
        breath = keep * breath + np.sqrt(1.0 - keep**2) * random.normal(size=NAMES)
        rate = RATE * np.exp(BREATH * breath - BREATH**2 / 2.0)
        failed = random.binomial(TRIED, np.minimum(rate, 1.0))
        slot[:, COLUMNS.index("attempts")] = TRIED
        slot[:, COLUMNS.index("delivered")] = TRIED - failed
        for channel in (Channel.HARD, Channel.BOUNCE):
            slot[:, COLUMNS.index(channel)] = failed
    return counts


def learned(late: float, seconds: int = 10, straggler: bool = False) -> Array:
    """What breathing is learned of the names if counts come so late."""
    policy = ObservePolicy(slot_seconds=seconds, detectors=("nb_glr",))
    observer, step = FleetObserver("default", policy), seconds // 10
    counts = mail(SLOTS)
    first = int(EPOCH) // seconds
    for number in range(SLOTS // step):
        whole = counts[number * step : (number + 1) * step].sum(axis=0, dtype="<i4")
        slot, end = first + number, EPOCH + (number + 1) * seconds
        delta = CountDelta(
            slot=slot, watermark=0.0, cells=CELLS, counts=whole.tobytes()
        )
        if straggler and number:
            # One host whose clock is a minute ahead.
            ahead = np.zeros((1, len(COLUMNS)), "<i4")
            ahead[:, :2] = 1
            cells = Cells.of([Cell("p", "i", "ahead", "", "")])
            observer.apply(
                CountDelta(
                    slot=slot + 6, watermark=0.0, cells=cells, counts=ahead.tobytes()
                )
            )
        observer.apply(delta)
        observer.tick(end + late)
    scopes = list(observer._memory.catalog.scopes)
    keys = [n for n, one in enumerate(scopes) if one and one.kind == "campaign"]
    return np.sqrt(observer._memory.dispersion.cv2[keys, HARD])


@pytest.mark.parametrize(
    ("late", "seconds", "straggler"),
    [
        (50.0, 10, False),
        (70.0, 10, False),
        (110.0, 10, False),
        (0.5, 10, True),
        (80.0, 10, True),
    ],
)
def test_what_comes_late_teaches_as_much(
    late: float, seconds: int, straggler: bool
) -> None:
    on_time = np.median(learned(0.5))
    assert on_time > 2.5 * CV_PRIOR
    assert np.median(learned(late, seconds, straggler)) == pytest.approx(
        on_time, rel=0.1
    )


@pytest.mark.parametrize("seconds", [60, 300])
def test_long_slots_teach_too(seconds: int) -> None:
    assert np.median(learned(0.5, seconds)) > 1.2 * CV_PRIOR


def test_a_lot_that_comes_long_after_its_neighbours_is_late() -> None:
    lateness = Lateness()
    for _ in range(50):
        assert -2.0 < lateness.after(0.0, 1_000.0) <= 0.0
        assert lateness.after(90.0, 10.0) > 85.0
    for _ in range(500):
        lateness.after(70.0, 1_000.0)
    assert abs(lateness.after(70.0, 1_000.0)) < 1.0


def test_no_mail_is_no_lateness() -> None:
    assert Lateness().after(70.0, 0.0) == 70.0
