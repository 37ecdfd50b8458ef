"""What would change if a rules file were in force, told from recorded replies."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from monitor.classify import Classifier, Rule, scrub
from monitor.events import DeliveryEvent, Outcome, Stage, Verdict
from monitor.providers import ProviderMatcher
from monitor.service.cli_classify import MAX_LINE_BYTES, Question
from monitor.sources import open_source

#: Outcomes that come with a reply to be read.
_REFUSED = (Outcome.DEFERRED, Outcome.BOUNCED)


class Change(NamedTuple):
    """Replies that both sets of rules know, and read differently."""

    old: tuple[str, str]
    new: tuple[str, str]
    rule: str


@dataclass(slots=True)
class Effect:
    """How often a change happens, and the first reply that it happens to, scrubbed."""

    count: int
    sample: str


class _Kind(msgspec.Struct):
    """What tells an event from a question: only events have an outcome."""

    outcome: object = None


class Trial:
    """Reads each reply by the rules in force and by new ones, and compares.

    Args:
        new: the rules to try.
        old: the users' rules in force.
    """

    def __init__(self, new: tuple[Rule, ...], old: tuple[Rule, ...] = ()) -> None:
        self.replies = 0
        self.others = 0
        self.unreadable = 0
        self.changes: dict[Change, Effect] = {}
        self.hits: Counter[str] = Counter()
        self._names = [rule.name for rule in new]
        self._new, self._old = Classifier(new), Classifier(old)
        self._providers = ProviderMatcher.builtin()
        self._decode = open_source("canonical")

    @property
    def changed(self) -> int:
        """Replies whose class or reason would be another."""
        return sum(effect.count for effect in self.changes.values())

    @property
    def idle(self) -> list[str]:
        """New rules that took none of the replies."""
        return [name for name in self._names if not self.hits[name]]

    def take(self, line: bytes) -> None:
        """Try one line: a canonical event, or a question as ``classify`` reads it.

        Events without a reply (deliveries, complaints) and lines that cannot be read
        are only counted.
        """
        for event in self._events(line):
            if event.outcome in _REFUSED and event.counts_to_rate:
                provider = self._providers.match(event.recipient_domain, event.mx_host)
                self._compare(event, provider)
            else:
                self.others += 1

    def by_count(self) -> list[tuple[Change, Effect]]:
        """The changes, the most frequent first."""
        return sorted(self.changes.items(), key=lambda pair: -pair[1].count)

    def _events(self, line: bytes) -> Iterator[DeliveryEvent]:
        try:
            if len(line) > MAX_LINE_BYTES:
                raise ValueError("too long for a reply")
            if msgspec.json.decode(line, type=_Kind).outcome is None:
                question = msgspec.json.decode(line, type=Question)
                yield _asked(question)
                return
        except (ValueError, RecursionError):
            self.unreadable += 1
            return
        decoded = self._decode(line)
        self.unreadable += len(decoded.invalid)
        yield from decoded.events

    def _compare(self, event: DeliveryEvent, provider: str) -> None:
        self.replies += 1
        old = _read(self._old, event, provider)
        new = _read(self._new, event, provider)
        # A rule of ours may have the name of one of theirs.
        if new.stage is Stage.USER_RULE:
            self.hits[new.rule] += 1
        if new.reason is old.reason:
            return
        change = Change(_words(old), _words(new), new.rule)
        effect = self.changes.get(change)
        if effect is None:
            effect = self.changes[change] = Effect(0, scrub(event.diagnostic))
        effect.count += 1


def _asked(question: Question) -> DeliveryEvent:
    """A question as an event: a refusal of unknown time."""
    return DeliveryEvent(
        event_id="",
        event_time=0.0,
        source="question",
        outcome=Outcome.BOUNCED,
        reply_code=question.code,
        enhanced_status=question.enhanced_status,
        diagnostic=question.diagnostic,
        recipient_domain=question.destination,
    )


def _read(classifier: Classifier, event: DeliveryEvent, provider: str) -> Verdict:
    return classifier.classify(
        event.diagnostic,
        event.reply_code,
        event.enhanced_status,
        provider,
        event.provider_class,
    )


def _words(verdict: Verdict) -> tuple[str, str]:
    return verdict.bounce_class.value, verdict.reason.value
