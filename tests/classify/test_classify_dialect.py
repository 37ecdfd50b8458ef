"""The pattern language: what it matches, what it refuses, and that it is linear."""

import re
import time
from collections import Counter
from operator import add

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.classify import builtin_rules, check_rules
from monitor.classify.dialect import (
    MAX_PATTERN_LENGTH,
    MAX_SPELLINGS,
    QUOTED,
    PatternError,
    misfit,
    parse,
    quoted,
)
from monitor.classify.index import RuleIndex
from monitor.classify.normal import plain
from monitor.classify.pattern import ANY_UNSPACED, spellings, strings
from monitor.classify.rules import Rule
from monitor.classify.unwrap import Reply
from monitor.classify.ways import ways
from monitor.events import Reason

WORD = st.sampled_from(["user", "unknown", "mailbox", "full", "5.7.1", "inexist", "é"])
PART = st.one_of(
    WORD,
    st.lists(WORD, min_size=1, max_size=3, unique=True).map(
        lambda words: f"({'|'.join(words)})"
    ),
    WORD.map(lambda word: f"({word} )?{word}"),
    WORD.filter(str.isascii).map(lambda word: f"{word}\\w*"),
)
PATTERN = st.lists(PART, min_size=1, max_size=4).map(" ".join)
# Words in pieces: what stands in a group may or may not bring a space.
PIECE = st.sampled_from(
    [
        *("(mail|web)", "box", "(box )?", "( box)?", "(the |his )", "( of| to)", " "),
        *("(a|b c)?", "[ab]", "un\\w*", "(not )?", ".* ", "(post( and|( or)?)|s)?"),
        *("\\d", " "),
    ]
)
PIECES = st.lists(PIECE, min_size=1, max_size=7).map("".join)


