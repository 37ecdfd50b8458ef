"""One SMTP reply through what reads whole batches of them."""

from monitor.events import DeliveryEvent, Outcome, Verdict
from monitor.pipeline import ReadsReplies


def read_one(
    reader: ReadsReplies, text: str, provider: str = "", code: int = 0
) -> Verdict:
    """The verdict on a bounce with this reply."""
    bounced = DeliveryEvent(
        event_id="1",
        event_time=0.0,
        source="test",
        outcome=Outcome.BOUNCED,
        diagnostic=text,
        reply_code=code,
    )
    (verdict,) = reader.classify_all([bounced], [provider])
    return verdict
