"""The fields of a verdict beyond its reason; the seed texts; what is never hard."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.classify import Classifier, advice_for, class_of
from monitor.events import (
    Advice,
    BounceClass,
    DeliveryEvent,
    Outcome,
    Permanence,
    Reason,
    Stage,
)

SEEDS = {
    "mailbox full": (BounceClass.SOFT, Reason.MAILBOX_FULL),
    "account over quota": (BounceClass.SOFT, Reason.MAILBOX_FULL),
    "service unavailable, try later": (
        BounceClass.SOFT,
        Reason.TEMPORARILY_UNAVAILABLE,
    ),
    "content presents a security issue": (
        BounceClass.BLOCK,
        Reason.CONTENT_SECURITY,
    ),
    "organizational settings": (BounceClass.BLOCK, Reason.POLICY),
    "local policy": (BounceClass.BLOCK, Reason.POLICY),
    "unroutable domain": (BounceClass.HARD, Reason.DOMAIN_UNKNOWN),
}
CODES = {
    "mailbox full": (552, "5.2.2"),
    "account over quota": (452, "4.2.2"),
    "service unavailable, try later": (421, "4.3.2"),
    "content presents a security issue": (552, "5.7.0"),
    "organizational settings": (550, "5.7.1"),
    "local policy": (550, "5.7.1"),
    "unroutable domain": (550, "5.1.2"),
}
CODELESS = st.sampled_from(["blorp", "quux", "zork", "xyzzy", "plugh", "grault"])


@pytest.mark.parametrize("text", SEEDS)
def test_seed_texts_with_and_without_codes(classifier: Classifier, text: str) -> None:
    code, status = CODES[text]
    inline = classifier.classify(f"{code} {status} {text}")
    beside = classifier.classify(text, code, status)
    alone = classifier.classify(text)
    for verdict in (inline, beside, alone):
        assert (verdict.bounce_class, verdict.reason) == SEEDS[text]
    assert inline == beside


@given(
    words=st.lists(CODELESS, max_size=6),
    code=st.integers(500, 599),
    provider=st.sampled_from(["", "yahoo", "gmail.com", "outlook.com", "x.example"]),
)
def test_unknown_5xx_is_never_hard(
    classifier: Classifier, words: list[str], code: int, provider: str
) -> None:
    verdict = classifier.classify(" ".join(words), code, "", provider)
    assert verdict.bounce_class is not BounceClass.HARD
    assert verdict.permanence is Permanence.PERMANENT


@pytest.mark.parametrize("text", ["", "550", "554", "550 5.0.0", "554 5.0.0 sorry"])
def test_bare_550_and_554_say_nothing(classifier: Classifier, text: str) -> None:
    verdict = classifier.classify(text)
    assert verdict.reason is Reason.UNDETERMINED
    assert verdict.stage is Stage.NONE
    assert verdict.confidence == 0.0


@pytest.mark.parametrize(
    ("text", "permanence", "final"),
    [
        ("550 5.1.1 user unknown", Permanence.PERMANENT, True),
        ("450 4.2.2 mailbox full", Permanence.TRANSIENT, False),
        ("mailbox full", Permanence.UNKNOWN, True),
        ("has been delayed, will be retried for 2 days", Permanence.UNKNOWN, False),
        (
            "host mx.example.org[192.0.2.1] said: 451 4.7.1 greylisted",
            Permanence.TRANSIENT,
            False,
        ),
    ],
)
def test_permanence_and_final(
    classifier: Classifier, text: str, permanence: Permanence, final: bool
) -> None:
    verdict = classifier.classify(text)
    assert (verdict.permanence, verdict.final) == (permanence, final)


def test_expired_is_final_although_the_inner_reply_was_not(
    classifier: Classifier,
) -> None:
    verdict = classifier.classify("Message expired: 421 4.4.1 connection timed out")
    assert verdict.reason is Reason.EXPIRED
    assert verdict.final


@pytest.mark.parametrize(
    ("reason", "permanence", "advice"),
    [
        (Reason.USER_UNKNOWN, Permanence.TRANSIENT, Advice.SUPPRESS_NOW),
        (Reason.DOMAIN_UNKNOWN, Permanence.PERMANENT, Advice.SUPPRESS_NOW),
        (Reason.DOMAIN_UNKNOWN, Permanence.UNKNOWN, Advice.AFTER_N),
        (Reason.MAILBOX_INACTIVE, Permanence.TRANSIENT, Advice.AFTER_N),
        (Reason.MAILBOX_FULL, Permanence.PERMANENT, Advice.AFTER_N),
        (Reason.IP_REPUTATION, Permanence.PERMANENT, Advice.NEVER),
        (Reason.RELAY_DENIED, Permanence.PERMANENT, Advice.AFTER_N),
        (Reason.SUPPRESSED, Permanence.UNKNOWN, Advice.SUPPRESS_NOW),
        (Reason.UNDETERMINED, Permanence.PERMANENT, Advice.AFTER_N),
    ],
)
def test_advice(reason: Reason, permanence: Permanence, advice: Advice) -> None:
    assert advice_for(reason, permanence) is advice


@pytest.mark.parametrize("permanence", Permanence)
def test_only_hard_and_suppressed_are_suppressed_at_once(
    permanence: Permanence,
) -> None:
    for reason in Reason:
        now = advice_for(reason, permanence) is Advice.SUPPRESS_NOW
        hard = class_of(reason) is BounceClass.HARD
        assert hard or not now or reason is Reason.SUPPRESSED


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("554 5.7.1 blocked using zen.spamhaus.org", "spamhaus"),
        ("550 see http://www.spamcop.net/bl.shtml?192.0.2.1", "spamcop"),
        ("554 blocked using Barracuda Reputation", "barracuda"),
        ("550 listed at dnsbl.sorbs.net", "sorbs"),
        ("550 blocked by our own blacklist", ""),
        ("550 5.1.1 no such user, zen", ""),
    ],
)
def test_blocklist_is_named_for_blocks_only(
    classifier: Classifier, text: str, name: str
) -> None:
    assert classifier.classify(text).blocklist == name


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("450 greylisted, try again in 5 minutes", 300),
        ("451 greylisted, please come back in 00:04:59", 299),
        ("421 too many connections, retry after 120 seconds", 120),
        ("450 greylisted, wait for 1 hour", 3_600),
        ("450 greylisted, retry in 60s", 60),
        ("450 greylisted, try again in 9999 days", 7 * 86_400),
        ("450 greylisted", 0),
        ("550 5.1.1 user unknown, asked again in 5 minutes", 0),
        ("421 the limit is 5 messages in 10 minutes", 0),
    ],
)
def test_retry_after(classifier: Classifier, text: str, seconds: int) -> None:
    assert classifier.classify(text).retry_after == seconds


def test_inner_reply_decides(classifier: Classifier) -> None:
    verdict = classifier.classify(
        "5.4.7 [internal] exceeded max time without delivery"
        " (last transfail: 452 4.2.2 the recipient is over quota)",
        550,
        "5.4.7",
    )
    assert verdict.reason is Reason.MAILBOX_FULL
    assert verdict.permanence is Permanence.TRANSIENT


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("550 RESOLVER.ADR.RecipNotFound", Reason.USER_UNKNOWN),
        ("host mx said: 550 Access denied", Reason.POLICY),
        # A provider's token around vague words still tells; an MTA's own words do not.
        (
            "550 RESOLVER.ADR.RecipNotFound; mx said: 550 Access denied",
            Reason.USER_UNKNOWN,
        ),
        ("5.1.0 - Unknown address error '550 Access denied'", Reason.POLICY),
        ("550 RESOLVER.ADR.RecipNotFound; mx said: 552 full", Reason.USER_UNKNOWN),
        (
            "550 RESOLVER.ADR.RecipNotFound; mx said: 552 mailbox full",
            Reason.MAILBOX_FULL,
        ),
    ],
)
def test_what_stands_around_a_vague_reply(
    classifier: Classifier, text: str, reason: Reason
) -> None:
    assert classifier.classify(text).reason is reason


def test_provider_narrows_a_rule(classifier: Classifier) -> None:
    text = "550 the group will not take this"
    assert classifier.classify(text).reason is Reason.UNDETERMINED
    for provider in ("googlegroups.com", "GoogleGroups.com.", "mx.googlegroups.com"):
        verdict = classifier.classify(text, provider=provider)
        assert verdict.reason is Reason.SENDER_REJECTED, provider
        assert verdict.stage is Stage.PROVIDER_TOKEN
    assert classifier.classify(text, provider="notgooglegroups.com").confidence == 0.0


def test_explain_tells_what_decided(classifier: Classifier) -> None:
    told = classifier.explain(
        "host mx.example.org[192.0.2.1] said: 550 5.1.1 <a@example.org>:"
        " User unknown here (in reply to RCPT TO command)"
    )
    assert told.verdict.reason is Reason.USER_UNKNOWN
    assert told.text == "550 5.1.1 addr user unknown here"
    assert (told.reply_code, told.enhanced_status) == (550, "5.1.1")
    assert told.command == "rcpt"
    assert told.wrapped
    assert told.origin == "generic/39-unknown-plain.toml"
    assert "unknown" in told.pattern


def test_explain_and_classify_agree(classifier: Classifier) -> None:
    for text in (*SEEDS, "", "550 what", "421 4.7.0 too many connections"):
        assert classifier.explain(text).verdict == classifier.classify(text)


def test_cache_counts_and_is_bounded() -> None:
    classifier = Classifier()
    classifier.classify("550 <a@example.org> unknown user")
    assert classifier.cache_stats() == (0, 1, 2)
    classifier.classify("550 <a@example.org> unknown user")
    assert classifier.cache_stats() == (1, 1, 2)
    # Another recipient: a new text, a known template.
    classifier.classify("550 <b@example.org> unknown user")
    assert classifier.cache_stats() == (2, 1, 3)


FIELDS = st.sampled_from(
    ["", "5.1.1", "4.2.2", "yahoo", "Permanent/NoEmail", "x" * 300]
)
EVENTS = st.builds(
    DeliveryEvent,
    event_id=st.just("e"),
    event_time=st.just(0.0),
    source=st.just("canonical"),
    outcome=st.sampled_from([Outcome.BOUNCED, Outcome.DEFERRED]),
    reply_code=st.sampled_from([0, 421, 550, -1, 10**30]),
    enhanced_status=FIELDS,
    provider_class=FIELDS,
    diagnostic=st.text(max_size=30)
    | st.sampled_from(
        [
            "550 <joe@example.org> user unknown\n",
            "550 <jim@example.org> user unknown\n",
            "mailbox full \0 9f3a1b2c4d",
            "blorp " * 400,
        ]
    ),
)


@given(st.lists(st.tuples(EVENTS, FIELDS), max_size=6))
def test_a_batch_gets_the_verdicts_of_its_replies(
    classifier: Classifier, asked: list[tuple[DeliveryEvent, str]]
) -> None:
    events, providers = [event for event, _ in asked], [name for _, name in asked]
    assert classifier.classify_all(events, providers) == [
        classifier.explain(
            event.diagnostic,
            event.reply_code,
            event.enhanced_status,
            provider,
            event.provider_class,
        ).verdict
        for event, provider in asked
    ]


def test_a_batch_is_counted_like_its_replies() -> None:
    classifier = Classifier()
    event = DeliveryEvent(
        event_id="e",
        event_time=0.0,
        source="canonical",
        outcome=Outcome.BOUNCED,
        diagnostic="550 <joe@example.org> unknown user",
    )
    other = msgspec.structs.replace(
        event, diagnostic="550 <a@example.org> unknown user"
    )
    assert classifier.classify_all([], []) == []
    classifier.classify_all([event, other, event], ["yahoo"] * 3)
    # All three are one text with one stand-in.
    assert classifier.cache_stats() == (2, 1, 2)


def test_verdict_depends_on_all_arguments(classifier: Classifier) -> None:
    assert classifier.classify("blorp", 0).reason is Reason.UNDETERMINED
    assert classifier.classify("blorp", 451).reason is Reason.TEMPORARILY_UNAVAILABLE
    assert classifier.classify("blorp", 0, "5.2.2").reason is Reason.MAILBOX_FULL
    verdict = classifier.classify("blorp", hint="Permanent/NoEmail")
    assert verdict.reason is Reason.USER_UNKNOWN
    assert verdict.stage is Stage.HINT
