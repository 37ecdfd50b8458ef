import json
from collections.abc import Callable
from typing import Any

import pytest

from monitor.errors import InvalidReason
from monitor.events import Decoded, DeliveryEvent, Outcome

Record = dict[str, Any]
Only = Callable[..., DeliveryEvent]


@pytest.fixture
def bounce(record: Callable[[str], Record]) -> Record:
    return record("ses")


def sns(message: object, **more: object) -> Record:
    return {
        "Type": "Notification",
        "MessageId": "publish-1",
        "TopicArn": "arn:aws:sns:eu-west-1:111122223333:events",
        "Message": message if isinstance(message, str) else json.dumps(message),
        "Timestamp": "2026-01-01T00:00:09.000Z",
        "SignatureVersion": "2",
    } | more


def eventbridge(detail: object, kind: str = "Email Bounced") -> Record:
    return {
        "version": "0",
        "id": "eb-1",
        "detail-type": kind,
        "source": "aws.ses",
        "account": "111122223333",
        "time": "2026-01-01T00:00:08Z",
        "resources": [],
        "detail": detail,
    }


def of_kind(bounce: Record, kind: str, key: str, report: Record) -> Record:
    """The record as another kind of event, with its report under ``key``."""
    return {"eventType": kind, key: report, "mail": bounce["mail"]}


def test_a_bounce(only: Only, bounce: Record) -> None:
    event = only("ses", bounce)
    assert event == DeliveryEvent(
        event_id=event.event_id,
        event_time=1_767_225_600.25,
        source="ses",
        outcome=Outcome.BOUNCED,
        reply_code=550,
        enhanced_status="5.1.1",
        diagnostic="no such user here",
        recipient_domain="mailbox.test",
        source_ip="203.0.113.7",
        campaign="autumn",
        tenant="111122223333",
        message_id="ses-m-1",
        provider_class="Permanent/General",
    )


@pytest.mark.parametrize(
    "wrap",
    [
        lambda event: sns(event),
        lambda event: sns(event) | {"Message": event},  # an object in the place of text
        lambda event: eventbridge(event),
        lambda event: sns(eventbridge(event)),
        lambda event: [event],
    ],
)
def test_envelopes_change_nothing(
    only: Only, bounce: Record, wrap: Callable[[Record], object]
) -> None:
    assert only("ses", wrap(bounce)) == only("ses", bounce)


def test_identity_notifications_have_another_name_for_the_type(
    only: Only, bounce: Record
) -> None:
    notification = {"notificationType": bounce["eventType"]} | bounce
    del notification["eventType"]
    assert only("ses", notification) == only("ses", bounce)


def test_eventbridge_may_have_to_say_the_type(
    only: Only, decode: Callable[..., Decoded], bounce: Record
) -> None:
    untyped = {key: value for key, value in bounce.items() if key != "eventType"}
    assert only("ses", eventbridge(untyped)) == only("ses", bounce)
    assert decode("ses", eventbridge({}, "Scheduled Event")) == Decoded()
    assert decode("ses", eventbridge(untyped, "Email Opened")) == Decoded()


def test_a_transient_bounce_is_a_bounce(only: Only, bounce: Record) -> None:
    bounce["bounce"] |= {"bounceType": "Transient", "bounceSubType": "MailboxFull"}
    event = only("ses", bounce)
    assert event.outcome is Outcome.BOUNCED
    assert event.provider_class == "Transient/MailboxFull"


@pytest.mark.parametrize(
    "subtype",
    [
        "Suppressed",
        "OnAccountSuppressionList",
        "OnTenantSuppressionList",
        "UnsubscribedRecipient",
    ],
)
def test_what_ses_did_not_try_is_dropped(
    only: Only, bounce: Record, subtype: str
) -> None:
    bounce["bounce"]["bounceSubType"] = subtype
    event = only("ses", bounce)
    assert event.outcome is Outcome.DROPPED
    assert not event.counts_to_rate


