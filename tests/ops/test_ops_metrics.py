"""The page of /metrics: complete, escaped, bounded."""

from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from monitor.events import (
    Channel,
    Incident,
    IncidentKind,
    IncidentState,
    Mode,
    Scope,
    Severity,
)
from monitor.service.metrics import (
    MAX_SCOPE_SERIES,
    WINDOWS,
    Actor,
    Metrics,
    ScopeRow,
    closed_labels,
    metrics_table,
)
from monitor.service.metrics.family import MAX_LABEL_LENGTH
from monitor.service.metrics.observer import (
    INCIDENT_LINGER_SECONDS,
    MAX_INCIDENT_SERIES,
)
from tests.tools.sample_metrics import (
    CAUSES,
    FLEET,
    sample_directive,
    sample_metrics,
    sample_rows,
)

NOW = 1_700_000_000.0
RATE = "bouncemon_scope_rate_ratio"
ATTEMPTS = "bouncemon_scope_attempts"
BASELINE = "bouncemon_scope_baseline_ratio"
ACTIVE = "bouncemon_incident_active"
GATE = "bouncemon_detection_gate_shut"
LEVEL = "bouncemon_throttle_level_ratio"

#: What the client library adds to the declared name of a histogram.
SUFFIXES = ("_bucket", "_sum", "_count")

Names = st.text(st.characters(exclude_categories=["Cs"]), max_size=MAX_LABEL_LENGTH)


def samples(metrics: Metrics, name: str = "") -> list[Sample]:
    found = parsed(metrics.render().decode())
    return [sample for sample in found if not name or sample.name == name]


def parsed(text: str) -> list[Sample]:
    families = text_string_to_metric_families(text)
    return [sample for family in families for sample in family.samples]


def declared(sample: str) -> str:
    for suffix in SUFFIXES:
        if sample.endswith(suffix):
            return sample.removesuffix(suffix)
    return sample


def row(key: str = "k", window: str = "5m", attempts: float = 10.0) -> ScopeRow:
    counts = (1.0,) * len(Channel)
    baseline = (0.5,) * len(Channel)
    return ScopeRow(FLEET, "campaign", key, window, attempts, 8.0, counts, baseline)


def test_names_follow_the_house_rules() -> None:
    for name, kind, labels, text in metrics_table():
        assert name.startswith("bouncemon_")
        assert (kind == "counter") == name.endswith("_total")
        assert text.endswith(".")
        assert len(labels) <= 6


def test_every_sample_is_declared_with_its_labels() -> None:
    table = {name: (kind, labels) for name, kind, labels, _ in metrics_table()}
    for sample in samples(sample_metrics(NOW)):
        if sample.name.startswith("process_"):
            continue
        kind, labels = table[declared(sample.name)]
        extra = {"le"} if sample.name.endswith("_bucket") else set()
        assert set(sample.labels) == {*labels} | extra, sample.name
        assert kind in {"counter", "gauge", "histogram"}


def test_every_declared_metric_is_on_a_busy_page() -> None:
    shown = {declared(sample.name) for sample in samples(sample_metrics(NOW))}
    assert {name for name, *_ in metrics_table()} <= shown


def test_closed_labels_hold_their_values_only() -> None:
    closed = closed_labels()
    assert closed["bouncemon_events_total"]["outcome"] >= {"delivered", "bounced"}
    for sample in samples(sample_metrics(NOW)):
        for label, values in closed.get(declared(sample.name), {}).items():
            assert sample.labels[label] in values, sample


def test_no_series_twice_and_none_named_created() -> None:
    page = samples(sample_metrics(NOW))
    series = Counter((one.name, *sorted(one.labels.items())) for one in page)
    assert max(series.values()) == 1
    assert not [one for one in page if one.name.endswith("_created")]


