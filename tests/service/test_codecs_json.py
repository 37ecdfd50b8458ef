"""Nouns as JSON: what is written can be read, by readers that know less or more."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.events import (
    Action,
    Channel,
    Command,
    Directive,
    Incident,
    IncidentState,
    Mode,
    Reason,
    ReasonShare,
    Scope,
    Severity,
)
from monitor.service.codecs import (
    DecodeError,
    decode_command,
    decode_directive,
    decode_incident,
    encode_json,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBER = st.integers(0, 2**53)
SECONDS = st.floats(-1e12, 1e12, allow_nan=False)
SHARE = st.floats(0, 1)
SCOPES = st.builds(Scope, **dict.fromkeys(Scope.__struct_fields__, st.none() | TEXT))
DIRECTIVES = st.builds(
    Directive,
    fleet=TEXT,
    scope=SCOPES,
    action=st.sampled_from(Action),
    rate_fraction=SHARE,
    reason=TEXT,
    incident=TEXT,
    evidence=TEXT,
    mode=st.sampled_from(Mode),
    actor=TEXT,
    epoch=NUMBER,
    seq=NUMBER,
    issued_at=SECONDS,
    expires_at=SECONDS,
)
COMMANDS = st.builds(
    Command,
    id=TEXT,
    fleet=TEXT,
    scope=SCOPES,
    action=st.sampled_from(Action),
    rate_fraction=SHARE,
    reason=TEXT,
    actor=TEXT,
    issued_at=SECONDS,
    lease_seconds=SECONDS,
)
INCIDENTS = st.builds(
    Incident,
    id=TEXT,
    fleet=TEXT,
    scope=SCOPES,
    channel=st.sampled_from(Channel),
    state=st.sampled_from(IncidentState),
    severity=st.sampled_from(Severity),
    detector=TEXT,
    start=SECONDS,
    detected_at=SECONDS,
    updated_at=SECONDS,
    closed_at=st.none() | SECONDS,
    rate=SHARE,
    rate_low=SHARE,
    rate_high=SHARE,
    baseline=SHARE,
    lift=SECONDS,
    excess=SECONDS,
    attempts=SECONDS,
    share=SHARE,
    reasons=st.lists(
        st.builds(
            ReasonShare, reason=st.sampled_from(Reason), share=SHARE, sample=TEXT
        ),
        max_size=3,
    ).map(tuple),
    not_affected=st.lists(SCOPES, max_size=3).map(tuple),
)

SCOPE = Scope(source_ip="192.0.2.1", provider="yahoo")
DIRECTIVE = Directive(
    fleet="default",
    scope=SCOPE,
    action=Action.SLOW,
    rate_fraction=0.5,
    reason="block",
    incident="i1",
    evidence="12 of 40",
    mode=Mode.ENFORCE,
    actor="bouncemon",
    epoch=3,
    seq=14,
    issued_at=1_795_348_800.0,
    expires_at=1_795_349_700.0,
)
COMMAND = Command(
    id="c1",
    fleet="default",
    scope=SCOPE,
    action=Action.PAUSE,
    rate_fraction=0.0,
    reason="asked to",
    actor="ann",
    issued_at=1_795_348_800.0,
    lease_seconds=900.0,
)
INCIDENT = Incident(
    id="i1",
    fleet="default",
    scope=SCOPE,
    channel=Channel.BLOCK,
    state=IncidentState.OPEN,
    severity=Severity.PAGE,
    detector="nb_glr",
    start=1_795_348_700.0,
    detected_at=1_795_348_800.0,
    updated_at=1_795_348_800.0,
    rate=0.3,
    rate_low=0.2,
    rate_high=0.4,
    baseline=0.01,
    lift=30.0,
    excess=11.6,
    attempts=40.0,
    reasons=(ReasonShare(reason=Reason.POLICY, share=1.0, sample="no"),),
)

AnyNoun = Directive | Command | Incident
NOUNS: list[tuple[Callable[[bytes | None], AnyNoun], AnyNoun]] = [
    (decode_directive, DIRECTIVE),
    (decode_command, COMMAND),
    (decode_incident, INCIDENT),
]


@given(DIRECTIVES, COMMANDS, INCIDENTS)
def test_a_noun_comes_back_as_it_was(
    directive: Directive, command: Command, incident: Incident
) -> None:
    assert decode_directive(encode_json(directive)) == directive
    assert decode_command(encode_json(command)) == command
    assert decode_incident(encode_json(incident)) == incident


@pytest.mark.parametrize(("decode", "noun"), NOUNS)
def test_a_noun_is_json_with_its_version_first(
    decode: Callable[[bytes | None], AnyNoun], noun: AnyNoun
) -> None:
    value = encode_json(noun)
    fields = json.loads(value)
    assert next(iter(fields.items())) == ("v", 1)
    assert fields.keys() - {"v"} == set(noun.__struct_fields__)


@pytest.mark.parametrize(("decode", "noun"), NOUNS)
def test_unknown_fields_are_ignored_and_the_version_may_be_left_out(
    decode: Callable[[bytes | None], AnyNoun], noun: AnyNoun
) -> None:
    fields = json.loads(encode_json(noun))
    del fields["v"]
    fields["more"] = {"and": ["more"]}
    fields["scope"]["planet"] = "mars"
    assert decode(json.dumps(fields).encode()) == noun


@pytest.mark.parametrize(("decode", "noun"), NOUNS)
@pytest.mark.parametrize("version", [2, 0, "1", None])
def test_another_version_is_refused(
    decode: Callable[[bytes | None], AnyNoun], noun: AnyNoun, version: object
) -> None:
    fields = json.loads(encode_json(noun)) | {"v": version}
    with pytest.raises(DecodeError):
        decode(json.dumps(fields).encode())


@pytest.mark.parametrize(("decode", "noun"), NOUNS)
@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="no value"),
        pytest.param(b"", id="empty"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="array"),
        pytest.param(b"{}", id="nothing"),
        pytest.param(b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", id="deep"),
        pytest.param(b'{"id":"\xff"}', id="not UTF-8"),
        pytest.param(b'{"id":"\\ud800"}', id="lone surrogate"),
        pytest.param(b'{"issued_at":NaN}', id="not a number"),
        pytest.param(b'{"issued_at":1e999}', id="endless"),
    ],
)
def test_bad_json_is_refused(
    decode: Callable[[bytes | None], AnyNoun], noun: AnyNoun, value: bytes | None
) -> None:
    with pytest.raises(DecodeError):
        decode(value)


@given(st.binary(max_size=200), st.integers(0, 2**30), st.integers(1, 255))
def test_any_bytes_are_read_or_refused(value: bytes, place: int, damage: int) -> None:
    for decode, noun in NOUNS:
        damaged = bytearray(encode_json(noun))
        damaged[place % len(damaged)] ^= damage
        for hostile in (value, bytes(damaged)):
            try:
                decode(hostile)
            except DecodeError:
                continue


@pytest.mark.parametrize(("decode", "noun"), NOUNS)
def test_a_missing_field_is_refused(
    decode: Callable[[bytes | None], AnyNoun], noun: AnyNoun
) -> None:
    optional = {"closed_at", "share", "reasons", "not_affected", "v"}
    optional |= {"kind", "note", "accepts"}
    fields = json.loads(encode_json(noun))
    for name in fields.keys() - optional:
        less = {key: value for key, value in fields.items() if key != name}
        with pytest.raises(DecodeError, match=name):
            decode(json.dumps(less).encode())


@pytest.mark.parametrize(
    ("decode", "noun", "field"),
    [
        (decode_directive, DIRECTIVE, "action"),
        (decode_directive, DIRECTIVE, "mode"),
        (decode_command, COMMAND, "action"),
        (decode_incident, INCIDENT, "state"),
        (decode_incident, INCIDENT, "severity"),
        (decode_incident, INCIDENT, "channel"),
    ],
)
def test_an_order_that_we_do_not_know_is_refused(
    decode: Callable[[bytes | None], AnyNoun], noun: AnyNoun, field: str
) -> None:
    fields = json.loads(encode_json(noun)) | {field: "evaporate"}
    with pytest.raises(DecodeError, match=field):
        decode(json.dumps(fields).encode())


def test_an_incident_with_an_unknown_reason_is_still_an_incident() -> None:
    fields = json.loads(encode_json(INCIDENT))
    fields["reasons"][0]["reason"] = "eaten_by_a_grue"
    read_back = decode_incident(json.dumps(fields).encode())
    assert read_back.reasons[0].reason is Reason.UNDETERMINED
    assert read_back.reasons[0].sample == "no"
    assert type(read_back) is Incident


def test_a_noun_without_fields_is_json_too() -> None:
    assert json.loads(encode_json(Scope())) == {"v": 1}
