"""Codes and foreign classes as evidence: their order, and that they are sound."""

import tomllib
from importlib.resources import files

import pytest

from monitor.classify import Classifier, class_of
from monitor.events import BounceClass, Reason, Stage

RULES = files("monitor.classify") / "rules"


def table(file: str, section: str) -> dict[str, tuple[str, float]]:
    rows = tomllib.loads((RULES / file).read_text(encoding="utf-8"))[section]
    return {key: (reason, sureness) for key, (reason, sureness) in rows.items()}


@pytest.mark.parametrize(
    ("file", "section"),
    [("codes.toml", "status"), ("codes.toml", "reply"), ("hints.toml", "hint")],
)
def test_tables_name_real_reasons(file: str, section: str) -> None:
    for key, (reason, sureness) in table(file, section).items():
        assert Reason(reason) is not Reason.UNDETERMINED, key
        assert 0 < sureness < 1, key


def test_no_reply_code_alone_is_hard() -> None:
    for key, (reason, _) in table("codes.toml", "reply").items():
        assert class_of(Reason(reason)) is not BounceClass.HARD, key
    assert not {"550", "551", "553", "554"} & set(table("codes.toml", "reply"))


def test_hint_keys_are_folded() -> None:
    for key in table("hints.toml", "hint"):
        assert key == "".join(c for c in key.lower() if c.isalnum() or c == "/")


@pytest.mark.parametrize(
    ("hint", "reason"),
    [
        ("Permanent/NoEmail", Reason.USER_UNKNOWN),
        ("Permanent/General", Reason.USER_UNKNOWN),
        ("Permanent/Suppressed", Reason.SUPPRESSED),
        ("Permanent/OnAccountSuppressionList", Reason.SUPPRESSED),
        ("Transient/MailboxFull", Reason.MAILBOX_FULL),
        ("Transient/MessageTooLarge", Reason.MESSAGE_TOO_LARGE),
        ("Transient/ContentRejected", Reason.SPAM_CONTENT),
        ("Transient/AttachmentRejected", Reason.CONTENT_SECURITY),
        ("Invalid Address", Reason.USER_UNKNOWN),
        ("Frequency or Volume Too High", Reason.THROTTLED),
        ("Reputation", Reason.IP_REPUTATION),
        ("blocked", Reason.POLICY),
        ("InvalidRecipient", Reason.USER_UNKNOWN),
        ("bad-mailbox", Reason.USER_UNKNOWN),
        ("bad-domain", Reason.DOMAIN_UNKNOWN),
        ("BadDomain", Reason.DOMAIN_UNKNOWN),
        ("quota-issues", Reason.MAILBOX_FULL),
        ("no-answer-from-host", Reason.CONNECT_FAILED),
        ("spam-related", Reason.SPAM_CONTENT),
        ("SoftBounce", Reason.TEMPORARILY_UNAVAILABLE),
        ("DMARCPolicy", Reason.AUTH_FAILED),
        ("suppress-bounce", Reason.SUPPRESSED),
        ("espblock", Reason.IP_REPUTATION),
        ("greylisted", Reason.GREYLISTED),
        ("10", Reason.USER_UNKNOWN),
        ("22", Reason.MAILBOX_FULL),
        ("52", Reason.SPAM_CONTENT),
        ("AutoResponder", Reason.AUTO_REPLY),
        ("other", Reason.UNDETERMINED),
        ("Undetermined/Undetermined", Reason.UNDETERMINED),
        ("generic", Reason.UNDETERMINED),
        ("\ud800nonsense", Reason.UNDETERMINED),
    ],
)
def test_hints(classifier: Classifier, hint: str, reason: Reason) -> None:
    verdict = classifier.classify("blorp", hint=hint)
    assert verdict.reason is reason
    wanted = Stage.NONE if reason is Reason.UNDETERMINED else Stage.HINT
    assert verdict.stage is wanted


@pytest.mark.parametrize(
    ("text", "code", "status", "hint", "reason", "stage"),
    [
        # Text goes before everything.
        ("mailbox full", 550, "5.1.1", "Invalid Address", "mailbox_full", "text"),
        # The source's class goes before a bare code ...
        ("blorp", 550, "5.7.1", "InvalidRecipient", "user_unknown", "hint"),
        ("blorp", 550, "5.1.1", "bad-domain", "domain_unknown", "hint"),
        # ... but one that is given to anything does not.
        (
            "blorp",
            550,
            "5.1.2",
            "Permanent/General",
            "domain_unknown",
            "enhanced_status",
        ),
        # A status goes before a vague word, a vague status behind it.
        ("rejected", 550, "5.1.1", "", "user_unknown", "enhanced_status"),
        ("access denied", 550, "5.7.1", "", "policy", "text"),
        # A status goes before a reply code.
        ("blorp", 452, "4.2.2", "", "mailbox_full", "enhanced_status"),
        ("blorp", 452, "", "", "system_full", "reply_code"),
    ],
)
def test_order_of_evidence(
    classifier: Classifier,
    text: str,
    code: int,
    status: str,
    hint: str,
    reason: str,
    stage: str,
) -> None:
    verdict = classifier.classify(text, code, status, hint=hint)
    assert (verdict.reason.value, verdict.stage.value) == (reason, stage)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("5.1.1", Reason.USER_UNKNOWN),
        ("4.1.1", Reason.USER_UNKNOWN),
        ("5.1.2", Reason.DOMAIN_UNKNOWN),
        ("5.1.10", Reason.NULL_MX),
        ("5.1.6", Reason.ADDRESS_MOVED),
        ("5.2.1", Reason.MAILBOX_INACTIVE),
        ("4.2.1", Reason.RECIPIENT_RATE),
        ("5.2.2", Reason.MAILBOX_FULL),
        ("5.2.3", Reason.MESSAGE_TOO_LARGE),
        ("5.3.4", Reason.MESSAGE_TOO_LARGE),
        ("4.3.1", Reason.SYSTEM_FULL),
        ("4.3.2", Reason.TEMPORARILY_UNAVAILABLE),
        ("5.3.5", Reason.SERVER_ERROR),
        ("4.4.1", Reason.CONNECT_FAILED),
        ("4.4.3", Reason.DNS_FAILURE),
        ("5.4.6", Reason.ROUTING_LOOP),
        ("4.4.7", Reason.EXPIRED),
        ("5.5.1", Reason.PROTOCOL_ERROR),
        ("5.6.3", Reason.RFC_VIOLATION),
        ("5.7.1", Reason.POLICY),
        ("5.7.10", Reason.TLS_FAILURE),
        ("5.7.13", Reason.MAILBOX_INACTIVE),
        ("5.7.17", Reason.ADDRESS_MOVED),
        ("5.7.23", Reason.AUTH_FAILED),
        ("5.7.25", Reason.RDNS_MISSING),
        ("5.7.26", Reason.AUTH_FAILED),
        ("5.7.27", Reason.SENDER_REJECTED),
        ("4.7.28", Reason.THROTTLED),
        ("5.0.0", Reason.UNDETERMINED),
        ("5.999.999", Reason.UNDETERMINED),
        ("nonsense", Reason.UNDETERMINED),
    ],
)
def test_statuses(classifier: Classifier, status: str, reason: Reason) -> None:
    assert classifier.classify("blorp", 0, status).reason is reason
