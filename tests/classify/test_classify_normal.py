"""Plain text and template ids: one template, one id, whoever was written to."""

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.classify import Classifier, template_of
from monitor.classify.normal import (
    LONGEST_FOREIGN,
    MAX_INPUT,
    alike,
    fold,
    plain,
    spell,
    spell_all,
    tokens_of,
)
from tests.bench.hostile import hostile_texts


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<joe@example.org>: Mailbox full (#5.2.2)", "addr mailbox full 5.2.2"),
        ("RCPT TO:<joe@example.org> refused", "rcpt to addr refused"),
        ("to:joe@example.org:blocked", "to addr blocked"),
        ("from 192.0.2.44:25, [2001:db8::7]", "from ip 25 ip"),
        ("back in 00:04:59", "back in 00 04 59"),
        ("[TS03] S3150 5.7.606 OFR004_416", "ts03 s3150 5.7.606 ofr004 416"),
        ("id z2si1584129pfn.61 x 123456789", "id id 61 x id"),
        ("[AB1PR02MB1234 2026-01-31T23:59:59.123Z 08DC]", "id id 08dc"),
        ("<joe@example.org>... [192.0.2.7]. (8F3A21C0D5): 1234567", "addr ip id id"),
        ("Boîte pleine, señor", "boite pleine senor"),
        ("Użytkownik nie istnieje", "uzytkownik nie istnieje"),
        ("Postfach ungültig, groß", "postfach ungultig gross"),
        ("https://www.example.org/a?b=1", "https www example org a b 1"),
        ("DON'T", "don t"),
        ("", ""),
        ("...", ""),
    ],
)
def test_plain(text: str, words: str) -> None:
    assert plain(text).strip() == words


@given(st.text(max_size=300))
def test_plain_is_tidy_and_stable(text: str) -> None:
    words = plain(text)
    assert words.startswith(" ")
    assert words.endswith(" ")
    assert "  " not in words.strip()
    assert plain(words) == words


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=80))
def test_patterns_fold_as_texts_do(text: str) -> None:
    # What a pattern's letters become is what the same letters in a reply become.
    letters = "".join(char for char in text if char.isalpha() or char == " ")
    words = [word for word in fold(letters).split() if not any(map(str.isdigit, word))]
    found = plain(letters).split()
    assert [word for word in words if word in found] == words


def spelt(text: str) -> str:
    return "".join(map(spell, tokens_of(text)))


@given(st.text(max_size=300) | st.text("\\rn5.aA@", max_size=30))
def test_plain_is_the_sum_of_its_tokens(text: str) -> None:
    words = " ".join(spelt(text).split())
    assert plain(text).split() == words[:MAX_INPUT].split()


ASCII = st.characters(min_codepoint=33, max_codepoint=126)
MARKS = st.text("<>(){}[]\"'.,;:!?#=-", max_size=3)
VARIABLES = st.one_of(
    st.from_regex(r"[\w.+=-]{1,20}@[\w.-]{1,20}", fullmatch=True),
    st.from_regex(r"\d{1,3}(\.\d{1,3}){3}", fullmatch=True),
    st.from_regex(r"[0-9A-Za-z]{6,40}", fullmatch=True),
    st.from_regex(r"\d{6,12}", fullmatch=True),
    st.text(ASCII, min_size=1, max_size=20),
)


@given(before=MARKS, variable=VARIABLES, after=MARKS)
def test_what_is_told_at_a_glance_is_what_reading_says(
    before: str, variable: str, after: str
) -> None:
    token = before + variable + after
    assert plain(token).split() == spelt(token).split()


PIECES = st.one_of(
    VARIABLES, MARKS, st.sampled_from([" ", "  ", "\n", "\r\n", "\t", "\0", " \0 "])
)
TEXTS = st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=100)


@given(st.lists(TEXTS, max_size=8))
def test_a_batch_with_stand_ins_reads_as_its_texts_do(texts: list[str]) -> None:
    stood_in = alike(texts)
    assert [alike([text]) for text in texts] == [[text] for text in stood_in]
    for text, stand in zip(texts, stood_in, strict=True):
        assert len(stand) <= len(text)
        words = " ".join(spelt(text).split())
        assert plain(stand).split() == words[:MAX_INPUT].split()


def test_stand_ins_change_no_reply_of_the_corpus(replies: list[Any]) -> None:
    texts = [reply.text for reply in replies]
    assert [*map(plain, alike(texts))] == [*map(plain, texts)]


