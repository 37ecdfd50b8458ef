"""The left half of the river with its real rooms: bytes in, countables out."""

import json
from math import isfinite
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.classify import Classifier, scrub
from monitor.counting import (
    CountingPolicy,
    InputPartition,
    PartitionCounter,
    SlotMaker,
    TallyMerger,
)
from monitor.counting.cell_table import SEPARATOR
from monitor.errors import InvalidReason
from monitor.events import COLUMNS, Cell, CountDelta, Outcome, Reason
from monitor.pipeline import Ingest, Records
from monitor.providers import ProviderMatcher
from monitor.sources import SOURCES, open_source
from tests.counting.one_record import DELIVERED, Countable

NOON = 1_795_348_800.0

# Rules and suffixes are compiled once; the rooms keep no state that decides anything.
PROVIDERS = ProviderMatcher.builtin()
CLASSIFIER = Classifier()


def make(source: str = "canonical") -> Ingest:
    return Ingest(open_source(source), PROVIDERS, CLASSIFIER)


def record(**fields: Any) -> bytes:
    return json.dumps(
        {
            "event_id": "e1",
            "event_time": NOON,
            "outcome": "delivered",
            "recipient_domain": "gmail.com",
            "source_ip": "192.0.2.1",
            "campaign": "spring",
            "tenant": "acme",
            "segment": "de",
        }
        | fields
    ).encode()


def read(ingest: Ingest, value: bytes | None) -> tuple[list[Countable], list[Any]]:
    """What one record comes to, event by event."""
    batch, refused = ingest(Records([0], [NOON], [value]))
    assert batch.offsets == [0]
    assert [*batch.at] == [0] * len(batch.event_ids)
    countables = [
        Countable(
            name,
            time,
            Cell(*cell.split(SEPARATOR)),
            batch.columns.get(place, DELIVERED),
            batch.evidence.get(place),
        )
        for place, (name, time, cell) in enumerate(
            zip(batch.event_ids, batch.event_times, batch.cells, strict=True)
        )
    ]
    invalid = [problem for _, problems in refused for problem in problems]
    assert [*batch.invalid] == [0] * len(invalid)
    return countables, invalid


def names(columns: tuple[int, ...]) -> list[str]:
    return [COLUMNS[index] for index in columns]


def test_a_delivery_goes_to_its_cell() -> None:
    (one,), invalid = read(make(), record())
    assert not invalid
    assert (one.event_id, one.event_time, one.evidence) == ("e1", NOON, None)
    assert names(one.columns) == ["attempts", "delivered"]
    provider = PROVIDERS.match("gmail.com", "")
    assert one.cell == Cell(provider, "192.0.2.1", "spring", "acme", "de")
    assert provider not in ("", "other", "gmail.com")


def test_the_mx_host_names_the_provider_of_a_private_domain() -> None:
    (known,), _ = read(make(), record())
    (hosted,), _ = read(
        make(),
        record(recipient_domain="example.org", mx_host="gmail-smtp-in.l.google.com"),
    )
    (unknown,), _ = read(make(), record(recipient_domain="example.org"))
    assert unknown.cell.provider == "other"
    assert hosted.cell.provider == PROVIDERS.match(
        "example.org", "gmail-smtp-in.l.google.com"
    )
    assert known.cell.provider != "other"


@pytest.mark.parametrize(
    ("outcome", "reply", "expected", "reason"),
    [
        (
            "bounced",
            "550 5.1.1 <joe@example.com>: user unknown",
            ["attempts", "bounce", "hard"],
            Reason.USER_UNKNOWN,
        ),
        (
            "bounced",
            "552 5.2.2 mailbox full",
            ["attempts", "bounce"],
            Reason.MAILBOX_FULL,
        ),
        (
            "deferred",
            "452 4.2.2 mailbox full",
            ["attempts", "deferral"],
            Reason.MAILBOX_FULL,
        ),
        ("bounced", "", ["attempts", "bounce"], Reason.UNDETERMINED),
    ],
)
def test_a_failure_is_classified_and_carries_its_evidence(
    outcome: str, reply: str, expected: list[str], reason: Reason
) -> None:
    (one,), _ = read(make(), record(outcome=outcome, diagnostic=reply))
    assert names(one.columns) == expected
    assert one.evidence is not None
    assert one.evidence.reason is reason
    assert one.evidence.reply in reply


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"outcome": "complained"}, ["complaint"]),
        ({"outcome": "dropped"}, []),
        ({"outcome": "bounced", "counts_to_rate": False}, []),
        ({"outcome": "delivered", "counts_to_rate": False}, []),
    ],
)
def test_what_reached_no_receiver_counts_nowhere(
    fields: dict[str, Any], expected: list[str]
) -> None:
    (one,), _ = read(make(), record(**fields))
    assert names(one.columns) == expected
    assert one.evidence is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, InvalidReason.EMPTY),
        (b"", InvalidReason.EMPTY),
        (b"\xff\xfe", InvalidReason.NOT_UTF8),
        (b"{", InvalidReason.NOT_JSON),
        (b"[" * 100_000, InvalidReason.TOO_DEEP),
        (b" " * 2_000_000, InvalidReason.TOO_LARGE),
        (record(event_time=None), InvalidReason.MISSING_FIELD),
        (record(event_time=NOON * 1000), InvalidReason.BAD_TIME),
        (record(outcome="evaporated"), InvalidReason.UNKNOWN_OUTCOME),
    ],
)
def test_a_bad_record_is_one_value_with_a_reason(
    value: bytes | None, reason: InvalidReason
) -> None:
    countables, invalid = read(make(), value)
    assert countables == []
    assert [one.reason for one in invalid] == [reason]


