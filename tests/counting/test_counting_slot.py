"""One open slot: rows, evidence, and what happens over the bounds."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.counting import slot as slot_module
from monitor.counting.cell_table import CellTable, cell_text, cells_of
from monitor.counting.policy import OTHER
from monitor.counting.slot import Evidence, OpenSlot
from monitor.events import COLUMNS, Cell, DeliveryEvent, Outcome, Reason

DELIVERED = (0, 1)
BOUNCED = (0, 8)


def cell(number: int, provider: str = "yahoo") -> Cell:
    return Cell(provider, "192.0.2.1", f"c{number}", "acme", "")


#: An event: its cell, and what it adds to.
Event: TypeAlias = tuple[Cell, tuple[int, ...]]


def event(one: Cell, columns: tuple[int, ...] = DELIVERED) -> Event:
    return one, columns


def count(slot: OpenSlot, events: Sequence[Event]) -> int:
    """Add events; returns how many were folded."""
    cells = [cell_text(one) for one, _ in events]
    others = {
        place: columns
        for place, (_, columns) in enumerate(events)
        if columns != DELIVERED
    }
    return slot.count(cells, others)


def note(
    slot: OpenSlot, one: Cell, reason: Reason, reply: str, template: str = ""
) -> None:
    """Tell why an event of a cell failed."""
    slot.note([cell_text(one)], {0: Evidence(reason, reply, template)})


def rows(slot: OpenSlot) -> dict[Cell, list[int]]:
    cells, counts = slot.matrix()
    matrix = np.frombuffer(counts, dtype="<i4").reshape(len(cells), len(COLUMNS))
    return dict(zip(cells, matrix.tolist(), strict=True))


def test_cells_come_in_order_of_appearance_with_their_columns_added_up() -> None:
    slot = OpenSlot(7, str, CellTable())
    added = [event(cell(2)), event(cell(1), BOUNCED), *[event(cell(2), BOUNCED)] * 2]
    assert count(slot, added[:3]) == count(slot, added[3:]) == 0
    assert list(rows(slot)) == [cell(2), cell(1)]
    assert rows(slot)[cell(2)] == [3, 1, 0, 0, 0, 0, 0, 0, 2]
    assert rows(slot)[cell(1)] == [1, 0, 0, 0, 0, 0, 0, 0, 1]


@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_cells_over_the_bound_are_folded_by_provider_however_they_come(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(slot_module, "MAX_CELLS_PER_SLOT", 2)
    slot = OpenSlot(0, str, CellTable())
    events = [event(cell(number)) for number in (1, 2, 3, 4, 1)]
    events.append(event(cell(1, "gmx")))
    folded = sum(count(slot, events[at : at + size]) for at in range(0, 6, size))
    assert folded == 3
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
    slot = OpenSlot(0, str, CellTable())
    assert count(slot, [event(cell(1)), event(cell(1), BOUNCED)]) == 0
    assert list(rows(slot)) == [cell(1)]


def test_names_over_the_bound_are_folded_so_that_a_tally_can_be_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slot_module, "MAX_NAME_BYTES_PER_SLOT", 60)
    slot = OpenSlot(0, str, CellTable())
    long = Cell("yahoo", "", "é" * 20, "", "")  # 45 bytes
    assert count(slot, [event(long)]) == 0
    assert count(slot, [event(Cell("yahoo", "", "x" * 10, "", ""))]) == 0  # 60
    assert count(slot, [event(Cell("y", "", "", "", ""))] * 2) == 2
    assert count(slot, [event(long, BOUNCED)]) == 0


def test_the_first_sample_of_a_reason_stays_and_is_scrubbed() -> None:
    slot = OpenSlot(0, str.upper, CellTable())
    note(slot, cell(1), Reason.POLICY, "first")
    note(slot, cell(1), Reason.POLICY, "second")
    note(slot, cell(1), Reason.THROTTLED, "third")
    found = [(row.reason, row.count, row.sample) for row in slot.reasons()]
    assert found == [(Reason.POLICY, 2, "FIRST"), (Reason.THROTTLED, 1, "THIRD")]


def test_replies_of_one_template_are_scrubbed_once() -> None:
    scrubbed: list[str] = []

    def scrub(reply: str) -> str:
        scrubbed.append(reply)
        return reply.upper()

    slot = OpenSlot(0, scrub, CellTable())
    for number in (1, 2, 3):
        reply = f"no {number}"
        note(slot, cell(number), Reason.POLICY, reply, "same")
    assert [row.sample for row in slot.reasons()] == ["NO 1"] * 3
    assert scrubbed == ["no 1"]


def test_each_text_of_a_reason_has_a_row() -> None:
    slot = OpenSlot(0, str, CellTable())
    for template in ("t1", "t2", "t1", ""):
        note(slot, cell(1), Reason.POLICY, f"says {template}", template)
    assert [(row.template, row.count, row.sample) for row in slot.reasons()] == [
        ("t1", 2, "says t1"),
        ("t2", 1, "says t2"),
        ("", 1, "says "),
    ]


def test_tenants_and_segments_share_a_row() -> None:
    """The merge tells what a row has grown by from the row of the tally before."""
    slot = OpenSlot(0, str, CellTable())
    for tenant, segment in (("acme", ""), ("globex", ""), ("acme", "de")):
        one = cell(1)._replace(tenant=tenant, segment=segment)
        note(slot, one, Reason.POLICY, "no", "same")
    assert [(row.campaign, row.count) for row in slot.reasons()] == [("c1", 3)]


def test_reasons_over_the_bound_go_to_their_providers_other_until_that_is_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slot_module, "MAX_DETAILED_REASONS", 2)
    monkeypatch.setattr(slot_module, "MAX_REASONS_PER_SLOT", 4)
    slot = OpenSlot(0, str, CellTable())
    for number, template in (
        (1, "a"),
        (2, "a"),
        (3, "a"),
        (4, "a"),
        (1, "a"),
        (5, "b"),
    ):
        note(slot, cell(number), Reason.POLICY, "", template)
    note(slot, cell(6), Reason.POLICY, "", "c")
    note(slot, cell(7), Reason.POLICY, "", "b")
    assert [
        (row.source_ip, row.campaign, row.template, row.count) for row in slot.reasons()
    ] == [
        ("192.0.2.1", "c1", "a", 2),
        ("192.0.2.1", "c2", "a", 1),
        (OTHER, OTHER, "a", 2),
        (OTHER, OTHER, "b", 2),
    ]


#: Numbers of cells; those of long names have many digits.
NUMBERS = st.one_of(st.integers(0, 9), st.integers(0, 3).map(lambda n: n + 10**30))


@given(
    events=st.lists(
        st.builds(event, st.builds(cell, NUMBERS, st.sampled_from("ab"))), max_size=40
    ),
    met_before=st.lists(st.builds(event, st.builds(cell, NUMBERS))),
    cut=st.integers(0, 40),
    most=st.integers(1, 12),
    most_bytes=st.integers(20, 400),
)
def test_neither_the_cut_nor_what_else_is_in_the_table_changes_a_slot(
    events: list[Event], met_before: list[Event], cut: int, most: int, most_bytes: int
) -> None:
    table = CellTable()
    table.numbers_of([cell_text(one) for one, _ in met_before])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slot_module, "MAX_CELLS_PER_SLOT", most)
        patch.setattr(slot_module, "MAX_NAME_BYTES_PER_SLOT", most_bytes)
        whole, parts = OpenSlot(0, str, CellTable()), OpenSlot(0, str, table)
        folded = count(parts, events[:cut])
        parts.matrix()
        folded += count(parts, events[cut:])
        assert count(whole, events) == folded
        assert rows(whole) == rows(parts)
    if not folded:
        assert [*rows(whole)] == [*dict.fromkeys(one for one, _ in events)]
        assert [*rows(parts)] == [*rows(whole)]


def test_the_text_of_an_event_is_that_of_its_cell() -> None:
    one = Cell("yahoo", "192.0.2.1", "spring", "acme", "de")
    sent = DeliveryEvent(
        event_id="e",
        event_time=0.0,
        source="canonical",
        outcome=Outcome.DELIVERED,
        source_ip=one.source_ip,
        campaign=one.campaign,
        tenant=one.tenant,
        segment=one.segment,
    )
    assert cells_of([sent], [one.provider]) == [cell_text(one)]