def test_closed_counters_exist_at_zero() -> None:
    fresh = {(one.name, *one.labels.values()): one.value for one in samples(Metrics())}
    assert fresh["bouncemon_webhook_requests_total", "unauthorized"] == 0
    assert fresh["bouncemon_dead_letters_total", "not_json", "suppressed"] == 0
    assert fresh["bouncemon_directives_total", "pause", "person", "enforce"] == 0
    assert fresh["bouncemon_unaccounted_events",] == 0


def test_an_input_is_there_before_its_first_record() -> None:
    metrics = Metrics()
    metrics.ingest.expect("ses", "ses")
    outcomes = {s.labels["outcome"] for s in samples(metrics, "bouncemon_events_total")}
    assert outcomes == closed_labels()["bouncemon_events_total"]["outcome"]


ESCAPING = Metrics()


@given(fleet=Names, key=Names, rate=st.floats(0, 1))
def test_labels_come_back_as_they_were(fleet: str, key: str, rate: float) -> None:
    counts = (rate,) * len(Channel)
    one_row = ScopeRow(fleet, "campaign", key, "1h", 1.0, 1.0, counts)
    ESCAPING.observer.set_scopes(fleet, [one_row])
    ESCAPING.throttle.set_levels(fleet, {Scope(campaign=key): rate}, 0.0)
    text = ESCAPING.observer.scopes.text + ESCAPING.throttle.level.text
    ESCAPING.observer.scopes.forget(fleet)
    ESCAPING.throttle.disown(fleet)
    found = [one for one in parsed(text) if one.name in {RATE, LEVEL}]
    assert [one.labels.get("channel") for one in found] == [*Channel, None]
    for one in found:
        assert (one.labels["fleet"], one.labels["key"]) == (fleet, key)
        assert one.value == rate


def test_long_values_are_cut_and_stay_apart() -> None:
    metrics = Metrics()
    long = "x" * 5_000_000
    metrics.observer.set_scopes(FLEET, [row(long + "a"), row(long + "b")])
    keys = {one.labels["key"] for one in samples(metrics, ATTEMPTS)}
    assert len(keys) == 2
    assert {len(key) for key in keys} == {MAX_LABEL_LENGTH}


def test_a_lone_surrogate_does_not_cost_the_page() -> None:
    metrics = Metrics()
    metrics.observer.set_scopes(FLEET, [row("bad \ud800 name")])
    assert samples(metrics, ATTEMPTS)[0].labels["key"] == "bad ? name"


def test_rates_use_their_own_denominator() -> None:
    metrics = Metrics()
    metrics.observer.set_scopes(FLEET, [row()])
    rates = {one.labels["channel"]: one.value for one in samples(metrics, RATE)}
    assert rates[Channel.COMPLAINT] == 1 / 8
    assert {rates[one] for one in Channel if one != Channel.COMPLAINT} == {1 / 10}


def test_nothing_tried_has_no_rate_and_nothing_learned_no_baseline() -> None:
    metrics = Metrics()
    unknown = (float("nan"),) * len(Channel)
    idle = row(attempts=0.0)._replace(delivered=0.0, baseline=unknown)
    metrics.observer.set_scopes(FLEET, [idle])
    assert samples(metrics, RATE) == samples(metrics, BASELINE) == []
    assert samples(metrics, ATTEMPTS)[0].value == 0


def test_a_second_row_of_a_window_and_a_second_baseline_are_left_out() -> None:
    metrics = Metrics()
    rows = [row(), row(attempts=99.0), *(row(window=one) for one in WINDOWS)]
    metrics.observer.set_scopes(FLEET, rows)
    assert len(samples(metrics, ATTEMPTS)) == len(WINDOWS)
    assert len(samples(metrics, BASELINE)) == len(Channel)
    series = Counter(tuple(one.labels.values()) for one in samples(metrics, RATE))
    assert set(series.values()) == {1}


