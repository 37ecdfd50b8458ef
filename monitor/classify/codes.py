"""What codes and foreign classes say when the text says nothing.

Three tables in ``rules/``: enhanced statuses (RFC 3463 and the IANA registry), reply
codes (RFC 5321), and the classes that sources give (a *hint*). Each entry has its own
confidence. No reply code alone is ever hard: half of the soft replies carry a 550.
"""

import tomllib
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from monitor.events import Reason


class Guess(NamedTuple):
    """A reason and how sure it is, 0-1; ``name`` is the table's key."""

    reason: Reason
    confidence: float
    name: str


@cache
def _table(file: str, section: str) -> dict[str, Guess]:
    path = files("monitor.classify").joinpath("rules", file)
    rows = tomllib.loads(path.read_text(encoding="utf-8"))[section]
    return {
        key: Guess(Reason(reason), sureness, f"{section}-{key}")
        for key, (reason, sureness) in rows.items()
    }


def guess_status(status: str) -> Guess | None:
    """What an enhanced status means: the exact one, else the same for any class.

    >>> guess_status("5.2.2").reason.value
    'mailbox_full'
    """
    table = _table("codes.toml", "status")
    _, _, detail = status.partition(".")
    subject = detail.partition(".")[0]
    return table.get(status) or table.get(f"x.{detail}") or table.get(f"x.{subject}.x")


def guess_reply(code: int) -> Guess | None:
    """What a bare reply code means; never hard."""
    table = _table("codes.toml", "reply")
    return table.get(str(code)) or table.get(str(code)[:1])


def guess_hint(hint: str) -> Guess | None:
    """What a source's own class means, such as ``Permanent/NoEmail``.

    Letter case, blanks, dashes and underscores do not matter.
    """
    if not hint:
        return None
    table = _table("hints.toml", "hint")
    key = "".join(char for char in hint[:64].lower() if char.isalnum() or char == "/")
    return table.get(key) or table.get(key.partition("/")[0])
