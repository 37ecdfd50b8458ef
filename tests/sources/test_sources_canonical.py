import json
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import InvalidEvent, InvalidReason
from monitor.events import Decoded, DeliveryEvent, Outcome
from monitor.sources import SourceOptions, open_source
from monitor.sources.canonical import STRETCH, Canonical
from monitor.sources.fields import MAX_DIAGNOSTIC, MAX_NAME
from monitor.sources.guard import MAX_DEPTH, MAX_RECORD_BYTES

Record = dict[str, Any]
Only = Callable[..., DeliveryEvent]


def test_every_field_arrives(only: Only, record: Callable[[str], Record]) -> None:
    event = only("canonical", record("canonical"))
    assert msgspec.structs.asdict(event) == record("canonical") | {
        "source": "canonical",
        "outcome": Outcome.BOUNCED,
        "counts_to_rate": True,
        "recipient_hash": "",
    }


def test_an_event_survives_the_round_trip(only: Only) -> None:
    event = DeliveryEvent(
        event_id="e",
        event_time=1_767_225_600.0,
        source="canonical",
        outcome=Outcome.DEFERRED,
        recipient_domain="mailbox.test",
    )
    again = only("canonical", msgspec.json.encode(event))
    assert msgspec.structs.asdict(again) == msgspec.structs.asdict(event)


def test_the_smallest_record(only: Only) -> None:
    event = only("canonical", {"event_time": 1_767_225_600, "outcome": "delivered"})
    assert event.event_id
    assert event.event_time == 1_767_225_600.0
    assert event.recipient_domain == ""


@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize(
    ("outcome", "counts"),
    [
        ("delivered", True),
        ("deferred", True),
        ("bounced", True),
        ("dropped", False),
        ("complained", True),
        ("other", True),
    ],
)
def test_what_follows_from_the_outcome(
    only: Only,
    record: Callable[[str], Record],
    outcome: str,
    counts: bool,
    slow: bool,
) -> None:
    value = record("canonical") | {"outcome": outcome}
    if slow:
        value["event_id"] = None
    event = only("canonical", value)
    assert (event.outcome, event.counts_to_rate) == (
        Outcome(outcome),
        counts,
    )
    told = only("canonical", value | {"counts_to_rate": False})
    assert not told.counts_to_rate


def test_dropped_never_counts(only: Only, record: Callable[[str], Record]) -> None:
    value = record("canonical") | {"outcome": "dropped", "counts_to_rate": True}
    assert not only("canonical", value).counts_to_rate
    assert not only("canonical", value | {"event_id": ""}).counts_to_rate


def test_the_source_is_ours_whatever_the_record_says(
    only: Only, record: Callable[[str], Record]
) -> None:
    value = record("canonical") | {"source": "x" * 500}
    assert only("canonical", value).source == "canonical"
    assert only("canonical", value | {"source": "mine"}).source == "canonical"


def test_an_address_gives_its_domain_and_is_forgotten(
    only: Only, record: Callable[[str], Record]
) -> None:
    value = record("canonical") | {"recipient": "Ann <Ann@Elsewhere.TEST>"}
    del value["recipient_domain"]
    event = only("canonical", value)
    assert event.recipient_domain == "elsewhere.test"
    assert event.recipient_hash == ""
    keyed = only("canonical", value, SourceOptions(recipient_key=b"k"))
    assert len(keyed.recipient_hash) == 32
    for made in (event, keyed):
        assert "ann" not in str(msgspec.json.encode(made)).lower()


def test_a_key_hashes_the_address_beside_a_domain(
    only: Only, record: Callable[[str], Record]
) -> None:
    value = record("canonical") | {"recipient": "ann@mailbox.test"}
    keyed = only("canonical", value, SourceOptions(recipient_key=b"k"))
    assert len(keyed.recipient_hash) == 32
    given_hash = only(
        "canonical",
        record("canonical") | {"recipient_hash": "abc"},
        SourceOptions(recipient_key=b"k"),
    )
    assert given_hash.recipient_hash == "abc"


def test_a_reply_code_is_read_from_the_diagnostic_if_missing(
    only: Only, record: Callable[[str], Record]
) -> None:
    value = record("canonical")
    del value["reply_code"], value["enhanced_status"]
    event = only("canonical", value | {"diagnostic": "smtp; 452 4.2.2 full"})
    assert (event.reply_code, event.enhanced_status) == (452, "4.2.2")
    assert event.diagnostic == "full"
    event = only("canonical", value | {"reply_code": 7, "diagnostic": "full"})
    assert event.reply_code == 0


def test_rfc_3339_times(only: Only, record: Callable[[str], Record]) -> None:
    value = record("canonical") | {"event_time": "2026-01-01T00:00:00.25Z"}
    assert only("canonical", value).event_time == 1_767_225_600.25


