import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import InvalidEvent, InvalidReason
from monitor.sources.fields import (
    MAX_COUNT,
    MAX_DIAGNOSTIC,
    MAX_NAME,
    MAX_TIME,
    MIN_TIME,
    Hasher,
    Scalar,
    count,
    domain_of,
    epoch,
    host,
    ip,
    line,
    name,
    read_reply,
    reply_code,
    required,
    text,
)

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (1_767_225_600, 1_767_225_600.0),
        (1_767_225_600.5, 1_767_225_600.5),
        ("1767225600", 1_767_225_600.0),
        ("1767225600.25", 1_767_225_600.25),
        ("2026-01-01T00:00:00Z", 1_767_225_600.0),
        ("2026-01-01T00:00:00.250000999Z", 1_767_225_600.25),
        ("2026-01-01t02:00:00+02:00", 1_767_225_600.0),
        ("2025-12-31 19:00:00-05:00", 1_767_225_600.0),
        (MIN_TIME, MIN_TIME),
        (MAX_TIME, MAX_TIME),
    ],
)
def test_times_that_are_understood(value: Scalar, seconds: float) -> None:
    assert epoch(value) == seconds


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        -1,
        0,
        True,
        MIN_TIME - 1,
        MAX_TIME + 1,
        1_767_225_600_000,  # milliseconds
        "1767225600000",
        1_767_225_600_000_000,  # microseconds
        10**400,
        "1970-01-01T00:00:00Z",
        "2150-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "2026-01-01T00:00:00",  # no offset
        "2026-13-01T00:00:00Z",
        "yesterday",
        "nan",
        "1_767_225_600",
        "١٧٦٧٢٢٥٦٠٠",
        "9" * 100_000,
    ],
)
def test_times_that_are_refused(value: Scalar) -> None:
    with pytest.raises(InvalidEvent) as caught:
        epoch(value)
    assert caught.value.reason is InvalidReason.BAD_TIME


@pytest.mark.parametrize("value", [None, ""])
def test_a_time_must_be_there(value: Scalar) -> None:
    with pytest.raises(InvalidEvent) as caught:
        epoch(value)
    assert caught.value.reason is InvalidReason.MISSING_FIELD


@given(SCALARS)
def test_a_time_is_plausible_or_refused(value: Scalar) -> None:
    try:
        seconds = epoch(value)
    except InvalidEvent:
        return
    assert MIN_TIME <= seconds <= MAX_TIME


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("ann@Example.COM", "example.com"),
        ("<ann@example.com>", "example.com"),
        ("Ann Smith <ann@example.com> ", "example.com"),
        ('"odd@local"@example.com.', "example.com"),
        ("jörg@bücher.example", "bücher.example"),
        ("postmaster", ""),
        ("ann@", ""),
        ("", ""),
        ("<>", ""),
        ("ann@exa\nmple.com", "example.com"),
    ],
)
def test_domain_of_an_address(address: str, domain: str) -> None:
    assert domain_of(address) == domain


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("192.0.2.1:53210", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:DB8::1]:25", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("192.0.2.1\n", "192.0.2.1"),
        (None, ""),
    ],
)
def test_ip_without_port_and_brackets(value: Scalar, address: str) -> None:
    assert ip(value) == address


@pytest.mark.parametrize(
    ("reply", "code", "status", "rest"),
    [
        ("550 5.1.1 no such user", 550, "5.1.1", "no such user"),
        ("550-5.1.1 no such user", 550, "5.1.1", "no such user"),
        ("smtp; 550 5.1.1 <a@b.test>... gone", 550, "5.1.1", "<a@b.test>... gone"),
        ("SMTP;421 busy", 421, "", "busy"),
        ("X-Postfix; 450 4.2.0 wait", 450, "4.2.0", "wait"),
        ("5.7.1: not today", 0, "5.7.1", "not today"),
        ("554", 554, "", ""),
        ("554 #5.7.1 refused", 554, "5.7.1", "refused"),
        ("250 ok:  queued", 250, "", "ok:  queued"),
        ("4.4.1.9 is an address", 0, "", "4.4.1.9 is an address"),
        ("5500 users", 0, "", "5500 users"),
        ("no code at all", 0, "", "no code at all"),
        (None, 0, "", ""),
    ],
)
def test_replies_are_taken_apart(
    reply: Scalar, code: int, status: str, rest: str
) -> None:
    assert read_reply(reply) == (code, status, rest)


