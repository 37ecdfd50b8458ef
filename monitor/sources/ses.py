"""Amazon SES events: raw, or inside the envelope of SNS or EventBridge.

Identity notifications (``notificationType``) and event publishing (``eventType``) have
the same objects under two names. A transient bounce is final all the same: SES has
given up; what it will try again is a ``DeliveryDelay``.
"""

from typing import NamedTuple

import msgspec

from monitor.errors import InvalidEvent, InvalidReason
from monitor.events import Decoded, DeliveryEvent, Outcome
from monitor.sources.fields import (
    Hasher,
    Scalar,
    domain_of,
    epoch,
    ip,
    name,
    read_reply,
    required,
    text,
)
from monitor.sources.guard import checked, each_recipient
from monitor.sources.options import Labels, SourceOptions

#: Sends, opens, clicks, subscriptions and rule checks are no outcomes.
OUTCOMES = {
    "Delivery": Outcome.DELIVERED,
    "DeliveryDelay": Outcome.DEFERRED,
    "Bounce": Outcome.BOUNCED,
    "Complaint": Outcome.COMPLAINED,
    "Reject": Outcome.DROPPED,
    "Rendering Failure": Outcome.DROPPED,
}

#: EventBridge's own words for the same, should the detail not name its type.
DETAIL_TYPES = {
    "Email Delivered": "Delivery",
    "Email Delivery Delayed": "DeliveryDelay",
    "Email Bounced": "Bounce",
    "Email Complaint Received": "Complaint",
    "Email Rejected": "Reject",
    "Email Rendering Failed": "Rendering Failure",
}

#: SNS inside EventBridge, or the other way round, is two; deeper is no AWS set-up.
MAX_ENVELOPES = 3

#: The one text that SES publishes outside JSON, when event publishing is set up.
GREETING = b"Successfully validated"


class _Recipient(msgspec.Struct, gc=False, rename="camel"):
    email_address: Scalar = None
    status: Scalar = None
    diagnostic_code: Scalar = None


class _Report(msgspec.Struct, gc=False, rename="camel"):
    """Any of bounce, complaint, delivery, deliveryDelay, reject, failure."""

    timestamp: Scalar = None
    feedback_id: Scalar = None
    bounce_type: Scalar = None
    bounce_sub_type: Scalar = None
    complaint_sub_type: Scalar = None
    complaint_feedback_type: Scalar = None
    delay_type: Scalar = None
    smtp_response: Scalar = None
    reason: Scalar = None
    error_message: Scalar = None
    recipients: list[msgspec.Raw] | None = None
    bounced_recipients: list[msgspec.Raw] | None = None
    complained_recipients: list[msgspec.Raw] | None = None
    delayed_recipients: list[msgspec.Raw] | None = None


class _Tags(msgspec.Struct, gc=False):
    campaign: Scalar | list[Scalar] = None
    configuration_set: Scalar | list[Scalar] = msgspec.field(
        default=None, name="ses:configuration-set"
    )
    outgoing_ip: Scalar | list[Scalar] = msgspec.field(
        default=None, name="ses:outgoing-ip"
    )


class _Mail(msgspec.Struct, gc=False, rename="camel"):
    timestamp: Scalar = None
    message_id: Scalar = None
    sending_account_id: Scalar = None
    destination: list[msgspec.Raw] | None = None
    tags: _Tags | None = None


class _Event(msgspec.Struct, gc=False, rename="camel"):
    event_type: Scalar = None
    notification_type: Scalar = None
    mail: _Mail | None = None
    bounce: _Report | None = None
    complaint: _Report | None = None
    delivery: _Report | None = None
    delivery_delay: _Report | None = None
    reject: _Report | None = None
    failure: _Report | None = None
    # Of the SNS envelope:
    sns_type: Scalar = msgspec.field(default=None, name="Type")
    sns_time: Scalar = msgspec.field(default=None, name="Timestamp")
    message: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="Message")
    # Of the EventBridge envelope:
    detail_type: Scalar = msgspec.field(default=None, name="detail-type")
    time: Scalar = None
    detail: msgspec.Raw = msgspec.Raw()


_EVENT = msgspec.json.Decoder(_Event)
_RECIPIENT = msgspec.json.Decoder(str | _Recipient)
_MESSAGE = msgspec.json.Decoder(str)
_NO_MAIL = _Mail()
_NO_REPORT = _Report()
_NO_TAGS = _Tags()


class _Unwrapped(NamedTuple):
    """The SES event itself, and what only its envelopes knew."""

    event: _Event
    raw: bytes
    kind: str
    published: Scalar


