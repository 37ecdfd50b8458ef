r"""The pattern language of the rules: regular expressions that cannot be slow.

A pattern is matched against *plain* text (``normal.plain``): lower-case words with one
space between them, no punctuation but the dots of ``5.7.1``. It matches whole words.

=======================  ============================================================
``user unknown``         these words, side by side
``(a|b)``, ``(a )?``     alternatives; something optional; ``(?:`` is accepted too
``[45].7.1``             one of these characters; ranges as in ``[0-9]``
``\d``, ``\d{2,4}``      digits (``\d+`` too)
``\w*``, ``\w+``         the rest of a word, as in ``inexist\w*``, or a word
``.*``, ``.{0,40}``      any words between, at most 48 characters of them
=======================  ============================================================

Theory of operation: only single characters repeat, and only up to a bound, so there are
no nested quantifiers, no look-around and no back references. Gaps, options and choices
that go on from each other multiply the work at one start, so a pattern may have few.
What is not of the language is refused with the place and the reason, never matched in
some other way.
"""

import re
from functools import lru_cache

from monitor.classify.normal import fold
from monitor.classify.pattern import (
    GAP_WORDS,
    STEM,
    UNSPACED,
    Group,
    Node,
    Nodes,
    Pattern,
    Text,
    Wild,
    strings,
)
from monitor.classify.ways import ways

#: Largest work at one start, in steps: an option counts 2, a gap 16; see also ``ways``.
MAX_WORK = 2048
#: Longest pattern; keeps the parser's work small.
MAX_PATTERN_LENGTH = 2_000
#: Characters of a pattern or an example that a message quotes.
QUOTED = 60
#: Patterns kept after parsing: they are read, indexed and checked one after another.
PARSED_ENTRIES = 4_096
#: Deepest nesting of groups; a bound on the parser's recursion.
MAX_DEPTH = 6
#: Most words that one pattern may be looked up by: ten times what a long list has, and
#: soon listed. Forty times ``(a|b)`` without a space are 2**40 spellings of one word.
MAX_SPELLINGS = 1_000
#: Texts made of a pattern to see that all of it can match.
MOST_SAMPLES = 256

_OPTION_WORK, _GAP_WORK = 2, 16
_NOT_LINEAR = "only \\d, \\w* and .* may repeat; this is not linear-time"
_REPEAT = re.compile(r"\{(\d{1,2})(?:,\d{1,2})?\}")
_GAP_FORM = re.compile(r"\.(?:\*|\+|\{\d{1,3},\d{1,3}\})")
_LETTERS_ONLY = re.compile(r"[^\\.*+?{}\[\]()|^$\x00-\x1f]+")
_RANGE = re.compile(r"([0-9])-([0-9])|([a-z])-([a-z])")
# A dot between letters is no dot in plain text; those of "5.7.1" stay.
_LETTER_DOT = re.compile(r"(?<=[^\W\d])\.|\.(?=[^\W\d]|\s)")

_LETTERS = Wild(r"\w{0,24}", "zq")
_DIGITS = Wild(r"\d{1,8}", "7")
_GAP_UNSPACED = Wild(".{0,48}", "")


class PatternError(ValueError):
    """A pattern is not of the language; the text says where and what to write."""


@lru_cache(PARSED_ENTRIES)
def read(source: str) -> Pattern:
    """Read one pattern that ``parse`` takes: one of ours, or one that was checked.

    Raises:
        PatternError: it is not of the language.
    """
    if len(source) > MAX_PATTERN_LENGTH:
        raise PatternError(f"longer than {MAX_PATTERN_LENGTH} characters")
    parser = _Parser(source.strip())
    return Pattern(source, parser.whole(), parser.spaced, parser.work)


@lru_cache(PARSED_ENTRIES)
def parse(source: str) -> Pattern:
    """Read and check one pattern.

    Raises:
        PatternError: it is not of the language, could be slow, or matches any text.
    """
    pattern = read(source)
    if pattern.work * ways(pattern.nodes) > MAX_WORK:
        raise PatternError(
            f"{quoted(source)} matches in too many ways to be linear-time"
        )
    if pattern.most_needed() > MAX_SPELLINGS:
        raise PatternError(
            f"{quoted(source)} stands for too many words, more than {MAX_SPELLINGS}"
        )
    if not pattern.needs():
        raise PatternError(
            f"{quoted(source)} needs a whole word, or a stem of {STEM} letters"
        )
    return pattern


def misfit(pattern: Pattern) -> str:
    """Why a well written pattern can never match as meant; ``""`` when it is fit."""
    if pattern.nodes and GAP_WORDS in (pattern.nodes[0], pattern.nodes[-1]):
        return "has a gap at its edge; leave it out"
    texts = list(pattern.samples(MOST_SAMPLES))
    if any("  " in text for text in texts):
        return "has a space too many, or one at its edge"
    if not pattern.spaced and any(max(text) < UNSPACED for text in texts):
        return "mixes scripts with and without spaces; split it"
    return ""


