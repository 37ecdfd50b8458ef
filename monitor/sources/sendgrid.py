"""SendGrid's event webhook: an array of flat objects, one an event."""

import msgspec

from monitor.events import Decoded, DeliveryEvent, Outcome
from monitor.sources.fields import (
    Hasher,
    Scalar,
    count,
    domain_of,
    epoch,
    ip,
    name,
    read_reply,
    required,
    text,
)
from monitor.sources.options import Labels, SourceOptions

#: Opens, clicks, unsubscribes and ``processed`` say nothing about delivery.
OUTCOMES = {
    "delivered": Outcome.DELIVERED,
    "deferred": Outcome.DEFERRED,
    "bounce": Outcome.BOUNCED,
    "blocked": Outcome.BOUNCED,
    "dropped": Outcome.DROPPED,
    "spamreport": Outcome.COMPLAINED,
}


class _Event(msgspec.Struct, gc=False, rename={"smtp_id": "smtp-id"}):
    event: Scalar = None
    email: Scalar = None
    timestamp: Scalar = None
    sg_event_id: Scalar = None
    sg_message_id: Scalar = None
    smtp_id: Scalar = None
    type: Scalar = None
    bounce_classification: Scalar = None
    reason: Scalar = None
    response: Scalar = None
    status: Scalar = None
    ip: Scalar = None
    attempt: Scalar = None
    category: Scalar | list[Scalar] = None


_EVENT = msgspec.json.Decoder(_Event)


class SendGrid:
    """Reads one event of the webhook's array; see ``open_source``."""

    def __init__(self, options: SourceOptions) -> None:
        self._labels = Labels(options)
        self._hasher = Hasher(options.recipient_key)

    def __call__(self, raw: bytes) -> Decoded:
        """The event of one object, if it is about delivery.

        Raises:
            InvalidEvent: a field is missing or makes no sense.
        """
        event = _EVENT.decode(raw)
        outcome = OUTCOMES.get(required(event.event, "event"))
        if outcome is None:
            return Decoded()
        address = text(event.email)
        reply = read_reply(event.reason or event.response, status=event.status)
        category = event.category
        if isinstance(category, list):
            category = category[0] if category else None
        tree = self._labels.tree(raw)
        campaign, tenant, segment = self._labels.of(tree, category, None)
        return Decoded(
            (
                DeliveryEvent(
                    event_id=name(event.sg_event_id) or self._event_id(event),
                    event_time=epoch(event.timestamp),
                    source="sendgrid",
                    outcome=outcome,
                    counts_to_rate=outcome is not Outcome.DROPPED,
                    reply_code=reply.code,
                    enhanced_status=reply.status,
                    diagnostic=reply.text,
                    recipient_domain=domain_of(address),
                    recipient_hash=self._hasher.recipient(address),
                    source_ip=ip(event.ip),
                    campaign=campaign,
                    tenant=tenant,
                    segment=segment,
                    message_id=_message_id(event),
                    attempt=count(event.attempt),
                    provider_class=name(event.bounce_classification or event.type),
                ),
            )
        )

    def _event_id(self, event: _Event) -> str:
        return self._hasher.event_id(
            event.event,
            event.timestamp,
            event.email,
            event.sg_message_id,
            event.smtp_id,
            event.attempt,
        )


def _message_id(event: _Event) -> str:
    """The X-Message-Id of the send call: what stands before the filter's suffix."""
    return name(text(event.sg_message_id).partition(".filter")[0])
