"""Make a reply fit to leave the process: no people, no machines, no ids, same sense."""

import re
import unicodedata

from monitor.classify.normal import MAX_INPUT
from monitor.classify.recent import Recent

#: Default length of a sample, in characters.
SAMPLE_LENGTH = 256
#: Tokens remembered in each of two generations; longer ones hardly come again.
_TOKEN_ENTRIES, _TOKEN_LENGTH = 4_096, 40

# A run of what may stand in an address; whole runs keep the search linear.
_RUN = re.compile(r"[^\s<>()\[\]\",;:]+")
_QUOTED_LOCAL = re.compile(r"\"[^\"@]{0,128}\"@")
_URL = re.compile(r"(https?://[^\s/?#<>\"']{1,255})[/?#][^\s<>\"')\]]{0,2048}", re.I)
_IPV4 = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]\d)")
_IPV6 = re.compile(
    r"(?<![\w:])(?=[0-9A-Fa-f:]{0,39}(?:::|:[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,4}:))"
    r"[0-9A-Fa-f:]{2,39}(?:\.\d{1,3}){0,3}"
)
# Twelve and more of what ids are made of, with a digit among the first; shorter ones
# when they are hexadecimal; long numbers.
_ID = re.compile(
    r"(?<![\w/+=-])(?=[A-Za-z_/+=-]{0,24}\d)[\w/+=-]{12,}"
    r"|\b(?=[a-f]{0,16}\d)(?=\d{0,16}[a-f])[0-9a-f]{8,}\b"
    r"|\b\d{7,}\b",
    re.ASCII | re.IGNORECASE,
)
_CONTROLS: dict[int, str | None] = {
    code: " " if chr(code).isspace() else None for code in [*range(32), 127]
}


def scrub(text: str, limit: int = SAMPLE_LENGTH) -> str:
    """The reply without addresses, IPs, ids, URL paths and control characters.

    Never longer than ``limit`` characters, one line, and scrubbing twice changes
    nothing more.

    >>> scrub("550 5.1.1 <joe@example.org> unknown at [192.0.2.7]")
    '550 5.1.1 <ADDR> unknown at [IP]'
    """
    text = text[:MAX_INPUT]
    if not text.isprintable():
        text = _visible(text)
    if '"@' in text:  # the one thing to hide that may have blanks in it
        text = _QUOTED_LOCAL.sub("ADDR@", text)
    text = " ".join(map(_CLEAN.__getitem__, text.split()))
    return text if len(text) <= limit else _cut(text, limit)


def _scrub_token(token: str) -> str:
    """``scrub`` for what stands between two blanks."""
    if "://" in token:
        token = _URL.sub(r"\1/...", token)
    if "@" in token:
        token = _RUN.sub(_masked, token)
    if token.count(".") > 2:
        token = _IPV4.sub("IP", token)
    if ":" in token:
        token = _IPV6.sub("IP", token)
    return _ID.sub("ID", token)


class _Clean(Recent[str, str]):
    """``_scrub_token``, remembered where there was nothing to hide."""

    def __missing__(self, token: str) -> str:
        if token.isalpha() and token.isascii():
            return token
        scrubbed = _scrub_token(token)
        if scrubbed != token or len(token) > _TOKEN_LENGTH:
            return scrubbed
        return super().__missing__(token)


_CLEAN = _Clean(_scrub_token, _TOKEN_ENTRIES)


def _masked(run: re.Match[str]) -> str:
    return "ADDR" if 0 < run[0].find("@") < len(run[0]) - 1 else run[0]


def _visible(text: str) -> str:
    """White space as blanks; without controls, bidi marks and surrogates."""
    if text.isascii():
        return text.translate(_CONTROLS)
    return "".join([_visible_char(char) for char in text])


def _visible_char(char: str) -> str:
    if char.isspace():
        return " "
    return "" if unicodedata.category(char)[0] == "C" else char


def _cut(text: str, limit: int) -> str:
    return text[: max(limit - 3, 0)].rstrip() + "..."[: max(limit, 0)]
