"""Windows are what a plain recount of slots gives, however the counts came."""

import random
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.events import COLUMNS, Cell, CountDelta
from monitor.observe import FleetObserver, ObservePolicy
from monitor.observe.windows import Windows

#: One key's counts: (key, seconds before the end, count).
ADDS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.one_of(st.integers(0, 400), st.integers(0, 100_000)),
        st.integers(1, 1000),
    ),
    max_size=40,
)
ENDS = st.integers(2_000_000, 2_000_000 + 7_200)
LENGTHS = st.sampled_from([1, 7, 10, 30, 60, 300])
SPANS = {"1m": 60, "5m": 300, "1h": 3600, "24h": 86_400}


def recount(
    adds: list[tuple[int, int, int]], window: str, slot_seconds: int, now: float
) -> dict[int, int]:
    """The definition, in words of ``windows``: the newest whole buckets."""
    shortest = {"1m": 10, "5m": 30, "1h": 300, "24h": 7200}[window]
    length = max(slot_seconds, shortest)
    buckets = max(1, SPANS[window] // length)
    newest = int(now // length)
    counts: Counter[int] = Counter()
    for key, slot, count in adds:
        if newest - buckets < slot * slot_seconds // length <= newest:
            counts[key] += count
    return dict(counts)


@given(ADDS, ENDS, LENGTHS, st.randoms(use_true_random=False))
def test_windows_equal_a_recount(
    ages: list[tuple[int, int, int]],
    end: int,
    slot_seconds: int,
    order: random.Random,
) -> None:
    adds = [(key, (end - age) // slot_seconds, count) for key, age, count in ages]
    order.shuffle(adds)
    windows = Windows(slot_seconds, capacity=4)
    for key, slot, count in adds:
        row = np.full((1, len(COLUMNS)), count, np.int32)
        windows.add(slot, np.array([key]), row)
        windows.let_go(order.uniform(0.0, end))
    for window in windows.names:
        total = windows.total(window, float(end), np.arange(4))
        assert (total == total[:, :1]).all()
        want = recount(adds, window, slot_seconds, end)
        assert {k: n for k, n in enumerate(total[:, 0].tolist()) if n} == want


def test_what_no_window_holds_is_let_go() -> None:
    windows = Windows(10, capacity=1)
    for slot in range(100):
        windows.add(slot, np.zeros(1, int), np.ones((1, len(COLUMNS)), np.int32))
    places = [windows.state()["digits_1m"].size]
    for now in (100_000.0, 1_000.0, 0.0):  # ahead, right, and behind
        windows.let_go(now)
        places.append(windows.state()["digits_1m"].size)
    buckets = [size / places[-1] for size in places]
    assert buckets == [13 / 6, 1.0, 1.0, 1.0]
    assert (windows.total("1m", 999.0, np.zeros(1, int)) == 6.0).all()


CELLS = [
    Cell(provider, ip, campaign, "t", "")
    for provider in ("p1", "p2")
    for ip in ("i1", "i2")
    for campaign in ("c1", "")
]
ROWS = st.lists(
    st.tuples(
        st.integers(0, len(CELLS) - 1),
        st.integers(-300, 3),
        st.lists(st.integers(0, 50), min_size=9, max_size=9),
    ),
    min_size=1,
    max_size=30,
)
HEAD = 176_757_120
Row = tuple[int, int, list[int]]


def delta(slot: int, rows: list[Row]) -> CountDelta:
    return CountDelta(
        slot=HEAD + slot,
        watermark=0.0,
        cells=tuple(CELLS[row[0]] for row in rows),
        counts=np.array([row[2] for row in rows], "<i4").tobytes(),
    )


def rates_after(deltas: list[CountDelta], ticks: int) -> set[object]:
    observer = FleetObserver("default", ObservePolicy())
    now = HEAD * 10.0
    for number, one in enumerate(deltas):
        observer.apply(one)
        if number % ticks == 0:
            observer.tick(now)
    while observer.stats.waiting_slots:
        observer.tick(now)
    rates = observer.rates(top=100)
    return {(r.kind, r.key, r.window, r.attempts, r.delivered, r.counts) for r in rates}


@given(ROWS, st.randoms(use_true_random=False), st.integers(1, 40))
def test_splitting_and_shuffling_deltas_changes_no_window(
    rows: list[Row], order: random.Random, ticks: int
) -> None:
    by_slot: dict[int, list[Row]] = {}
    for row in rows:
        by_slot.setdefault(row[1], []).append(row)
    whole = [delta(slot, mine) for slot, mine in sorted(by_slot.items())]
    pieces = [delta(row[1], [row]) for row in rows]
    order.shuffle(pieces)
    assert rates_after(whole, 100) == rates_after(pieces, ticks)


@given(ROWS)
def test_the_shown_scopes_of_a_kind_and_the_rest_sum_to_the_fleet(
    rows: list[Row],
) -> None:
    observer = FleetObserver("default", ObservePolicy())
    for row in rows:
        observer.apply(delta(row[1], [row]))
    observer.tick(HEAD * 10.0)
    while observer.stats.waiting_slots:
        observer.tick(HEAD * 10.0)
    sums: dict[tuple[str, str], np.ndarray] = {}
    for rate in observer.rates(top=1):
        counts = np.array([rate.attempts, rate.delivered, *rate.counts])
        key = rate.kind, rate.window
        sums[key] = sums.get(key, np.zeros(len(counts))) + counts
    for (kind, window), total in sums.items():
        assert (total == sums["fleet", window]).all(), kind
