"""What was said to one delivery attempt, and what it means."""

from typing import NamedTuple

import msgspec

from monitor.errors import InvalidEvent
from monitor.events.words import Word


class Outcome(Word):
    """What the receiver said to one delivery attempt."""

    DELIVERED = "delivered"
    DEFERRED = "deferred"
    BOUNCED = "bounced"
    DROPPED = "dropped"
    COMPLAINED = "complained"
    OTHER = "other"


class DeliveryEvent(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One verdict on one delivery attempt.

    ``counts_to_rate`` is false for what never reached the receiver: suppressed,
    dropped, administrative, or made by our own pause. Unknown text fields are ``""``.
    ``recipient_hash`` is a keyed hash; the address itself never enters this struct.
    """

    event_id: str
    event_time: float
    source: str
    outcome: Outcome
    counts_to_rate: bool = True
    reply_code: int = 0
    enhanced_status: str = ""
    diagnostic: str = ""
    recipient_domain: str = ""
    recipient_hash: str = ""
    mx_host: str = ""
    source_ip: str = ""
    campaign: str = ""
    tenant: str = ""
    segment: str = ""
    message_id: str = ""
    attempt: int = 0
    provider_class: str = ""


class Decoded(NamedTuple):
    """What a source made of one record; both empty: *ignored* (an open, a click)."""

    events: tuple[DeliveryEvent, ...] = ()
    invalid: tuple[InvalidEvent, ...] = ()


class BounceClass(Word):
    """What a reply means for the recipient."""

    HARD = "hard"
    SOFT = "soft"
    BLOCK = "block"
    TECHNICAL = "technical"
    OTHER = "other"


class Reason(Word):
    """Why a reply refused the mail; decides which spike it feeds."""

    USER_UNKNOWN = "user_unknown"
    DOMAIN_UNKNOWN = "domain_unknown"
    NULL_MX = "null_mx"
    MAILBOX_INACTIVE = "mailbox_inactive"
    ADDRESS_MOVED = "address_moved"
    MAILBOX_FULL = "mailbox_full"
    MESSAGE_TOO_LARGE = "message_too_large"
    GREYLISTED = "greylisted"
    RECIPIENT_RATE = "recipient_rate"
    TEMPORARILY_UNAVAILABLE = "temporarily_unavailable"
    IP_REPUTATION = "ip_reputation"
    DOMAIN_REPUTATION = "domain_reputation"
    THROTTLED = "throttled"
    SPAM_CONTENT = "spam_content"
    CONTENT_SECURITY = "content_security"
    AUTH_FAILED = "auth_failed"
    RDNS_MISSING = "rdns_missing"
    SENDER_REJECTED = "sender_rejected"
    POLICY = "policy"
    RECIPIENT_REFUSED = "recipient_refused"
    RELAY_DENIED = "relay_denied"
    RFC_VIOLATION = "rfc_violation"
    CONNECT_FAILED = "connect_failed"
    EXPIRED = "expired"
    DNS_FAILURE = "dns_failure"
    TLS_FAILURE = "tls_failure"
    ROUTING_LOOP = "routing_loop"
    SERVER_ERROR = "server_error"
    SYSTEM_FULL = "system_full"
    PROTOCOL_ERROR = "protocol_error"
    SUPPRESSED = "suppressed"
    AUTO_REPLY = "auto_reply"
    UNDETERMINED = "undetermined"


class Permanence(Word):
    """What the reply's first digit says; never overrides the class."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    UNKNOWN = "unknown"


class Advice(Word):
    """What a list owner should do with the address."""

    SUPPRESS_NOW = "suppress_now"
    AFTER_N = "after_n"
    NEVER = "never"


class Stage(Word):
    """Which stage of ``classify`` decided."""

    USER_RULE = "user_rule"
    PROVIDER_TOKEN = "provider_token"
    TEXT = "text"
    HINT = "hint"
    MODEL = "model"
    ENHANCED_STATUS = "enhanced_status"
    REPLY_CODE = "reply_code"
    NONE = "none"


class Verdict(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What ``classify`` says of one SMTP reply.

    ``template`` is a stable id of the normalised text; ``retry_after`` is in seconds,
    0 when the text names none; ``confidence`` is 0-1.
    """

    bounce_class: BounceClass = msgspec.field(name="class")
    reason: Reason
    permanence: Permanence = Permanence.UNKNOWN
    final: bool = True
    confidence: float = 0.0
    stage: Stage = Stage.NONE
    rule: str = ""
    blocklist: str = ""
    retry_after: int = 0
    template: str = ""
    recipient_advice: Advice = Advice.NEVER
