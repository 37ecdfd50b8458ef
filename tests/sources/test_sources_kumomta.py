from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import InvalidReason
from monitor.events import Decoded, DeliveryEvent, Outcome
from monitor.sources import SourceOptions
from monitor.sources.kumomta import split_queue

Record = dict[str, Any]
Only = Callable[..., DeliveryEvent]


@pytest.fixture
def bounce(record: Callable[[str], Record]) -> Record:
    return record("kumomta")


def test_a_bounce(only: Only, bounce: Record) -> None:
    event = only("kumomta", bounce)
    assert event == DeliveryEvent(
        event_id=event.event_id,
        event_time=1_767_225_600.25,
        source="kumomta",
        outcome=Outcome.BOUNCED,
        reply_code=550,
        enhanced_status="5.1.1",
        diagnostic="no such user here",
        recipient_domain="mailbox.test",
        mx_host="mx1.mailbox.test",
        source_ip="203.0.113.7",
        campaign="autumn",
        tenant="acme",
        message_id="c0ffee00e66111f195d700017f000000",
        attempt=2,
        provider_class="InvalidRecipient",
    )


@pytest.mark.parametrize(
    ("kind", "outcome", "counts"),
    [
        ("Delivery", Outcome.DELIVERED, True),
        ("TransientFailure", Outcome.DEFERRED, True),
        ("Bounce", Outcome.BOUNCED, True),
        ("OOB", Outcome.BOUNCED, True),
        ("Expiration", Outcome.BOUNCED, True),
        ("AdminBounce", Outcome.DROPPED, False),
        ("Feedback", Outcome.COMPLAINED, True),
    ],
)
def test_record_types(
    only: Only,
    bounce: Record,
    kind: str,
    outcome: Outcome,
    counts: bool,
) -> None:
    event = only("kumomta", bounce | {"type": kind})
    assert (event.outcome, event.counts_to_rate) == (
        outcome,
        counts,
    )


@pytest.mark.parametrize(
    "kind",
    [
        "Reception",
        "Delayed",
        "AdminRebind",
        "DeferredInjectionRebind",
        "XferIn",
        "XferOut",
        "Rejection",
        "SomethingNew",
    ],
)
def test_record_types_that_are_no_outcome(
    decode: Callable[..., Decoded], bounce: Record, kind: str
) -> None:
    assert decode("kumomta", bounce | {"type": kind}) == Decoded()


def test_the_log_hooks_own_deliveries_are_no_mail(
    decode: Callable[..., Decoded], bounce: Record
) -> None:
    hook = {"type": "Delivery", "reception_protocol": "LogRecord", "queue": "hook.log"}
    assert decode("kumomta", bounce | hook) == Decoded()


def test_our_own_pause_does_not_count(only: Only, bounce: Record) -> None:
    bounce |= {"type": "TransientFailure", "site": bounce["queue"]}
    bounce["egress_source"] = bounce["peer_address"] = bounce["source_address"] = None
    bounce["response"] = {
        "code": 451,
        "enhanced_code": {"class": 4, "subject": 4, "detail": 4},
        "content": "KumoMTA internal: scheduled queue is suspended: bounce spike",
        "command": None,
    }
    event = only("kumomta", bounce)
    assert event.outcome is Outcome.DEFERRED
    assert not event.counts_to_rate
    assert (event.source_ip, event.mx_host) == ("", "")


@pytest.mark.parametrize(
    ("queue", "campaign", "tenant", "domain"),
    [
        ("autumn:acme@x.test", "autumn", "acme", "x.test"),
        ("autumn:acme@x.test!route.test", "autumn", "acme", "x.test"),
        ("autumn:@x.test", "autumn", "", "x.test"),
        (":acme@x.test", "", "acme", "x.test"),
        ("acme@x.test", "", "acme", "x.test"),
        ("x.test", "", "", "x.test"),
        ("x.test!route.test", "", "", "x.test"),
        ("", "", "", ""),
        ("a@b:c@x.test", "a@b", "c", "x.test"),
    ],
)
def test_queue_names(queue: str, campaign: str, tenant: str, domain: str) -> None:
    assert split_queue(queue) == (campaign, tenant, domain)


@given(st.text())
def test_any_text_may_be_a_queue_name(queue: str) -> None:
    assert sum(len(part) for part in split_queue(queue)) <= len(queue)


def test_the_queue_names_the_owner_and_meta_stands_in(
    only: Only, bounce: Record
) -> None:
    event = only("kumomta", bounce | {"queue": "mailbox.test"})
    assert (event.campaign, event.tenant) == ("from-meta", "meta-tenant")
    event = only("kumomta", bounce | {"queue": "acme@mailbox.test"})
    assert (event.campaign, event.tenant) == ("from-meta", "acme")
    event = only("kumomta", bounce | {"queue": "mailbox.test", "meta": {}})
    assert (event.campaign, event.tenant) == ("", "")


def test_meta_of_any_shape_is_survived(only: Only, bounce: Record) -> None:
    meta = {"campaign": {"id": 1}, "tenant": [1], "recipient": {}}
    event = only("kumomta", bounce | {"queue": "mailbox.test", "meta": meta})
    assert (event.campaign, event.tenant) == ("", "")


