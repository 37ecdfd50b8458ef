"""Remembered event ids: a plain set, whenever they are packed."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.counting.ids import SeenIds

#: Few texts, so that many are copies; some that only look alike.
IDS = st.one_of(
    st.integers(0, 30).map(str), st.sampled_from(["", " ", "a", "A", "é", "é"])
)
STEPS = st.lists(st.one_of(IDS, st.none()), max_size=80)


def added(ids: SeenIds, event_id: str) -> bool:
    """Remember one id; false if it was there already."""
    return ids.add_all([event_id]) is None


@given(STEPS)
def test_settling_at_any_time_changes_no_answer(steps: list[str | None]) -> None:
    ids, plain = SeenIds(limit=1000), set[str]()
    for step in steps:
        if step is None:
            ids.settle()
            continue
        assert added(ids, step) == (step not in plain)
        plain.add(step)
        assert len(ids) == len(plain)
    assert ids.overflow == 0


@given(STEPS, st.integers(0, 10))
def test_over_the_limit_ids_are_let_through_and_counted(
    steps: list[str | None], limit: int
) -> None:
    ids, known, overflow = SeenIds(limit), set[str](), 0
    for step in steps:
        if step is None:
            ids.settle()
        elif step in known:
            assert not added(ids, step)
        else:
            assert added(ids, step), "an event counted twice is better than one lost"
            if len(known) < limit:
                known.add(step)
            else:
                overflow += 1
        assert ids.overflow == overflow
        assert len(ids) == len(known)


@given(st.lists(st.one_of(st.lists(IDS, max_size=12), st.none())), st.integers(0, 40))
def test_many_are_remembered_as_each_is(
    batches: list[list[str] | None], limit: int
) -> None:
    together, alone = SeenIds(limit), SeenIds(limit)
    for batch in batches:
        if batch is None:
            together.settle()
            continue
        new = [place for place, one in enumerate(batch) if added(alone, one)]
        found = together.add_all(batch)
        assert (found is None) == (len(new) == len(batch))
        assert found is None or found == new
        assert len(together) == len(alone)
        assert together.overflow == alone.overflow


def test_a_hundred_thousand_ids_are_told_apart() -> None:
    ids = SeenIds(limit=1_000_000)
    for start in range(0, 100_000, 20_000):
        assert all(added(ids, f"event-{n}") for n in range(start, start + 20_000))
        ids.settle()
    assert not any(added(ids, f"event-{n}") for n in range(0, 100_000, 7))
    assert added(ids, "event-100000")


def test_settling_nothing_is_nothing() -> None:
    ids = SeenIds(limit=10)
    ids.settle()
    assert len(ids) == 0
    assert added(ids, "a")
