"""What receivers say in the demo: our own wording, in the styles one meets."""

from enum import Enum
from typing import NamedTuple

from monitor.events import Outcome


class Fate(Enum):
    """What becomes of one attempt."""

    DELIVERED = "delivered"
    GREYLISTED = "greylisted"
    THROTTLED = "throttled"
    BUSY = "busy"
    UNKNOWN_USER = "unknown user"
    MAILBOX_FULL = "mailbox full"
    SPAM = "spam"
    IP_BLOCKED = "IP blocked"
    UNREACHABLE = "unreachable"


class Reply(NamedTuple):
    """One SMTP reply; ``{ip}``, ``{domain}`` and ``{id}`` are filled in."""

    code: int
    status: str
    text: str


#: Outcome of each fate; a deferral is tried again.
OUTCOMES: dict[Fate, Outcome] = {
    Fate.DELIVERED: Outcome.DELIVERED,
    Fate.GREYLISTED: Outcome.DEFERRED,
    Fate.THROTTLED: Outcome.DEFERRED,
    Fate.BUSY: Outcome.DEFERRED,
    Fate.UNKNOWN_USER: Outcome.BOUNCED,
    Fate.MAILBOX_FULL: Outcome.BOUNCED,
    Fate.SPAM: Outcome.BOUNCED,
    Fate.IP_BLOCKED: Outcome.BOUNCED,
    Fate.UNREACHABLE: Outcome.BOUNCED,
}

REPLIES: dict[Fate, tuple[Reply, ...]] = {
    Fate.DELIVERED: (Reply(250, "2.0.0", "OK, queued as {id}"),),
    Fate.GREYLISTED: (
        Reply(451, "4.7.1", "Greylisted, please try again in 300 seconds"),
        Reply(450, "4.2.0", "Greylisting in action, come back later ({id})"),
    ),
    Fate.THROTTLED: (
        Reply(421, "4.7.0", "Too many messages from {ip}, slow down, throttled ({id})"),
        Reply(421, "4.7.0", "Rate limit exceeded for {ip}, temporarily deferred"),
        Reply(421, "4.7.28", "Mail from {ip} has been rate limited, try again later"),
    ),
    Fate.BUSY: (
        Reply(421, "4.3.2", "{domain} service not available, try again later"),
        Reply(451, "4.3.0", "Temporary server error, please try again later ({id})"),
    ),
    Fate.UNKNOWN_USER: (
        Reply(550, "5.1.1", "No such user here"),
        Reply(550, "5.1.1", "Recipient address rejected: user unknown at {domain}"),
        Reply(550, "5.1.1", "The mailbox does not exist, check the address ({id})"),
    ),
    Fate.MAILBOX_FULL: (
        Reply(552, "5.2.2", "The recipient's mailbox is full"),
        Reply(552, "5.2.2", "Mailbox over quota at {domain} ({id})"),
    ),
    Fate.SPAM: (
        Reply(554, "5.7.1", "Message rejected as spam by content filtering ({id})"),
        Reply(550, "5.7.1", "This message was classified as spam and refused"),
    ),
    Fate.IP_BLOCKED: (
        Reply(
            550, "5.7.1", "Mail from IP {ip} blocked due to its poor reputation ({id})"
        ),
        Reply(554, "5.7.1", "Your IP {ip} is on our blocklist because of reputation"),
    ),
    Fate.UNREACHABLE: (
        Reply(0, "5.4.1", "connect to mx.{domain}: connection timed out"),
    ),
}