def test_numbers_and_nulls_for_names(
    only: Only, record: Callable[[str], Record]
) -> None:
    value = record("canonical") | {"campaign": 4711, "tenant": None, "attempt": "3"}
    event = only("canonical", value)
    assert (event.campaign, event.tenant, event.attempt) == ("4711", "", 3)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"outcome": "exploded"}, InvalidReason.UNKNOWN_OUTCOME),
        ({"outcome": "Bounced"}, InvalidReason.UNKNOWN_OUTCOME),
        ({"outcome": None}, InvalidReason.MISSING_FIELD),
        ({"outcome": 5}, InvalidReason.WRONG_SHAPE),
        ({"outcome": ["bounced"]}, InvalidReason.WRONG_SHAPE),
        ({"event_time": None}, InvalidReason.MISSING_FIELD),
        ({"event_time": 0}, InvalidReason.BAD_TIME),
        ({"event_time": -1_767_225_600}, InvalidReason.BAD_TIME),
        ({"event_time": 1_767_225_600_000}, InvalidReason.BAD_TIME),
        ({"event_time": 10**300}, InvalidReason.BAD_TIME),
        ({"event_time": "soon"}, InvalidReason.BAD_TIME),
        ({"event_time": {}}, InvalidReason.WRONG_SHAPE),
        ({"counts_to_rate": "yes"}, InvalidReason.WRONG_SHAPE),
        ({"campaign": ["a"]}, InvalidReason.WRONG_SHAPE),
        ({"recipient": {}}, InvalidReason.WRONG_SHAPE),
        (
            {"recipient": [], "diagnostic": "[", "tenant": None},
            InvalidReason.WRONG_SHAPE,
        ),
        ({"diagnostic": {}}, InvalidReason.WRONG_SHAPE),
    ],
)
def test_what_cannot_be_an_event(
    decode: Callable[..., Decoded],
    record: Callable[[str], Record],
    change: Record,
    reason: InvalidReason,
) -> None:
    decoded = decode("canonical", record("canonical") | change)
    assert decoded.events == ()
    assert [problem.reason for problem in decoded.invalid] == [reason]


def test_names_are_cut_and_cleaned(only: Only, record: Callable[[str], Record]) -> None:
    value = record("canonical") | {"campaign": "c" * 10_000, "tenant": "a\nb\u202ec"}
    event = only("canonical", value | {"recipient_domain": "MAILBOX.test"})
    assert event.campaign == "c" * MAX_NAME
    assert event.tenant == "abc"
    assert event.recipient_domain == "MAILBOX.test"  # providers fold it
    assert only("canonical", record("canonical") | {"tenant": "a\x7fb"}).tenant == "ab"


def test_computed_ids_tell_events_apart(
    only: Only, record: Callable[[str], Record]
) -> None:
    value = record("canonical")
    del value["event_id"]
    first = only("canonical", value).event_id
    assert first == only("canonical", dict(reversed(value.items()))).event_id
    for change in ({"message_id": "m-2"}, {"attempt": 3}, {"recipient": "a@b.test"}):
        assert only("canonical", value | change).event_id != first


LONG = (("x", MAX_NAME), ("y", MAX_DIAGNOSTIC))
TEXTS = st.sampled_from(
    ["", "x", "Ünï", "a\tb", "\\", "MiXed.test", "\x7f", "7.8", "\u200b"]
    + [sign * (bound + over) for sign, bound in LONG for over in (0, 1)]
)
CODES = st.sampled_from([0, 1, 199, 200, 250, 421, 550, 599, 600, -1, None, "550"])
NAMES = (
    "recipient_domain",
    "recipient_hash",
    "enhanced_status",
    "diagnostic",
    "mx_host",
    "source_ip",
    "campaign",
    "tenant",
    "segment",
    "message_id",
    "provider_class",
    "source",
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "event_id": st.none() | TEXTS,
    "event_time": st.sampled_from([1e9, 999_999_999.999, 1_767_225_600, 10**400])
    | st.sampled_from([4_102_444_800, 4_102_444_800.001, True, "2026-01-01", "2e9"]),
    "outcome": st.sampled_from([*Outcome, "nonsense"]),
    "counts_to_rate": st.none() | st.booleans(),
    "reply_code": CODES,
    "attempt": st.sampled_from([0, 1, 1_000_000, 1_000_001, -1, 1.5]),
    "recipient": st.none() | st.sampled_from(["ann@Mailbox.test", "nobody", {}, [[]]]),
    "unknown": TEXTS | st.sampled_from([{}, [[]], {"event_id": "f"}, ["{"] * 40]),
}
FIELDS |= dict.fromkeys(NAMES, st.none() | TEXTS)

