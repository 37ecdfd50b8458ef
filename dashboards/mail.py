"""The rows about mail: are we bouncing, where, and what did we do?"""

from typing import Final

from dashboards.panels import (
    Panel,
    Query,
    Row,
    bars,
    column_unit,
    graph,
    stat,
    states,
    steps,
    table,
)
from dashboards.promql import (
    DELAY,
    FLEET,
    ONE_IS_BAD,
    ONE_IS_GOOD,
    PLAIN,
    RATE_LIMITS,
    increase,
    per_second,
    quantile,
)

_LEVELS: Final = steps((None, "red"), (0.01, "orange"), (0.5, "yellow"), (1, "green"))

_RATE: Final = f'{FLEET},channel="$channel",window="$window"'


def _glance_mail() -> tuple[Panel, ...]:
    bounced = per_second("bouncemon_events_total", matchers='outcome="bounced"')
    finished = per_second(
        "bouncemon_events_total", matchers='outcome=~"delivered|bounced"'
    )
    throttled = (
        f"count(min by (fleet, scope, key) (bouncemon_throttle_level_ratio{{{FLEET}}})"
        " < 1) or vector(0)"
    )
    return (
        stat(
            "Events",
            "Delivery events read per second, all workers.",
            "eps",
            Query(per_second("bouncemon_events_total")),
            PLAIN,
        ),
        stat(
            "Bounce share",
            "Part of all finished mail that bounced, from the plain counters.",
            "percentunit",
            Query(f"{bounced} / {finished}"),
            RATE_LIMITS,
        ),
        stat(
            "Incidents",
            "Causes of spikes that are open or recovering.",
            "short",
            Query(
                f"sum(max by (fleet, severity) (bouncemon_incidents_open{{{FLEET}}}))"
            ),
            ONE_IS_BAD,
        ),
        stat(
            "Throttled scopes",
            "Scopes that get less than their normal traffic.",
            "short",
            Query(throttled),
            steps((None, "green"), (1, "orange")),
        ),
    )


def _glance_health() -> tuple[Panel, ...]:
    mode = stat(
        "Mode",
        "How far automation may go: observe, suggest or enforce.",
        "short",
        Query("max by (mode) (bouncemon_mode_info) == 1", "{{mode}}"),
        PLAIN,
    )
    return (
        mode._replace(options={**mode.options, "textMode": "name"}),
        stat(
            "Workers ready",
            "Workers that are assigned, caught up and making progress.",
            "short",
            Query("sum(bouncemon_ready)"),
            ONE_IS_GOOD,
        ),
        stat(
            "Behind",
            "Age of what is read now, worst partition with input waiting.",
            "s",
            Query(f"max({DELAY})"),
            steps((None, "green"), (30, "yellow"), (120, "red")),
        ),
        stat(
            "Unaccounted",
            "Events read minus those counted, duplicate, late or excluded: 0.",
            "short",
            Query("max(abs(bouncemon_unaccounted_events))"),
            ONE_IS_BAD,
        ),
    )


def _rate_of(scope: str, name: str) -> Panel:
    rates = f'bouncemon_scope_rate_ratio{{{_RATE},scope="{scope}"}}'
    panel = graph(
        f"Rate by {name}",
        f"The ten highest rates of the chosen channel and window, by {name}.",
        "percentunit",
        Query(f"topk(10, max by (key) ({rates}))", "{{key}}"),
    )
    custom = {**panel.defaults["custom"], "thresholdsStyle": {"mode": "line"}}
    return panel._replace(
        height=9, defaults={**panel.defaults, **RATE_LIMITS, "custom": custom}
    )


def _attempts_of(scope: str, name: str) -> Panel:
    return graph(
        f"Attempts by {name}",
        f"The ten busiest, by {name}: attempts within the chosen window.",
        "short",
        Query(
            "topk(10, max by (key) (bouncemon_scope_attempts"
            f'{{{FLEET},scope="{scope}",window="$window"}}))',
            "{{key}}",
        ),
    )._replace(height=6)