def test_the_source_is_an_address_or_else_a_name(only: Only, bounce: Record) -> None:
    ipv6 = {"address": "[2001:db8::7]:2525", "protocol": "haproxy"}
    assert only("kumomta", bounce | {"source_address": ipv6}).source_ip == "2001:db8::7"
    assert only("kumomta", bounce | {"source_address": None}).source_ip == "ip-7"
    bare = bounce | {"source_address": None, "egress_source": None}
    assert only("kumomta", bare).source_ip == ""


def test_older_records_have_whole_seconds_only(only: Only, bounce: Record) -> None:
    del bounce["event_time"]
    assert only("kumomta", bounce).event_time == 1_767_225_600.0


def test_a_reply_without_its_parts(only: Only, bounce: Record) -> None:
    bounce["response"] = {"code": 421, "enhanced_code": None, "content": "4.7.0 slow"}
    event = only("kumomta", bounce | {"bounce_classification": "Uncategorized"})
    assert (event.reply_code, event.enhanced_status) == (421, "4.7.0")
    assert (event.diagnostic, event.provider_class) == ("slow", "")
    assert only("kumomta", bounce | {"response": None}).reply_code == 0


def test_several_recipients_are_several_events(
    decode: Callable[..., Decoded], bounce: Record
) -> None:
    bounce["recipient"] = ["a@one.test", 5, "b@two.test"]
    decoded = decode("kumomta", bounce)
    assert [event.recipient_domain for event in decoded.events] == [
        "one.test",
        "two.test",
    ]
    assert len({event.event_id for event in decoded.events}) == 2
    assert [bad.reason for bad in decoded.invalid] == [InvalidReason.WRONG_SHAPE]


def test_without_recipient_the_queue_names_the_domain(
    only: Only, bounce: Record
) -> None:
    nobodies: list[object] = [[], None, ""]
    for nobody in nobodies:
        event = only("kumomta", bounce | {"recipient": nobody})
        assert event.recipient_domain == "mailbox.test"


def test_a_complaint_is_about_the_original_recipient(
    only: Only, bounce: Record
) -> None:
    report = {
        "feedback_type": "abuse",
        "source_ip": "203.0.113.9",
        "original_rcpto_to": ["<Ann@isp.test>"],
        "reporting_mta": {"mta_type": "dns", "name": "mx.isp.test"},
        "supplemental_trace": None,
    }
    bounce |= {"type": "Feedback", "recipient": "fbl@acme.test", "queue": "acme.test"}
    event = only("kumomta", bounce | {"feedback_report": report})
    assert event.outcome is Outcome.COMPLAINED
    assert event.recipient_domain == "isp.test"
    assert (event.source_ip, event.mx_host) == ("203.0.113.9", "mx.isp.test")

    report["supplemental_trace"] = {"recipient": "b@other.test", "campaign": "traced"}
    event = only("kumomta", bounce | {"feedback_report": report})
    assert (event.recipient_domain, event.campaign) == ("other.test", "traced")

    report |= {"supplemental_trace": None, "original_rcpto_to": []}
    event = only("kumomta", bounce | {"feedback_report": report})
    assert event.recipient_domain == ""


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure"])
def test_reports_that_are_no_complaints(
    decode: Callable[..., Decoded], bounce: Record, kind: str
) -> None:
    bounce |= {"type": "Feedback", "feedback_report": {"feedback_type": kind}}
    assert decode("kumomta", bounce) == Decoded()


def test_ids_tell_attempts_apart_and_copies_not(only: Only, bounce: Record) -> None:
    first = only("kumomta", bounce).event_id
    assert only("kumomta", bounce | {"size": 0, "session_id": "s"}).event_id == first
    for change in (
        {"num_attempts": 2},
        {"event_time": "2026-01-01T00:00:00.250000126Z"},
        {"nodeid": "another"},
        {"type": "OOB"},
        {"recipient": "other@mailbox.test"},
        {"id": "another"},
    ):
        assert only("kumomta", bounce | change).event_id != first


def test_recipient_hash(only: Only, bounce: Record) -> None:
    options = SourceOptions(recipient_key=b"k")
    assert len(only("kumomta", bounce, options).recipient_hash) == 32


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type": None}, InvalidReason.MISSING_FIELD),
        ({"type": 7}, InvalidReason.WRONG_SHAPE),
        ({"event_time": None, "timestamp": None}, InvalidReason.MISSING_FIELD),
        ({"event_time": "later"}, InvalidReason.BAD_TIME),
        ({"event_time": None, "timestamp": 1_767_225_600_000}, InvalidReason.BAD_TIME),
        ({"response": "550 gone"}, InvalidReason.WRONG_SHAPE),
        ({"recipient": {"a": 1}}, InvalidReason.WRONG_SHAPE),
        ({"peer_address": 5}, InvalidReason.WRONG_SHAPE),
    ],
)
def test_bad_records(
    decode: Callable[..., Decoded],
    bounce: Record,
    change: Record,
    reason: InvalidReason,
) -> None:
    decoded = decode("kumomta", bounce | change)
    assert decoded.events == ()
    assert [problem.reason for problem in decoded.invalid] == [reason]
