"""The classifier of a running worker: its books, its exchange, its metrics."""

import json

import pytest

from monitor.classify import load_rules, scrub
from monitor.counting import (
    CountBatch,
    CountingPolicy,
    InputPartition,
    PartitionCounter,
    Refusal,
    SlotMaker,
    TallyMerger,
)
from monitor.events import CountDelta, Reason, Tally
from monitor.pipeline import Ingest, Records
from monitor.providers import ProviderMatcher
from monitor.service import clock
from monitor.service.live_classifier import LiveClassifier
from monitor.service.metrics import Metrics
from monitor.service.reading import Reading
from monitor.service.settings_sections import ClassifySettings
from monitor.sources import open_source
from tests.tools.replies import read_one

NOON = 1_795_348_800.0
STRANGE = "zxcvb qwrtz <joe@example.org> hjklm"
RULES = load_rules(
    '[[rule]]\nname = "strange"\nreason = "policy"\npatterns = ["zxcvb qwrtz"]', "x"
)


def event(number: int, domain: str, diagnostic: str, outcome: str = "bounced") -> bytes:
    return json.dumps(
        {
            "event_id": f"e{number}",
            "event_time": NOON + number,
            "outcome": outcome,
            "recipient_domain": domain,
            "diagnostic": diagnostic,
        }
    ).encode()


POLICY = CountingPolicy()


class Rig:
    def __init__(self) -> None:
        self.metrics = Metrics()
        self.reading = Reading(ClassifySettings(), self.metrics.classify)
        self.live = self.reading.live
        self.ingest = Ingest(
            open_source("canonical"), ProviderMatcher.builtin(), self.live
        )

    def take(self, *values: bytes, first: int = 0) -> CountBatch:
        offsets = range(first, first + len(values))
        records = Records([*offsets], [NOON] * len(values), values)
        return self.ingest(records).batch

    def counter(self) -> PartitionCounter:
        return PartitionCounter(
            POLICY,
            InputPartition("default", "in", 0),
            position=0,
            from_log_start=True,
            slots=SlotMaker(scrub),
        )

    def metric(self, line: str) -> float:
        page = self.metrics.render().decode().splitlines()
        return next(float(x.split()[-1]) for x in page if x.startswith(line))

    def replies(self, provider: str, result: str) -> float:
        name = "bouncemon_provider_replies_total"
        return self.metric(f'{name}{{provider="{provider}",result="{result}"}}')

    def lookups(self, result: str) -> float:
        return self.metric(f'bouncemon_classify_lookups_total{{result="{result}"}}')


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setattr(clock, "now", lambda: NOON)
    return Rig()


def test_the_share_not_understood_by_provider(rig: Rig) -> None:
    for number in range(6):
        rig.take(event(number, "gmail.com", "552 5.2.2 mailbox full"))
    rig.take(event(6, "gmail.com", STRANGE))
    rig.take(event(7, "nowhere.example", STRANGE))
    rig.take(event(8, "gmail.com", "", "delivered"))
    rig.reading.report()
    rig.reading.report()
    assert rig.replies("google_consumer", "determined") == 6
    assert rig.replies("google_consumer", "undetermined") == 1
    assert rig.replies("other", "undetermined") == 1
    assert rig.replies("other", "determined") == 0
    assert rig.metric("bouncemon_undetermined_templates ") == 1


def test_providers_are_those_of_the_table(rig: Rig) -> None:
    for number in range(300):
        rig.take(event(number, f"made-up-{number}.example", STRANGE))
    rig.take(event(300, "yahoo.com", STRANGE))
    assert set(rig.live.replies) <= ProviderMatcher.builtin().groups | {"other"}
    assert dict(rig.live.undetermined) == {"other": 300, "yahoo": 1}


