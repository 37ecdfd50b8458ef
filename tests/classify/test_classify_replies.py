"""Our own corpus: every written reply gets its reason."""

from collections import Counter
from typing import Any

from monitor.classify import Classifier, class_of
from monitor.events import BounceClass, Reason

FEWEST_REPLIES = 1_100


def test_corpus_covers_every_reason(replies: list[Any]) -> None:
    counts = Counter(reply.reason for reply in replies)
    assert set(counts) == {reason.value for reason in Reason}
    assert len(replies) >= FEWEST_REPLIES
    assert min(counts.values()) >= 5
    assert len(set(replies)) == len(replies)


def test_every_reply_gets_its_reason(
    classifier: Classifier, replies: list[Any]
) -> None:
    wrong = []
    for reply in replies:
        verdict = classifier.classify(
            reply.text, reply.code, reply.status, reply.provider
        )
        if verdict.reason.value != reply.reason:
            wrong.append((reply.reason, verdict.reason.value, verdict.rule, reply.text))
    assert wrong == []


def test_no_soft_reply_is_called_hard(
    classifier: Classifier, replies: list[Any]
) -> None:
    soft = [r for r in replies if class_of(Reason(r.reason)) is not BounceClass.HARD]
    for reply in soft:
        for code, status in ((0, ""), (550, ""), (550, "5.0.0"), (554, "5.7.1")):
            verdict = classifier.classify(reply.text, code, status, reply.provider)
            assert verdict.bounce_class is not BounceClass.HARD, reply


def test_wrapping_changes_no_sure_verdict(
    classifier: Classifier, replies: list[Any]
) -> None:
    wrong = []
    for reply in replies:
        bare = classifier.classify(reply.text, 0, "", reply.provider)
        if bare.confidence < 0.6 or not reply.text[:1].isdigit():
            continue
        wrapped = classifier.classify(
            f"host mx9.example.net[198.51.100.200] said: {reply.text}"
            " (in reply to end of DATA command)",
            provider=reply.provider,
        )
        if wrapped.reason is not bare.reason:
            wrong.append((bare.reason.value, wrapped.reason.value, reply.text))
    assert wrong == []
