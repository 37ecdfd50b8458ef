"""Events of the demo as records of the canonical JSON format."""

from random import Random
from typing import NamedTuple

import msgspec

from monitor.events import Cell, Outcome
from monitor.service.demo.replies import OUTCOMES, REPLIES, Fate

_to_json = msgspec.json.Encoder().encode


class Mail(NamedTuple):
    """One message to one recipient, about to be tried for the ``attempt``-th time."""

    message_id: str
    domain: str
    cell: Cell
    attempt: int


def encode_event(
    event_id: str, mail: Mail, moment: float, fate: Fate, rng: Random
) -> bytes:
    """Write the event of one attempt at ``moment``, epoch seconds."""
    reply = rng.choice(REPLIES[fate])
    text = reply.text.format(
        ip=mail.cell.source_ip, domain=mail.domain, id=f"{rng.getrandbits(40):010x}"
    )
    outcome = OUTCOMES[fate]
    fields = _fields(event_id, mail, moment, outcome) | {
        "reply_code": reply.code,
        "enhanced_status": reply.status,
        "diagnostic": f"{reply.code} {reply.status} {text}" if reply.code else text,
    }
    return _to_json(fields)


def encode_complaint(event_id: str, mail: Mail, moment: float) -> bytes:
    """Write the event of someone who complains about a delivered mail."""
    return _to_json(_fields(event_id, mail, moment, Outcome.COMPLAINED))


def _fields(
    event_id: str, mail: Mail, moment: float, outcome: Outcome
) -> dict[str, object]:
    _, source_ip, campaign, tenant, segment = mail.cell
    return {
        "event_id": event_id,
        "event_time": moment,
        "outcome": outcome.value,
        "recipient_domain": mail.domain,
        "source_ip": source_ip,
        "campaign": campaign,
        "tenant": tenant,
        "segment": segment,
        "message_id": mail.message_id,
        "attempt": mail.attempt,
    }
