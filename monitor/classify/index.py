"""Find the first rule that a reply matches, without trying them all.

Theory of operation: every word and stem has a number whose bits are the patterns that
need it. Those of a reply's words, put together, select the few patterns that can match
at all. They are tried until one matches: those of sure rules in the order of the rules,
then the others', the surest first; a plain one as substrings and a wild one as a
bounded regular expression.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from functools import cache, reduce
from itertools import chain
from math import inf
from operator import or_
from typing import NamedTuple

from monitor.classify.dialect import read
from monitor.classify.pattern import (
    ANY_UNSPACED,
    MOST_NEEDLES,
    STEM,
    UNSPACED,
    Pattern,
)
from monitor.classify.rules import STRONG, Rule, builtin_rules
from monitor.classify.unwrap import Reply
from monitor.events import Permanence, Stage

#: Needs of a pattern that its words are looked up for, the rarest; more pay no more.
SLOTS = 3

#: In a text of more words, most are noise or come again; a reply has some twenty.
MANY_WORDS = 64

_UNSPACED = re.compile(f"[{UNSPACED}-\U0010ffff]+")


class Hit(NamedTuple):
    """The rule that matched, by which pattern; a sure one decides alone."""

    rule: Rule
    pattern: str
    sure: bool


class _Try:
    """One pattern of a rule, ready to be tried."""

    __slots__ = ("_needles", "_pattern", "_regex", "_unless", "free", "hit")

    def __init__(self, rule: Rule, pattern: Pattern) -> None:
        self.hit = Hit(rule, pattern.source, is_sure(rule))
        self.free = not (rule.only or rule.commands or rule.providers)
        self._needles = pattern.needles(MOST_NEEDLES) or ()
        self._unless = unwanted(rule)
        self._pattern = pattern
        # Compiled when it is first tried: most never are, and all take half a second.
        self._regex: re.Pattern[str] | None = None

    def found(self, text: str) -> bool:
        for words in self._unless:
            if words in text:
                return False
        if not self._needles:
            if self._regex is None:
                self._regex = re.compile(self._pattern.regex())
            return self._regex.search(text) is not None
        # A loop: most have one or two, and a generator costs more than they do.
        for needle in self._needles:  # noqa: SIM110
            if needle in text:
                return True
        return False


class _Masks(dict[str, int]):
    """What each word of a text is worth: a bit for every need that it meets.

    A pattern has a bit in each of ``SLOTS`` bands, one band a need; one with fewer
    needs has the other bands' bits set in ``free``.
    """

    def __init__(self, needs: Sequence[Sequence[frozenset[str]]]) -> None:
        super().__init__()
        self._width = len(needs)
        self._stems: dict[str, int] = {}
        self.free = 0
        words: defaultdict[str, int] = defaultdict(int)
        for place, sets in enumerate(needs):
            for band in range(SLOTS):
                bit = 1 << (band * self._width + place)
                for key in sets[band] if band < len(sets) else ():
                    words[key] |= bit
                self.free |= 0 if band < len(sets) else bit
        for key, mask in words.items():
            if key.endswith("*"):
                self._stems[key[:-1]] = mask
        for key, mask in words.items():
            self[key] = mask | self._stems.get(key[:STEM], 0)
        self._unspaced = _by_first(key for key in words if key[0] >= UNSPACED)
        self._firsts = re.compile(f"[{''.join(self._unspaced)}]")

    def __missing__(self, word: str) -> int:
        return self._stems.get(word[:STEM], 0)

    def places(self, text: str) -> int:
        """The patterns whose needs ``text`` meets, each one a bit at its place."""
        words = text.split()
        if len(words) > MANY_WORDS:
            words = self._telling(words)
        if not text.isascii() and (runs := _UNSPACED.findall(text)):
            text = " ".join(runs)  # Much shorter when they are but a few.
            near = map(self._unspaced.__getitem__, {*self._firsts.findall(text)})
            words += [key for key in chain.from_iterable(near) if key in text]
            words.append(ANY_UNSPACED)
        met = reduce(or_, map(self.__getitem__, words), self.free)
        places = met & ((1 << self._width) - 1)
        for band in range(1, SLOTS):
            places &= met >> (band * self._width)
        return places

    def _telling(self, words: list[str]) -> list[str]:
        """Of many words, those that are worth anything, once; the last of a stem."""
        known = self.keys() & words
        stems = {word[:STEM]: word for word in words if word not in known}
        return [*known, *map(stems.__getitem__, self._stems.keys() & stems)]


def _by_first(keys: Iterable[str]) -> dict[str, list[str]]:
    """Keys by their first character; never empty, so that one can look for any."""
    found: dict[str, list[str]] = {UNSPACED: []}
    for key in keys:
        found.setdefault(key[0], []).append(key)
    return found


def unwanted(rule: Rule) -> tuple[str, ...]:
    """What must not be in a plain text that this rule is to take."""
    words = (read(one).needles(MOST_NEEDLES) or () for one in rule.unless)
    return tuple(chain.from_iterable(words))


def is_sure(rule: Rule) -> bool:
    """Whether a match of this rule decides alone, whatever the codes say."""
    return rule.confidence >= STRONG or rule.stage is Stage.USER_RULE


class RuleIndex:
    """The rules in their order, indexed by the words they need."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        patterns = [(rule, read(one)) for rule in self.rules for one in rule.patterns]
        patterns.sort(key=_rank, reverse=True)
        # The last one is tried first: the highest bit is the cheapest one to find.
        patterns.reverse()
        self._tries = [_Try(rule, pattern) for rule, pattern in patterns]
        needs = [pattern.needs() for _, pattern in patterns]
        common = Counter(key for sets in needs for words in sets for key in words)
        for sets in needs:
            sets.sort(key=lambda words: sum(common[key] for key in words))
        self._masks = _Masks(needs)
        self._providers = frozenset(p for rule in self.rules for p in rule.providers)

    def scope_of(self, provider: str) -> frozenset[str]:
        """The providers that rules ask for and that ``provider`` is one of.

        ``provider`` is a mailbox provider's id, a recipient domain or an MX host.
        """
        labels = provider.lower().strip(".").split(".")
        tails = (".".join(labels[i:]) for i in range(len(labels)))
        return self._providers.intersection([*labels, *tails])

    def match(self, reply: Reply, scope: Collection[str]) -> Hit | None:
        """The first sure rule that matches the reply's text and may be used for it.

        When none is sure, the surest vague one; a user's rule is always sure.
        """
        text, places = reply.text, self._masks.places(reply.text)
        while places:
            place = places.bit_length() - 1
            places ^= 1 << place
            one = self._tries[place]
            if one.found(text) and (one.free or _allowed(one.hit.rule, reply, scope)):
                return one.hit
        return None


def _rank(one: tuple[Rule, Pattern]) -> float:
    """A sure rule goes before any vague one; of these, the surest goes first."""
    rule, _ = one
    return inf if is_sure(rule) else rule.confidence


def _allowed(rule: Rule, reply: Reply, scope: Collection[str]) -> bool:
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