class Ses:
    """Reads one SES event; see ``open_source``."""

    def __init__(self, options: SourceOptions) -> None:
        self._labels = Labels(options)
        self._hasher = Hasher(options.recipient_key)

    def __call__(self, raw: bytes) -> Decoded:
        """The events of one record, one a recipient.

        Raises:
            InvalidEvent: a field is missing or makes no sense.
        """
        inner = _unwrap(raw)
        if inner is None or inner.kind not in OUTCOMES:
            return Decoded()
        report = _report(inner)
        draft = self._draft(inner, report)
        identity = (draft.message_id, inner.kind, report.feedback_id, report.timestamp)
        recipients, invalid = each_recipient(
            _recipients(inner.event, report), _RECIPIENT
        )
        events = tuple(
            self._addressed(draft, identity, recipient) for recipient in recipients
        )
        return Decoded(events, tuple(invalid))

    def _draft(self, inner: _Unwrapped, report: _Report) -> DeliveryEvent:
        """The event without its recipient, reply and id."""
        mail = inner.event.mail or _NO_MAIL
        tags = mail.tags or _NO_TAGS
        outcome = OUTCOMES[inner.kind]
        if _suppressed(report):
            outcome = Outcome.DROPPED
        campaign, tenant, segment = self._labels.of(
            self._labels.tree(inner.raw),
            _first(tags.campaign) or _first(tags.configuration_set),
            mail.sending_account_id,
        )
        return DeliveryEvent(
            event_id="",
            event_time=epoch(report.timestamp or inner.published or mail.timestamp),
            source="ses",
            outcome=outcome,
            counts_to_rate=outcome is not Outcome.DROPPED,
            diagnostic=text(
                report.smtp_response or report.reason or report.error_message
            ),
            source_ip=ip(_first(tags.outgoing_ip)),
            campaign=campaign,
            tenant=tenant,
            segment=segment,
            message_id=name(mail.message_id),
            provider_class=_provider_class(report),
        )

    def _addressed(
        self,
        draft: DeliveryEvent,
        identity: tuple[Scalar, ...],
        recipient: str | _Recipient,
    ) -> DeliveryEvent:
        if isinstance(recipient, str):
            recipient = _Recipient(email_address=recipient)
        address = text(recipient.email_address)
        reply = read_reply(
            recipient.diagnostic_code or draft.diagnostic, status=recipient.status
        )
        return msgspec.structs.replace(
            draft,
            event_id=self._hasher.event_id(*identity, address),
            reply_code=reply.code,
            enhanced_status=reply.status,
            diagnostic=reply.text,
            recipient_domain=domain_of(address),
            recipient_hash=self._hasher.recipient(address),
        )


def _unwrap(raw: bytes) -> _Unwrapped | None:
    """Take the envelopes off; ``None`` for one that holds no event."""
    published: Scalar = None
    detail_type: Scalar = None
    for _ in range(MAX_ENVELOPES):
        event = _EVENT.decode(raw)
        if event.sns_type is not None and event.sns_type != "Notification":
            return None  # the confirmation of a subscription, or of its end
        published = published or event.sns_time or event.time
        message, detail = bytes(event.message), bytes(event.detail)
        if message:
            raw = _message(message)
            if raw.startswith(GREETING):
                return None
        elif detail:
            detail_type = event.detail_type
            raw = detail
        else:
            kind = event.event_type or event.notification_type
            if kind is None and detail_type is not None:
                kind = DETAIL_TYPES.get(text(detail_type), "other")
            return _Unwrapped(event, raw, required(kind, "eventType"), published)
    raise InvalidEvent(InvalidReason.TOO_DEEP, "envelope in envelope")


def _message(raw: bytes) -> bytes:
    """The body of an SNS envelope: JSON in a text, or plain JSON."""
    if raw.startswith(b'"'):
        raw = _MESSAGE.decode(raw).encode()
        if not raw:
            raise InvalidEvent(InvalidReason.MISSING_FIELD, "Message")
    return checked(raw)


def _report(inner: _Unwrapped) -> _Report:
    event = inner.event
    reports = {
        "Bounce": event.bounce,
        "Complaint": event.complaint,
        "Delivery": event.delivery,
        "DeliveryDelay": event.delivery_delay,
        "Reject": event.reject,
        "Rendering Failure": event.failure,
    }
    return reports[inner.kind] or _NO_REPORT


def _recipients(event: _Event, report: _Report) -> list[msgspec.Raw]:
    """Whom the report is about; everybody the mail went to, if it does not say."""
    mail = event.mail or _NO_MAIL
    return (
        report.bounced_recipients
        or report.complained_recipients
        or report.delayed_recipients
        or report.recipients
        or mail.destination
        or [msgspec.Raw(b'""')]
    )


def _suppressed(report: _Report) -> bool:
    """True if SES did not try, because the address is on a suppression list."""
    subtype = text(report.bounce_sub_type) or text(report.complaint_sub_type)
    return "Suppress" in subtype or subtype == "UnsubscribedRecipient"


def _provider_class(report: _Report) -> str:
    """``Permanent/General`` and the like; the one word there is, for the others."""
    if report.bounce_type:
        return name(f"{text(report.bounce_type)}/{text(report.bounce_sub_type)}")
    return name(
        report.delay_type or report.complaint_sub_type or report.complaint_feedback_type
    )


def _first(tag: Scalar | list[Scalar]) -> Scalar:
    if isinstance(tag, list):
        return tag[0] if tag else None
    return tag
