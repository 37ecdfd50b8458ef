"""Find the receiver's own words inside what the mail server wrapped around them.

An MTA says ``host mx.example.org[ip] said: 550 5.1.1 ... (in reply to RCPT TO
command)``; a relay that gave up says ``expired (last transfail: 452 4.2.2 ...)``.
The innermost reply decides, so that a full mailbox behind an expired message is found.
Everything here works on plain text (``normal.plain``).
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

#: The commands of SMTP that a refusal can answer, as rules name them.
COMMANDS = ("connect", "helo", "mail", "rcpt", "data")

# What stands right before an inner reply; the last one found wins. NEAR: the reply
# follows at once. FAR: a host name and an address may stand between. WEAK: words of
# plain prose too, so they count only when a reply head follows at once.
_NEAR = (
    " said ",
    " refused to talk to me ",
    " remote server returned ",
    " last transfail ",
    " last error ",
    " last reason ",
    " last smtp error ",
    " last response ",
    " server returned was ",
    " response from the remote server was ",
    " unknown address error ",
    " other mail system problem ",
    " diagnostic code smtp ",
    " mailbox unavailable 550 ",
)
_FAR = (
    " smtp error from remote mail server after ",
    " while talking to ",
    " did not like our ",
    " result wait with ",
)
_WEAK = (
    " returned ",
    " returned an error ",
    " message expired ",
    " responded with ",
    " responded with failure ",
    " response was ",
    " following error message ",
    " error code ",
    " server replied ",
    " reason ",
)
# Behind these stands what was said of the *sender*: by its host when the receiver asked
# it, and by a relay that did not know our own account.
_NO_FURTHER = re.compile(" sender address rejected | sasl authentication failed ")
# What an MTA names behind "in reply to"; a receiver's own text may name a header there.
_ANSWERED = (
    *("initial", "banner", "ehlo", "helo", "lhlo", "starttls", "auth"),
    *("mail", "rcpt", "data", "end", "bdat"),
)
# What follows a reply and is not of it, or only points to a page; a 503 that stands
# behind another reply is only what came of it.
_CLOSERS = (
    " 503 5.5.1 ",
    " 503 5.5.2 ",
    " 503 5.0.0 ",
    " 503 bad sequence ",
    *(f" in reply to {word} " for word in _ANSWERED),
    " giving up on ",
    " for more information ",
    " learn more ",
    " to learn more ",
    " for instructions ",
    " for explanation ",
    " for an explanation ",
)
# How often a relay tried.
_ATTEMPTS = re.compile(r" delivery attempts \d+ ")
# Cox, Charter and others put "AUP#CODE" at the very end, behind a link.
_TOKEN = " aup "
_STEPS = (
    (" initial connection ", "connect"),
    (" initial server greeting ", "connect"),
    (" refused to talk to me ", "connect"),
    (" greeting failed ", "connect"),
    (" in greeting ", "connect"),
    (" my name was rejected ", "helo"),
    (" in reply to ehlo ", "helo"),
    (" in reply to helo ", "helo"),
    (" after ehlo ", "helo"),
    (" after helo ", "helo"),
    (" in reply to mail from ", "mail"),
    (" after mail from ", "mail"),
    (" our mail from ", "mail"),
    (" but sender was rejected ", "mail"),
    (" in reply to rcpt to ", "rcpt"),
    (" after rcpt to ", "rcpt"),
    (" our rcpt to ", "rcpt"),
    (" does not like recipient ", "rcpt"),
    (" rcpt to addr ", "rcpt"),
    (" in reply to end of data ", "data"),
    (" in reply to data ", "data"),
    (" after end of data ", "data"),
    (" after data ", "data"),
    (" our final data ", "data"),
    (" after i sent the message ", "data"),
    (" failed on data command ", "data"),
)
_ENDS = ((" rcpt to ", "rcpt"), (" mail from ", "mail"))
# A reply head: a code, maybe with its enhanced status; or a status alone.
# Numbers of sections look like statuses. A search skips to the space before a digit.
_NO_SECTION = r" (?=[245])(?<!rfc\d{4} )(?<!rfc \d{4} )(?<! section )"
_HEAD = re.compile(
    rf"{_NO_SECTION}(?:([245]\d\d)(?: ([245]\.\d{{1,3}}\.\d{{1,3}}))?"
    r"|([245]\.\d{1,3}\.\d{1,3}))(?= )"
)
_STATUS = re.compile(rf"{_NO_SECTION}([245]\.\d{{1,3}}\.\d{{1,3}})(?= )")
# In so many replies that they tell no phrase.
_COMMON = frozenset(
    {"address", "in", "last", "mail", "mailbox", "message", "to", "was"}
    | {"other", "but", "sender", "does", "not", "i", "failed", "on"}
)


def _telling(phrases: Iterable[str]) -> frozenset[str]:
    """A word of each phrase: most replies have none of them, and so no phrase."""
    return frozenset(
        next(word for word in phrase.split() if word not in _COMMON)
        for phrase in phrases
    )


_START_WORDS = _telling((*_NEAR, *_FAR, *_WEAK))
_CLOSER_WORDS = _telling((*_CLOSERS, " attempts "))
_STEP_WORDS = _telling(phrase for phrase, _ in (*_STEPS, *_ENDS))
_TELLING = _START_WORDS | _CLOSER_WORDS | _STEP_WORDS
#: How far behind an opener the reply's head may stand: a host name and an address.
_HEAD_WITHIN = 120
#: Below this many characters an inner text is a leftover, and the whole one decides.
_SHORTEST_INNER = 4


class Reply(NamedTuple):
    """The innermost reply: code 0 and status ``""`` when unknown."""

    text: str
    code: int = 0
    status: str = ""
    command: str = ""
    wrapped: bool = False


def unwrap(words: str, code: int = 0, status: str = "") -> Reply:
    """The receiver's own reply in plain text ``words``.

    ``code`` and ``status`` are those of the event; the reply's own ones win.

    >>> unwrap(" host mx ip said 550 5.1.1 no such user in reply to rcpt to command ")
    Reply(text=' 550 5.1.1 no such user ', code=550, status='5.1.1', command='rcpt', \
wrapped=True)
    """
    said = _TELLING.intersection(words.split())
    start = 0
    if not _START_WORDS.isdisjoint(said):
        start = _start(_NO_FURTHER.split(words, 1)[0] + " ")
    inner = words[start - 1 :] if start else words
    if not _CLOSER_WORDS.isdisjoint(said):
        inner = _closed(inner)
    if len(inner) < len(words):
        inner = _token_behind(words, inner)
    if len(inner) < _SHORTEST_INNER:
        inner = words
    own_code, own_status = _codes(inner)
    code = own_code or code
    if own_code and status[:1] != str(own_code)[:1]:
        status = ""  # the event's status is the relay's, not the receiver's
    status = own_status or status
    text = _headed(_joined(inner), code, status)
    command = "" if _STEP_WORDS.isdisjoint(said) else _command(words)
    return Reply(text, code, status, command, wrapped=inner is not words)


def _start(words: str) -> int:
    """Where the innermost reply starts; 0 when nothing is wrapped."""
    starts = [_behind(words, opener) for opener in _NEAR if opener in words]
    for opener in _FAR:
        if opener in words:
            end = _behind(words, opener)
            head = _HEAD.search(words, end - 1, end + _HEAD_WITHIN)
            starts.append(head.start() + 1 if head else end)
    for opener in _WEAK:
        if opener in words:
            end = _behind(words, opener)
            starts += [end] if _HEAD.match(words, end - 1) else []
    return max(starts, default=0)


def _behind(words: str, opener: str) -> int:
    return words.rfind(opener) + len(opener)


def _closed(text: str) -> str:
    for closer in _CLOSERS:
        if (at := text.find(closer, 1)) > 0:
            text = text[: at + 1]
    tried = _ATTEMPTS.search(text, 1)
    return text[: tried.start() + 1] if tried else text


def _token_behind(words: str, text: str) -> str:
    """The text with the receiver's token that stands behind a pointer to a page."""
    at = words.rfind(_TOKEN)
    if at < 0 or _TOKEN in text:
        return text
    token = words[at + len(_TOKEN) :].partition(" ")[0]
    return f"{text}{_TOKEN[1:]}{token} " if token else text


def _codes(text: str) -> tuple[int, str]:
    """The first reply code and the first enhanced status of a reply."""
    head = _HEAD.match(text)
    if head is None:
        any_status = _STATUS.search(text)
        return 0, any_status[1] if any_status else ""
    code, status = int(head[1] or 0), head[2] or head[3] or ""
    if not status:
        any_status = _STATUS.search(text, head.end())
        status = any_status[1] if any_status else ""
    return code, status


def _joined(text: str) -> str:
    """Continued lines as one: the repeated heads inside go. Behind other words a code
    alone may be a number; one with its status is a head.
    """
    head = _HEAD.search(text)
    if head is None or (head.start() and not head[2]):
        return text
    again = head[0] + " "
    before, first, rest = text.partition(again)
    return before + first + rest.replace(again, " ")


def _headed(text: str, code: int, status: str) -> str:
    """The text with the event's codes before it, where it names none itself."""
    if status and status not in text:
        text = f" {status}{text}"
    known = f" {code} "
    return text if not code or text.startswith(known) else known + text[1:]


def _command(words: str) -> str:
    for phrase, command in _STEPS:
        if phrase in words:
            return command
    for phrase, command in _ENDS:
        if words.endswith(phrase):
            return command
    return ""
