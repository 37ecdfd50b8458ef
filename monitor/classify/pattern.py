r"""What a pattern is once it is read: what it matches, and what it needs.

``regex`` decides. ``needles`` are the strings a pattern without anything wild stands
for. ``needs`` says which words must be in a text before a pattern is worth trying: a
list of sets, one word of each.
"""

import re
from collections.abc import Iterator
from itertools import islice
from math import prod
from typing import NamedTuple

#: A pattern that stands for at most so many strings is tried as substrings.
MOST_NEEDLES = 24
#: Letters of a word stem that are enough to look it up (``ine*`` for ``inexist\w*``).
STEM = 3
#: First character of the scripts that put no space between words (CJK and kana).
UNSPACED = "\u2e80"
#: What a pattern in such a script needs when no one character must be in a text; added
#: to texts that have any.
ANY_UNSPACED = "\u2e80*"


class Text(NamedTuple):
    """Characters that stand for themselves, folded like the text they meet."""

    text: str


class Wild(NamedTuple):
    """Something bounded that is not fixed: its regular expression and a sample."""

    regex: str
    sample: str


class Group(NamedTuple):
    """Alternatives; ``optional`` when nothing at all will do too."""

    choices: tuple["Nodes", ...]
    optional: bool


Node = Text | Wild | Group
Nodes = tuple[Node, ...]

# A plain congruential step: it spreads samples over the alternatives, no more.
_SPREAD_BY, _SPREAD_OVER = 48_271, 2_147_483_647

#: ``.*`` between words: some, or none. Its sample is longer than ``(\w+ )?`` takes.
GAP_WORDS = Wild("(?: .{0,48})? ", " zq zq zq zq ")


class Pattern(NamedTuple):
    """A parsed pattern; ``work`` is what its gaps and options cost at one start."""

    source: str
    nodes: Nodes
    spaced: bool
    work: int

    def regex(self) -> str:
        """The bounded regular expression that decides."""
        body = _regex(self.nodes)
        return f" {body} " if self.spaced else body

    def needles(self, most: int) -> tuple[str, ...] | None:
        """The strings it stands for; None when one is wild or they are too many."""
        if _has_wild(self.nodes):
            return None
        found = tuple(dict.fromkeys(islice(strings(self.nodes), most + 1)))
        edge = " " if self.spaced else ""
        return (
            tuple(edge + text + edge for text in found) if len(found) <= most else None
        )

    def samples(self, most: int) -> Iterator[str]:
        """Plain texts that it matches: all of them, or ``most`` spread over them."""
        texts = list(islice(strings(self.nodes), most + 1))
        if len(texts) > most:
            texts = [_pick(self.nodes, number)[0] for number in range(most)]
        yield from (f" {text} " for text in dict.fromkeys(texts))

    def needs(self) -> list[frozenset[str]]:
        """Sets of words and stems (``ine*``) of which a text must have one each.

        Without spaces there are no words, and pairs of characters stand for them.
        """
        if not self.spaced:
            needed = [some for node in self.nodes if (some := _one_piece_each(node))]
            return needed or [frozenset({ANY_UNSPACED})]
        return [words for unit in _units(self.nodes) if (words := _unit_words(unit))]

    def most_needed(self) -> int:
        """At least as many words as ``needs`` lists, counted without listing them."""
        if not self.spaced:
            return sum(spellings((node,)) for node in self.nodes)
        return _most_words(self.nodes)


def spellings(nodes: Nodes) -> int:
    """How many strings the nodes stand for; a wild one counts once.

    >>> spellings((Group(((Text("a"),), (Text("b"),)), optional=True),) * 40)
    12157665459056928801
    """
    return prod(
        sum(map(spellings, node.choices)) + node.optional
        for node in nodes
        if isinstance(node, Group)
    )


def strings(nodes: Nodes) -> Iterator[str]:
    """Everything the nodes stand for, one by one; a wild one as its sample."""
    if len(nodes) < 2:
        yield from _heads(nodes[0]) if nodes else ("",)
        return
    # In halves: one by one would nest as many generators as there are nodes.
    half = len(nodes) // 2
    for head in strings(nodes[:half]):
        for tail in strings(nodes[half:]):
            yield head + tail


def _heads(node: Node) -> Iterator[str]:
    if isinstance(node, Text):
        yield node.text
    elif isinstance(node, Wild):
        yield node.sample
    else:
        for choice in node.choices:
            yield from strings(choice)
        if node.optional:
            yield ""