def test_what_is_known_of_a_reply_wins() -> None:
    assert read_reply("550 5.1.1 gone", 551, "5.1.6 (moved)") == (551, "5.1.6", "gone")
    assert read_reply("550 5.1.1 gone", 0, "nonsense").status == "5.1.1"


@given(SCALARS)
def test_reading_a_reply_never_fails(value: Scalar) -> None:
    code, status, rest = read_reply(value)
    assert code == 0 or 200 <= code <= 599
    assert len(status) <= len("5.123.123")
    assert len(rest) <= MAX_DIAGNOSTIC


@given(SCALARS)
def test_names_are_bounded_and_visible(value: Scalar) -> None:
    for made in (name(value), host(value), ip(value)):
        assert len(made) <= MAX_NAME
        assert not any(ord(sign) < 32 or 127 <= ord(sign) < 160 for sign in made)
        assert name(made) == made


def test_marks_that_deceive_the_eye_are_removed() -> None:
    assert name("spring\u202esale\u200b\ufeff\x00\x7f\x85") == "springsale"
    assert name("a" * 5_000) == "a" * MAX_NAME


def test_a_diagnostic_is_one_bounded_line() -> None:
    assert line("550 gone\r\n550 for good") == "550 gone  550 for good"
    assert len(line("x" * 5_000)) == MAX_DIAGNOSTIC


@pytest.mark.parametrize(
    ("value", "made"),
    [
        (None, ""),
        (True, "true"),
        (7, "7"),
        (2.5, "2.5"),
        ("x", "x"),
        (10**30, "1" + "0" * 30),
    ],
)
def test_scalars_as_text(value: Scalar, made: str) -> None:
    assert text(value) == made


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, 3),
        ("3", 3),
        (MAX_COUNT, MAX_COUNT),
        (MAX_COUNT + 1, 0),
        (-1, 0),
        ("-1", 0),
        ("٣", 0),
        ("", 0),
        (None, 0),
        (2.5, 0),
        (10**400, 0),
        ("9" * 5_000, 0),
    ],
)
def test_counts(value: Scalar, number: int) -> None:
    assert count(value) == number


@pytest.mark.parametrize(
    ("value", "code"),
    [(200, 200), (599, 599), ("421", 421), (199, 0), (600, 0), (605, 0), (None, 0)],
)
def test_reply_codes(value: Scalar, code: int) -> None:
    assert reply_code(value) == code


def test_required_text() -> None:
    assert required("x", "type") == "x"
    for value, reason in (
        (None, InvalidReason.MISSING_FIELD),
        ("", InvalidReason.MISSING_FIELD),
        (5, InvalidReason.WRONG_SHAPE),
    ):
        with pytest.raises(InvalidEvent) as caught:
            required(value, "type")
        assert caught.value.reason is reason


def test_recipient_hashes_need_a_key() -> None:
    assert Hasher(b"").recipient("ann@example.com") == ""
    assert Hasher(b"k").recipient("") == ""
    assert len(Hasher(b"k").recipient("ann@example.com")) == 32


def test_one_mailbox_has_one_hash_per_key() -> None:
    hasher = Hasher(b"key")
    same = {"ann@example.com", "Ann <ANN@Example.com>", "<ann@example.com>"}
    assert len({hasher.recipient(address) for address in same}) == 1
    assert hasher.recipient("ann@example.com") != Hasher(b"other").recipient(
        "ann@example.com"
    )


@given(st.lists(SCALARS, max_size=4), st.lists(SCALARS, max_size=4))
def test_ids_differ_when_their_parts_do(
    left: list[Scalar], right: list[Scalar]
) -> None:
    hasher = Hasher(b"")
    same = [repr(part) for part in left] == [repr(part) for part in right]
    if same:
        assert hasher.event_id(*left) == hasher.event_id(*right)
    elif all(
        part == part and part not in (math.inf, -math.inf) for part in left + right
    ):
        assert hasher.event_id(*left) != hasher.event_id(*right)


def test_ids_are_the_same_in_every_process() -> None:
    known = "fc64438b1d02ead43476828cf1c13e2d"
    assert Hasher(b"").event_id("a", 1, None) == known