def _where() -> Row:
    by = "max by (fleet, scope, key)"
    worst = f"topk(25, {by} (bouncemon_scope_rate_ratio{{{_RATE}}}))"
    same = f"and on (fleet, scope, key) {worst}"
    attempts = f'bouncemon_scope_attempts{{{FLEET},window="$window"}}'
    baseline = f'bouncemon_scope_baseline_ratio{{{FLEET},channel="$channel"}}'
    names = (("provider", "provider"), ("ip", "sending IP"), ("campaign", "campaign"))
    return Row(
        "Where?",
        (
            *(_rate_of(scope, name) for scope, name in names),
            *(_attempts_of(scope, name) for scope, name in names),
            table(
                "Highest rates",
                "The 25 highest rates of the chosen channel and window over all kinds "
                "of scopes, with their volume and what is normal for them.",
                "percentunit",
                (
                    Query(worst, "rate"),
                    Query(f"{by} ({attempts}) {same}", "attempts"),
                    Query(f"{by} ({baseline}) {same}", "baseline"),
                ),
                "",
            )._replace(overrides=(column_unit("attempts", "short"),)),
            graph(
                "Outcomes",
                "What receivers said, per second.",
                "eps",
                Query(per_second("bouncemon_events_total", "outcome"), "{{outcome}}"),
            )._replace(width=6),
            graph(
                "Reasons",
                "The ten most frequent reasons of refused mail, per second.",
                "eps",
                Query(
                    f"topk(10, {per_second('bouncemon_verdicts_total', 'reason')})",
                    "{{reason}}",
                ),
            )._replace(width=6),
        ),
    )


def _standing() -> tuple[Panel, ...]:
    return (
        table(
            "Open incidents",
            "One row a cause: scope, kind, channel and how loud it is.",
            "short",
            (
                Query(
                    "max by (fleet, scope, key, kind, channel, severity) "
                    f"(bouncemon_incident_active{{{FLEET}}}) == 1",
                    "active",
                ),
            ),
            "Value",
        ),
        states(
            "Throttle levels",
            "Part of normal traffic that may flow; 0 is a pause.",
            "percentunit",
            Query(
                f"min by (scope, key) (bouncemon_throttle_level_ratio{{{FLEET}}})",
                "{{scope}} {{key}}",
            ),
            _LEVELS,
        )._replace(width=12),
    )


def _happened() -> tuple[Panel, ...]:
    return (
        bars(
            "Incidents opened",
            "New incidents by kind and channel.",
            "short",
            Query(
                increase("bouncemon_incidents_total", "kind, channel", FLEET),
                "{{kind}} {{channel}}",
            ),
        )._replace(width=6),
        bars(
            "Directives",
            "Directives sent, renewals too, by action, mode and who asked.",
            "short",
            Query(
                increase("bouncemon_directives_total", "action, mode, actor"),
                "{{action}} ({{mode}}, {{actor}})",
            ),
        )._replace(width=6),
        bars(
            "Rulings and webhook calls",
            "What the governor ruled on a wish to act, and calls of the webhook.",
            "short",
            Query(
                increase("bouncemon_directive_rulings_total", "result, reason"),
                "{{result}}: {{reason}}",
            ),
            Query(
                increase("bouncemon_webhook_requests_total", "result"),
                "webhook {{result}}",
            ),
        )._replace(width=6),
        graph(
            "Time to detect",
            "From the estimated onset to the opening, over the range shown.",
            "s",
            quantile(0.5, "bouncemon_detection_latency_seconds", "$__range"),
            quantile(0.95, "bouncemon_detection_latency_seconds", "$__range"),
        )._replace(width=6),
    )


def mail_rows() -> tuple[Row, ...]:
    """Return the rows, from the general to the particular."""
    return (
        Row("Are we bouncing?", (*_glance_mail(), *_glance_health())),
        _where(),
        Row("What is wrong, and what did we do?", (*_standing(), *_happened())),
    )
