"""Plain text: what the rules read, and the template id that names it.

A reply is lower-cased, its accents and punctuation go, and what differs from mail to
mail (addresses, hosts' numbers, queue ids) becomes a placeholder word. So one template
of a receiver is one string, whoever was written to.
"""

import re
import sys
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from hashlib import blake2b

from monitor.classify.recent import Recent

#: Longer inputs are cut: the sense of a reply stands in its first two kilobytes.
MAX_INPUT = 2048
#: Longest token read that is not ASCII: a sentence of a script without spaces has some
#: fifty characters, and foreign noise costs five times what ASCII does.
LONGEST_FOREIGN = 512
# One letter may become eighteen; so much is read of what one token becomes, or many.
_MOST_SPREAD, _MOST_TOGETHER = 4 * MAX_INPUT, 18 * MAX_INPUT
#: Bytes of a template id; 2**64 ids for some 100,000 templates do not collide.
_TEMPLATE_BYTES = 8

# Where words end; what may stand inside an address or a host name is left.
_EDGES = "".join(map(chr, range(32))) + "<>()[]{}\"',;|!?*`"
# All other punctuation becomes a space too; the dot stays for "5.7.1" only.
_PUNCTUATION = "".join(
    char for char in map(chr, range(128)) if not char.isalnum() and char != "."
)
# Letters that Unicode does not take apart although people write them without.
_PLAINER = {"ł": "l", "ø": "o", "đ": "d", "\u0131": "i", "æ": "ae", "œ": "oe"}
_ANY_PLAINER = re.compile(f"[{''.join(_PLAINER)}]")
_FOREIGN_PUNCTUATION = re.compile(r"[^\w\x00-\x7f]")
# A set of characters is a table up to here and a slow list beyond.
_TABLE_END = 0x10000
_BEYOND = re.compile(f"[{chr(_TABLE_END)}-{chr(sys.maxunicode)}]")
#: Characters beyond the table that are remembered: the pictures in mails are few.
_RARE_ENTRIES = 4_096
# Korean syllables, letter by letter.
_SYLLABLES = re.compile("[\u1100-\u11ff]{2,}")
_LOOSE_DOT = re.compile(r"\.(?:(?<!\d\.)|(?!\d))")
_IPV4 = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]\d)")
_IPV6 = re.compile(r"(?:[0-9a-f]{1,4}:){2,7}(?::?[0-9a-f]{1,4}){0,7}")
_CLOCK = re.compile(r"\d\d:\d\d:\d\d")
# A token of nine and more with a digit in it, or a number of seven and more digits.
# It starts with a character of a word, which the search skips to in no time.
_ID = re.compile(
    r"\w(?<!\w\w)(?:(?:(?<=\d)|(?=[^\W\d]{0,29}\d))\w{8,}|(?<=\d)\d{6,}\b)", re.ASCII
)
_SHORTEST_ID = 7
# What every id has in it; most tokens have not.
_MAYBE_ID = re.compile("[0-9a-z]{7}")
# A moment as machines write it: 2026-01-31t23:59:59.123z.
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\dt\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:z|[+-]\d\d:?\d\d)?", re.ASCII
)
# Tokens that are one id, address, or number of a host, between marks that are no words;
# shorter ones are rare. What ``spell`` makes of each is known: tests hold it to that.
_VARIABLE = re.compile(
    r" (?=[^ ]{7})[<(\[{\"']*+[A-Za-z]{0,30}+(?=[\w.+=@-])"  # here a plain word ends
    r"(?:(\d[0-9A-Za-z]*+(?<=[0-9A-Za-z]{9}))"
    r"|([\w.+=-]*+(?<=[\w.+=-])@[\w.-]++)"
    r"|(?<=[ <(\[{\"'])(?:(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})|(\d{7,8})))"
    r"[>)\]}\"',;.!?]*+:?(?= )",
    re.ASCII,
)
# By the group of ``_VARIABLE``: its words, and a token that has the same ones.
_SHAPES = ("", " id", " addr", " ip", " id")
_STAND_INS = ("", " 0000000", " a@b", " 0.0.0.0", " 0000000")
# White space as programs print it; what ends in letters may be a path.
_WRITTEN_OUT = re.compile(r"\\[rnt](?![a-z])")
# Between tokens: white space ends them, so none has this one in it.
_BETWEEN = "\n"
# Between the texts of a batch.
_SEAM, _SEAM_MARK = " \0 ", "\0"
# Around a word they are no words; an @ may make an address of it.
_MARKS = "!\"#$%&'()*+,-./:;<=>?[\\]^_`{|}~"
#: Tokens remembered in each of two generations: words, codes, host names.
_TOKEN_ENTRIES = 8_192
#: Longer tokens are no words, and hardly come again.
_TOKEN_LENGTH = 40
#: Texts of more tokens are looked at as a whole first: an honest reply has some twenty.
_MANY_TOKENS = 40
#: More new tokens that are no words are noise, and cost less when read all at once.
_MANY_ODD = 16


