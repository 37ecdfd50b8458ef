"""Whether an expression names only metrics, labels and values that exist."""

from collections.abc import Iterator

from monitor.events import SCOPE_DIMENSIONS
from monitor.service.metrics import WINDOWS, closed_labels, metrics_table
from tests.tools.promql_names import Selected, names_in

#: Prometheus puts these on every series that it scrapes.
TARGET_LABELS = frozenset({"job", "instance"})

#: Metrics of others that we read. The labels are those of both tested versions of
#: Alertmanager; newer ones have `reason` as well.
FOREIGN = {
    "up": frozenset[str](),
    "process_cpu_seconds_total": frozenset[str](),
    "process_resident_memory_bytes": frozenset[str](),
    "alertmanager_notifications_failed_total": frozenset({"integration"}),
}

_TABLE = {name: frozenset(labels) for name, _, labels, _ in metrics_table()}
_KINDS = {name: kind for name, kind, *_ in metrics_table()}
_CLOSED = closed_labels()

_SCOPES = {*SCOPE_DIMENSIONS, "fleet"} | {
    f"{one}_{other}" for one in SCOPE_DIMENSIONS for other in SCOPE_DIMENSIONS
}


def unknown_names(expr: str) -> list[str]:
    """Return what does not exist: a metric, a label, a value of a closed label.

    Raises:
        ValueError: the expression is not PromQL.
    """
    names = names_in(expr)
    unknown = [fault for one in names.selected for fault in _faults(one)]
    labels = {label for one in names.selected for label in _labels(one.metric) or ()}
    return [*unknown, *(f"by ({label})" for label in sorted(names.grouped - labels))]


def _labels(metric: str) -> frozenset[str] | None:
    """The labels of a series, None if there is none of that name."""
    if metric in FOREIGN:
        return FOREIGN[metric] | TARGET_LABELS
    histogram = metric.rpartition("_")[0]
    if metric.endswith("_bucket") and _KINDS.get(histogram) == "histogram":
        return _TABLE[histogram] | TARGET_LABELS | {"le"}
    if metric not in _TABLE or _KINDS[metric] == "histogram":
        return None
    return _TABLE[metric] | TARGET_LABELS


def _faults(selected: Selected) -> Iterator[str]:
    labels = _labels(selected.metric)
    if labels is None:
        yield selected.metric
        return
    for label, operator, value in selected.matchers:
        if label not in labels:
            yield f"{selected.metric}{{{label}}}"
        elif not _known_value(selected.metric, label, operator, value):
            yield f'{selected.metric}{{{label}{operator}"{value}"}}'


def _known_value(metric: str, label: str, operator: str, value: str) -> bool:
    """False if no series of ours could have the value; open labels may have any."""
    closed: set[str] = set(_CLOSED.get(metric, {}).get(label, ()))
    if label == "window":
        closed = set(WINDOWS)
    elif label == "scope":
        closed = _SCOPES
    elif label == "family":
        closed = set(_TABLE)
    if not closed or value == ".*":
        return True
    alternatives = value.split("|") if operator in {"=~", "!~"} else [value]
    return set(alternatives) <= closed
