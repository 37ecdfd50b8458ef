"""KumoMTA log records, as its log hook publishes them to Kafka.

A record names its message (``id``), never itself; all records of one message share the
id, so the event id is made from what tells two attempts apart.
"""

from typing import NamedTuple

import msgspec

from monitor.errors import InvalidEvent
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
from monitor.sources.guard import each_recipient
from monitor.sources.options import Labels, SourceOptions

#: What the receiver said, by record type; every other type is no outcome.
OUTCOMES = {
    "Delivery": Outcome.DELIVERED,
    "TransientFailure": Outcome.DEFERRED,
    "Bounce": Outcome.BOUNCED,
    "OOB": Outcome.BOUNCED,
    "Expiration": Outcome.BOUNCED,
    "AdminBounce": Outcome.DROPPED,
    "Feedback": Outcome.COMPLAINED,
}

#: Failures that kumod makes up itself, among them those of our own suspensions:
#: counted, a pause would keep itself alive.
INTERNAL = "KumoMTA internal:"

#: Feedback reports that are not complaints (RFC 5965, RFC 6591).
NO_COMPLAINT = frozenset({"not-spam", "auth-failure"})


class _Code(msgspec.Struct, gc=False, rename={"kind": "class"}):
    kind: int
    subject: int
    detail: int


class _Response(msgspec.Struct, gc=False):
    code: Scalar = None
    enhanced_code: _Code | None = None
    content: Scalar = None


class _Peer(msgspec.Struct, gc=False):
    name: Scalar = None


class _SourceAddress(msgspec.Struct, gc=False):
    address: Scalar = None


class _Meta(msgspec.Struct, gc=False):
    campaign: object = None
    tenant: object = None
    recipient: object = None


class _Feedback(msgspec.Struct, gc=False):
    feedback_type: Scalar = None
    source_ip: Scalar = None
    original_rcpto_to: list[str] | None = None
    reporting_mta: _Peer | None = None
    supplemental_trace: _Meta | None = None


class _Record(msgspec.Struct, gc=False):
    type: Scalar = None
    id: Scalar = None
    recipient: str | list[msgspec.Raw] | None = None
    queue: Scalar = None
    response: _Response | None = None
    peer_address: _Peer | None = None
    timestamp: Scalar = None
    event_time: Scalar = None
    num_attempts: Scalar = None
    bounce_classification: Scalar = None
    egress_source: Scalar = None
    source_address: _SourceAddress | None = None
    feedback_report: _Feedback | None = None
    meta: _Meta | None = None
    reception_protocol: Scalar = None
    nodeid: Scalar = None


_RECORD = msgspec.json.Decoder(_Record)
_ADDRESS = msgspec.json.Decoder(str)
_NO_RESPONSE = _Response()
_NO_META = _Meta()


class QueueName(NamedTuple):
    """The parts of ``campaign:tenant@domain!routing_domain``; ``""`` where left out."""

    campaign: str
    tenant: str
    domain: str


def split_queue(queue: str) -> QueueName:
    """Read a queue's name in any of its shortened forms.

    >>> split_queue("acme@example.com")
    QueueName(campaign='', tenant='acme', domain='example.com')
    """
    owner, _, rest = queue.rpartition("@")
    campaign, colon, tenant = owner.partition(":")
    if not colon:
        campaign, tenant = "", owner
    return QueueName(campaign, tenant, rest.partition("!")[0])