def _blanking(chars: str) -> Callable[[str], str]:
    """What makes a space of each of ``chars``.

    ``translate`` is fast in ASCII only: elsewhere a character without an entry is an
    error that it catches.
    """
    table = dict.fromkeys(map(ord, chars), " ")
    any_of = re.compile(f"[{re.escape(chars.replace(' ', ''))}]")
    return lambda text: (
        text.translate(table) if text.isascii() else any_of.sub(" ", text)
    )


_without_edges = _blanking(_EDGES)
_without_punctuation = _blanking(_PUNCTUATION)


def fold(text: str) -> str:
    """Lower case without accents or punctuation; one string for one way of saying.

    >>> fold("Boîte pleine: n'accepte")
    'boite pleine  n accepte'
    """
    return _LOOSE_DOT.sub(" ", _without_punctuation(_lower(text)))


def _lower(text: str, most: int = _MOST_SPREAD) -> str:
    """Lower case; without accents and without the punctuation of other scripts."""
    if text.isascii():
        return text.lower()
    spread = unicodedata.normalize("NFKD", text).casefold()[:most]
    bare = _accents().sub("", spread)
    if _BEYOND.search(bare) and (accents := {*filter(_is_rare_accent, {*bare})}):
        bare = "".join([char for char in bare if char not in accents])
    bare = _FOREIGN_PUNCTUATION.sub(" ", bare)
    bare = _ANY_PLAINER.sub(lambda found: _PLAINER[found[0]], bare)
    # Without accents nothing else is left to be put together.
    return _SYLLABLES.sub(lambda found: unicodedata.normalize("NFC", found[0]), bare)


def _is_accent(char: str) -> bool:
    """Whether it is no letter but the mark of one."""
    return unicodedata.category(char)[0] == "M"


_is_rare_accent = lru_cache(_RARE_ENTRIES)(_is_accent)


@cache
def _accents() -> re.Pattern[str]:
    """Most marks of letters; read at first use, since that takes some milliseconds."""
    return re.compile(f"[{''.join(filter(_is_accent, map(chr, range(_TABLE_END))))}]+")


def alike(texts: Sequence[str]) -> list[str]:
    """The texts with stand-ins for what differs from mail to mail.

    ``plain`` makes the same of both. A batch is read at once, since a call for each of
    its texts would cost as much as the reading.

    >>> alike(["550 <joe@example.org> unknown", "550 <jim@example.org> unknown"])
    ['550 a@b unknown', '550 a@b unknown']
    """
    joined = _SEAM.join(texts)
    if joined.count(_SEAM_MARK) < len(texts):
        return _stood_in(joined).split(_SEAM)
    return [*map(_stood_in, texts)]


def _stood_in(text: str) -> str:
    text = f" {text} ".replace("\n", " ").replace("\r", " ").replace("\t", " ")
    return _VARIABLE.sub(_stand_in, respaced(text))[1:-1]


def _stand_in(found: re.Match[str]) -> str:
    return _STAND_INS[found.lastindex or 0]


def respaced(text: str) -> str:
    r"""The text with white space for what a program printed for it.

    >>> respaced(r"550-No such user\r\n550 here")
    '550-No such user  550 here'
    """
    return _WRITTEN_OUT.sub(" ", text) if "\\" in text else text


def plain(text: str) -> str:
    """The words of a reply, one space before, between and after them.

    It reads token by token, since no word of a reply goes over white space; so it is
    the sum of its tokens' words, and most tokens are known.

    >>> plain("<joe@example.org>: Mailbox full (#5.2.2)")
    ' addr mailbox full 5.2.2 '
    """
    tokens = tokens_of(text[:MAX_INPUT])
    if len(tokens) > _MANY_TOKENS:
        words = _spelt(tokens)
    else:
        words = "".join(map(_SPELT.__getitem__, tokens))
    if len(words) > MAX_INPUT + 1:
        words = words[:MAX_INPUT].rpartition(" ")[0]
    return words + " "


def tokens_of(text: str) -> list[str]:
    """What stands between white space; cut where no language has such a word."""
    tokens = respaced(text).split()
    if text.isascii() or max(map(len, tokens), default=0) <= LONGEST_FOREIGN:
        return tokens
    return [one if one.isascii() else one[:LONGEST_FOREIGN] for one in tokens]


def spell(token: str) -> str:
    """The words in one token, a space before each; ``""`` when there are none."""
    bare = token.strip(_MARKS)
    if not bare:
        return ""
    if bare.isalpha() and bare.isascii():
        return " " + bare.lower()
    # One letter may become eighteen, so what comes of it is cut too.
    lower = _lower(token)[:MAX_INPUT]
    if _has_places(lower):
        lower = _without_places(lower)
    lower = _without_punctuation(lower)
    if "." in lower:
        lower = _LOOSE_DOT.sub(" ", lower)
    return _words(lower)


