"""Expressions and colours that several panels share."""

from typing import Final

from dashboards.panels import Query, steps

#: Rate limits that providers and ESPs judge senders by; the alert rules use them too.
RATE_LIMITS: Final = steps((None, "green"), (0.05, "yellow"), (0.10, "red"))
ONE_IS_BAD: Final = steps((None, "green"), (1, "red"))
ONE_IS_GOOD: Final = steps((None, "red"), (1, "green"))
PLAIN: Final = steps((None, "blue"))

FLEET: Final = 'fleet=~"$fleet"'

#: Age of what is read now, of each partition; 0 where no input waits, since the log
#: time of an idle partition stands still by right.
DELAY: Final = (
    "(time() - max by (topic, partition) (bouncemon_watermark_timestamp_seconds))"
    " * on (topic, partition)"
    " (max by (topic, partition) (bouncemon_lag_records) > bool 0)"
)


def per_second(metric: str, by: str = "", matchers: str = "") -> str:
    """Return the rate of a counter, summed over all other labels."""
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} (rate({_select(metric, matchers)}[$__rate_interval]))"


def increase(metric: str, by: str, matchers: str = "") -> str:
    """Return how much a counter grew in a step, summed over all other labels."""
    return f"sum by ({by}) (increase({_select(metric, matchers)}[$__rate_interval]))"


def quantile(share: float, metric: str, span: str = "$__rate_interval") -> Query:
    """Return a quantile of a histogram; ``share`` is 0-1."""
    buckets = f"sum by (le) (rate({metric}_bucket[{span}]))"
    return Query(f"histogram_quantile({share}, {buckets})", f"p{share * 100:.0f}")


def _select(metric: str, matchers: str) -> str:
    return f"{metric}{{{matchers}}}" if matchers else metric