def test_what_was_not_understood_is_kept_as_a_template(rig: Rig) -> None:
    for number, domain in enumerate(("yahoo.com", "yahoo.com", "gmail.com")):
        rig.take(event(number, domain, STRANGE.replace("joe", f"joe{number}")))
    (row,) = rig.live.templates.top(10)
    assert (row.count, row.uncounted) == (3, 0)
    assert row.sample == "zxcvb qwrtz <ADDR> hjklm"
    assert list(row.providers.items()) == [("yahoo", 2), ("google_consumer", 1)]
    assert (row.first_seen, row.last_seen) == (NOON, NOON)
    assert row.template == read_one(rig.live, STRANGE).template


def test_caches_are_counted_over_an_exchange(rig: Rig) -> None:
    for number in range(10):
        rig.take(event(number, "gmail.com", "552 5.2.2 mailbox full"))
    rig.reading.report()
    assert (rig.lookups("hit"), rig.lookups("miss")) == (9, 1)
    assert rig.metric("bouncemon_classify_cache_entries ") > 0

    rig.live.swap(rig.live.prepare(RULES))
    rig.reading.report()
    assert (rig.lookups("hit"), rig.lookups("miss")) == (9, 1)
    assert rig.metric("bouncemon_classify_cache_entries ") == 0

    rig.take(event(10, "gmail.com", "552 5.2.2 mailbox full"))
    rig.reading.report()
    assert (rig.lookups("hit"), rig.lookups("miss")) == (9, 2)


def test_an_exchange_is_seen_by_every_input(rig: Rig) -> None:
    rig.take(event(0, "gmail.com", STRANGE))
    rig.live.swap(rig.live.prepare(RULES))
    assert len(rig.live.templates) == 0
    batch = rig.take(event(1, "gmail.com", STRANGE))
    assert [why.reason for why in batch.evidence.values()] == [Reason.POLICY]
    assert dict(rig.live.undetermined) == {"google_consumer": 1}
    assert dict(rig.live.replies) == {"google_consumer": 2}


def test_it_classifies_as_a_classifier_does() -> None:
    live = LiveClassifier(RULES)
    plain = live.prepare(RULES)
    for text in (STRANGE, "550 5.1.1 no such user", "", "x" * 5_000):
        assert read_one(live, text, "yahoo", 550) == plain.classify(
            text, 550, provider="yahoo"
        )


def merged(merger: TallyMerger, counter: PartitionCounter) -> list[object]:
    """What the owner of the fleet makes of a flush: the kind of delta, or why not."""
    tallies: tuple[Tally, ...] = tuple(counter.flush().tallies)
    return [
        CountDelta if isinstance(one, CountDelta) else one
        for one in map(merger.merge, tallies)
    ]


def test_an_exchange_in_the_middle_of_a_slot_loses_nothing(rig: Rig) -> None:
    counter, merger = rig.counter(), TallyMerger(POLICY)
    counter.take(rig.take(*(event(at, "gmail.com", STRANGE) for at in range(3))))
    assert merged(merger, counter) == [CountDelta]
    rig.live.swap(rig.live.prepare(RULES))
    more = (event(at, "gmail.com", STRANGE) for at in range(3, 6))
    counter.take(rig.take(*more, first=3))
    assert merged(merger, counter) == [CountDelta]


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (STRANGE, CountDelta),
        (f"550 5.1.1 no such user {STRANGE}", Refusal.SHRUNK),
    ],
    ids=["a reason where none was", "another reason"],
)
def test_an_open_slot_that_is_recounted_by_new_rules(
    rig: Rig, reply: str, verdict: object
) -> None:
    """The price of an exchange, if a worker falls while a slot of before is open."""
    values = [event(at, "gmail.com", reply) for at in range(3)]
    before, merger = rig.counter(), TallyMerger(POLICY)
    before.take(rig.take(*values))
    assert merged(merger, before) == [CountDelta]
    rig.live.swap(rig.live.prepare(RULES))
    after = rig.counter()
    after.take(rig.take(*values, event(3, "gmail.com", reply)))
    assert merged(merger, after) == [verdict]
    later = rig.counter()
    later.take(rig.take(event(60, "gmail.com", reply)))
    assert merged(merger, later) == [CountDelta]