def _words(text: str) -> str:
    """The words of a text without punctuation, each behind a space; ids replaced."""
    words = text.split()
    if _MAYBE_ID.search(text):
        some = [
            word
            if len(word) < _SHORTEST_ID or word.isalpha()
            else _ID.sub(" id ", word)
            for word in words
        ]
        words = " ".join(some).split()
    return " " + " ".join(words) if words else ""


def _has_places(lower: str) -> bool:
    """Whether there may be an address, a host's number or a moment in it."""
    return "@" in lower or lower.count(":") > 1 or lower.count(".") > 2


def _without_places(lower: str) -> str:
    parts = _without_edges(lower).split()
    return " ".join([part if part.isalnum() else _placed(part) for part in parts])


def _placed(part: str) -> str:
    """What stands between edges, with its addresses and hosts' numbers replaced."""
    if "@" in part:
        return " ".join([_not_addressed(piece) for piece in part.split(":")])
    return _not_numbered(part)


def _not_addressed(piece: str) -> str:
    if 0 < piece.find("@") < len(piece) - 1:
        return "addr"
    return _not_numbered(piece)


def _not_numbered(part: str) -> str:
    if part.count(".") > 2:
        part = _IPV4.sub(" ip ", part)
    if part.count(":") > 1:
        part = _MOMENT.sub(" id ", part)
        if not _CLOCK.fullmatch(part):
            part = _IPV6.sub(" ip ", part)
    return part


class _Spelt(Recent[str, str]):
    """``spell``, remembered for tokens that may come again.

    Addresses, ids and hosts' numbers do not: their common shapes are told at a glance.
    """

    def __missing__(self, token: str) -> str:
        # The shapes have a digit or an @.
        if not token.isalpha() and (shape := _VARIABLE.match(f" {token} ")):
            return _SHAPES[shape.lastindex or 0]
        if len(token) > _TOKEN_LENGTH or "@" in token:
            return spell(token)
        return super().__missing__(token)


_SPELT = _Spelt(spell, _TOKEN_ENTRIES)


def _spelt(tokens: list[str]) -> str:
    """What ``spell`` says of each of many tokens, put together.

    Of those that are new, only words are remembered when there are many: the noise of
    one text would make the memory forget what others need.
    """
    once = dict.fromkeys(tokens)
    new = [token for token in once if token not in _SPELT]
    if len(new) > _MANY_ODD:
        bare = {
            token: token.strip(_MARKS) for token in new if len(token) <= _TOKEN_LENGTH
        }
        letters = {
            token: f" {word.lower()}"
            for token, word in bare.items()
            if word.isalpha() and word.isascii()
        }
        _SPELT.learn(letters)
        odd = len(new) - len(letters)
        if odd > _MANY_ODD:
            odd -= sum(
                word.replace(".", "").isalnum()
                for token, word in bare.items()
                if token not in letters
            )
        if odd > _MANY_ODD:
            return spell_all(tokens)
    spelt = {token: _SPELT[token] for token in once}
    return "".join(map(spelt.__getitem__, tokens))


def spell_all(tokens: list[str]) -> str:
    """What ``spell`` says of each, put together, at half the price for odd ones.

    Nothing that it does to a token looks beyond its ends, so a space is enough of an
    end and all of them are read at once.

    >>> spell_all(["(Mailbox", "#5.2.2)"])
    ' mailbox 5.2.2'
    """
    once = dict.fromkeys(tokens)
    text = _lower(_BETWEEN.join(once), _MOST_TOGETHER)
    if len(text) > MAX_INPUT:
        return "".join(map(spell, tokens))  # It cuts what one of them becomes.
    lower = dict(zip(once, text.split(_BETWEEN), strict=True))
    for token, part in lower.items():
        if _has_places(part):
            lower[token] = _told(token, part)
    text = _without_punctuation(" ".join(map(lower.__getitem__, tokens)))
    return _words(_LOOSE_DOT.sub(" ", text))


def _told(token: str, lower: str) -> str:
    """A token in lower case with its addresses replaced, unless it is but a word."""
    bare = token.strip(_MARKS)
    if not bare or (bare.isalpha() and bare.isascii()):
        return bare.lower()
    return _without_places(lower)


def forget_tokens() -> None:
    """Make ``plain`` start with nothing known; for measurements."""
    _SPELT.forget()


def template_id(words: str) -> str:
    """A stable id of plain text in which numbers, but not the reply code, are left out.

    Words such as ``ts03`` and statuses such as ``5.7.1`` are part of a template.
    """
    head, *rest = words.split() or [""]
    shape = " ".join([head, *["n" if word.isdigit() else word for word in rest]])
    raw = shape.encode("utf-8", "backslashreplace")
    return blake2b(raw, digest_size=_TEMPLATE_BYTES).hexdigest()