class KumoMta:
    """Reads one log record; see ``open_source``."""

    def __init__(self, options: SourceOptions) -> None:
        self._labels = Labels(options)
        self._hasher = Hasher(options.recipient_key)

    def __call__(self, raw: bytes) -> Decoded:
        """The events of one record, one a recipient.

        Raises:
            InvalidEvent: a field is missing or makes no sense.
        """
        record = _RECORD.decode(raw)
        outcome = OUTCOMES.get(required(record.type, "type"))
        if outcome is None or record.reception_protocol == "LogRecord":
            return Decoded()  # not an outcome, or the log hook's own delivery
        report = record.feedback_report
        if report is not None and report.feedback_type in NO_COMPLAINT:
            return Decoded()
        draft = self._draft(record, outcome, self._labels.tree(raw))
        addresses, invalid = _recipients(record)
        queue_domain = host(split_queue(text(record.queue)).domain)
        if report is not None:
            queue_domain = ""  # that of the report, not of the complaint
        events = tuple(
            self._addressed(draft, record, address, queue_domain)
            for address in addresses
        )
        return Decoded(events, tuple(invalid))

    def _draft(self, record: _Record, outcome: Outcome, tree: object) -> DeliveryEvent:
        """The event without its recipient and id."""
        response = record.response or _NO_RESPONSE
        content = text(response.content)
        reply = read_reply(
            content, reply_code(response.code), _enhanced(response.enhanced_code)
        )
        campaign, tenant, segment = self._owner(record, tree)
        moment = record.event_time if record.event_time else record.timestamp
        bounce_class = name(record.bounce_classification)
        return DeliveryEvent(
            event_id="",
            event_time=epoch(moment),
            source="kumomta",
            outcome=outcome,
            counts_to_rate=outcome is not Outcome.DROPPED
            and not content.startswith(INTERNAL),
            reply_code=reply.code,
            enhanced_status=reply.status,
            diagnostic=reply.text,
            mx_host=_mx_host(record),
            source_ip=_source_ip(record),
            campaign=campaign,
            tenant=tenant,
            segment=segment,
            message_id=name(record.id),
            # kumod counts the attempts before this one.
            attempt=count(record.num_attempts) + 1,
            provider_class="" if bounce_class == "Uncategorized" else bounce_class,
        )

    def _owner(self, record: _Record, tree: object) -> tuple[str, str, str]:
        """Campaign, tenant, segment; the queue's first: suspensions match by it."""
        queue = split_queue(text(record.queue))
        report = record.feedback_report
        trace = report.supplemental_trace if report is not None else None
        meta = trace or record.meta or _NO_META
        return self._labels.of(
            tree,
            queue.campaign or _user_text(meta.campaign),
            queue.tenant or _user_text(meta.tenant),
        )

    def _addressed(
        self, draft: DeliveryEvent, record: _Record, address: str, queue_domain: str
    ) -> DeliveryEvent:
        return msgspec.structs.replace(
            draft,
            event_id=self._hasher.event_id(
                record.nodeid,
                record.id,
                record.type,
                record.num_attempts,
                record.event_time or record.timestamp,
                address,
            ),
            recipient_domain=domain_of(address) or queue_domain,
            recipient_hash=self._hasher.recipient(address),
        )


def _recipients(record: _Record) -> tuple[list[str], list[InvalidEvent]]:
    """The addresses, ``[""]`` if none is given, and what is not an address."""
    report = record.feedback_report
    if report is not None:
        return [_complainer(report)], []
    if not isinstance(record.recipient, list):
        return [record.recipient or ""], []
    return (
        each_recipient(record.recipient, _ADDRESS) if record.recipient else ([""], [])
    )


def _complainer(report: _Feedback) -> str:
    """Who complained: the record's own recipient is the feedback loop's mailbox."""
    trace = report.supplemental_trace or _NO_META
    known = report.original_rcpto_to or [""]
    return _user_text(trace.recipient) or known[0]


def _mx_host(record: _Record) -> str:
    peer = record.peer_address
    if record.feedback_report is not None:
        peer = record.feedback_report.reporting_mta
    return host(peer.name) if peer is not None else ""


def _source_ip(record: _Record) -> str:
    """The address if the record has it, else the name of the egress source."""
    if record.feedback_report is not None:
        return ip(record.feedback_report.source_ip)
    if record.source_address is not None and record.source_address.address:
        return ip(record.source_address.address)
    return name(record.egress_source)


def _enhanced(code: _Code | None) -> str:
    return f"{code.kind}.{code.subject}.{code.detail}" if code is not None else ""


def _user_text(value: object) -> str:
    """A field whose shape the user chose; anything but a scalar is not a label."""
    return text(value) if isinstance(value, str | int | float) else ""
