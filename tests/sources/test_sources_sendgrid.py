from collections.abc import Callable
from typing import Any

import pytest

from monitor.errors import InvalidReason
from monitor.events import Decoded, DeliveryEvent, Outcome

Record = dict[str, Any]
Only = Callable[..., DeliveryEvent]


@pytest.fixture
def bounce(record: Callable[[str], Record]) -> Record:
    return record("sendgrid")


def test_a_bounce_alone_or_in_an_array(only: Only, bounce: Record) -> None:
    event = only("sendgrid", [bounce])
    assert event == DeliveryEvent(
        event_id="sg-1",
        event_time=1_767_225_600.0,
        source="sendgrid",
        outcome=Outcome.BOUNCED,
        reply_code=550,
        enhanced_status="5.1.1",
        diagnostic="no such user here",
        recipient_domain="mailbox.test",
        source_ip="203.0.113.7",
        campaign="autumn",
        message_id="sgm-1",
        provider_class="Invalid Address",
    )
    assert only("sendgrid", bounce) == event


@pytest.mark.parametrize(
    ("kind", "outcome", "counts"),
    [
        ("delivered", Outcome.DELIVERED, True),
        ("deferred", Outcome.DEFERRED, True),
        ("bounce", Outcome.BOUNCED, True),
        ("blocked", Outcome.BOUNCED, True),
        ("dropped", Outcome.DROPPED, False),
        ("spamreport", Outcome.COMPLAINED, True),
    ],
)
def test_events_about_delivery(
    only: Only,
    bounce: Record,
    kind: str,
    outcome: Outcome,
    counts: bool,
) -> None:
    event = only("sendgrid", bounce | {"event": kind})
    assert (event.outcome, event.counts_to_rate) == (
        outcome,
        counts,
    )


@pytest.mark.parametrize(
    "kind",
    [
        "processed",
        "open",
        "click",
        "unsubscribe",
        "group_unsubscribe",
        "group_resubscribe",
        "account_status_change",
    ],
)
def test_events_that_are_no_outcome(
    decode: Callable[..., Decoded], bounce: Record, kind: str
) -> None:
    assert decode("sendgrid", [bounce | {"event": kind, "ip": "x"}]) == Decoded()


def test_a_blocked_bounce_says_so(only: Only, bounce: Record) -> None:
    del bounce["bounce_classification"]
    event = only("sendgrid", bounce | {"type": "blocked", "reason": "554 5.7.1 listed"})
    assert (event.outcome, event.provider_class) == (Outcome.BOUNCED, "blocked")
    # The status of the record goes before that in the text.
    assert (event.reply_code, event.enhanced_status) == (554, "5.1.1")


def test_a_deferral_has_a_response_and_an_attempt_in_text(
    only: Only, bounce: Record
) -> None:
    deferral = {"event": "deferred", "response": "451 4.7.1 greylisted", "attempt": "3"}
    del bounce["reason"], bounce["status"], bounce["ip"]
    event = only("sendgrid", bounce | deferral)
    assert (event.reply_code, event.enhanced_status) == (451, "4.7.1")
    assert (event.diagnostic, event.attempt) == ("greylisted", 3)
    assert event.source_ip == ""


@pytest.mark.parametrize(
    ("category", "campaign"),
    [
        ("autumn", "autumn"),
        (["autumn"], "autumn"),
        ([7, "x"], "7"),
        ([], ""),
        (None, ""),
    ],
)
def test_category_in_all_its_shapes(
    only: Only, bounce: Record, category: object, campaign: str
) -> None:
    assert only("sendgrid", bounce | {"category": category}).campaign == campaign


def test_a_missing_id_is_computed(only: Only, bounce: Record) -> None:
    del bounce["sg_event_id"]
    first = only("sendgrid", bounce).event_id
    assert len(first) == 32
    assert only("sendgrid", [bounce]).event_id == first
    assert only("sendgrid", bounce | {"timestamp": 1_767_225_601}).event_id != first
    assert only("sendgrid", bounce | {"event": "delivered"}).event_id != first


def test_a_batch_keeps_its_order_and_its_good_events(
    decode: Callable[..., Decoded], bounce: Record
) -> None:
    batch = [
        bounce | {"sg_event_id": "a"},
        bounce | {"event": "open"},
        bounce | {"timestamp": "now"},
        bounce | {"event": 5},
        bounce | {"sg_event_id": "b"},
        bounce | {"timestamp": None},
        bounce | {"category": {"a": 1}},
    ]
    decoded = decode("sendgrid", batch)
    assert [event.event_id for event in decoded.events] == ["a", "b"]
    assert [bad.reason for bad in decoded.invalid] == [
        InvalidReason.BAD_TIME,
        InvalidReason.WRONG_SHAPE,
        InvalidReason.MISSING_FIELD,
        InvalidReason.WRONG_SHAPE,
    ]
