"""Texts that no receiver would send: what could make a reader slow or wrong.

Each kind aims at something: at the rules' words, at patterns with gaps, at wrappings
inside wrappings, or at one of the regular expressions that fold and scrub. All of it is
a function of the seed.
"""

import csv
import random
import string
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from monitor.classify import builtin_rules
from monitor.classify.dialect import parse

#: Longest text but for the huge ones; inputs are cut at two thirds of it.
LONGEST = 3_000
#: One text in so many is this long instead.
HUGE_EVERY, HUGE = 1_000, 100_000

#: Starts that a careless expression would read on from, again at every one of them.
FRAGMENTS = (
    *("a@", "@", '"@', '"a', "<a@b>:", "a.b-c_d+e=", "1.2.3.4.", "1.2.3.", "1.", "1"),
    *("0:", "::", "a:b:", "ffff:0:", "12:34:56:", "2026-01-31T23:59:59.", "f", "1f"),
    *("http://", "https://a", "http://a/b?", "=", "-", "_", "/", ".", "..", ". ", ","),
    *(
        "5.1.1 ",
        "5.1.1.",
        "550 ",
        "550-",
        "550 5.1.1 ",
        "(",
        ")",
        "((",
        "[]",
        "\\",
        "%",
    ),
    *("said: ", "said: 550 ", "in reply to ", "rcpt to ", "reason ", "error code 550 "),
    *(
        "while talking to ",
        "did not like our ",
        "aup#",
        "last transfail: ",
        "503 5.5.1 ",
    ),
    *("sender address rejected ", "retry in 5 ", "in 00 00 ", "wait 9", "\x00", "\n"),
    *(
        "\ud800",
        "\udfff\ud800",
        "\u0301",
        "e\u0301",
        "\u202e",
        "\u200b",
        "\ufdfa",
        "用",
    ),
    *(
        "用户 ",
        "İ",
        "ß",
        "ﬃ",
        "①",
        "\uff11\uff12",
        "\u1100\u1161",
        "\U0001f600",
        "\u3000",
    ),
)
WRAPPERS = (
    "host mx.example.org[192.0.2.1] said: 550 5.1.1 {} (in reply to RCPT TO command)",
    "expired (last transfail: 452 4.2.2 {})",
    "SMTP error from remote mail server after RCPT TO:<a@example.org>: 550 {}",
    "while talking to mx.example.org.: >>> DATA <<< 554 {}",
    "smtp; 550 5.7.1 {} giving up on 192.0.2.1",
    "remote server returned '550 5.1.1 {}'",
    "({})",
    "550-{} 550 5.1.1",
)
SEPARATORS = string.punctuation + string.whitespace + "\x00\u2028\u3000\u00ad"


@cache
def vocabulary() -> tuple[str, ...]:
    """Every word that a rule looks for."""
    words: set[str] = set()
    for rule in builtin_rules():
        for pattern in rule.patterns:
            for need in parse(pattern).needs():
                words.update(word.rstrip("*") for word in need)
    return tuple(sorted(words))


@cache
def near_misses() -> tuple[str, ...]:
    """Of each pattern a text that matches it, without its last word."""
    return tuple(
        next(parse(pattern).samples(1)).rpartition(" ")[0].rpartition(" ")[0]
        for rule in builtin_rules()
        for pattern in rule.patterns
    )


@cache
def replies() -> tuple[str, ...]:
    """The texts of the corpus."""
    path = Path(__file__).parents[1] / "classify" / "replies.tsv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return tuple(row["text"] or "" for row in rows)


def _salad(rng: random.Random) -> str:
    return " ".join(rng.choices(vocabulary(), k=rng.randrange(1, 400)))


def _repeated(rng: random.Random) -> str:
    words = rng.choices(vocabulary(), k=rng.randrange(1, 5))
    return (" ".join(words) + " ") * rng.randrange(1, 300)


def _missed(rng: random.Random) -> str:
    pieces = rng.choices(near_misses(), k=rng.choice((1, 1, 2, 5)))
    return (" ".join(pieces) + " ") * rng.randrange(1, 200)


def _splice(rng: random.Random) -> str:
    pieces = rng.choices(replies(), k=rng.randrange(1, 40))
    return "".join(piece[rng.randrange(len(piece) + 1) :] for piece in pieces)


def _nested(rng: random.Random) -> str:
    text = rng.choice(replies())
    for _ in range(rng.randrange(1, 40)):
        text = rng.choice(WRAPPERS).replace("{}", text)
        if len(text) > LONGEST:
            break
    return text


def _fragments(rng: random.Random) -> str:
    some = rng.choices(FRAGMENTS, k=rng.choice((1, 1, 2, 3)))
    return "".join(some) * rng.randrange(1, LONGEST) + rng.choice(("", "1", "!", " x"))


def _token(rng: random.Random) -> str:
    letters = rng.choice(("a", "af", "a1", "0123456789", "a.", "a-1", string.hexdigits))
    return "".join(rng.choices(letters, k=rng.randrange(1, LONGEST)))


def _separators(rng: random.Random) -> str:
    some = rng.choices(SEPARATORS, k=rng.choice((1, 2, 4, 30)))
    return "".join(rng.choices(some, k=rng.randrange(1, LONGEST)))


def _printable(rng: random.Random) -> str:
    return "".join(rng.choices(string.printable, k=rng.randrange(LONGEST)))


def _any_script(rng: random.Random) -> str:
    start = rng.choice((0, 0x300, 0x600, 0x3000, 0xAC00, 0xD700, 0xFB00, 0x1F000))
    size = rng.randrange(1, LONGEST)
    return "".join([chr(start + rng.randrange(0x400)) for _ in range(size)])


def _mixed(rng: random.Random) -> str:
    one, other = rng.choices(KINDS, k=2)
    return one(rng)[: rng.randrange(LONGEST)] + other(rng)


KINDS: tuple[Callable[[random.Random], str], ...] = (
    *(_salad, _repeated, _missed, _splice, _nested, _fragments, _token),
    *(_separators, _printable, _any_script, _mixed),
)


def hostile_texts(count: int, seed: int) -> Iterator[str]:
    """``count`` texts, all kinds in turn."""
    rng = random.Random(seed)
    for number in range(count):
        text = KINDS[number % len(KINDS)](rng)
        if number % HUGE_EVERY == 0:
            text = text * (HUGE // (len(text) + 1) + 1)
        yield text[:HUGE] if number % HUGE_EVERY == 0 else text[:LONGEST]