def test_a_delivery(only: Only, bounce: Record) -> None:
    report = {
        "timestamp": "2026-01-01T00:00:01.000Z",
        "processingTimeMillis": 900,
        "recipients": ["ann@one.test"],
        "smtpResponse": "250 2.6.0 message received",
        "reportingMTA": "a1-2.smtp-out.amazonses.test",
    }
    event = only("ses", of_kind(bounce, "Delivery", "delivery", report))
    assert event.outcome is Outcome.DELIVERED
    assert (event.reply_code, event.enhanced_status) == (250, "2.6.0")
    assert event.diagnostic == "message received"
    assert event.recipient_domain == "one.test"


def test_a_delay_is_a_deferral(only: Only, bounce: Record) -> None:
    report = {
        "timestamp": "2026-01-01T00:00:01.000Z",
        "delayType": "SpamDetected",
        "expirationTime": "2026-01-01T12:00:01.000Z",
        "delayedRecipients": [
            {
                "emailAddress": "ann@one.test",
                "status": "4.7.0",
                "diagnosticCode": "smtp; 421-4.7.0 unusual rate",
            }
        ],
    }
    event = only("ses", of_kind(bounce, "DeliveryDelay", "deliveryDelay", report))
    assert event.outcome is Outcome.DEFERRED
    assert (event.reply_code, event.provider_class) == (421, "SpamDetected")
    assert event.counts_to_rate


def test_a_complaint(only: Only, bounce: Record) -> None:
    report: Record = {
        "complainedRecipients": [{"emailAddress": "ann@one.test"}],
        "timestamp": "2026-01-01T00:00:01.000Z",
        "feedbackId": "fb-2",
        "complaintSubType": None,
        "complaintFeedbackType": "abuse",
    }
    event = only("ses", of_kind(bounce, "Complaint", "complaint", report))
    assert (event.outcome, event.counts_to_rate) == (Outcome.COMPLAINED, True)
    assert event.provider_class == "abuse"
    report["complaintSubType"] = "OnAccountSuppressionList"
    event = only("ses", of_kind(bounce, "Complaint", "complaint", report))
    assert (event.outcome, event.counts_to_rate) == (Outcome.DROPPED, False)


@pytest.mark.parametrize(
    ("kind", "key", "report"),
    [
        ("Reject", "reject", {"reason": "Bad content"}),
        ("Rendering Failure", "failure", {"errorMessage": "no such attribute"}),
    ],
)
def test_what_ses_refused_itself_is_dropped(
    only: Only, bounce: Record, kind: str, key: str, report: Record
) -> None:
    event = only("ses", of_kind(bounce, kind, key, report))
    assert (event.outcome, event.counts_to_rate) == (Outcome.DROPPED, False)
    assert event.diagnostic in report.values()
    assert event.recipient_domain == "mailbox.test"
    assert event.event_time == 1_767_225_590.0  # that of the mail: nothing else has one


def test_a_report_without_time_takes_that_of_its_envelope(
    only: Only, bounce: Record
) -> None:
    del bounce["bounce"]["timestamp"]
    assert only("ses", sns(bounce)).event_time == 1_767_225_609.0
    assert only("ses", eventbridge(bounce)).event_time == 1_767_225_608.0
    assert only("ses", bounce).event_time == 1_767_225_590.0


@pytest.mark.parametrize(
    "value",
    [
        {"eventType": "Send", "send": {}},
        {"eventType": "Open", "open": {}},
        {"eventType": "Click", "click": {}},
        {"eventType": "Subscription", "subscription": {}},
        {"notificationType": "Received"},
        {"notificationType": "AmazonSnsSubscriptionSucceeded"},
        sns("You have chosen to subscribe", Type="SubscriptionConfirmation"),
        sns("You have chosen to leave", Type="UnsubscribeConfirmation"),
        sns("Successfully validated SNS topic for Amazon SES event publishing."),
        sns({"eventType": "Open"}),
    ],
)
def test_what_is_no_outcome(decode: Callable[..., Decoded], value: object) -> None:
    assert decode("ses", value) == Decoded()


