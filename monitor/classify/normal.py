"""Plain text: what the rules read, and the template id that names it.

A reply is lower-cased, its accents and punctuation go, and what differs from mail to
mail (addresses, hosts' numbers, queue ids) becomes a placeholder word. So one template
of a receiver is one string, whoever was written to.
"""

import re
import unicodedata
from functools import lru_cache
from hashlib import blake2b

#: Longer inputs are cut: the sense of a reply stands in its first two kilobytes.
MAX_INPUT = 2048
#: Bytes of a template id; 2**64 ids for some 100,000 templates do not collide.
_TEMPLATE_BYTES = 8

# Where words end; what may stand inside an address or a host name is left.
_EDGES = dict.fromkeys([*range(32), *map(ord, "<>()[]{}\"',;|!?*`")], " ")
# All other punctuation becomes a space too; the dot stays for "5.7.1" only.
_TO_SPACE = {
    code: " " for code in range(128) if not chr(code).isalnum() and code != ord(".")
}
# Letters that Unicode does not take apart although people write them without.
_PLAINER = {"ł": "l", "ø": "o", "đ": "d", "\u0131": "i", "æ": "ae", "œ": "oe"}
#: Characters remembered by ``_Letters``; every living script together has fewer.
_LETTER_ENTRIES = 20_000
_LOOSE_DOT = re.compile(r"(?<!\d)\.|\.(?!\d)")
_IPV4 = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]\d)")
_IPV6 = re.compile(r"(?:[0-9a-f]{1,4}:){2,7}(?::?[0-9a-f]{1,4}){0,7}")
_CLOCK = re.compile(r"\d\d:\d\d:\d\d")
# A token of nine and more with a digit in it, or a number of seven and more digits.
_ID = re.compile(r"\b(?=[^\W\d]{0,30}\d)\w{9,}|\b\d{7,}\b", re.ASCII)
#: Tokens remembered by ``_plain_token``: words with a comma, codes, host names.
_TOKEN_ENTRIES = 16_384


class _Letters(dict[int, str]):
    """What each character becomes: marks go, foreign punctuation is a space."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        letter = _PLAINER.get(char, char)
        if unicodedata.category(char)[0] == "M":
            letter = ""
        elif code > 127 and not char.isalnum():
            letter = " "
        if len(self) < _LETTER_ENTRIES:
            self[code] = letter
        return letter


_LETTERS = _Letters()


def fold(text: str) -> str:
    """Lower case without accents or punctuation; one string for one way of saying.

    >>> fold("Boîte pleine: n'accepte")
    'boite pleine  n accepte'
    """
    return _LOOSE_DOT.sub(" ", _lower(text).translate(_TO_SPACE))


def _lower(text: str) -> str:
    """Lower case; without accents and without the punctuation of other scripts."""
    if text.isascii():
        return text.lower()
    spread = unicodedata.normalize("NFKD", text).casefold()
    return unicodedata.normalize("NFC", spread.translate(_LETTERS))


def plain(text: str) -> str:
    """The words of a reply, one space before, between and after them.

    >>> plain("<joe@example.org>: Mailbox full (#5.2.2)")
    ' addr mailbox full 5.2.2 '
    """
    tokens = _lower(text[:MAX_INPUT]).translate(_EDGES).split()
    words = [t if t.isalpha() else _plain_token(t) for t in tokens]
    return f" {' '.join([word for word in words if word])} "


@lru_cache(_TOKEN_ENTRIES)
def _plain_token(token: str) -> str:
    """The words in one token that has more than letters; ``""`` when there are none."""
    if "@" in token:
        words = [_plain_part(part) for part in token.split(":")]
        return " ".join([word for word in words if word])
    return _plain_part(token)


def _plain_part(token: str) -> str:
    if 0 < token.find("@") < len(token) - 1:
        return "addr"
    token = _IPV4.sub(" ip ", token)
    if token.count(":") > 1 and not _CLOCK.fullmatch(token):
        token = _IPV6.sub(" ip ", token)
    words = _ID.sub(" id ", _LOOSE_DOT.sub(" ", token.translate(_TO_SPACE)))
    return " ".join(words.split())


def template_id(words: str) -> str:
    """A stable id of plain text in which numbers, but not the reply code, are left out.

    Words such as ``ts03`` and statuses such as ``5.7.1`` are part of a template.
    """
    head, *rest = words.split() or [""]
    shape = " ".join([head, *("n" if word.isdigit() else word for word in rest)])
    raw = shape.encode("utf-8", "backslashreplace")
    return blake2b(raw, digest_size=_TEMPLATE_BYTES).hexdigest()