def test_the_budget_keeps_the_first_rows_and_counts_the_others() -> None:
    metrics = Metrics()
    metrics.observer.set_scopes(FLEET, [row(f"k{at}") for at in range(2_000)])
    page = samples(metrics)
    shown = [one for one in page if one.name in {RATE, ATTEMPTS, BASELINE}]
    assert len(shown) == MAX_SCOPE_SERIES == 15_000
    assert {one.labels["key"] for one in shown} == {f"k{at}" for at in range(1_000)}
    assert by_family(page, "bouncemon_series")[ATTEMPTS] == 1_000
    dropped = by_family(page, "bouncemon_series_dropped_total")
    assert dropped == {
        RATE: 7_000,
        ATTEMPTS: 1_000,
        BASELINE: 7_000,
        ACTIVE: 0,
        LEVEL: 0,
    }


def by_family(page: Iterable[Sample], name: str) -> dict[str, float]:
    return {one.labels["family"]: one.value for one in page if one.name == name}


def test_two_fleets_share_the_budget() -> None:
    metrics = Metrics()
    for fleet in ("a", "b"):
        rows = [row(f"k{at}")._replace(fleet=fleet) for at in range(1_000)]
        metrics.observer.set_scopes(fleet, rows)
    page = parsed(metrics.observer.scopes.text)
    fleets = Counter(one.labels["fleet"] for one in page if one.name == ATTEMPTS)
    assert fleets == {"a": 500, "b": 500}


def test_incidents_beyond_the_budget_are_counted() -> None:
    metrics = Metrics()
    levels = {Scope(campaign=f"c{at}"): 0.5 for at in range(MAX_INCIDENT_SERIES + 5)}
    metrics.throttle.set_levels(FLEET, levels, 0.0)
    assert len(samples(metrics, LEVEL)) == MAX_INCIDENT_SERIES
    dropped = by_family(samples(metrics), "bouncemon_series_dropped_total")
    assert dropped[LEVEL] == 5


def active(metrics: Metrics) -> dict[str, float]:
    return {one.labels["key"]: one.value for one in samples(metrics, ACTIVE)}


def test_an_incident_that_ends_shows_0_for_a_while() -> None:
    metrics = sample_metrics(NOW)
    keys = [scope.key for scope, *_ in CAUSES]
    assert active(metrics) == dict.fromkeys(keys, 1)
    metrics.observer.set_incidents(FLEET, [], NOW + 10)
    assert active(metrics) == dict.fromkeys(keys, 0)
    metrics.observer.set_incidents(FLEET, [], NOW + 9 + INCIDENT_LINGER_SECONDS)
    assert active(metrics) == dict.fromkeys(keys, 0)
    metrics.observer.set_incidents(FLEET, [], NOW + 10 + INCIDENT_LINGER_SECONDS)
    assert active(metrics) == {}


def test_open_incidents_are_counted_by_severity() -> None:
    found = samples(sample_metrics(NOW), "bouncemon_incidents_open")
    loud = {one.labels["severity"]: one.value for one in found}
    assert loud == {"page": 2, "ticket": 1, "info": 0}


def ticket(kind: IncidentKind) -> Incident:
    return Incident(
        id=f"t-{kind}",
        fleet=FLEET,
        scope=Scope(),
        channel=Channel.BOUNCE,
        state=IncidentState.OPEN,
        severity=Severity.TICKET,
        detector=kind.value,
        start=NOW - 86_400,
        detected_at=NOW,
        updated_at=NOW,
        rate=0.0,
        rate_low=0.0,
        rate_high=0.0,
        baseline=0.0,
        lift=1.0,
        excess=0.0,
        attempts=0.0,
        kind=kind,
    )


