"""Sums of the longest tallies: by dimensions, by span, and what is unaccounted for."""

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.events import COLUMNS, Cell, Ledger, LedgerTally, Prefix, Tally
from monitor.service.codecs import encode_tally, open_counts
from monitor.service.counts import CountsQuery, _add, _decoded, count_tallies
from monitor.service.longest import Longest
from tests.laws.counting_lives import History, histories, shuffled
from tests.laws.counting_log import as_counter

SLOT_SECONDS = 10.0
A = Cell("yahoo", "192.0.2.1", "spring", "acme", "")
B = Cell("yahoo", "192.0.2.2", "spring", "acme", "")
C = Cell("gmx", "192.0.2.1", "autumn", "acme", "")
DELIVERED = {"attempts": 1, "delivered": 1}
BOUNCED = {"attempts": 1, "bounce": 1, "hard": 1}
COMPLAINED = {"complaint": 1}


def prefix(slot: int, to: int = 9, partition: int = 0) -> Prefix:
    return Prefix(
        fleet="default",
        topic="delivery.events",
        partition=partition,
        slot=slot,
        first=3,
        to=to,
        watermark=0.0,
    )


def tally(slot: int, cells: dict[Cell, dict[str, int]], partition: int = 0) -> Tally:
    rows = [[row.get(name, 0) for name in COLUMNS] for row in cells.values()]
    return Tally(
        prefix=prefix(slot, partition=partition),
        cells=tuple(cells),
        counts=np.array(rows, dtype="<i4").tobytes(),
    )


def ledger(slot: int, **totals: int) -> LedgerTally:
    return LedgerTally(prefix=prefix(slot), ledger=Ledger(**totals))


def count(
    tallies: Iterable[Tally | LedgerTally], query: CountsQuery
) -> dict[tuple[str, ...], dict[str, int]]:
    """Rows by key; columns that are 0 are left out."""
    report = count_tallies(tallies, query, SLOT_SECONDS)
    return {
        key: {name: value for name, value in row.items() if value}
        for key, row in report.rows
    }


WORLD: list[Tally | LedgerTally] = [
    tally(1, {A: DELIVERED, B: BOUNCED}),
    tally(2, {A: BOUNCED, C: COMPLAINED}),
    tally(2, {A: DELIVERED}, partition=1),
    ledger(1, records=3, events=4, counted=2, late=2),
    ledger(2, records=3, events=3, counted=3),
]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (
            (),
            {
                (): {
                    "attempts": 4,
                    "delivered": 2,
                    "hard": 2,
                    "complaint": 1,
                    "bounce": 2,
                }
            },
        ),
        (
            ("provider",),
            {
                ("yahoo",): {"attempts": 4, "delivered": 2, "hard": 2, "bounce": 2},
                ("gmx",): {"complaint": 1},
            },
        ),
        (
            ("campaign", "source_ip"),
            {
                ("spring", "192.0.2.1"): {
                    "attempts": 3,
                    "delivered": 2,
                    "hard": 1,
                    "bounce": 1,
                },
                ("spring", "192.0.2.2"): {"attempts": 1, "hard": 1, "bounce": 1},
                ("autumn", "192.0.2.1"): {"complaint": 1},
            },
        ),
        (
            ("segment",),
            {
                ("",): {
                    "attempts": 4,
                    "delivered": 2,
                    "hard": 2,
                    "complaint": 1,
                    "bounce": 2,
                }
            },
        ),
    ],
)
def test_counts_are_summed_by_the_dimensions_asked_for(
    by: tuple[str, ...], expected: dict[tuple[str, ...], dict[str, int]]
) -> None:
    assert count(WORLD, CountsQuery(by=by)) == expected


def test_rows_come_largest_first_and_then_by_name() -> None:
    cells = {C: BOUNCED, B: DELIVERED, A: {"attempts": 5}}
    by = ("provider", "source_ip")
    rows = count_tallies([tally(1, cells)], CountsQuery(by=by), SLOT_SECONDS).rows
    assert [key for key, _ in rows] == [
        ("yahoo", "192.0.2.1"),
        ("gmx", "192.0.2.1"),
        ("yahoo", "192.0.2.2"),
    ]
    assert (
        rows
        == count_tallies(
            [tally(1, dict(reversed(cells.items())))], CountsQuery(by=by), SLOT_SECONDS
        ).rows
    )


