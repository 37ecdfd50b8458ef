"""Realistic records of every format, written here from the documented field lists."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from monitor.events import Decoded, DeliveryEvent
from monitor.sources import SourceOptions, open_source

Record = dict[str, Any]

CANONICAL: Record = {
    "event_id": "evt-1",
    "event_time": 1_767_225_600.25,
    "outcome": "bounced",
    "recipient_domain": "mailbox.test",
    "mx_host": "mx1.mailbox.test",
    "source_ip": "203.0.113.7",
    "campaign": "autumn",
    "tenant": "acme",
    "segment": "nl",
    "message_id": "m-1",
    "attempt": 2,
    "reply_code": 550,
    "enhanced_status": "5.1.1",
    "diagnostic": "no such user here",
    "provider_class": "bad-mailbox",
}

KUMOMTA: Record = {
    "type": "Bounce",
    "id": "c0ffee00e66111f195d700017f000000",
    "sender": "b-9@bounce.acme.test",
    "recipient": "Gone@Mailbox.test",
    "queue": "autumn:acme@mailbox.test",
    "site": "ip-7->mx.mailbox.test@smtp_client",
    "size": 5120,
    "response": {
        "code": 550,
        "enhanced_code": {"class": 5, "subject": 1, "detail": 1},
        "content": "no such user here",
        "command": "RCPT TO:<gone@mailbox.test>\r\n",
    },
    "peer_address": {"name": "MX1.mailbox.test.", "addr": "198.51.100.25"},
    "timestamp": 1_767_225_600,
    "event_time": "2026-01-01T00:00:00.250000125Z",
    "created": 1_767_225_590,
    "num_attempts": 1,
    "bounce_classification": "InvalidRecipient",
    "egress_pool": "pool-a",
    "egress_source": "ip-7",
    "source_address": {"address": "203.0.113.7:40122"},
    "feedback_report": None,
    "meta": {"campaign": "from-meta", "tenant": "meta-tenant", "list": "nl"},
    "headers": {"Subject": "hello"},
    "delivery_protocol": "ESMTP",
    "reception_protocol": "HTTP",
    "nodeid": "2f9a5c1e-0000-4000-8000-000000000001",
}

SES: Record = {
    "eventType": "Bounce",
    "bounce": {
        "feedbackId": "fb-1",
        "bounceType": "Permanent",
        "bounceSubType": "General",
        "bouncedRecipients": [
            {
                "emailAddress": "gone@mailbox.test",
                "action": "failed",
                "status": "5.1.1",
                "diagnosticCode": "smtp; 550 5.1.1 no such user here",
            }
        ],
        "timestamp": "2026-01-01T00:00:00.250Z",
        "reportingMTA": "dsn; a1-2.smtp-out.amazonses.test",
    },
    "mail": {
        "timestamp": "2025-12-31T23:59:50.000Z",
        "source": "news@acme.test",
        "sendingAccountId": "111122223333",
        "messageId": "ses-m-1",
        "destination": ["gone@mailbox.test"],
        "headers": [{"name": "Subject", "value": "hello"}],
        "tags": {
            "ses:configuration-set": ["bulk"],
            "ses:outgoing-ip": ["203.0.113.7"],
            "campaign": ["autumn"],
            "list": ["nl"],
        },
    },
}

SENDGRID: Record = {
    "email": "gone@mailbox.test",
    "timestamp": 1_767_225_600,
    "event": "bounce",
    "type": "bounce",
    "bounce_classification": "Invalid Address",
    "reason": "550 5.1.1 no such user here",
    "status": "5.1.1",
    "ip": "203.0.113.7",
    "tls": 1,
    "category": ["autumn", "news"],
    "sg_event_id": "sg-1",
    "sg_message_id": "sgm-1.filter0001.1.2.3",
    "smtp-id": "<a@geopod>",
    "list": "nl",
}

MAILGUN: Record = {
    "signature": {"timestamp": "1767225600", "token": "t", "signature": "s"},
    "event-data": {
        "event": "failed",
        "id": "mg-1",
        "timestamp": 1_767_225_600.25,
        "severity": "permanent",
        "reason": "bounce",
        "log-level": "error",
        "recipient": "gone@mailbox.test",
        "recipient-domain": "mailbox.test",
        "tags": ["autumn", "news"],
        "campaigns": [],
        "user-variables": {"list": "nl"},
        "domain": {"name": "acme.test"},
        "envelope": {"sender": "n@acme.test", "sending-ip": "203.0.113.7"},
        "flags": {"is-delayed-bounce": False, "is-test-mode": False},
        "message": {"headers": {"message-id": "m-1@acme.test"}, "size": 809},
        "delivery-status": {
            "code": 550,
            "enhanced-code": "5.1.1",
            "message": "5.1.1 no such user here",
            "description": "",
            "mx-host": "mx1.mailbox.test",
            "attempt-no": 2,
        },
    },
}

MAILGUN_FORM = (
    b"event=bounced&recipient=gone%40mailbox.test&domain=acme.test&code=550"
    b"&error=550+5.1.1+no+such+user+here&tag=autumn&tag=news&timestamp=1767225600"
    b"&Message-Id=%3Cm-1%40acme.test%3E&token=t&signature=s&list=nl"
)

RECORDS: dict[str, Record] = {
    "canonical": CANONICAL,
    "kumomta": KUMOMTA,
    "ses": SES,
    "sendgrid": SENDGRID,
    "mailgun": MAILGUN,
}


@pytest.fixture(params=sorted(RECORDS))
def source(request: pytest.FixtureRequest) -> str:
    """Each source by name."""
    name: str = request.param
    return name


@pytest.fixture
def record() -> Callable[[str], Record]:
    """A fresh copy of the good record of a source."""

    def copy(name: str) -> Record:
        return deepcopy(RECORDS[name])

    return copy


@pytest.fixture(scope="session")
def good_records() -> dict[str, bytes]:
    """The good records as bytes; the form of Mailgun's old webhooks is one more."""
    records = {name: json.dumps(record).encode() for name, record in RECORDS.items()}
    return records | {"mailgun form": MAILGUN_FORM}


@pytest.fixture(scope="session")
def decode() -> Callable[..., Decoded]:
    """Decode a record (objects are written as JSON) with a source by its name."""

    def run(
        source: str, value: object, options: SourceOptions | None = None
    ) -> Decoded:
        raw = value if isinstance(value, bytes) else json.dumps(value).encode()
        return open_source(source, options)(raw)

    return run


@pytest.fixture(scope="session")
def only(decode: Callable[..., Decoded]) -> Callable[..., DeliveryEvent]:
    """Decode a record that must hold exactly one event and nothing invalid."""

    def run(
        source: str, value: object, options: SourceOptions | None = None
    ) -> DeliveryEvent:
        decoded = decode(source, value, options)
        assert decoded.invalid == ()
        (event,) = decoded.events
        return event

    return run
