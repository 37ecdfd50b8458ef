"""From one SMTP reply to a verdict: unwrap, match, weigh, remember.

Theory of operation: a reply becomes plain text; the innermost reply in it is found; the
first rule that matches decides (users' rules, provider tokens, generic families). When
no rule is sure, the surest of the source's own class, the enhanced status, a vague rule
and the reply code decides. An unknown 5xx is never hard. Two bounded memories stand in
front: one for the very same input, one for the same plain text in the same context. The
verdict is a function of these two alone, so it does not matter which of them answers; a
batch asks the first one for its texts with stand-ins, which say the same.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from monitor.classify.codes import Guess, guess_hint, guess_reply, guess_status
from monitor.classify.facts import blocklist_in, retry_after_in
from monitor.classify.index import (
    Hit,
    RuleIndex,
    builtin_index,
    permanence_of,
)
from monitor.classify.normal import MAX_INPUT, alike, plain, template_id
from monitor.classify.recent import Recent
from monitor.classify.rules import Rule
from monitor.classify.taxonomy import advice_for, class_of
from monitor.classify.unwrap import Reply, unwrap
from monitor.events import (
    BounceClass,
    DeliveryEvent,
    Permanence,
    Reason,
    Stage,
    Verdict,
)

#: Exact inputs remembered in each of two generations: all that repeats in bursts. Some
#: 2 MB; with the longest texts 16 MB, or 64 MB when each has an emoji.
EXACT_ENTRIES = 4_096
#: Plain texts remembered in each of two generations; live traffic has some thousand.
TEMPLATE_ENTRIES = 8_192
#: Longest status, and longest provider or hint, that is looked at: a domain name's.
MAX_STATUS, MAX_NAME = 16, 255
#: Contexts (codes, provider, hint) remembered in each of two generations.
CONTEXT_ENTRIES = 8_192

_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}", re.ASCII)
# Words of a notice that the mail is still in the queue.
_STILL_TRYING = (" retried ", " delayed ", " still undelivered ", " no need to resend ")
_MAYBE_TRYING = frozenset({"retried", "delayed", "undelivered", "resend"})


class CacheStats(NamedTuple):
    """How the memories did since the start; ``misses`` were decided by the rules."""

    hits: int
    misses: int
    size: int


class Context(msgspec.Struct, frozen=True, gc=False):
    """What comes with a text, brought to what rules can tell apart.

    ``scope`` is in order and plain, so that the garbage collector, which has nothing to
    find here, does not go through all that is remembered.
    """

    code: int
    status: str
    scope: tuple[str, ...]
    hint: str


class Decision(NamedTuple):
    """What decided, and on which text."""

    reply: Reply
    reason: Reason
    confidence: float
    stage: Stage
    rule: str = ""
    origin: str = ""
    pattern: str = ""
    unless: tuple[str, ...] = ()


class Explanation(NamedTuple):
    """Why a reply got its verdict; ``text`` is the inner reply that was read, and none
    of the words in ``unless`` was in it.
    """

    verdict: Verdict
    words: str
    text: str
    reply_code: int
    enhanced_status: str
    command: str
    wrapped: bool
    origin: str
    pattern: str
    unless: tuple[str, ...]


class Classifier:
    """Reads replies with the built-in rules and, before them, the user's.

    Safe to share between threads. Never raises for any text or number.
    """

    def __init__(self, user_rules: tuple[Rule, ...] = ()) -> None:
        self._own = RuleIndex(user_rules)
        self._builtin = builtin_index()
        self._asked = 0
        self._exact = Recent(self._from_input, EXACT_ENTRIES)
        self._known = Recent(self._from_words, TEMPLATE_ENTRIES)
        self._contexts = Recent(self._context, CONTEXT_ENTRIES)

    def classify(
        self,
        diagnostic: str,
        reply_code: int = 0,
        enhanced_status: str = "",
        provider: str = "",
        hint: str = "",
    ) -> Verdict:
        """The verdict on one reply.

        Args:
            diagnostic: the text as the source gave it, wrappings and all; what is
                beyond ``MAX_INPUT`` characters is not read.
            reply_code: of the event; 0 when unknown.
            enhanced_status: of the event; ``""`` when unknown.
            provider: a mailbox provider's id, a recipient domain or an MX host.
            hint: the source's own class, such as ``Permanent/NoEmail``.
        """
        self._asked += 1
        return self._exact[
            diagnostic[:MAX_INPUT],
            reply_code,
            enhanced_status[:MAX_STATUS],
            provider[:MAX_NAME],
            hint[:MAX_NAME],
        ]

    def classify_all(
        self, failures: Sequence[DeliveryEvent], providers: Sequence[str]
    ) -> list[Verdict]:
        """The verdict on each event's reply, as ``classify`` gives it one by one."""
        self._asked += len(failures)
        inputs = zip(
            alike(_cut([event.diagnostic for event in failures], MAX_INPUT)),
            [event.reply_code for event in failures],
            _cut([event.enhanced_status for event in failures], MAX_STATUS),
            _cut(providers, MAX_NAME),
            _cut([event.provider_class for event in failures], MAX_NAME),
            strict=True,
        )
        return [*map(self._exact.__getitem__, inputs)]

    def explain(
        self,
        diagnostic: str,
        reply_code: int = 0,
        enhanced_status: str = "",
        provider: str = "",
        hint: str = "",
    ) -> Explanation:
        """The verdict of ``classify`` with all that led to it."""
        words = plain(diagnostic)
        context = self._context(
            (reply_code, enhanced_status[:MAX_STATUS], provider[:MAX_NAME], hint)
        )
        decision = self._decide(words, context)
        reply = decision.reply
        return Explanation(
            verdict=_verdict(decision, words),
            words=words.strip(),
            text=reply.text.strip(),
            reply_code=reply.code,
            enhanced_status=reply.status,
            command=reply.command,
            wrapped=reply.wrapped,
            origin=decision.origin,
            pattern=decision.pattern,
            unless=decision.unless,
        )

    def cache_stats(self) -> CacheStats:
        """Hits of both memories, verdicts that had to be decided, entries held."""
        return CacheStats(
            hits=self._asked - self._known.made,
            misses=self._known.made,
            size=self._exact.held + self._known.held,
        )

    def _context(self, given: tuple[int, str, str, str]) -> Context:
        code, status, provider, hint = given
        named = self._own.scope_of(provider) | self._builtin.scope_of(provider)
        return Context(
            int(code) if 200 <= code <= 599 else 0,
            status if _STATUS.fullmatch(status) else "",
            tuple(sorted(named)),
            hint[:MAX_NAME],
        )

    def _from_input(self, given: tuple[str, int, str, str, str]) -> Verdict:
        return self._known[plain(given[0]), self._contexts[given[1:]]]

    def _from_words(self, known_by: tuple[str, Context]) -> Verdict:
        words, context = known_by
        return _verdict(self._decide(words, context), words)

    def _decide(self, words: str, context: Context) -> Decision:
        reply = unwrap(words, context.code, context.status)
        hit = self._hit(reply, words, context.scope)
        if hit is not None and hit.sure:
            return _by_rule(reply, hit)
        return _weighed(reply, hit, context.hint)

    def _own_hit(self, reply: Reply, words: str, scope: tuple[str, ...]) -> Hit | None:
        """The user's rule for the inner reply or, failing that, the whole text."""
        if not self._own.rules:
            return None
        whole = reply._replace(text=words)
        return self._own.match(reply, scope) or self._own.match(whole, scope)

    def _hit(self, reply: Reply, words: str, scope: tuple[str, ...]) -> Hit | None:
        """The rule that matches the inner reply, else the whole text.

        A relay that gave up because nobody answered has *expired*: there is no inner
        reply, only its own account of the trouble.
        """
        if own := self._own_hit(reply, words, scope):
            return own
        inner = self._builtin.match(reply, scope)
        if not reply.wrapped or _settled(inner):
            return inner
        outer = self._builtin.match(reply._replace(text=words), scope)
        if inner is None or outer is None or not outer.sure:
            return inner or outer
        if inner.sure:
            return outer if outer.rule.reason is Reason.EXPIRED else inner
        # The wrapping's own words ("unknown address error") never make a reply hard; a
        # provider's token is no MTA's word.
        lost = class_of(outer.rule.reason) is BounceClass.HARD
        return inner if lost and outer.rule.stage is Stage.TEXT else outer