def quoted(text: str, at: int = 0) -> str:
    """A text in quotes, for a message; of a long one only what stands around ``at``.

    >>> quoted("user unknown")
    "'user unknown'"
    """
    start = max(0, min(at - QUOTED // 2, len(text) - QUOTED))
    end = start + QUOTED
    before, behind = "..." if start else "", "..." if end < len(text) else ""
    return f"'{before}{text[start:end]}{behind}'"


class _Parser:
    """Recursive descent over one pattern."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.spaced = not any(char >= UNSPACED for char in source)
        self.at = 0
        self.work = 1

    def error(self, why: str) -> PatternError:
        place = quoted(self.source, self.at)
        return PatternError(f"{why} at character {self.at + 1} of {place}")

    def peek(self) -> str:
        return self.source[self.at : self.at + 1]

    def take(self, text: str) -> bool:
        if self.source.startswith(text, self.at):
            self.at += len(text)
            return True
        return False

    def whole(self) -> Nodes:
        choices = self.alternatives(0)
        if self.peek():
            raise self.error("unexpected ')'")
        return choices[0] if len(choices) == 1 else (Group(choices, optional=False),)

    def alternatives(self, depth: int) -> tuple[Nodes, ...]:
        if depth > MAX_DEPTH:
            raise self.error("groups nested too deep")
        found = [self.sequence(depth)]
        while self.take("|"):
            found.append(self.sequence(depth))
        if len(set(found)) < len(found):
            twice = next(one for one in found if found.count(one) > 1)
            raise self.error(f"the alternative {quoted(next(strings(twice)))} twice")
        return tuple(found)

    def sequence(self, depth: int) -> Nodes:
        nodes: list[Node] = []
        letters = ""
        while self.peek() not in ("", "|", ")"):
            node = self.item(depth)
            if isinstance(node, str):
                letters += node
                continue
            if node is GAP_WORDS:
                letters = letters.rstrip(" ")
            nodes += [Text(_folded(letters)), node] if letters else [node]
            letters = ""
        return tuple([*nodes, Text(_folded(letters))] if letters else nodes)

    def item(self, depth: int) -> Node | str:
        if letters := _LETTERS_ONLY.match(self.source, self.at):
            return self.letters(letters.end())
        if self.peek() == "(":
            return self.group(depth)
        if gap := _GAP_FORM.match(self.source, self.at):
            return self.gap(gap.end())
        if self.take("\\w*") or self.take("\\w+"):
            return _LETTERS
        if self.take("\\d"):
            return self.digits()
        if self.peek() == "[":
            return self.one_of()
        return self.mark()

    def letters(self, end: int) -> str | Group:
        """A run of letters and spaces; its last one apart when it is optional."""
        if self.source[end : end + 1] == "?" and end - self.at > 1:
            end -= 1
        text = self.source[self.at : end]
        self.at = end
        if self.optional():
            return Group(((Text(_folded(text)),),), optional=True)
        return text

    def mark(self) -> str:
        """A dot, alone or escaped; a word border, which whole words have anyway."""
        if self.take("\\b"):
            return ""
        if self.take("\\.") or self.take("."):
            return "."
        raise self.error(f"'{self.peek()}' cannot stand here")

    def group(self, depth: int) -> Group:
        self.at += 1
        if self.peek() == "?" and not self.take("?:"):
            raise self.error("look-around and named groups are not linear-time")
        choices = self.alternatives(depth + 1)
        if not self.take(")"):
            raise self.error("missing ')'")
        return Group(choices, self.optional())

    def optional(self) -> bool:
        if self.peek() in ("*", "+", "{"):
            raise self.error(_NOT_LINEAR)
        if not self.take("?"):
            return False
        self.spend(_OPTION_WORK)
        if self.peek() in ("?", "*", "+", "{"):
            raise self.error("a repeat of a repeat is not linear-time")
        return True

    def spend(self, work: int) -> None:
        self.work *= work
        if self.work > MAX_WORK:
            raise self.error("too many gaps and options to be linear-time")

    def gap(self, end: int) -> Wild:
        self.spend(_GAP_WORK)
        self.at = end
        if not self.spaced:
            return _GAP_UNSPACED
        self.take(" ")
        return GAP_WORDS

    def digits(self) -> Wild:
        if bounds := _REPEAT.match(self.source, self.at):
            self.at = bounds.end()
            return Wild("\\d" + bounds[0], "7" * int(bounds[1]))
        return _DIGITS if self.take("+") or self.take("*") else Wild(r"\d", "7")

    def one_of(self) -> Group:
        end = self.source.find("]", self.at)
        inside = self.source[self.at + 1 : end] if end > 0 else ""
        chars = _RANGE.sub(_spread, inside)
        if not chars.isalnum():
            raise self.error("only letters, digits and ranges may stand in [...]")
        self.at = end + 1
        choices = tuple((Text(char),) for char in dict.fromkeys(chars.lower()))
        return Group(choices, self.optional())


def _spread(found: re.Match[str]) -> str:
    first, last = (part for part in found.groups() if part)
    return "".join(map(chr, range(ord(first), ord(last) + 1)))


def _folded(text: str) -> str:
    """Literal text as plain text has it; its edges are kept, they may join others."""
    pieces = _LETTER_DOT.sub(" ", text.lower()).split(".")
    return ".".join(fold(piece) for piece in pieces)
