"""Make a reply fit to leave the process: no people, no machines, no ids, same sense."""

import re
import unicodedata

from monitor.classify.normal import MAX_INPUT

#: Default length of a sample, in characters.
SAMPLE_LENGTH = 256

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
_SPACES = re.compile(r"\s{2,}")
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
    text = _visible(text[:MAX_INPUT])
    text = _URL.sub(r"\1/...", text)
    if "@" in text:
        text = _RUN.sub(_masked, _QUOTED_LOCAL.sub("ADDR@", text))
    text = _IPV4.sub("IP", text)
    if ":" in text:
        text = _IPV6.sub("IP", text)
    text = _SPACES.sub(" ", _ID.sub("ID", text)).strip()
    return text if len(text) <= limit else _cut(text, limit)


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
