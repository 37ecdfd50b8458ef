"""One open slot: rows, evidence, and what happens over the bounds."""

import numpy as np
import pytest

from monitor.counting import slot as slot_module
from monitor.counting.policy import OTHER
from monitor.counting.slot import Evidence, OpenSlot
from monitor.events import COLUMNS, Cell, Reason

DELIVERED = (0, 1)
BOUNCED = (0, 8)


def cell(number: int, provider: str = "yahoo") -> Cell:
    return Cell(provider, "192.0.2.1", f"c{number}", "acme", "")


def rows(slot: OpenSlot) -> dict[Cell, list[int]]:
    cells, counts = slot.matrix()
    matrix = np.frombuffer(counts, dtype="<i4").reshape(len(cells), len(COLUMNS))
    return dict(zip(cells, matrix.tolist(), strict=True))


def test_cells_come_in_order_of_appearance_with_their_columns_added_up() -> None:
    slot = OpenSlot(7, str)
    for number, columns in ((2, DELIVERED), (1, BOUNCED), (2, BOUNCED), (2, BOUNCED)):
        assert not slot.count(cell(number), columns)
    assert list(rows(slot)) == [cell(2), cell(1)]
    assert rows(slot)[cell(2)] == [3, 1, 0, 0, 0, 0, 0, 0, 2]
    assert rows(slot)[cell(1)] == [1, 0, 0, 0, 0, 0, 0, 0, 1]


def test_cells_over_the_bound_are_folded_by_provider(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slot_module, "MAX_CELLS_PER_SLOT", 2)
    slot = OpenSlot(0, str)
    folded = [slot.count(cell(number), DELIVERED) for number in (1, 2, 3, 4, 1)]
    folded.append(slot.count(cell(1, "gmx"), DELIVERED))
    assert folded == [False, False, True, True, False, True]
    counted = {one: row[0] for one, row in rows(slot).items()}
    assert counted == {
        cell(1): 2,
        cell(2): 1,
        Cell("yahoo", OTHER, OTHER, OTHER, OTHER): 2,
        Cell("gmx", OTHER, OTHER, OTHER, OTHER): 1,
    }


def test_a_known_cell_takes_new_columns_when_the_slot_is_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slot_module, "MAX_CELLS_PER_SLOT", 1)
    slot = OpenSlot(0, str)
    assert not slot.count(cell(1), DELIVERED)
    assert not slot.count(cell(1), BOUNCED)
    assert list(rows(slot)) == [cell(1)]


def test_names_over_the_bound_are_folded_so_that_a_tally_can_be_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slot_module, "MAX_NAME_BYTES_PER_SLOT", 60)
    slot = OpenSlot(0, str)
    long = Cell("yahoo", "", "é" * 20, "", "")  # 45 bytes
    assert not slot.count(long, DELIVERED)
    assert not slot.count(Cell("yahoo", "", "x" * 10, "", ""), DELIVERED)  # 60
    assert slot.count(Cell("y", "", "", "", ""), DELIVERED)
    assert not slot.count(long, BOUNCED)


def test_the_first_sample_of_a_reason_stays_and_is_scrubbed() -> None:
    slot = OpenSlot(0, str.upper)
    slot.note(cell(1), Evidence(Reason.POLICY, "first"))
    slot.note(cell(1), Evidence(Reason.POLICY, "second"))
    slot.note(cell(1), Evidence(Reason.THROTTLED, "third"))
    found = [(row.reason, row.count, row.sample) for row in slot.reasons()]
    assert found == [(Reason.POLICY, 2, "FIRST"), (Reason.THROTTLED, 1, "THIRD")]


def test_reasons_over_the_bound_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slot_module, "MAX_REASONS_PER_SLOT", 2)
    slot = OpenSlot(0, str)
    for number in (1, 2, 3, 1):
        slot.note(cell(number), Evidence(Reason.POLICY, ""))
    assert [(row.campaign, row.count) for row in slot.reasons()] == [
        ("c1", 2),
        ("c2", 1),
    ]
