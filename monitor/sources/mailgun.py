"""Mailgun: webhooks, items of its events API, and the form posts of its old webhooks.

Mailgun writes numbers of its own into the field of the reply code (498 no MX, 605 to
607 suppressed); they are no SMTP codes, and stay in ``provider_class``.
"""

import re
from urllib.parse import parse_qsl

import msgspec

from monitor.errors import InvalidEvent, InvalidReason
from monitor.events import Decoded, DeliveryEvent, Outcome
from monitor.sources.fields import (
    Hasher,
    Scalar,
    count,
    domain_of,
    epoch,
    host,
    ip,
    name,
    read_reply,
    reply_code,
    required,
    text,
)
from monitor.sources.options import Labels, SourceOptions

#: Codes in the range of SMTP that Mailgun made up.
OWN_CODES = frozenset({498, 499})

#: Not delivered on purpose: bounced, unsubscribed or complained before.
SUPPRESSED_CODES = frozenset({605, 606, 607})

#: An old webhook has some twenty fields, and whatever variables the user added.
MAX_FORM_FIELDS = 1_000

_FORM = re.compile(rb"[\w.%+-]{1,200}=", re.ASCII)


class _Status(msgspec.Struct, gc=False, rename="kebab"):
    code: Scalar = None
    message: Scalar = None
    description: Scalar = None
    enhanced_code: Scalar = None
    bounce_code: Scalar = None
    mx_host: Scalar = None
    attempt_no: Scalar = None


class _Flags(msgspec.Struct, gc=False, rename="kebab"):
    is_test_mode: Scalar = None


class _Envelope(msgspec.Struct, gc=False, rename="kebab"):
    sending_ip: Scalar = None


class _Headers(msgspec.Struct, gc=False, rename="kebab"):
    message_id: Scalar = None


class _Message(msgspec.Struct, gc=False):
    headers: _Headers | None = None


class _Domain(msgspec.Struct, gc=False):
    name: Scalar = None


class _Event(msgspec.Struct, gc=False, rename="kebab"):
    event: Scalar = None
    id: Scalar = None
    timestamp: Scalar = None
    severity: Scalar = None
    reason: Scalar = None
    recipient: Scalar = None
    recipient_domain: Scalar = None
    tags: list[Scalar] | None = None
    delivery_status: _Status | None = None
    flags: _Flags | None = None
    envelope: _Envelope | None = None
    message: _Message | None = None
    domain: str | _Domain | None = None
    event_data: msgspec.Raw = msgspec.Raw()


_EVENT = msgspec.json.Decoder(_Event)
_NO_STATUS = _Status()


class Mailgun:
    """Reads one Mailgun event; see ``open_source``."""

    def __init__(self, options: SourceOptions) -> None:
        self._labels = Labels(options)
        self._hasher = Hasher(options.recipient_key)

    def __call__(self, raw: bytes) -> Decoded:
        """The event of one object or form, if it is about delivery.

        Raises:
            InvalidEvent: a field is missing or makes no sense.
        """
        if _FORM.match(raw):
            form = _parse_form(raw)
            return self._decoded(_from_form(form), form)
        event = _EVENT.decode(raw)
        if inner := bytes(event.event_data):
            raw, event = inner, _EVENT.decode(inner)
        return self._decoded(event, self._labels.tree(raw))

    def _decoded(self, event: _Event, tree: object) -> Decoded:
        outcome = _outcome(event)
        if outcome is None:
            return Decoded()
        status = event.delivery_status or _NO_STATUS
        address = text(event.recipient)
        code = reply_code(status.code)
        reply = read_reply(
            status.message or status.description,
            0 if code in OWN_CODES else code,
            status.enhanced_code or status.bounce_code,
        )
        campaign, tenant, segment = self._labels.of(
            tree, event.tags[0] if event.tags else None, _sending_domain(event)
        )
        return Decoded(
            (
                DeliveryEvent(
                    event_id=name(event.id) or self._event_id(event),
                    event_time=epoch(event.timestamp),
                    source="mailgun",
                    outcome=outcome,
                    counts_to_rate=outcome is not Outcome.DROPPED
                    and not (event.flags is not None and event.flags.is_test_mode),
                    reply_code=reply.code,
                    enhanced_status=reply.status,
                    diagnostic=reply.text,
                    recipient_domain=host(event.recipient_domain) or domain_of(address),
                    recipient_hash=self._hasher.recipient(address),
                    mx_host=host(status.mx_host),
                    source_ip=ip(event.envelope.sending_ip) if event.envelope else "",
                    campaign=campaign,
                    tenant=tenant,
                    segment=segment,
                    message_id=_message_id(event),
                    attempt=count(status.attempt_no),
                    provider_class=_provider_class(event, status),
                ),
            )
        )

    def _event_id(self, event: _Event) -> str:
        status = event.delivery_status or _NO_STATUS
        return self._hasher.event_id(
            event.event,
            event.timestamp,
            event.recipient,
            _message_id(event),
            status.code,
            status.attempt_no,
        )