@pytest.mark.parametrize(
    ("text", "stood_in"),
    [
        ("<joe@example.org>: full", "a@b full"),
        ("host [192.0.2.7]:25, 9f3a1b2c4.", "host [192.0.2.7]:25, 0000000"),
        ("id 12345678 is 123456", "id 0000000 is 123456"),
        ("from\n192.0.2.7\r\nx", "from 0.0.0.0  x"),
        # No address, no id, no address of a host: they are read.
        (
            "@example.org joe@ abcdefghi 1.2.3.4.5",
            "@example.org joe@ abcdefghi 1.2.3.4.5",
        ),
        ("joe@example.org:25 a1234567", "joe@example.org:25 a1234567"),
    ],
)
def test_stand_ins(text: str, stood_in: str) -> None:
    assert alike([text]) == [stood_in]


@given(
    users=st.lists(st.text("abcxyz019._+-", min_size=1, max_size=9), min_size=2),
    ids=st.lists(st.integers(10**7, 10**18), min_size=2),
)
def test_live_replies_are_known_by_their_template(
    users: list[str], ids: list[str]
) -> None:
    classifier = Classifier()
    for user, queued in zip(users, ids, strict=False):
        classifier.classify(f"550 5.1.1 <{user}@example.org> unknown ({queued}f)")
    assert classifier.cache_stats().misses == 1


def test_input_is_cut() -> None:
    assert len(plain("a " * MAX_INPUT)) <= MAX_INPUT + 2
    assert len(plain("\ufdfa" * MAX_INPUT)) <= MAX_INPUT + 2


def test_a_foreign_token_is_cut_and_what_is_behind_it_is_read() -> None:
    cut = "用" * LONGEST_FOREIGN
    assert plain(f"550 {cut}户 unknown") == f" 550 {cut} unknown "
    letters = "a" * (LONGEST_FOREIGN + 1)
    assert plain(f"550 {letters}") == f" 550 {letters} "


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("550 <a@x.example> unknown", "550 <b@y.example> unknown"),
        ("552 size 18876259 is over 10485760", "552 size 28876259 is over 10485760"),
        (
            "host mx1.example.org[192.0.2.1] said: 550 5.1.1 no user",
            "host mx2.example.com[192.0.2.2] said: 550 5.1.1 no user",
        ),
        ("450 try again in 57 seconds", "450 try again in 3 seconds"),
        ("550 No Such User!", "550 no such user"),
    ],
)
def test_one_template(one: str, other: str) -> None:
    assert template_of(one) == template_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("421 [TS01] no", "421 [TS03] no"),
        ("550 5.7.606 no", "550 5.7.511 no"),
        ("450 no", "550 no"),
        ("550 unknown", "550 full"),
    ],
)
def test_two_templates(one: str, other: str) -> None:
    assert template_of(one) != template_of(other)


def test_template_ids_do_not_change_between_versions() -> None:
    # Stored with samples and shown on pages: a change must be on purpose.
    assert template_of("550 5.1.1 <joe@example.org> User unknown") == "cbbcb70b9cca19b9"


PLAINER = {"ł": "l", "ø": "o", "đ": "d", "\u0131": "i", "æ": "ae", "œ": "oe"}


def bare(char: str) -> str:
    """What one character of a word becomes, said in the plainest way."""
    spread = unicodedata.normalize("NFKD", char).casefold()
    return "".join(
        PLAINER.get(one, one)
        if one.isalnum() or one.isascii()
        else ("" if unicodedata.category(one)[0] == "M" else " ")
        for one in spread
    )


def test_every_character_is_folded() -> None:
    for start in range(128, 0x20000, 64):
        chars = [chr(code) for code in range(start, start + 64)]
        wanted = "".join(bare(char) for char in chars)
        folded = unicodedata.normalize("NFC", wanted)
        assert plain("x" + "".join(chars)).split() == plain("x" + folded).split()


@given(st.text(max_size=60))
def test_folding_is_per_character(text: str) -> None:
    wanted = unicodedata.normalize("NFC", "".join(map(bare, text)))
    assert fold(text) == fold(wanted)


@given(st.lists(TEXTS | VARIABLES, min_size=1, max_size=60))
def test_many_tokens_are_spelt_as_each_is(texts: list[str]) -> None:
    tokens = " ".join(texts).split() or ["x"]
    assert spell_all(tokens) == "".join(map(spell, tokens))


@pytest.mark.parametrize(
    "tokens",
    [
        ["ﷺ" * 100] * 20,
        ["æ" * 1_500, "ß@ß.example", "@@", "foo@.", ".@."],
        ["\u1f82" * 500 + "!", "\u0301" * 400, "각\u11a8", "🙂@x"],
    ],
)
def test_what_tokens_become_may_be_longer_than_they(tokens: list[str]) -> None:
    assert spell_all(tokens) == "".join(map(spell, tokens))


def test_noise_is_read_as_its_tokens_are() -> None:
    for text in hostile_texts(2_200, seed=7):
        assert plain(text).split() == _cut(spelt(text[:MAX_INPUT])).split()


def _cut(words: str) -> str:
    words = " " + " ".join(words.split())
    if len(words) > MAX_INPUT + 1:
        return words[:MAX_INPUT].rpartition(" ")[0]
    return words
