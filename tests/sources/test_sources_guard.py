import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from monitor.errors import InvalidReason
from monitor.events import Decoded
from monitor.sources import MAX_EVENTS_PER_RECORD, MAX_RECORD_BYTES, open_source
from monitor.sources.guard import MAX_DEPTH, too_deep

Record = dict[str, Any]

DEEP = 100_000

#: What no source can read, and why.
POISON: dict[str, tuple[bytes | None, InvalidReason]] = {
    "kafka null": (None, InvalidReason.EMPTY),
    "no bytes": (b"", InvalidReason.EMPTY),
    "blank": (b" \r\n\t ", InvalidReason.EMPTY),
    "five megabytes": (b'{"x":"' + b"a" * 5_000_000 + b'"}', InvalidReason.TOO_LARGE),
    "latin-1": ('{"event": "déjà"}'.encode("latin-1"), InvalidReason.NOT_UTF8),
    "utf-16": ("\ufeff{}".encode("utf-16-le"), InvalidReason.NOT_UTF8),
    "encoded surrogate": (b'{"event": "\xed\xa0\x80"}', InvalidReason.NOT_UTF8),
    "truncated": (b'{"event": "bou', InvalidReason.NOT_JSON),
    "trailing": (b"{} {}", InvalidReason.NOT_JSON),
    "nan": (b'{"timestamp": NaN}', InvalidReason.NOT_JSON),
    "infinity": (b'{"timestamp": -Infinity}', InvalidReason.NOT_JSON),
    "control": (b'{"event": "a\x00b"}', InvalidReason.NOT_JSON),
    "byte order mark": (b"\xef\xbb\xbf{}", InvalidReason.NOT_JSON),
    "text": (b"connection refused", InvalidReason.NOT_JSON),
    "half a pair": (b'{"event": "\\ud800"}', InvalidReason.NOT_JSON),
    "json null": (b"null", InvalidReason.WRONG_SHAPE),
    "number": (b"17", InvalidReason.WRONG_SHAPE),
    "string": (b'"bounce"', InvalidReason.WRONG_SHAPE),
    "nested list": (b"[[1]]", InvalidReason.WRONG_SHAPE),
    "nothing known": (b'{"colour": "blue"}', InvalidReason.MISSING_FIELD),
    "lists": (b"[" * DEEP + b"]" * DEEP, InvalidReason.TOO_DEEP),
    "objects": (b'{"a":' * DEEP + b"1" + b"}" * DEEP, InvalidReason.TOO_DEEP),
    "open lists": (b"[" * DEEP, InvalidReason.TOO_DEEP),
    "in a field": (
        b'{"x": ' + b"[" * DEEP + b"]" * DEEP + b"}",
        InvalidReason.TOO_DEEP,
    ),
    "crowd": (b"[" + b"{}," * MAX_EVENTS_PER_RECORD + b"{}]", InvalidReason.TOO_MANY),
}


@pytest.mark.parametrize("poison", sorted(POISON))
def test_poison_is_refused_with_its_reason(source: str, poison: str) -> None:
    value, reason = POISON[poison]
    decoded = open_source(source)(value)
    assert decoded.events == ()
    assert [problem.reason for problem in decoded.invalid] == [reason]


def test_an_empty_list_is_ignored(source: str) -> None:
    assert open_source(source)(b"[]") == Decoded()


def test_size_is_judged_at_the_byte(
    source: str, good_records: dict[str, bytes]
) -> None:
    raw = good_records[source]
    padded = raw[:-1] + b" " * (MAX_RECORD_BYTES - len(raw)) + b"}"
    assert len(open_source(source)(padded).events) == 1
    (problem,) = open_source(source)(padded[:-1] + b" }").invalid
    assert problem.reason is InvalidReason.TOO_LARGE


def test_depth_is_judged_at_the_level(
    source: str, good_records: dict[str, bytes]
) -> None:
    def with_depth(levels: int) -> bytes:
        extra = b"[" * (levels - 1) + b"]" * (levels - 1)
        return good_records[source][:-1] + b', "extra": ' + extra + b"}"

    assert len(open_source(source)(with_depth(MAX_DEPTH)).events) == 1
    (problem,) = open_source(source)(with_depth(MAX_DEPTH + 1)).invalid
    assert problem.reason is InvalidReason.TOO_DEEP


def test_brackets_in_strings_are_not_levels() -> None:
    assert not too_deep(json.dumps({"a": "[{" * 100}).encode())
    assert not too_deep(json.dumps({"a": '\\"[[' * 100, "b\\": "[" * 100}).encode())
    assert too_deep(b'["]",' * 40 + b"1" + b"]" * 40)
    assert not too_deep(b'[{"a": []}]' * 40)