def test_incidents_of_several_kinds_are_told_apart_and_only_spikes_are_timed() -> None:
    metrics = Metrics()
    metrics.observer.own(FLEET)
    tickets = [ticket(kind) for kind in IncidentKind]
    metrics.observer.set_incidents(FLEET, tickets, NOW)
    for one in tickets:
        metrics.observer.count_opened(one)
    shown = [one.labels["kind"] for one in samples(metrics, ACTIVE)]
    assert sorted(shown) == sorted(IncidentKind)
    opened = samples(metrics, "bouncemon_incidents_total")
    counted = [one.labels["kind"] for one in opened if one.value]
    assert sorted(counted) == sorted(IncidentKind)
    (timed,) = samples(metrics, "bouncemon_detection_latency_seconds_count")
    assert timed.value == 1


def test_a_gate_that_is_shut_is_shown_until_it_opens() -> None:
    metrics = Metrics()
    metrics.observer.own(FLEET)
    seen = []
    for tickets in ([], [ticket(IncidentKind.GATE)], [ticket(IncidentKind.DRIFT)]):
        metrics.observer.set_incidents(FLEET, tickets, NOW)
        seen += [one.value for one in samples(metrics, GATE)]
    assert seen == [0, 1, 0]
    metrics.observer.disown(FLEET)
    assert samples(metrics, GATE) == []


def test_a_freed_scope_shows_1_for_a_while() -> None:
    metrics = sample_metrics(NOW)
    metrics.throttle.set_levels(FLEET, {}, NOW + 1)
    assert {one.value for one in samples(metrics, LEVEL)} == {1.0}


def test_a_fleet_that_moves_takes_its_rows_along() -> None:
    metrics = sample_metrics(NOW)
    metrics.observer.disown(FLEET)
    metrics.throttle.disown(FLEET)
    for name in (RATE, ATTEMPTS, BASELINE, ACTIVE, LEVEL, "bouncemon_incidents_open"):
        assert samples(metrics, name) == [], name
    assert [one.value for one in samples(metrics, "bouncemon_owner")] == [0]


def test_a_partition_that_moves_takes_its_gauges_along() -> None:
    metrics = sample_metrics(NOW)
    metrics.ingest.forget_partition("delivery.events", 0)
    for name in ("bouncemon_lag_records", "bouncemon_watermark_timestamp_seconds"):
        assert [one.labels["partition"] for one in samples(metrics, name)] == ["1"]
    metrics.ingest.forget_partition("delivery.events", 0)


def test_one_mode_is_in_force() -> None:
    metrics = Metrics()
    for mode in (Mode.OBSERVE, Mode.ENFORCE):
        metrics.throttle.set_mode(mode)
        modes = {
            one.labels["mode"]: one.value
            for one in samples(metrics, "bouncemon_mode_info")
        }
        assert modes == {one.value: float(one is mode) for one in Mode}


@pytest.mark.parametrize(
    ("actor", "label"),
    [("bouncemon", "bouncemon"), ("alertmanager", "alertmanager"), ("jo", "person")],
)
def test_people_share_one_label(actor: str, label: str) -> None:
    assert Actor.of(actor) == label


def test_directives_and_latency_are_counted() -> None:
    metrics = sample_metrics(NOW)
    metrics.throttle.count_directive(sample_directive(NOW))
    page = samples(metrics)
    slowed = [
        one.value
        for one in page
        if one.name == "bouncemon_directives_total" and one.labels["action"] == "slow"
    ]
    assert sum(slowed) == 2
    assert value(page, "bouncemon_detection_latency_seconds_sum") == 12


def value(page: Iterable[Sample], name: str) -> float:
    return next(one.value for one in page if one.name == name)


def test_two_objects_do_not_share_numbers() -> None:
    one, other = Metrics(), Metrics()
    one.ingest.duplicate_events.inc(5)
    assert value(samples(other), "bouncemon_duplicate_events_total") == 0


def test_a_second_update_escapes_nothing_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    metrics = Metrics()
    metrics.observer.set_scopes(FLEET, sample_rows())
    before = samples(metrics, RATE)
    monkeypatch.setattr("monitor.service.metrics.scopes.label_text", None)
    metrics.observer.set_scopes(FLEET, sample_rows())
    assert samples(metrics, RATE) == before
