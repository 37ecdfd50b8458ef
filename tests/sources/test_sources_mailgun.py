from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from monitor.errors import InvalidReason
from monitor.events import Decoded, DeliveryEvent, Outcome
from monitor.sources import SourceOptions
from monitor.sources.mailgun import MAX_FORM_FIELDS

Record = dict[str, Any]
Only = Callable[..., DeliveryEvent]


@pytest.fixture
def failed(record: Callable[[str], Record]) -> Record:
    event: Record = record("mailgun")["event-data"]
    return event


def test_a_bounce_in_a_webhook_or_bare(
    only: Only, failed: Record, record: Callable[[str], Record]
) -> None:
    event = only("mailgun", record("mailgun"))
    assert event == DeliveryEvent(
        event_id="mg-1",
        event_time=1_767_225_600.25,
        source="mailgun",
        outcome=Outcome.BOUNCED,
        reply_code=550,
        enhanced_status="5.1.1",
        diagnostic="no such user here",
        recipient_domain="mailbox.test",
        mx_host="mx1.mailbox.test",
        source_ip="203.0.113.7",
        campaign="autumn",
        tenant="acme.test",
        message_id="m-1@acme.test",
        attempt=2,
        provider_class="bounce",
    )
    assert only("mailgun", failed) == event


@pytest.mark.parametrize(
    ("change", "outcome", "counts"),
    [
        ({"event": "delivered"}, Outcome.DELIVERED, True),
        ({"severity": "temporary"}, Outcome.DEFERRED, True),
        ({"severity": "permanent"}, Outcome.BOUNCED, True),
        ({"reason": "suppress-bounce"}, Outcome.DROPPED, False),
        ({"reason": "suppress-unsubscribe"}, Outcome.DROPPED, False),
        ({"event": "rejected"}, Outcome.DROPPED, False),
        ({"event": "complained"}, Outcome.COMPLAINED, True),
        ({"flags": {"is-delayed-bounce": True}}, Outcome.BOUNCED, True),
        ({"flags": {"is-test-mode": True}}, Outcome.BOUNCED, False),
    ],
)
def test_events_about_delivery(
    only: Only,
    failed: Record,
    change: Record,
    outcome: Outcome,
    counts: bool,
) -> None:
    event = only("mailgun", failed | change)
    assert (event.outcome, event.counts_to_rate) == (
        outcome,
        counts,
    )


@pytest.mark.parametrize(
    "kind", ["accepted", "opened", "clicked", "unsubscribed", "stored", "new"]
)
def test_events_that_are_no_outcome(
    decode: Callable[..., Decoded], failed: Record, kind: str
) -> None:
    assert decode("mailgun", {"event-data": failed | {"event": kind}}) == Decoded()
    assert decode("mailgun", urlencode({"event": kind}).encode()) == Decoded()


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (498, Outcome.BOUNCED),
        (499, Outcome.BOUNCED),
        (605, Outcome.DROPPED),
        (606, Outcome.DROPPED),
        (607, Outcome.DROPPED),
    ],
)
def test_mailguns_own_codes_are_no_reply_codes(
    only: Only, failed: Record, code: int, outcome: Outcome
) -> None:
    failed["delivery-status"] = {"code": code, "message": "No MX for mailbox.test"}
    event = only("mailgun", failed)
    assert (event.outcome, event.reply_code) == (outcome, 0)
    assert event.provider_class == f"bounce/{code}"
    assert event.diagnostic == "No MX for mailbox.test"


def test_a_delayed_bounce_has_its_status_elsewhere(only: Only, failed: Record) -> None:
    failed["delivery-status"] = {
        "code": 550,
        "message": "",
        "description": "gone for good",
        "bounce-code": "5.1.6",
    }
    event = only("mailgun", failed)
    assert (event.enhanced_status, event.diagnostic) == ("5.1.6", "gone for good")


def test_sparse_events(only: Only) -> None:
    event = only(
        "mailgun",
        {"event": "complained", "timestamp": 1_767_225_600, "recipient": "a@b.test"},
    )
    assert len(event.event_id) == 32
    assert (event.recipient_domain, event.campaign, event.tenant) == ("b.test", "", "")


def test_the_domain_may_be_plain_text(only: Only, failed: Record) -> None:
    assert only("mailgun", failed | {"domain": "acme.test"}).tenant == "acme.test"
    assert only("mailgun", failed | {"tags": []}).campaign == ""


