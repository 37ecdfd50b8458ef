from itertools import product

from monitor.counting.columns import columns_of
from monitor.events import (
    COLUMNS,
    BounceClass,
    Channel,
    Outcome,
    Reason,
    Verdict,
    feeds,
)


def test_a_reason_feeds_every_channel_that_it_is_counted_in() -> None:
    for outcome, kind, reason in product(Outcome, BounceClass, Reason):
        verdict = Verdict(bounce_class=kind, reason=reason)
        names = {COLUMNS[place] for place in columns_of(outcome, verdict)}
        for channel in Channel:
            assert channel.value not in names or feeds(reason, channel)
