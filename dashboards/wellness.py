"""The rows about ourselves: is the pipeline well, is each worker?"""

from dashboards.panels import Panel, Query, Row, graph, states
from dashboards.promql import (
    DELAY,
    FLEET,
    ONE_IS_GOOD,
    per_second,
    quantile,
)


def _progress() -> tuple[Panel, ...]:
    return (
        graph(
            "Lag",
            "Records that wait to be read, by topic.",
            "short",
            Query("sum by (topic) (bouncemon_lag_records)", "{{topic}}"),
        ),
        graph(
            "Watermark delay",
            "Age of what is read now, where input waits; 0 when caught up.",
            "s",
            Query(f"max by (topic) ({DELAY})", "{{topic}}"),
        ),
        states(
            "Ready",
            "1 while a worker is assigned, caught up and making progress.",
            "short",
            Query("max by (instance) (bouncemon_ready)", "{{instance}}"),
            ONE_IS_GOOD,
        ),
    )


def _exactness() -> tuple[Panel, ...]:
    odd = ("late", "duplicate", "excluded", "future", "folded")
    return (
        graph(
            "Records",
            "Kafka records read per second, by what the source made of them.",
            "recps",
            Query(per_second("bouncemon_records_total", "result"), "{{result}}"),
        ),
        graph(
            "Late, duplicate and other odd events",
            "Events that are in no rate, or counted in another way, per second.",
            "eps",
            *(
                Query(per_second(f"bouncemon_{name}_events_total"), name)
                for name in odd
            ),
        ),
        graph(
            "Dead letters",
            "Refused records per second, by reason; suppressed ones are only counted.",
            "recps",
            Query(
                per_second("bouncemon_dead_letters_total", "reason, result"),
                "{{reason}} ({{result}})",
            ),
        ),
        graph(
            "Exactness",
            "Unaccounted events, unexplained holes in the log, and 1 while nothing new "
            "may be opened on the counts of a fleet; all must be 0.",
            "short",
            Query("max(abs(bouncemon_unaccounted_events))", "unaccounted"),
            Query("sum(bouncemon_log_gaps_total)", "log gaps"),
            Query(
                f"max by (fleet) (bouncemon_detection_gate_shut{{{FLEET}}})",
                "gate of {{fleet}} shut",
            ),
        ),
        graph(
            "Commit delay and flush",
            "How long an offset that may be committed waits for it; time for a flush.",
            "s",
            Query("max(bouncemon_commit_delay_seconds)", "commit delay"),
            quantile(0.95, "bouncemon_flush_seconds")._replace(legend="flush p95"),
        ),
        graph(
            "Tallies",
            "Tallies per second: sent by ingest, then judged by the observer.",
            "ops",
            Query(per_second("bouncemon_tallies_total", "result"), "{{result}}"),
        ),
    )


def _replies() -> tuple[Panel, ...]:
    unknown = per_second(
        "bouncemon_provider_replies_total", "provider", 'result="undetermined"'
    )
    replies = per_second("bouncemon_provider_replies_total", "provider")
    hits = per_second("bouncemon_classify_lookups_total", matchers='result="hit"')
    lookups = per_second("bouncemon_classify_lookups_total")
    return (
        graph(
            "Replies without a known reason",
            "Part of a provider's replies that no rule and no code explains.",
            "percentunit",
            Query(f"{unknown} / {replies}", "{{provider}}"),
        ),
        graph(
            "Replies classified again from memory",
            "Part of the replies whose verdict was in the classifier's caches.",
            "percentunit",
            Query(f"{hits} / {lookups}", "remembered"),
        ),
        graph(
            "Rules of our own",
            "Rules of the users' file in force, by worker; changes taken and refused.",
            "short",
            Query("max by (instance) (bouncemon_rules_loaded)", "{{instance}}"),
            Query(
                "sum by (result) (increase(bouncemon_rules_reloads_total[$__range]))",
                "{{result}}",
            ),
        ),
    )


def _process() -> tuple[Panel, ...]:
    job = '{job="bouncemon"}'
    return (
        graph(
            "CPU",
            "Cores in use, by worker.",
            "short",
            Query(
                "sum by (instance) "
                f"(rate(process_cpu_seconds_total{job}[$__rate_interval]))",
                "{{instance}}",
            ),
        ),
        graph(
            "Memory",
            "Resident memory, by worker.",
            "bytes",
            Query(
                f"max by (instance) (process_resident_memory_bytes{job})",
                "{{instance}}",
            ),
        ),
        graph(
            "Event loop and ticks",
            "Longest stall of the event loop, and time of a look at all scopes.",
            "s",
            Query("max(bouncemon_loop_stall_seconds_max)", "loop stall"),
            quantile(0.95, "bouncemon_tick_seconds")._replace(legend="tick p95"),
            Query("max(bouncemon_scrape_render_seconds)", "scrape"),
        ),
        graph(
            "What is held",
            "Slots, event ids, cells and scopes in memory; each has a bound.",
            "short",
            Query("sum(bouncemon_open_slots)", "open slots"),
            Query("sum(bouncemon_remembered_ids)", "event ids"),
            Query("sum(bouncemon_observer_leaves)", "cells"),
            Query(f"sum(bouncemon_observer_keys{{{FLEET}}})", "scopes"),
        ),
        graph(
            "Bounds that bite",
            "What an observer had to forget or to leave out to keep its bounds, and "
            "inquiries that found no cause among the cells, per second.",
            "ops",
            Query(per_second("bouncemon_observer_bounds_total", "bound"), "{{bound}}"),
            Query(per_second("bouncemon_unexplained_anomalies_total"), "unexplained"),
        ),
        graph(
            "Owners and assignments",
            "Who observes a fleet (one each), and rebalances.",
            "short",
            Query(
                f"sum by (fleet) (bouncemon_owner{{{FLEET}}})", "owners of {{fleet}}"
            ),
            Query("sum(bouncemon_assigned_partitions)", "partitions assigned"),
            Query("sum(increase(bouncemon_rebalances_total[$__range]))", "rebalances"),
        ),
        graph(
            "Series",
            "Series on the page of families with a budget, and those kept off it.",
            "short",
            Query("sum by (family) (bouncemon_series)", "{{family}}"),
            Query(
                "sum(rate(bouncemon_series_dropped_total[$__rate_interval]))", "dropped"
            ),
        ),
    )


def wellness_rows() -> tuple[Row, ...]:
    """Return the rows, the pipeline first."""
    return (
        Row("Is the pipeline well?", (*_progress(), *_exactness())),
        Row("Are replies understood?", _replies()),
        Row("Is a worker well?", _process()),
    )
