"""What each reason means for the recipient: its class and the advice for the list.

The table is the project's taxonomy; ``class`` decides the recipient and ``reason`` the
spike. Permanence never changes a class, only the advice of the two reasons where one
temporary answer proves nothing.
"""

from monitor.events import Advice, BounceClass, Permanence, Reason

_NOW, _LATER, _NEVER = Advice.SUPPRESS_NOW, Advice.AFTER_N, Advice.NEVER

_TABLE: dict[BounceClass, dict[Reason, Advice]] = {
    BounceClass.HARD: {
        Reason.USER_UNKNOWN: _NOW,
        Reason.DOMAIN_UNKNOWN: _NOW,
        Reason.NULL_MX: _NOW,
        Reason.MAILBOX_INACTIVE: _NOW,
        Reason.ADDRESS_MOVED: _NOW,
    },
    BounceClass.SOFT: {
        Reason.MAILBOX_FULL: _LATER,
        Reason.MESSAGE_TOO_LARGE: _NEVER,
        Reason.GREYLISTED: _NEVER,
        Reason.RECIPIENT_RATE: _NEVER,
        Reason.TEMPORARILY_UNAVAILABLE: _LATER,
    },
    BounceClass.BLOCK: {
        Reason.IP_REPUTATION: _NEVER,
        Reason.DOMAIN_REPUTATION: _NEVER,
        Reason.THROTTLED: _NEVER,
        Reason.SPAM_CONTENT: _NEVER,
        Reason.CONTENT_SECURITY: _NEVER,
        Reason.AUTH_FAILED: _NEVER,
        Reason.RDNS_MISSING: _NEVER,
        Reason.SENDER_REJECTED: _NEVER,
        Reason.POLICY: _NEVER,
        Reason.RECIPIENT_REFUSED: _LATER,
        Reason.RELAY_DENIED: _LATER,
        Reason.RFC_VIOLATION: _NEVER,
    },
    BounceClass.TECHNICAL: {
        Reason.CONNECT_FAILED: _LATER,
        Reason.EXPIRED: _LATER,
        Reason.DNS_FAILURE: _LATER,
        Reason.TLS_FAILURE: _NEVER,
        Reason.ROUTING_LOOP: _LATER,
        Reason.SERVER_ERROR: _LATER,
        Reason.SYSTEM_FULL: _LATER,
        Reason.PROTOCOL_ERROR: _NEVER,
    },
    BounceClass.OTHER: {
        Reason.SUPPRESSED: _NOW,
        Reason.AUTO_REPLY: _NEVER,
        Reason.UNDETERMINED: _LATER,
    },
}
_CLASS = {reason: kind for kind, rows in _TABLE.items() for reason in rows}
_ADVICE = {
    reason: advice for rows in _TABLE.values() for reason, advice in rows.items()
}
# A DNS outage looks like a dead domain, and an account on hold may come back.
_NEEDS_PROOF = frozenset({Reason.DOMAIN_UNKNOWN, Reason.MAILBOX_INACTIVE})


def class_of(reason: Reason) -> BounceClass:
    """The class of a reason.

    >>> class_of(Reason.MAILBOX_FULL).value
    'soft'
    """
    return _CLASS[reason]


def advice_for(reason: Reason, permanence: Permanence) -> Advice:
    """What a list owner should do with the address after this reason.

    A dead domain or a closed mailbox is suppressed at once only when the receiver said
    so for good (5xx); without that, a second sighting is wanted.
    """
    if reason in _NEEDS_PROOF and permanence is not Permanence.PERMANENT:
        return Advice.AFTER_N
    return _ADVICE[reason]
