"""Find the first rule that a reply matches, without trying them all.

Theory of operation: every pattern waits under the words of its rarest need. A reply's
words select the few patterns that can match at all; each is tried in the order of the
rules: its other needs first, then a plain one as substrings and a wild one as a bounded
regular expression.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from monitor.classify.dialect import parse
from monitor.classify.pattern import ANY_UNSPACED, STEM, UNSPACED, Pattern
from monitor.classify.rules import STRONG, Rule, builtin_rules
from monitor.classify.unwrap import Reply
from monitor.events import Permanence, Stage

#: A pattern that stands for at most so many strings is tried as substrings.
MOST_NEEDLES = 24


class Hit(NamedTuple):
    """The rule that matched, by which pattern."""

    rule: Rule
    pattern: str


class _Try:
    """One pattern of a rule, ready to be tried."""

    __slots__ = ("_regex", "free", "needles", "others", "pattern", "rule", "sure")

    def __init__(self, rule: Rule, pattern: Pattern) -> None:
        self.rule = rule
        self.pattern = pattern
        self.sure = is_sure(rule)
        self.free = not (rule.only or rule.commands or rule.providers)
        self.needles = pattern.needles(MOST_NEEDLES) or ()
        self.others: tuple[frozenset[str], ...] = ()
        self._regex = None if self.needles else re.compile(pattern.regex())

    def found(self, text: str, keys: set[str]) -> bool:
        for need in self.others:
            if need.isdisjoint(keys):
                return False
        if self._regex is not None:
            return self._regex.search(text) is not None
        return any(needle in text for needle in self.needles)


def is_sure(rule: Rule) -> bool:
    """Whether a match of this rule decides alone, whatever the codes say."""
    return rule.confidence >= STRONG or rule.stage is Stage.USER_RULE


class RuleIndex:
    """The rules in their order, indexed by the words they need."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self._tries = [
            _Try(rule, parse(source)) for rule in self.rules for source in rule.patterns
        ]
        needs = [one.pattern.needs() for one in self._tries]
        common = Counter(key for sets in needs for words in sets for key in words)
        self._places: defaultdict[str, list[int]] = defaultdict(list)
        for place, sets in enumerate(needs):
            rarest, *others = sorted(sets, key=lambda s: sum(common[k] for k in s))
            self._tries[place].others = tuple(others)
            for key in rarest:
                self._places[key].append(place)
        self._stems = frozenset(key[:-1] for key in common if key.endswith("*"))
        self._providers = frozenset(p for rule in self.rules for p in rule.providers)

    def scope_of(self, provider: str) -> frozenset[str]:
        """The providers that rules ask for and that ``provider`` is one of.

        ``provider`` is a mailbox provider's id, a recipient domain or an MX host.
        """
        labels = provider.lower().strip(".").split(".")
        tails = (".".join(labels[i:]) for i in range(len(labels)))
        return self._providers.intersection([*labels, *tails])

    def match(self, reply: Reply, scope: frozenset[str]) -> Hit | None:
        """The first sure rule that matches the reply's text and may be used for it.

        When none is sure, the first vague one; a user's rule is always sure.
        """
        text = reply.text
        keys = self._keys(text)
        places: set[int] = set()
        for key in keys & self._places.keys():
            places.update(self._places[key])
        vague = None
        for place in sorted(places):
            one = self._tries[place]
            if vague and not one.sure:
                continue
            if not one.found(text, keys):
                continue
            if one.free or _allowed(one.rule, reply, scope):
                hit = Hit(one.rule, one.pattern.source)
                if one.sure:
                    return hit
                vague = hit
        return vague

    def _keys(self, text: str) -> set[str]:
        """What a text offers to the needs of patterns: its words and their stems."""
        keys = set(text.split())
        for stem in {word[:STEM] for word in keys} & self._stems:
            keys.add(stem + "*")
        if not text.isascii() and max(text) >= UNSPACED:
            keys.add(ANY_UNSPACED)
        return keys


def _allowed(rule: Rule, reply: Reply, scope: frozenset[str]) -> bool:
    """Whether a rule's own conditions hold for one reply."""
    if rule.only and rule.only is not permanence_of(reply.code, reply.status):
        return False
    if rule.commands and reply.command not in rule.commands:
        return False
    if not rule.providers:
        return True
    return any(name in scope or f" {name} " in reply.text for name in rule.providers)


@cache
def builtin_index() -> RuleIndex:
    """The index of our own rules, made once a process."""
    return RuleIndex(builtin_rules())


def permanence_of(code: int, status: str) -> Permanence:
    """What the first digit of a reply says; the code counts before the status."""
    digit = "012345"[code // 100] if code else status[:1]
    if digit == "5":
        return Permanence.PERMANENT
    return Permanence.TRANSIENT if digit == "4" else Permanence.UNKNOWN
