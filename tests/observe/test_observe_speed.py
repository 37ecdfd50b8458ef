"""A tick over 2,000 keys, all of them with news in all seven channels."""

from time import process_time

import numpy as np

from monitor.events import COLUMNS, Cell, CountDelta
from monitor.observe import FleetObserver, ObservePolicy
from tests.observe.observe_world import EPOCH

#: Least of many ticks, so that a busy machine does not fail it; about 10 ms.
MOST_SECONDS = 0.030

KEYS = 2_000
#: A leaf has two or three keys of its own, so this many leaves make the keys.
LEAVES = [
    Cell(f"p{number % 20}", f"i{number % 40}", f"c{number}", "", "")
    for number in range(960)
]


def counts(random: np.random.Generator) -> bytes:
    rows = random.poisson(3.0, (len(LEAVES), len(COLUMNS)))
    rows[:, 0] = random.poisson(60.0, len(LEAVES))
    rows[:, 1] = rows[:, 0] // 2
    return rows.astype("<i4").tobytes()


def test_a_tick_over_two_thousand_keys_is_short() -> None:
    random = np.random.default_rng(1)
    observer = FleetObserver("default", ObservePolicy(detectors=("nb_glr", "limit")))
    cells, times = tuple(LEAVES), []
    for second in range(40):
        slot = int(EPOCH + second) // 10
        observer.apply(
            CountDelta(slot=slot, watermark=0.0, cells=cells, counts=counts(random))
        )
        begin = process_time()
        observer.tick(EPOCH + second)
        times.append(process_time() - begin)
    assert observer.stats.keys >= KEYS
    assert min(times) < MOST_SECONDS