def matches(pattern: str, text: str) -> bool:
    rule = Rule(name="r", reason=Reason.POLICY, patterns=(pattern,))
    return RuleIndex([rule]).match(Reply(plain(text)), frozenset()) is not None


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("user unknown", "550 <a@b.c>: User_Unknown!", "user quite unknown"),
        ("user unknown", "user-unknown", "superuser unknown"),
        ("(a|b) c", "b c", "d c"),
        ("over (the )?quota", "over quota", "over his quota"),
        ("over ?quota", "overquota", "over the quota"),
        ("[45].7.508", "4.7.508", "5.7.509"),
        ("s31[0-9][0-9]", "(S3150)", "S3250"),
        ("ofr\\w* 416", "OFR004_416", "OFR004_417"),
        ("inexist\\w*", "inexistente", "in existence"),
        ("mailbox .* full", "mailbox of the user is full", "full mailbox"),
        ("mailbox .* full", "mailbox full", "mailbox " + "x " * 60 + "full"),
        ("line \\d{2,4} bad", "line 123 bad", "line 1 bad"),
        ("boîte pleine", "BOITE PLEINE", "boite plein"),
        ("doesn't exist", "doesn't exist", "does exist"),
        ("いっぱい", "メールボックスがいっぱいです", "メールボックス"),
        ("邮箱.*满", "收件人邮箱已满", "满的邮箱"),
        ("mail(box )?full", "mailbox full", "mail box full"),
        ("over(the | )quota", "overthe quota", "overthequota"),
        ("(full |over)\\w* quota", "full up quota", "up quota"),
        ("denied as ?18\\d{2}", "denied as 1807", "denied as a 1807"),
    ],
)
def test_patterns_match_whole_words(pattern: str, yes: str, no: str) -> None:
    assert matches(pattern, yes)
    assert not matches(pattern, no)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(a+)+", "not linear-time"),
        ("(a*)*b", "not linear-time"),
        ("(ab)+", "not linear-time"),
        ("user{2,}", "not linear-time"),
        ("x.*y.*z.*w", "too many gaps"),
        ("(a )?" * 13 + "b", "too many gaps"),
        ("abc" + "\\w*" * 4, "linear-time"),
        ("abc" + "\\w*a" * 6, "linear-time"),
        ("abc " + "\\w*a\\w* " * 3, "linear-time"),
        ("abc" + "(\\w*|\\d+a)" * 4, "linear-time"),
        ("邮\\w*.*\\w*.*", "linear-time"),
        ("(a|aa)(a|aa) " * 12 + "b", "too many ways"),
        ("abc " + "(a|a a) " * 12 + "b", "too many ways"),
        ("x" + "(a|aa|aaa|aaaa|aaaaa|aaaaaa|aaaaaaa)" * 4 + "b", "too many ways"),
        ("a??b", "not linear-time"),
        ("(?=user)", "not linear-time"),
        ("(?P<n>user)", "not linear-time"),
        ("user\\1", "cannot stand here"),
        ("^user$", "cannot stand here"),
        ("[^a]b", "only letters, digits and ranges"),
        ("[ab", "only letters, digits and ranges"),
        ("(user", "missing ')'"),
        ("user)", "unexpected ')'"),
        ("(user|user)", "twice"),
        ("\\d\\d\\d", "needs a whole word"),
        ("(the )?", "needs a whole word"),
        ("", "needs a whole word"),
        ("(" * 9 + "a" + ")" * 9, "nested too deep"),
        ("a" * (MAX_PATTERN_LENGTH + 1), "longer than"),
        ("a\x00b", "cannot stand here"),
        ("(a|b)" * 40, "too many words"),
        ("[a-z][a-z][a-z]", "too many words"),
        ("see (" + "(a|b)" * 40 + ")", "too many words"),
        ("((((a|b)(a|b)|c)(a|b)|d)(a|b)?|e)" * 9, "too many"),
        ("x (user( a| b)" + "( c| d)" * 40 + ")", "too many words"),
    ],
)
def test_what_is_refused(pattern: str, why: str) -> None:
    with pytest.raises(PatternError) as caught:
        parse(pattern)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("user .*", "gap at its edge"),
        (".* user", "gap at its edge"),
        ("user (is )?(not )? known", "space too many"),
        ("user (unknown )", "space too many"),
        ("(вирус|病毒)", "mixes scripts"),
    ],
)
def test_what_could_never_match(pattern: str, why: str) -> None:
    assert why in misfit(parse(pattern))


def test_messages_quote_the_place_and_not_a_long_pattern() -> None:
    many = "|".join(f"word{number}" for number in range(100))
    assert quoted("x" * QUOTED) == f"'{'x' * QUOTED}'"
    for start, end in (("", ""), (many, ""), ("", many), (many, many)):
        with pytest.raises(
            PatternError, match=r"character \d+ of '.*\(here\)\+"
        ) as told:
            parse(f"{start}(here)+{end}")
        assert len(str(told.value)) < 3 * QUOTED
    with pytest.raises(PatternError, match="too many words") as told:
        parse(f"({many})({many})")
    assert len(str(told.value)) < 3 * QUOTED


@given(PATTERN)
def test_regex_needles_and_needs_agree(source: str) -> None:
    pattern = parse(source)
    regex = re.compile(pattern.regex())
    needles = pattern.needles(10_000)
    for sample in pattern.samples(50):
        assert regex.search(sample)
        assert needles is None or any(needle in sample for needle in needles)
        keys = set(sample.split()) | {word[:3] + "*" for word in sample.split()}
        assert all(need & keys for need in pattern.needs())


@given(PIECES)
def test_needs_are_met_by_all_that_a_pattern_matches(source: str) -> None:
    try:
        pattern = parse(source)
    except PatternError:
        return
    for text in strings(pattern.nodes):
        words = set(text.split())
        keys = words | {word[:3] + "*" for word in words}
        assert all(need & keys for need in pattern.needs()), text


