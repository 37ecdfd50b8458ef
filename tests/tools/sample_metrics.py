"""A ``Metrics`` filled as a busy worker would fill it, with three incidents."""

from collections.abc import Iterable

from monitor.errors import InvalidReason
from monitor.events import (
    Action,
    BounceClass,
    Channel,
    Directive,
    Incident,
    IncidentState,
    Mode,
    Outcome,
    Reason,
    Scope,
    Severity,
)
from monitor.service.metrics import (
    WINDOWS,
    CommitResult,
    DeadLetterResult,
    LookupResult,
    Metrics,
    RecordResult,
    ReplyResult,
    RulingResult,
    ScopeRow,
    TallyResult,
    WebhookResult,
)
from monitor.throttle import RulingReason

FLEET = "default"
TOPIC = "delivery.events"
SOURCE = "canonical"

#: One provider blocks one IP; one campaign has a bad list; one provider defers.
CAUSES = (
    (Scope(source_ip="203.0.113.7", provider="yahoo"), Channel.BLOCK, Severity.PAGE),
    (Scope(campaign="spring-sale"), Channel.HARD, Severity.PAGE),
    (Scope(provider="gmail"), Channel.DEFERRAL, Severity.TICKET),
)


def sample_metrics(now: float) -> Metrics:
    """Return metrics of a worker that is well and sees three incidents."""
    metrics = Metrics()
    metrics.ingest.expect(TOPIC, SOURCE)
    metrics.observer.own(FLEET)
    metrics.throttle.set_mode(Mode.OBSERVE)
    metrics.worker.ready.set(1)
    metrics.observer.set_scopes(FLEET, sample_rows())
    incidents = [_incident(*cause, now) for cause in CAUSES]
    metrics.observer.set_incidents(FLEET, incidents, now)
    metrics.throttle.set_levels(FLEET, {CAUSES[0][0]: 0.5, CAUSES[1][0]: 0.0}, now)
    step(metrics, now)
    return metrics


def sample_rows(keys: int = 12) -> list[ScopeRow]:
    """Return rows of a few scopes of each kind in each window."""
    named: list[tuple[str, Iterable[str]]] = [
        ("fleet", [""]),
        ("provider", ["gmail", "yahoo", "other"]),
        ("ip", [f"203.0.113.{at}" for at in range(keys)]),
        ("campaign", ["spring-sale", *(f"campaign-{at}" for at in range(keys))]),
        ("ip_provider", [f"203.0.113.{at}|yahoo" for at in range(keys)]),
    ]
    return [
        _row(kind, key, window)
        for kind, names in named
        for key in names
        for window in WINDOWS
    ]


def step(metrics: Metrics, now: float) -> None:
    """Let one second pass: every counter and histogram moves."""
    _step_ingest(metrics, now)
    _step_classify(metrics)
    _step_observer(metrics, now)
    metrics.throttle.count_directive(sample_directive(now))
    metrics.throttle.count_ruling(RulingResult.APPLIED, RulingReason.CLIMBED)
    metrics.throttle.webhook_requests.labels(WebhookResult.ACCEPTED).inc()
    metrics.worker.loop_stall.set(0.02)


def _step_ingest(metrics: Metrics, now: float) -> None:
    ingest = metrics.ingest
    for outcome in Outcome:
        ingest.events.labels(SOURCE, outcome).inc(10)
    ingest.records.labels(TOPIC, RecordResult.DECODED).inc(60)
    ingest.records.labels(TOPIC, RecordResult.INVALID).inc()
    ingest.verdicts.labels(BounceClass.HARD, Reason.USER_UNKNOWN).inc(3)
    ingest.dead_letters.labels(InvalidReason.NOT_JSON, DeadLetterResult.SENT).inc()
    ingest.late_events.labels(TOPIC).inc()
    ingest.duplicate_events.inc()
    ingest.tallies.labels(TallyResult.SENT).inc(4)
    ingest.flush_seconds.observe(0.03)
    ingest.commits.labels(CommitResult.DONE).inc()
    for partition in ("0", "1"):
        ingest.lag.labels(TOPIC, partition).set(3)
        ingest.watermark.labels(TOPIC, partition).set(now)
    ingest.last_event.set(now)


def _step_classify(metrics: Metrics) -> None:
    classify = metrics.classify
    for provider in ("gmail", "yahoo", "other"):
        classify.replies.labels(provider, ReplyResult.DETERMINED).inc(20)
        classify.replies.labels(provider, ReplyResult.UNDETERMINED).inc()
    classify.lookups.labels(LookupResult.HIT).inc(60)
    classify.lookups.labels(LookupResult.MISS).inc(3)
    classify.cache_entries.set(3)
    classify.templates.set(1)


def _step_observer(metrics: Metrics, now: float) -> None:
    observer = metrics.observer
    observer.tick_seconds.observe(0.004)
    observer.keys.labels(FLEET).set(41)
    observer.threshold.labels(FLEET).set(14.2)
    observer.false_pages.labels(FLEET).set(0.6)
    observer.rhythms_refused.labels(FLEET).set(0)
    observer.snapshots.inc()
    observer.count_opened(_incident(*CAUSES[0], now))


def sample_directive(now: float) -> Directive:
    """Return a directive that slows the first cause."""
    return Directive(
        fleet=FLEET,
        scope=CAUSES[0][0],
        action=Action.SLOW,
        rate_fraction=0.5,
        reason="block",
        incident="i-1",
        evidence="120 of 400 blocked, normal 1 %",
        mode=Mode.OBSERVE,
        actor="bouncemon",
        epoch=1,
        seq=1,
        issued_at=now,
        expires_at=now + 300,
    )


def _incident(
    scope: Scope, channel: Channel, severity: Severity, now: float
) -> Incident:
    return Incident(
        id=f"i-{scope.key}",
        fleet=FLEET,
        scope=scope,
        channel=channel,
        state=IncidentState.OPEN,
        severity=severity,
        detector="nb_glr",
        start=now - 12,
        detected_at=now,
        updated_at=now,
        rate=0.3,
        rate_low=0.25,
        rate_high=0.35,
        baseline=0.01,
        lift=30,
        excess=110,
        attempts=400,
    )


def _row(kind: str, key: str, window: str) -> ScopeRow:
    counts = tuple(float(at) for at, _ in enumerate(Channel, start=1))
    return ScopeRow(
        fleet=FLEET,
        scope=kind,
        key=key,
        window=window,
        attempts=400.0,
        delivered=380.0,
        counts=counts,
        baseline=(0.01,) * len(counts) if window == WINDOWS[0] else (),
    )