def form(**fields: str) -> bytes:
    base = {
        "recipient": "gone@mailbox.test",
        "domain": "acme.test",
        "timestamp": "1767225600",
        "Message-Id": "<m-1@acme.test>",
    }
    return urlencode(base | fields).encode()


def test_an_old_webhook(only: Only, good_records: dict[str, bytes]) -> None:
    event = only("mailgun", good_records["mailgun form"])
    assert event == DeliveryEvent(
        event_id=event.event_id,
        event_time=1_767_225_600.0,
        source="mailgun",
        outcome=Outcome.BOUNCED,
        reply_code=550,
        enhanced_status="5.1.1",
        diagnostic="no such user here",
        recipient_domain="mailbox.test",
        campaign="autumn",
        tenant="acme.test",
        message_id="m-1@acme.test",
    )
    assert len(event.event_id) == 32


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({"event": "delivered"}, Outcome.DELIVERED),
        ({"event": "complained"}, Outcome.COMPLAINED),
        ({"event": "bounced", "code": "550"}, Outcome.BOUNCED),
        ({"event": "dropped", "code": "605", "reason": "hardfail"}, Outcome.DROPPED),
        ({"event": "dropped", "code": "607", "reason": "hardfail"}, Outcome.DROPPED),
        ({"event": "dropped", "reason": "hardfail"}, Outcome.DROPPED),
        ({"event": "dropped", "code": "550", "reason": "hardfail"}, Outcome.BOUNCED),
        ({"event": "dropped", "reason": "old"}, Outcome.BOUNCED),
    ],
)
def test_outcomes_of_old_webhooks(
    only: Only, fields: dict[str, str], outcome: Outcome
) -> None:
    event = only("mailgun", form(**fields))
    assert event.outcome is outcome
    assert event.counts_to_rate == (outcome is not Outcome.DROPPED)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"recipient=a%40b.test&timestamp=1767225600", InvalidReason.MISSING_FIELD),
        (b"event=&timestamp=1767225600", InvalidReason.MISSING_FIELD),
        (b"event=delivered", InvalidReason.MISSING_FIELD),
        (b"event=delivered&timestamp=1767225600000", InvalidReason.BAD_TIME),
        (b"event=delivered&timestamp=%FF%FE", InvalidReason.BAD_TIME),
        (b"a=&" * MAX_FORM_FIELDS + b"event=delivered", InvalidReason.TOO_MANY),
        (b"a b c", InvalidReason.NOT_JSON),
        (b"=", InvalidReason.NOT_JSON),
    ],
)
def test_bad_forms(
    decode: Callable[..., Decoded], raw: bytes, reason: InvalidReason
) -> None:
    decoded = decode("mailgun", raw)
    assert decoded.events == ()
    assert [problem.reason for problem in decoded.invalid] == [reason]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"event": None}, InvalidReason.MISSING_FIELD),
        ({"event": []}, InvalidReason.WRONG_SHAPE),
        ({"timestamp": None}, InvalidReason.MISSING_FIELD),
        ({"timestamp": 1_767_225_600_250}, InvalidReason.BAD_TIME),
        ({"tags": "autumn"}, InvalidReason.WRONG_SHAPE),
        ({"delivery-status": "ok"}, InvalidReason.WRONG_SHAPE),
        ({"event-data": None}, InvalidReason.WRONG_SHAPE),
    ],
)
def test_bad_records(
    decode: Callable[..., Decoded],
    failed: Record,
    change: Record,
    reason: InvalidReason,
) -> None:
    decoded = decode("mailgun", failed | change)
    assert decoded.events == ()
    assert [problem.reason for problem in decoded.invalid] == [reason]


def test_computed_ids_tell_events_apart(only: Only, failed: Record) -> None:
    del failed["id"]
    first = only("mailgun", failed).event_id
    assert only("mailgun", {"event-data": failed}).event_id == first
    keyed = only("mailgun", failed, SourceOptions(recipient_key=b"k"))
    assert keyed.event_id != first
    for change in (
        {"timestamp": 1_767_225_601},
        {"recipient": "b@mailbox.test"},
        {"event": "delivered"},
    ):
        assert only("mailgun", failed | change).event_id != first