def test_a_bad_element_leaves_its_neighbours_alone() -> None:
    parts = [record(event_id="a"), record(outcome="evaporated"), record(event_id="b")]
    countables, invalid = read(make(), b"[" + b",".join(parts) + b"]")
    assert [one.event_id for one in countables] == ["a", "b"]
    assert [one.reason for one in invalid] == [InvalidReason.UNKNOWN_OUTCOME]


def test_totals_are_kept_by_outcome_and_verdict() -> None:
    ingest = make()
    for value in (
        record(),
        record(),
        record(outcome="bounced", diagnostic="550 5.1.1 user unknown"),
        record(outcome="bounced", counts_to_rate=False),
    ):
        read(ingest, value)
    stats = ingest.stats
    assert stats.outcomes == {
        ("canonical", "delivered"): 2,
        ("canonical", "bounced"): 2,
    }
    assert stats.verdicts == {("hard", "user_unknown"): 1}


TEXT = st.text(max_size=8)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), TEXT, st.just(NOON)
)
FIELDS = st.sampled_from(
    (
        "event_id",
        "event_time",
        "outcome",
        "diagnostic",
        "reply_code",
        "campaign",
        "source_ip",
        "recipient_domain",
        "counts_to_rate",
        "attempt",
    )
)
WEIRD = st.builds(
    lambda fields, outcome: record(**{"outcome": outcome, **fields}),
    st.dictionaries(FIELDS, SCALARS, max_size=4),
    st.sampled_from([*(outcome.value for outcome in Outcome), "", "x"]),
)


def is_sound(countables: list[Countable]) -> bool:
    """Nothing in it can hurt the rooms behind: finite, bounded, hashable, writable."""
    for one in countables:
        assert isfinite(one.event_time)
        assert all(len(name) <= 200 for name in one.cell)
        "".join(one.cell).encode()
        hash((one.cell, one.columns, one.event_id))
    return True


@given(WEIRD)
def test_weird_fields_are_read_or_refused(value: bytes) -> None:
    countables, invalid = read(make(), value)
    assert is_sound(countables)
    assert len(countables) + len(invalid) == 1


@pytest.mark.parametrize("source", SOURCES)
@given(value=st.one_of(st.binary(max_size=80), WEIRD))
def test_no_source_ever_raises(source: str, value: bytes) -> None:
    assert is_sound(read(make(source), value)[0])


@given(st.lists(WEIRD, max_size=6))
def test_the_same_bytes_give_the_same_countables_in_any_process(
    values: list[bytes],
) -> None:
    # Purity (I1): no clock, no order, no memory of other records decides.
    first, second = make(), make()
    forth = [read(first, value)[0] for value in values]
    back = [read(second, value)[0] for value in reversed(values)]
    assert forth == back[::-1]


@given(st.lists(st.one_of(WEIRD, st.binary(max_size=20)), max_size=20))
def test_every_record_is_accounted_for_in_the_end(values: list[bytes]) -> None:
    policy, ingest = CountingPolicy(), make()
    source = InputPartition("default", "delivery.events", 0)
    counter = PartitionCounter(
        policy, source, position=0, from_log_start=True, slots=SlotMaker(scrub)
    )
    offsets = range(len(values))
    times = [NOON + offset for offset in offsets]
    batch, refused = ingest(Records(offsets, times, values))
    counter.take(batch)
    merger = TallyMerger(policy)
    flush = counter.flush()
    for tally in flush.tallies:
        assert isinstance(merger.merge(tally), CountDelta)
    for ledger in flush.ledgers:
        merger.merge_ledger(ledger)
    total = merger.ledger()
    assert total.records == len(values)
    assert total.events == sum(ingest.stats.outcomes.values())
    assert total.invalid == sum(len(invalid) for _, invalid in refused)
    assert total.ignored <= total.records
    assert not any(merger.imbalance().values())


@given(st.lists(st.one_of(WEIRD, st.binary(max_size=20)), max_size=12))
def test_a_batch_comes_to_what_its_records_come_to(values: list[bytes]) -> None:
    together, alone = make(), make()
    offsets = [*range(len(values))]
    batch, refused = together(Records(offsets, [NOON] * len(values), values))
    ones = [alone(Records([at], [NOON], [value])) for at, value in enumerate(values)]
    assert [*batch.cells] == [cell for one in ones for cell in one.batch.cells]
    others = [one.batch.columns[at] for one in ones for at in sorted(one.batch.columns)]
    assert [batch.columns[place] for place in sorted(batch.columns)] == others
    assert [*batch.at] == [at for one in ones for at in one.batch.at]
    assert [*batch.event_ids] == [name for one in ones for name in one.batch.event_ids]
    assert [place for place, _ in refused] == [
        at for at, one in enumerate(ones) if one.refused
    ]
    assert [*batch.evidence.values()] == [
        why for one in ones for why in one.batch.evidence.values()
    ]
    assert together.stats == alone.stats
