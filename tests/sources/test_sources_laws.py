"""Whatever the bytes: no exception, a well-typed answer, and always the same one."""

import json
import math
import os
import re
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

import monitor
from monitor.errors import InvalidEvent, InvalidReason
from monitor.events import Decoded, DeliveryEvent, Outcome
from monitor.sources import MAX_EVENTS_PER_RECORD, SOURCES, SourceOptions, open_source
from monitor.sources.fields import MAX_DIAGNOSTIC, MAX_NAME, MAX_TIME, MIN_TIME
from monitor.sources.guard import MAX_DETAIL

OPTIONS = SourceOptions(
    campaign="meta.campaign", tenant="tags.0", segment="list", recipient_key=b"secret"
)
DECODERS = [open_source(name) for name in SOURCES] + [
    open_source(name, OPTIONS) for name in SOURCES
]

#: Names that some source reads, so that random objects get past the first look.
NAMES = re.findall(
    r"\S+",
    """
    event outcome type eventType notificationType event_time timestamp Timestamp
    mail bounce delivery deliveryDelay complaint reject bouncedRecipients emailAddress
    destination tags campaign Message Type detail detail-type event-data recipient
    delivery-status code message response content enhanced_code queue meta category
    email reason status feedback_report supplemental_trace source_address address
    event_id reply_code recipient_domain diagnostic flags domain severity
    """,
)
WORDS = [
    *SOURCES,
    *Outcome,
    "Bounce",
    "Delivery",
    "TransientFailure",
    "Feedback",
    "Complaint",
    "DeliveryDelay",
    "Reject",
    "bounce",
    "failed",
    "temporary",
    "dropped",
    "Notification",
    "a@b.test",
    "[::1]:2",
    "2026-01-01T00:00:00Z",
    "smtp; 550 5.1.1 x",
    "{}",
    '{"eventType":"Bounce"}',
    "\u202e\x00\x7f\u2028",
    "x" * 3_000,
]

SCALARS = (
    st.none()
    | st.booleans()
    | st.sampled_from([1_767_225_600, 1_767_225_600.5, 550, -1, 2**64, 10**400])
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(WORDS)
    | st.text(max_size=20)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), inner)
    ),
    max_leaves=25,
)


def assert_sound(decoded: Decoded) -> None:
    """What every room downstream takes for granted."""
    assert len(decoded.events) <= MAX_EVENTS_PER_RECORD
    for problem in decoded.invalid:
        assert isinstance(problem, InvalidEvent)
        assert isinstance(problem.reason, InvalidReason)
        assert len(problem.detail) <= MAX_DETAIL
    for event in decoded.events:
        assert isinstance(event, DeliveryEvent)
        assert event.event_id
        assert MIN_TIME <= event.event_time <= MAX_TIME
        assert event.source in SOURCES
        assert event.counts_to_rate in (True, False)
        assert event.counts_to_rate is False or event.outcome is not Outcome.DROPPED
        assert event.reply_code == 0 or 200 <= event.reply_code <= 599
        assert event.attempt >= 0
        for field, value in msgspec.structs.asdict(event).items():
            if isinstance(value, str):
                bound = MAX_DIAGNOSTIC if field == "diagnostic" else MAX_NAME
                assert len(value) <= bound
                assert not any(ord(sign) < 32 or ord(sign) == 127 for sign in value)
        # The type is closed: it goes through JSON and comes back the same.
        again = msgspec.json.decode(msgspec.json.encode(event), type=DeliveryEvent)
        assert plain(again) == plain(event)


def plain(event: DeliveryEvent) -> dict[str, Any]:
    return msgspec.structs.asdict(event)


def summary(decoded: Decoded) -> tuple[list[dict[str, Any]], list[str]]:
    return [plain(event) for event in decoded.events], [str(x) for x in decoded.invalid]


def check(raw: bytes | None) -> None:
    for decode in DECODERS:
        decoded = decode(raw)
        assert_sound(decoded)
        if decoded.events:
            assert summary(decode(raw)) == summary(decoded)


@given(st.binary(max_size=200))
def test_any_bytes(raw: bytes) -> None:
    check(raw)
    check(b"[" + raw + b"]")
    check(b"event=" + raw)


@given(VALUES)
def test_any_json(value: object) -> None:
    check(json.dumps(value).encode())
    check(json.dumps([value], ensure_ascii=False).encode("utf-8", "replace"))


@settings(max_examples=60)
@given(st.data())
def test_good_records_with_something_wrong(
    good_records: dict[str, bytes], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(SOURCES)), label="source")
    record = json.loads(good_records[name])
    places = list(paths(record))
    for _ in range(data.draw(st.integers(1, 3), label="changes")):
        place = data.draw(st.sampled_from(places), label="place")
        record = changed(record, place, data.draw(VALUES, label="value"))
    check(json.dumps(record).encode())


@given(st.data())
def test_good_records_with_broken_bytes(
    good_records: dict[str, bytes], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(good_records)), label="record")
    raw = bytearray(good_records[name])
    for _ in range(data.draw(st.integers(1, 4), label="changes")):
        at = data.draw(st.integers(0, len(raw) - 1), label="at")
        raw[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=6))
        if not raw:
            break
    check(bytes(raw))


def paths(value: object, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place inside a record."""
    inside: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value))
    found = [at] if at else []
    for key, child in inside:
        found.extend(paths(child, (*at, key)))
    return found


def changed(record: Any, place: tuple[str | int, ...], value: object) -> Any:
    """A copy of the record with another value at one place, if it still is there."""
    copy = deepcopy(record)
    inner = copy
    for key in place[:-1]:
        try:
            inner = inner[key]
        except (KeyError, IndexError, TypeError):
            return copy
    if isinstance(inner, dict):
        inner[place[-1]] = value
    return copy


def test_another_process_makes_the_same_events(
    good_records: dict[str, bytes], tmp_path: Path
) -> None:
    def ids(records: dict[str, bytes]) -> list[str]:
        sources = [open_source(name.split()[0]) for name in sorted(records)]
        pairs = zip(sources, sorted(records), strict=True)
        return [decode(records[name]).events[0].event_id for decode, name in pairs]

    unnamed = {
        name: raw.replace(b'"event_id": "evt-1",', b"").replace(b'"id": "mg-1",', b"")
        for name, raw in good_records.items()
    }
    here = ids(unnamed)
    script = (
        "import json, sys\n"
        "from monitor.sources import open_source\n"
        "for name, raw in json.load(sys.stdin):\n"
        "    print(open_source(name)(raw.encode()).events[0].event_id)\n"
    )
    pairs = [[name.split()[0], unnamed[name].decode()] for name in sorted(unnamed)]
    run = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps(pairs),
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=os.environ
        | {
            "PYTHONHASHSEED": "77",
            "PYTHONPATH": str(Path(monitor.__file__).parents[1]),
        },
    )
    assert run.stdout.split() == here


def test_the_soundness_check_can_fail() -> None:
    event = DeliveryEvent(
        event_id="e",
        event_time=math.nan,
        source="ses",
        outcome=Outcome.BOUNCED,
    )
    try:
        assert_sound(Decoded((event,)))
    except AssertionError:
        return
    raise RuntimeError("a broken event passed")
