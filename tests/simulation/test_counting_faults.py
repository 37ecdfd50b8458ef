"""Counts are exact whoever dies when; and the simulator sees it when they are not.

``FAULT_SEEDS`` and ``FAULT_STEPS`` in the environment make a long run, for instance
2000 seeds of 400 steps. A failing seed is printed and can be run alone:
``FaultWorld(seed, PRODUCT, steps).run()``.
"""

import os
from collections import Counter

import pytest

from tests.laws.counting_log import assert_equal
from tests.simulation.fault_parts import PRODUCT, WRONG, TallyReader
from tests.simulation.fault_world import FaultWorld

SEEDS = int(os.environ.get("FAULT_SEEDS", "30"))
STEPS = int(os.environ.get("FAULT_STEPS", "400"))

#: Seeds that each wrong protocol is tried with.
CONTROL_SEEDS = max(20, SEEDS // 10)


def is_exact(world: FaultWorld) -> bool:
    """Cells are those of the plain recount; and the ledger, if there is one."""
    reader, truth = world.reader, world.truth
    if isinstance(reader, TallyReader) and reader.sums.ledger != truth.ledger:
        return False
    return reader.cells == truth.cells


def test_counts_are_exact_under_every_fault() -> None:
    happened: Counter[str] = Counter()
    for seed in range(SEEDS):
        world = FaultWorld(seed, PRODUCT, STEPS)
        try:
            world.run()
            reader = world.reader
            assert isinstance(reader, TallyReader)
            assert_equal(reader.sums, world.truth)
            assert not any(reader.merger.imbalance().values())
        except AssertionError as error:
            pytest.fail(f"seed {seed}, {STEPS} steps: {error}")
        happened.update(world.happened)
    for fault in (
        "worker killed",
        "reader killed",
        "zombie",
        "flush failed",
        "frozen",
        "commit",
        "ack lost",
        "ghost",
        "commit refused",
        "checkpoint resumed",
        "book resumed",
    ):
        assert happened[fault] >= SEEDS // 4, f"hardly any: {fault}"


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_protocol_is_caught(name: str) -> None:
    wrong = 0
    for seed in range(CONTROL_SEEDS):
        world = FaultWorld(seed, WRONG[name], STEPS)
        world.run()
        wrong += not is_exact(world)
    assert wrong > 0.9 * CONTROL_SEEDS, f"{name}: wrong in {wrong} of {CONTROL_SEEDS}"