#: Few at a time, or hardly a record would stay on the fast path.
CHANGES = st.lists(
    st.sampled_from(sorted(FIELDS)).flatmap(
        lambda name: st.tuples(st.just(name), FIELDS[name])
    ),
    max_size=3,
).map(dict)


BASES = st.fixed_dictionaries(
    {
        "event_id": st.just("e"),
        "event_time": st.just(1_767_225_600.5),
        "outcome": st.sampled_from(list(Outcome)),
        "recipient_domain": st.just("mailbox.test"),
        "reply_code": st.just(250),
    }
)


@given(
    base=BASES,
    change=CHANGES,
    key=st.sampled_from([b"", b"key"]),
    ascii_only=st.booleans(),
)
def test_the_fast_path_says_what_the_slow_one_says(
    base: Record, change: Record, key: bytes, ascii_only: bool
) -> None:
    reader = Canonical(SourceOptions(recipient_key=key))
    raw = json.dumps(base | change, ensure_ascii=ascii_only).encode()
    (fast,) = reader.plain([raw])
    if not change:
        assert fast is not None
    if fast is None:
        return
    try:
        slow = reader._slow(raw)
    except (InvalidEvent, msgspec.DecodeError) as problem:
        raise AssertionError(
            "the fast path took what the slow one refuses"
        ) from problem
    assert msgspec.structs.asdict(fast) == msgspec.structs.asdict(slow)


#: Between good records: what no fast path may take, or count as two.
ODD = st.sampled_from(
    [None, b"", b"{", b"{}\n{}", b"[]", b"  ", b"\xff", b'{"a":{}}', b"7", b"{}" * 2]
) | st.sampled_from([b'{"a":' + b"[" * 50_000, b'{"event_id":' + b"[" * 50_000])


def fields_of(events: Iterable[DeliveryEvent | None]) -> list[Record | None]:
    """What the events say; by which reader they were read is no difference."""
    return [None if one is None else msgspec.structs.asdict(one) for one in events]


@given(
    st.lists(
        ODD
        | st.builds(
            lambda base, change: json.dumps(base | change).encode(), BASES, CHANGES
        ),
        max_size=8,
    )
)
def test_a_batch_is_read_as_its_records_are(values: list[bytes | None]) -> None:
    source = open_source("canonical")
    plain = source.plain(values)
    assert len(plain) == len(values)
    for value, event in zip(values, plain, strict=True):
        # What is odd in one record changes nothing for the others.
        assert fields_of(source.plain([value])) == fields_of([event])
        if event is not None:
            alone = source(value)
            assert alone.invalid == ()
            assert fields_of(alone.events) == fields_of([event])


def good(**changes: object) -> bytes:
    """A record that is plain, unless a change makes it odd."""
    base = {
        "event_id": "e",
        "event_time": 1_767_225_600.5,
        "outcome": "delivered",
        "recipient_domain": "mailbox.test",
        "reply_code": 250,
    }
    return json.dumps(base | changes).encode()


@pytest.mark.parametrize(
    "odd",
    [None, b"", b"{", b" ", good(tenant='a"b'), good(tenant=7), good(event_time=0)],
)
def test_every_record_of_a_long_batch_keeps_its_place(odd: bytes | None) -> None:
    count = 2 * STRETCH + 3
    values: list[bytes | None] = [good(event_id=f"e{n}") for n in range(count)]
    for strange in (0, 1, STRETCH - 1, STRETCH, count - 1):
        values[strange] = odd
    plain = open_source("canonical").plain(values)
    assert [event.event_id if event else None for event in plain] == [
        None if value is odd else f"e{place}" for place, value in enumerate(values)
    ]


def test_nulls_are_as_good_as_nothing() -> None:
    names = {*NAMES, "attempt", "counts_to_rate", "unknown"} - {"recipient_domain"}
    values = [good(), good(**dict.fromkeys(names)), good(event_id=None)]
    nothing, nulls, nameless = open_source("canonical").plain(values)
    assert nulls is not None
    assert fields_of([nulls]) == fields_of([nothing])
    assert nameless is None


def test_records_that_are_long_together_are_read_in_one_go() -> None:
    long = good(diagnostic="d" * 2_000, **{f"x{n}": "y" * 1_000 for n in range(5)})
    assert len(long) * STRETCH > MAX_RECORD_BYTES
    assert all(open_source("canonical").plain([long] * STRETCH))


@pytest.mark.parametrize(
    ("depth", "taken"), [(MAX_DEPTH - 1, True), (MAX_DEPTH, False)]
)
@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_unknown_fields_may_nest_but_not_too_deep(
    brackets: str, depth: int, taken: bool
) -> None:
    inner: object = 7
    for _ in range(depth):
        inner = [inner] if brackets == "[]" else {"a": inner}
    values = [good(), good(unknown=inner), good()]
    plain = open_source("canonical").plain(values)
    assert [event is not None for event in plain] == [True, taken, True]
