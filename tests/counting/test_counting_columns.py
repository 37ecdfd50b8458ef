"""Which channels one event feeds, over every outcome, class and reason."""

from itertools import product

import pytest

from monitor.classify import class_of
from monitor.counting import columns_of
from monitor.events import COLUMNS, BounceClass, Outcome, Reason, Verdict

SPECIFIC = {"hard", "block", "config", "technical"}

#: What a final failure feeds beside ``bounce``; what is not named here feeds nothing.
FINAL = {
    "hard": (
        Reason.USER_UNKNOWN,
        Reason.DOMAIN_UNKNOWN,
        Reason.NULL_MX,
        Reason.MAILBOX_INACTIVE,
        Reason.ADDRESS_MOVED,
    ),
    "block": (
        Reason.IP_REPUTATION,
        Reason.DOMAIN_REPUTATION,
        Reason.SPAM_CONTENT,
        Reason.CONTENT_SECURITY,
        Reason.POLICY,
        Reason.THROTTLED,
    ),
    "config": (
        Reason.AUTH_FAILED,
        Reason.RDNS_MISSING,
        Reason.SENDER_REJECTED,
        Reason.RFC_VIOLATION,
    ),
    "technical": (
        Reason.RELAY_DENIED,
        Reason.CONNECT_FAILED,
        Reason.EXPIRED,
        Reason.DNS_FAILURE,
        Reason.TLS_FAILURE,
        Reason.ROUTING_LOOP,
        Reason.SERVER_ERROR,
        Reason.SYSTEM_FULL,
        Reason.PROTOCOL_ERROR,
    ),
}
CHANNEL = {reason: channel for channel, reasons in FINAL.items() for reason in reasons}

#: A refusal for good says something of the address or of our rate; a deferral does not.
ONLY_FINAL = {*FINAL["hard"], Reason.THROTTLED}


def columns(outcome: Outcome, kind: BounceClass, reason: Reason) -> list[str]:
    verdict = Verdict(bounce_class=kind, reason=reason)
    return [COLUMNS[index] for index in columns_of(outcome, verdict)]


@pytest.mark.parametrize("reason", Reason)
def test_a_final_failure_feeds_bounce_and_the_channel_of_its_reason(
    reason: Reason,
) -> None:
    names = columns(Outcome.BOUNCED, class_of(reason), reason)
    specific = CHANNEL.get(reason)
    assert names == ["attempts", "bounce", *([specific] if specific else [])]


@pytest.mark.parametrize("reason", Reason)
def test_a_deferral_feeds_a_channel_only_if_its_reason_is_ours_to_mend(
    reason: Reason,
) -> None:
    names = columns(Outcome.DEFERRED, class_of(reason), reason)
    specific = None if reason in ONLY_FINAL else CHANNEL.get(reason)
    assert names == ["attempts", "deferral", *([specific] if specific else [])]


@pytest.mark.parametrize("kind", BounceClass)
def test_every_pair_of_class_and_reason_feeds_at_most_one_specific_channel(
    kind: BounceClass,
) -> None:
    for reason in Reason:
        bounced = columns(Outcome.BOUNCED, kind, reason)
        deferred = columns(Outcome.DEFERRED, kind, reason)
        assert bounced[:2] == ["attempts", "bounce"]
        assert deferred[:2] == ["attempts", "deferral"]
        for names in (bounced, deferred):
            assert len(names) <= 3, reason
            assert set(names[2:]) <= SPECIFIC, reason
        assert "hard" not in deferred
        assert bounced[2:] == deferred[2:] or not deferred[2:], reason


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome.DELIVERED, ["attempts", "delivered"]),
        (Outcome.COMPLAINED, ["complaint"]),
        (Outcome.DROPPED, []),
        (Outcome.OTHER, []),
    ],
)
def test_other_outcomes_do_not_look_at_the_verdict(
    outcome: Outcome, expected: list[str]
) -> None:
    for kind, reason in product(BounceClass, Reason):
        assert columns(outcome, kind, reason) == expected


@pytest.mark.parametrize("outcome", Outcome)
def test_without_a_verdict_an_event_feeds_no_specific_channel(
    outcome: Outcome,
) -> None:
    names = [COLUMNS[index] for index in columns_of(outcome, None)]
    assert not SPECIFIC & set(names)


@pytest.mark.parametrize("outcome", Outcome)
def test_a_counted_event_is_an_attempt_or_a_complaint_and_never_both(
    outcome: Outcome,
) -> None:
    # The merger counts events by these two columns (invariant I5).
    for kind, reason in product(BounceClass, Reason):
        names = columns(outcome, kind, reason)
        assert len(set(names)) == len(names)
        assert not names or ("attempts" in names) != ("complaint" in names)