def test_several_recipients_are_several_events(
    decode: Callable[..., Decoded], bounce: Record
) -> None:
    bounce["bounce"]["bouncedRecipients"] = [
        {"emailAddress": "a@one.test", "diagnosticCode": "smtp; 550 5.1.1 gone"},
        {"emailAddress": ["broken"]},
        {"emailAddress": "b@two.test", "status": "5.7.1"},
    ]
    decoded = decode("ses", bounce)
    assert [(e.recipient_domain, e.enhanced_status) for e in decoded.events] == [
        ("one.test", "5.1.1"),
        ("two.test", "5.7.1"),
    ]
    assert len({event.event_id for event in decoded.events}) == 2
    assert [bad.reason for bad in decoded.invalid] == [InvalidReason.WRONG_SHAPE]


def test_without_recipients_it_is_about_everybody(
    decode: Callable[..., Decoded], only: Only, bounce: Record
) -> None:
    bounce["bounce"]["bouncedRecipients"] = []
    bounce["mail"]["destination"] = ["a@one.test", "Bea <b@two.test>"]
    domains = [event.recipient_domain for event in decode("ses", bounce).events]
    assert domains == ["one.test", "two.test"]
    bounce["mail"]["destination"] = None
    assert only("ses", bounce).recipient_domain == ""


def test_tags_in_other_shapes(only: Only, bounce: Record) -> None:
    bounce["mail"]["tags"]["campaign"] = []
    assert only("ses", bounce).campaign == "bulk"
    bounce["mail"]["tags"]["campaign"] = "plain"
    assert only("ses", bounce).campaign == "plain"
    del bounce["mail"]["tags"]
    assert (only("ses", bounce).campaign, only("ses", bounce).source_ip) == ("", "")


def test_ids_tell_events_apart_and_copies_not(only: Only, bounce: Record) -> None:
    first = only("ses", bounce).event_id
    assert only("ses", sns(bounce, MessageId="another publish")).event_id == first
    other = dict(bounce, bounce=bounce["bounce"] | {"feedbackId": "fb-9"})
    assert only("ses", other).event_id != first


def test_hostile_messages_inside_the_envelope(
    decode: Callable[..., Decoded], bounce: Record
) -> None:
    deep = '{"eventType": ' + "[" * 100_000 + "]" * 100_000 + "}"
    for message, reason in (
        (deep, InvalidReason.TOO_DEEP),
        ("", InvalidReason.MISSING_FIELD),
        ("  ", InvalidReason.EMPTY),
        ("{", InvalidReason.NOT_JSON),
        ("hello", InvalidReason.NOT_JSON),
        ("[]", InvalidReason.WRONG_SHAPE),
        ("{}", InvalidReason.MISSING_FIELD),
        (json.dumps(sns(json.dumps(sns(sns(bounce))))), InvalidReason.TOO_DEEP),
    ):
        decoded = decode("ses", sns(message))
        assert decoded.events == ()
        assert [bad.reason for bad in decoded.invalid] == [reason]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"eventType": None}, InvalidReason.MISSING_FIELD),
        ({"eventType": {}}, InvalidReason.WRONG_SHAPE),
        ({"bounce": []}, InvalidReason.WRONG_SHAPE),
        ({"bounce": {"timestamp": "then"}}, InvalidReason.BAD_TIME),
        ({"bounce": {"bouncedRecipients": 1}}, InvalidReason.WRONG_SHAPE),
        ({"bounce": None, "mail": None}, InvalidReason.MISSING_FIELD),
        ({"mail": "x"}, InvalidReason.WRONG_SHAPE),
        ({"mail": {"tags": []}}, InvalidReason.WRONG_SHAPE),
        ({"Message": None}, InvalidReason.WRONG_SHAPE),
        ({"detail": None}, InvalidReason.WRONG_SHAPE),
    ],
)
def test_bad_records(
    decode: Callable[..., Decoded],
    bounce: Record,
    change: Record,
    reason: InvalidReason,
) -> None:
    decoded = decode("ses", bounce | change)
    assert decoded.events == ()
    assert [problem.reason for problem in decoded.invalid] == [reason]