def _cut(texts: Sequence[str], most: int) -> Sequence[str]:
    """The texts, each one cut where it is longer than ``most``."""
    if max(map(len, texts), default=0) > most:
        return [text[:most] for text in texts]
    return texts


def _settled(hit: Hit | None) -> bool:
    """A sure hit on the receiver's words, not on the relay's tale of the trouble."""
    return hit is not None and hit.sure and hit.rule.reason is not Reason.CONNECT_FAILED


def _by_rule(reply: Reply, hit: Hit) -> Decision:
    rule = hit.rule
    return Decision(
        reply=reply,
        reason=rule.reason,
        confidence=rule.confidence,
        stage=rule.stage,
        rule=rule.name,
        origin=rule.origin,
        pattern=hit.pattern,
        unless=rule.unless,
    )


def _weighed(reply: Reply, vague: Hit | None, hint: str) -> Decision:
    """The surest of what is left; the earlier one when two are equally sure."""
    guesses = (
        (Stage.HINT, guess_hint(hint)),
        (Stage.ENHANCED_STATUS, guess_status(reply.status) if reply.status else None),
        (Stage.REPLY_CODE, guess_reply(reply.code) if reply.code else None),
    )
    found = [_by_guess(reply, stage, guess) for stage, guess in guesses if guess]
    if vague is not None:
        found.insert(1 if hint else 0, _by_rule(reply, vague))
    nothing = Decision(reply, Reason.UNDETERMINED, 0.0, Stage.NONE)
    return max(found, key=lambda decision: decision.confidence, default=nothing)


def _by_guess(reply: Reply, stage: Stage, guess: Guess) -> Decision:
    return Decision(reply, guess.reason, guess.confidence, stage, guess.name)


def _verdict(decision: Decision, words: str) -> Verdict:
    reply, reason = decision.reply, decision.reason
    permanence = permanence_of(reply.code, reply.status)
    kind = class_of(reason)
    said = words.split()
    return Verdict(
        bounce_class=kind,
        reason=reason,
        permanence=permanence,
        final=_final(reason, permanence, words, said),
        confidence=decision.confidence,
        stage=decision.stage,
        rule=decision.rule,
        blocklist=blocklist_in(said) if kind is BounceClass.BLOCK else "",
        retry_after=0 if kind is BounceClass.HARD else retry_after_in(words, said),
        template=template_id(reply.text),
        recipient_advice=advice_for(reason, permanence),
    )


def _final(reason: Reason, permanence: Permanence, words: str, said: list[str]) -> bool:
    """Whether the sender has given up: a bounce, not a deferral."""
    maybe = not _MAYBE_TRYING.isdisjoint(said)
    if maybe and any(phrase in words for phrase in _STILL_TRYING):
        return False
    return reason is Reason.EXPIRED or permanence is not Permanence.TRANSIENT


def template_of(text: str) -> str:
    """The stable id of the template a reply was made from: its inner text, folded.

    >>> template_of("550 <a@x.org> unknown") == template_of("550 <b@y.org> unknown")
    True
    """
    return template_id(unwrap(plain(text)).text)