@pytest.mark.parametrize(
    ("source", "needs"),
    [
        ("用户不存在", [{"用户"}]),
        ("(用户|邮箱).*(不存在|无效)", [{"用户", "邮箱"}, {"存在", "无效"}]),
        ("(用户|ip).*(不存在)?(无效)", [{"无效"}]),
        ("(用户|邮.*箱)存", [{"用", "邮"}, {"存"}]),
        ("(病毒|virus)", [{ANY_UNSPACED}]),
    ],
)
def test_needs_of_a_script_without_spaces(source: str, needs: list[set[str]]) -> None:
    assert [*map(set, parse(source).needs())] == needs


def test_needs_without_spaces_are_met_by_all_that_matches() -> None:
    patterns = [parse(one) for rule in builtin_rules() for one in rule.patterns]
    for pattern in patterns:
        for text in [] if pattern.spaced else pattern.samples(64):
            keys = {*text, *map(add, text, text[1:]), ANY_UNSPACED}
            assert all(need & keys for need in pattern.needs()), text


@given(st.one_of(PIECES, st.text("ab1 |()?[-]\\dw.*", max_size=400)))
def test_no_pattern_stands_for_more_than_is_told(source: str) -> None:
    try:
        pattern = parse(source)
    except PatternError:
        return
    listed = sum(len(words) for words in pattern.needs())
    assert listed <= pattern.most_needed() <= MAX_SPELLINGS
    told = spellings(pattern.nodes)
    if told <= MAX_SPELLINGS:
        assert told == sum(1 for _ in strings(pattern.nodes))


@pytest.mark.parametrize(
    "piece", ["(a|b) ", "[ab] ", "a\\d", "a", "(a|b)c ", "a\\w* ", "[a]", "(((a)))"]
)
def test_the_longest_patterns_are_read_soon(piece: str) -> None:
    # Some have thousands of parts: nothing may nest as deep as a pattern is long.
    source = "abc " + piece * ((MAX_PATTERN_LENGTH - 8) // len(piece)) + "abc"
    rule = Rule(name="r", reason=Reason.POLICY, patterns=(source,))
    assert RuleIndex([rule]).match(Reply(" abc "), frozenset()) is None
    assert misfit(parse(source)) == ""
    assert check_rules([rule]) == []


@pytest.mark.parametrize(
    ("pattern", "most"),
    [
        ("(mail|mails) (a|b) full\\w* \\w+", 1),
        ("(a|aa|ab)c", 2),
        ("(a|aa|aaa|b)", 1),
        ("(a|a b|a b c) full", 3),
        ("(ab|(a|aa)b) full", 4),
        ("full\\w*a\\w*", 16),
        ("full( \\w+|\\w+)\\w+", 16),
        ("full\\w*( \\w+|\\w+)\\w+", 256),
        ("邮.*满\\w*", 16),
    ],
)
def test_ways_are_counted(pattern: str, most: int) -> None:
    assert ways(parse(pattern).nodes) == most


@given(PIECES)
def test_no_text_takes_more_ways_than_are_told(source: str) -> None:
    try:
        pattern = parse(source)
    except PatternError:
        return
    if ".*" in source or "\\" in source or "?" in source or not pattern.spaced:
        return
    spelt = Counter(strings(pattern.nodes))
    assert max(spelt.values()) <= ways(pattern.nodes)


@given(st.text(max_size=60))
def test_any_text_is_a_pattern_or_refused(source: str) -> None:
    try:
        pattern = parse(source)
    except PatternError:
        return
    re.compile(pattern.regex())


def test_builtin_patterns_are_fast_on_their_own_near_misses() -> None:
    slowest = 0.0
    for source in (p for rule in builtin_rules() for p in rule.patterns):
        pattern = parse(source)
        if pattern.needles(24) is not None:
            continue
        regex = re.compile(pattern.regex())
        sample = next(pattern.samples(1)).strip()
        for piece in (sample[:-1], sample.rsplit(" ", 1)[0]):
            text = f" {(piece + ' ') * (2_048 // (len(piece) + 1) + 1)}"[:2_048]
            start = time.process_time()
            regex.search(text)
            slowest = max(slowest, time.process_time() - start)
    assert slowest < 0.05