def _outcome(event: _Event) -> Outcome | None:
    """What became of the mail; ``None`` for opens, clicks and the like.

    A delayed bounce (after a delivery) is a bounce like any other.
    """
    kind = required(event.event, "event")
    if kind != "failed":
        return {
            "delivered": Outcome.DELIVERED,
            "complained": Outcome.COMPLAINED,
            "rejected": Outcome.DROPPED,
        }.get(kind)
    status = event.delivery_status or _NO_STATUS
    reason = text(event.reason)
    if reason.startswith("suppress-") or count(status.code) in SUPPRESSED_CODES:
        return Outcome.DROPPED
    if event.severity == "temporary":
        return Outcome.DEFERRED
    return Outcome.BOUNCED


def _provider_class(event: _Event, status: _Status) -> str:
    """Mailgun's reason, with its own code if it used one: ``generic/498``."""
    code = count(status.code)
    own = code in OWN_CODES or code in SUPPRESSED_CODES
    return name(f"{text(event.reason)}/{code}" if own else event.reason)


def _sending_domain(event: _Event) -> Scalar:
    if isinstance(event.domain, _Domain):
        return event.domain.name
    return event.domain


def _message_id(event: _Event) -> str:
    if event.message is None or event.message.headers is None:
        return ""
    return name(event.message.headers.message_id).strip("<>")


def _parse_form(raw: bytes) -> dict[str, list[str]]:
    """The fields of a form-encoded body, each with all its values.

    Raises:
        InvalidEvent: too many fields.
    """
    if raw.count(b"&") >= MAX_FORM_FIELDS:
        raise InvalidEvent(InvalidReason.TOO_MANY, "form fields")
    form: dict[str, list[str]] = {}
    for key, value in parse_qsl(raw.decode(), keep_blank_values=True):
        form.setdefault(key, []).append(value)
    return form


def _from_form(form: dict[str, list[str]]) -> _Event:
    """An old webhook in the words of the new ones."""

    def first(*keys: str) -> str:
        return next((form[key][0] for key in keys if form.get(key)), "")

    kind, code, reason = first("event"), first("code"), first("reason")
    if kind == "bounced":
        kind = "failed"
    elif kind == "dropped":
        # Dropped on purpose, or given up after the receiver refused for hours.
        gave_up = reason == "old" or reply_code(code) > 0
        kind = "failed" if gave_up else "rejected"
    return _Event(
        event=kind,
        timestamp=first("timestamp"),
        severity="permanent",
        reason=reason,
        recipient=first("recipient"),
        tags=[*form.get("tag", ()), *form.get("X-Mailgun-Tag", ())],
        delivery_status=_Status(
            code=code, message=first("error", "description", "notification")
        ),
        message=_Message(_Headers(first("Message-Id", "message-id"))),
        domain=first("domain"),
    )
