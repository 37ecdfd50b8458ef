"""Records captured elsewhere, if they lie beside the project; it does not need them."""

from pathlib import Path

import pytest

from monitor.sources import open_source

SAMPLES = Path(__file__).parents[2].parent / "shared" / "data" / "provider-events"

#: What is no outcome: receptions, sends, opens, and an inbound mail.
IGNORED = {
    "kumomta/synthetic_reception.json",
    "ses/incorrect_received_event.json",
    "ses/send_event.json",
    "ses/sns_subscription_auto_confirmation.json",
    "sendgrid/docs_processed.json",
    "sendgrid/processed_event.json",
    "mailgun/docs_event_accepted.json",
    "mailgun/legacy_tags.form",
    "mailgun/unsubscribed_event.json",
}

#: Batches, of which some elements are no outcome.
EVENTS = {"kumomta/real_2026.08.ndjson": 6, "sendgrid/docs_mixed_batch.json": 5}


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="no provider samples on this machine")
@pytest.mark.parametrize("vendor", ["kumomta", "ses", "sendgrid", "mailgun"])
def test_every_sample_is_understood(vendor: str) -> None:
    decode = open_source(vendor)
    files = [path for path in (SAMPLES / vendor).iterdir() if path.is_file()]
    assert files
    for path in files:
        key = f"{vendor}/{path.name}"
        decoded = decode(path.read_bytes())
        assert decoded.invalid == (), key
        assert len(decoded.events) == (0 if key in IGNORED else EVENTS.get(key, 1)), key
        for event in decoded.events:
            assert event.recipient_domain, key
