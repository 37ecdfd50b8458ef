"""Forty kinds of records that are no delivery events, and what each is refused for."""

import json

from monitor.service import clock

#: A person's address and a secret that must not be seen anywhere.
CANARY = "jane.canary@secret-customer.example"

#: (reason, value)
Kind = tuple[str, bytes | None]


def good(number: int, **fields: object) -> bytes:
    """A record that counts, unless ``fields`` spoil it."""
    event: dict[str, object] = {
        "event_id": f"good-{number}",
        "event_time": clock.now(),
        "outcome": "delivered",
        "recipient_domain": "gmail.com",
        "campaign": "spring",
    }
    return json.dumps(event | fields).encode()


def without(name: str) -> bytes:
    """A good record that lacks one field."""
    event = json.loads(good(0))
    del event[name]
    return json.dumps(event).encode()


def poison() -> list[Kind]:
    """All kinds; each is refused whole, and once."""
    return [*_torn(), *_shapes(), *_times(), *_outcomes()]


def _torn() -> list[Kind]:
    text = good(1)
    return [
        ("empty", b""),
        ("empty", None),
        ("not_json", b"   x"),
        ("not_json", b"{"),
        ("not_json", text[:-1]),
        ("not_json", text + b"}"),
        ("wrong_shape", text[1:]),
        ("not_json", text.replace(b":", b"=", 1)),
        ("not_json", text.replace(b'"gmail.com"', b"NaN")),
        ("not_json", text.replace(b'"gmail.com"', b"Infinity")),
        ("not_json", text.replace(b'"gmail.com"', b"nil")),
        ("not_json", text.replace(b'"', b"'")),
        ("not_json", f'{{"recipient": "{CANARY}" "outcome"'.encode()),
        ("not_json", b"<xml><event/></xml>"),
        ("not_json", b"event=delivered&recipient=x"),
        ("not_utf8", b"\x1f\x8b\x08\x00" + bytes(20)),
        ("not_utf8", b'{"campaign": "\xff\xfe"}'),
        ("not_utf8", text.decode().encode("utf-16")),
        ("too_large", b'"' + b"x" * 1_000_010 + b'"'),
        ("too_deep", b'{"event_time":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        ("too_deep", b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    ]


def _shapes() -> list[Kind]:
    return [
        ("wrong_shape", b'"just text"'),
        ("wrong_shape", b"42"),
        ("wrong_shape", b"true"),
        ("wrong_shape", b"null"),
        ("wrong_shape", good(2, recipient_domain=["gmail.com"])),
        ("wrong_shape", good(3, campaign={"name": "spring"})),
        ("wrong_shape", good(4, source_ip=["203.0.113.1"])),
        ("wrong_shape", good(5, event_id=[1])),
        ("wrong_shape", good(6, tenant={})),
        ("wrong_shape", good(7, counts_to_rate="maybe")),
        ("missing_field", b"{}"),
        ("missing_field", without("event_time")),
        ("missing_field", without("outcome")),
    ]


def _times() -> list[Kind]:
    return [
        ("bad_time", good(8, event_time=-5)),
        ("bad_time", good(9, event_time=0)),
        ("bad_time", good(10, event_time=clock.now() * 1000)),
        ("bad_time", good(11, event_time=1e300)),
        ("bad_time", good(12, event_time="yesterday")),
        ("missing_field", good(13, event_time="")),
    ]


def _outcomes() -> list[Kind]:
    return [
        ("unknown_outcome", good(14, outcome="exploded")),
        ("missing_field", good(15, outcome="")),
        ("unknown_outcome", good(16, outcome="DELIVERED!")),
    ]