@pytest.mark.parametrize("source", ["canonical", "mailgun"])
def test_hostile_records_cost_little_time(source: str) -> None:
    decode = open_source(source)
    hostile = (
        b"[" * MAX_RECORD_BYTES,
        b'"' * MAX_RECORD_BYTES,
        b'{"a":"' + b'\\"' * 499_000 + b'"}',
        b"\\" * MAX_RECORD_BYTES,
        b"[" + b"0," * 499_000 + b"0]",
        b"{}\n" * 333_000,
        b'{"timestamp":' + b"9" * 900_000 + b"}",
        b"a=" + b"%00&" * 240_000,
    )
    started = time.process_time()
    for value in hostile:
        assert decode(value).events == ()
    assert time.process_time() - started < 5.0


def test_neighbours_of_a_bad_element_survive(
    source: str, record: Callable[[str], Record], good_records: dict[str, bytes]
) -> None:
    good = good_records[source]
    batch = b"[" + b",".join((good, b"7", b"{}", b'"x"', good)) + b"]"
    decoded = open_source(source)(batch)
    assert len(decoded.events) == 2
    assert [problem.reason for problem in decoded.invalid] == [
        InvalidReason.WRONG_SHAPE,
        InvalidReason.MISSING_FIELD,
        InvalidReason.WRONG_SHAPE,
    ]


@pytest.mark.parametrize("separator", [b"\n", b"\r\n"])
def test_one_object_a_line_is_a_batch(
    source: str, good_records: dict[str, bytes], separator: bytes
) -> None:
    good = good_records[source]
    lines = separator.join((good, good, b"{", good)) + separator
    decoded = open_source(source)(lines)
    assert len(decoded.events) == 3
    assert [problem.reason for problem in decoded.invalid] == [InvalidReason.NOT_JSON]


def test_white_space_around_a_record_is_nothing(
    source: str, good_records: dict[str, bytes]
) -> None:
    good = good_records[source]
    decode = open_source(source)
    assert decode(b"\n  " + good + b"\r\n") == decode(good)
    pretty = json.dumps(json.loads(good), indent=2).encode()
    assert decode(pretty) == decode(good)


def test_the_batch_limit_is_exact(source: str, good_records: dict[str, bytes]) -> None:
    decode = open_source(source)
    fits = b"[" + b",".join([b"{}"] * MAX_EVENTS_PER_RECORD) + b"]"
    assert len(decode(fits).invalid) == MAX_EVENTS_PER_RECORD
    (problem,) = decode(fits[:-1] + b",{}]").invalid
    assert problem.reason is InvalidReason.TOO_MANY


def test_too_many_recipients_in_one_record(
    decode: Callable[..., Decoded], record: Callable[[str], Record]
) -> None:
    for source, key in (("kumomta", "recipient"), ("ses", "destination")):
        value = record(source)
        many = ["a@b.test"] * (MAX_EVENTS_PER_RECORD + 1)
        if source == "kumomta":
            value[key] = many
        else:
            value["bounce"]["bouncedRecipients"] = many
        decoded = decode(source, value)
        assert decoded.events == ()
        assert [bad.reason for bad in decoded.invalid] == [InvalidReason.TOO_MANY]


def test_too_many_recipients_in_a_batch(
    decode: Callable[..., Decoded], record: Callable[[str], Record]
) -> None:
    value = record("kumomta")
    value["recipient"] = ["a@b.test"] * (MAX_EVENTS_PER_RECORD // 2 + 1)
    decoded = decode("kumomta", [value, value])
    assert decoded.events == ()
    assert [bad.reason for bad in decoded.invalid] == [InvalidReason.TOO_MANY]


def test_refusals_name_no_content(source: str) -> None:
    secret = b"ann@example.com"
    for raw in (
        b'{"event": "%s", "outcome": "%s", "type": "%s"}' % (secret, secret, secret),
        b'{"event": ["%s"], "outcome": {"a": "%s"}, "mail": "%s"}' % ((secret,) * 3),
        secret,
        b'"%s"' % secret,
    ):
        for problem in open_source(source)(raw).invalid:
            assert "ann" not in problem.detail
            assert problem.__traceback__ is None


def test_duplicate_keys_take_the_last(decode: Callable[..., Decoded]) -> None:
    raw = b'{"event_time": 1767225600, "outcome": "bounced", "outcome": "delivered"}'
    (event,) = decode("canonical", raw).events
    assert event.outcome.value == "delivered"
