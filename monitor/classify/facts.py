"""What else a reply's text tells: the blocklist that spoke, and how long to wait."""

import re
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

#: Longest wait that is believed, in seconds: a week. More is a date or a joke.
MAX_RETRY_AFTER = 7 * 86_400

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_ABOUT_RETRY = frozenset(
    {"retry", "again", "later", "wait", "back", "delay", "deferred", "greylisted"}
    | {"greylisting", "graylisted", "greylist"}
)
_WAIT = re.compile(
    r" (?:in|after|for|wait|least|within|another|retry|about) "
    r"(?:(?:about|at|least|another|the|next) ){0,2}"
    r"(\d{1,6}) ?(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|days?) "
)
_CLOCK = re.compile(r" (?:in|after|for|wait) (\d\d) (\d\d) (\d\d) ")


@cache
def _blocklists() -> dict[str, str]:
    path = files("monitor.classify").joinpath("rules", "blocklists.toml")
    names = tomllib.loads(path.read_text(encoding="utf-8"))["blocklist"]
    return {word: name for name, words in names.items() for word in words}


def blocklist_in(said: Sequence[str]) -> str:
    """The first blocklist that the words of a reply name, as a short id; or ``""``.

    >>> blocklist_in("554 blocked using zen spamhaus org".split())
    'spamhaus'
    """
    known = _blocklists()
    if known.keys().isdisjoint(said):
        return ""
    return next(known[word] for word in said if word in known)


def retry_after_in(words: str, said: Sequence[str]) -> int:
    """Seconds that plain text, whose words are ``said``, asks to wait; 0 for no time.

    >>> text = " 450 greylisted please try again in 5 minutes "
    >>> retry_after_in(text, text.split())
    300
    """
    if _ABOUT_RETRY.isdisjoint(said):
        return 0
    if found := _WAIT.search(words):
        return min(int(found[1]) * _UNITS[found[2][0]], MAX_RETRY_AFTER)
    if clock := _CLOCK.search(words):
        hours, minutes, seconds = (int(part) for part in clock.groups())
        return min(hours * 3_600 + minutes * 60 + seconds, MAX_RETRY_AFTER)
    return 0