def _pick(nodes: Nodes, number: int) -> tuple[str, int]:
    """One of the strings, chosen by ``number``; and the number for what follows."""
    out = ""
    for node in nodes:
        if isinstance(node, Text):
            out += node.text
        elif isinstance(node, Wild):
            out += node.sample
        else:
            number = (number * _SPREAD_BY + 1) % _SPREAD_OVER
            choices = [*node.choices, ()] if node.optional else node.choices
            text, number = _pick(choices[number % len(choices)], number)
            out += text
    return out, number


def _regex(nodes: Nodes) -> str:
    out = ""
    for node in nodes:
        if isinstance(node, Text):
            out += re.escape(node.text)
        elif isinstance(node, Wild):
            out += node.regex
        else:
            body = "|".join(_regex(choice) for choice in node.choices)
            out += f"(?:{body})?" if node.optional else f"(?:{body})"
    return out


def _has_wild(nodes: Nodes) -> bool:
    return any(
        isinstance(node, Wild)
        or (isinstance(node, Group) and any(_has_wild(one) for one in node.choices))
        for node in nodes
    )


def _units(nodes: Nodes) -> Iterator[Nodes]:
    """The nodes cut at the spaces between words; optional words are left out."""
    unit: list[Node] = []
    for place, node in enumerate(nodes):
        if isinstance(node, Text):
            first, *others = node.text.split(" ")
            unit += [Text(first)] if first else []
            for word in others:
                yield tuple(unit)
                unit = [Text(word)] if word else []
        elif node is GAP_WORDS:
            yield tuple(unit)
            unit = []
        elif isinstance(node, Group) and _is_words(node, unit, nodes[place + 1 :]):
            yield tuple(unit)
            if not node.optional:
                yield (node,)
            unit = []
        else:
            unit.append(node)
    yield tuple(unit)


def _is_words(group: Group, before: list[Node], behind: Nodes) -> bool:
    """True when the choices are words, each with its own space, as in ``(the )?``.

    Where letters join them, as in ``mail(box )?full``, they are parts of words.
    """
    if not before and all(_has_space(choice, -1) for choice in group.choices):
        return True
    if behind and behind[0] is not GAP_WORDS and not _has_space(behind, 0):
        return False
    return all(_has_space(choice, 0) for choice in group.choices)


def _has_space(nodes: Nodes, edge: int) -> bool:
    """Whether there is a space at one edge, and more than that."""
    at = nodes[edge] if nodes else None
    if not isinstance(at, Text) or at.text[edge : edge + 1 or None] != " ":
        return False
    return len(nodes) > 1 or not at.text.isspace()


def _most_words(nodes: Nodes) -> int:
    return sum(
        sum(map(_most_words, unit[0].choices))
        if len(unit) == 1 and isinstance(unit[0], Group)
        else spellings(unit)
        for unit in _units(nodes)
    )


def _unit_words(unit: Nodes) -> frozenset[str]:
    """Words or stems one of which must be in a text for this unit; empty: unknown."""
    if len(unit) == 1 and isinstance(unit[0], Group):
        return _group_words(unit[0])
    if not _has_wild(unit):
        return _one_word_each(strings(unit))
    head: list[Node] = []
    for node in unit:
        if _has_wild((node,)):
            break
        head.append(node)
    stems = {next(iter(text.split()), "")[:STEM] for text in strings(tuple(head))}
    if any(len(stem) < STEM for stem in stems):
        return frozenset()
    return frozenset(stem + "*" for stem in stems)


def _group_words(group: Group) -> frozenset[str]:
    """The best need of each choice together; empty when one choice has none."""
    if group.optional:
        return frozenset()
    found: set[str] = set()
    for choice in group.choices:
        needs = [words for unit in _units(choice) if (words := _unit_words(unit))]
        if not needs:
            return frozenset()
        found |= min(needs, key=lambda words: (len(words), -len(min(words, key=len))))
    return frozenset(found)


def _one_word_each(texts: Iterator[str]) -> frozenset[str]:
    words = [max(text.split(), key=len, default="") for text in texts]
    return frozenset(words) if all(words) else frozenset()


def _one_piece_each(node: Node) -> frozenset[str]:
    """A pair or a character of each spelling; empty when a spelling needs none."""
    if isinstance(node, Wild) or (isinstance(node, Group) and node.optional):
        return frozenset()
    # What stands beside something wild in a sample need not do so in a text.
    length = 1 if _has_wild((node,)) else 2
    pieces = frozenset(_piece(text, length) for text in strings((node,)))
    return pieces if min(pieces) >= UNSPACED else frozenset()


def _piece(text: str, length: int) -> str:
    """What says most: of kana and kanji the latter, the greater characters."""
    pieces = (text[at : at + length] for at in range(len(text) - length + 1))
    telling = (piece for piece in pieces if min(piece) >= UNSPACED)
    return max(telling, default="") or max(text, default="")