@pytest.mark.parametrize(
    ("since", "until", "attempts", "records"),
    [
        (None, None, 4, 6),
        (10.0, 30.0, 4, 6),
        (10.001, None, 2, 3),
        (20.0, None, 2, 3),
        (None, 20.0, 2, 3),
        (None, 20.001, 4, 6),
        (20.0, 20.0, 0, 0),
    ],
)
def test_slots_that_begin_within_the_span_are_counted(
    since: float | None, until: float | None, attempts: int, records: int
) -> None:
    query = CountsQuery(since=since, until=until)
    report = count_tallies(WORLD, query, SLOT_SECONDS)
    assert sum(row["attempts"] for _, row in report.rows) == attempts
    assert report.ledger.records == records


def test_ledgers_are_summed_field_by_field() -> None:
    report = count_tallies(WORLD, CountsQuery(), SLOT_SECONDS)
    assert report.ledger == Ledger(records=6, events=7, counted=5, late=2)
    assert report.unaccounted == 0


@pytest.mark.parametrize(
    ("totals", "unaccounted"),
    [
        ({"events": 2, "counted": 2}, 0),
        ({"events": 3, "counted": 2}, 1),
        ({"events": 6, "counted": 2, "late": 1, "duplicates": 2, "excluded": 1}, 0),
        ({"events": 1, "counted": 1}, 1),
        ({"events": 3, "counted": 3}, 1),
        ({}, 2),
    ],
)
def test_what_cells_and_ledger_disagree_about_is_unaccounted_for(
    totals: dict[str, int], unaccounted: int
) -> None:
    tallies: list[Tally | LedgerTally] = [
        tally(1, {A: DELIVERED, C: COMPLAINED}),
        ledger(1, **totals),
    ]
    report = count_tallies(tallies, CountsQuery(by=("provider",)), SLOT_SECONDS)
    assert report.unaccounted == unaccounted


def test_of_a_span_only_the_ledger_itself_is_judged() -> None:
    # Cells are of slots of event time, ledgers of log time: they need not agree.
    tallies: list[Tally | LedgerTally] = [
        tally(1, {A: DELIVERED}),
        ledger(1, events=3, counted=2),
    ]
    query = CountsQuery(since=0.0)
    assert count_tallies(tallies, query, SLOT_SECONDS).unaccounted == 1


def test_no_tallies_are_no_rows() -> None:
    report = count_tallies([], CountsQuery(by=("provider",)), SLOT_SECONDS)
    assert report.rows == []
    assert report.ledger == Ledger()
    assert report.unaccounted == 0


def test_other_fleets_and_unreadable_records_are_left_out() -> None:
    longest = Longest()
    ours = encode_tally(tally(1, {A: DELIVERED}))
    for value in (ours, None, b"junk", ours.replace(b"default", b"another")):
        _add(longest, value, "default")
    assert [record.prefix for record in longest.records()] == [prefix(1)]


def test_a_tally_whose_body_is_unreadable_is_missing_and_its_neighbours_are_not() -> (
    None
):
    good = open_counts(encode_tally(tally(1, {A: DELIVERED})))
    bad = good._replace(prefix=prefix(2), body=b"junk")
    assert [one.prefix.slot for one in _decoded([bad, good])] == [1]


@given(histories(), st.integers(0, 2**32))
def test_the_topic_read_in_any_order_gives_the_plain_recount(
    history: History, seed: int
) -> None:
    longest = Longest()
    sent = shuffled(history.sent, seed)
    for one in sent:
        _add(longest, encode_tally(one), "default")
    assert len(longest.records()) + longest.superseded == len(sent)
    report = count_tallies(
        _decoded(longest.records()),
        CountsQuery(by=Cell._fields),
        history.lengths.slot / 1000,
    )
    truth = history.truth
    assert +as_counter(report.ledger) == +truth.ledger
    assert report.unaccounted == 0
    expected: dict[tuple[str, ...], dict[str, int]] = {}
    for (_, cell, column), number in truth.cells.items():
        row = expected.setdefault(cell, dict.fromkeys(COLUMNS, 0))
        row[COLUMNS[column]] += number
    assert dict(report.rows) == expected
