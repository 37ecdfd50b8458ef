"""Did the monitor find what went wrong, and nothing else, and do the counts add up?"""

from collections.abc import Sequence

import msgspec

from monitor.events import Action, Directive, Scope
from monitor.service.counts import CountsReport
from monitor.service.demo.incidents import Incident
from monitor.service.demo.sightings import HeardIncident, Sightings
from monitor.service.demo.truth import PLAIN_COLUMNS, Truth

#: An incident heard of later than this after its onset counts as missed.
FOUND_WITHIN_SECONDS = 30.0

#: Counts are compared with the truth by these dimensions.
COMPARED_BY = ("provider", "source_ip", "campaign")


class DirectiveSeen(msgspec.Struct, frozen=True):
    """The first throttle of a scope; ``seconds`` after the onset."""

    scope: str
    action: str
    rate_fraction: float
    seconds: float


class IncidentVerdict(msgspec.Struct, frozen=True):
    """What became of one injected incident; ``seconds`` after its onset."""

    name: str
    found: bool
    scope: str
    channel: str
    seconds: float | None = None
    directive: DirectiveSeen | None = None


class CountsVerdict(msgspec.Struct, frozen=True):
    """Our counts against the sender's own; ``wrong_cells`` differ in some column."""

    produced: int
    counted: int
    late: int
    duplicates: int
    unaccounted: int
    wrong_cells: int


class DemoReport(msgspec.Struct, frozen=True):
    """The one line of JSON at the end of the demo."""

    ok: bool
    produced: int
    counted: int
    late: int
    duplicates: int
    unaccounted: int
    wrong_cells: int
    incidents: tuple[IncidentVerdict, ...]
    extra_incidents: tuple[str, ...]
    wrong_directives: tuple[str, ...]
    problems: tuple[str, ...]
    held_back: int = 0
    seed: int = 0
    history_events: int = 0
    history_seconds: float = 0.0
    worker_ready_seconds: float = 0.0
    events_per_second: float = 0.0


def judge(
    injected: Sequence[Incident],
    heard: Sightings,
    truth: Truth,
    counts: CountsReport,
) -> DemoReport:
    """Hold what was heard and counted against what was injected and sent.

    Args:
        injected: the incidents that were made to happen.
        heard: all that the monitor said.
        truth: the sender's own totals.
        counts: by ``COMPARED_BY``, over everything.
    """
    verdicts = tuple(_judge_incident(one, heard) for one in injected)
    extra = tuple(_extra_incidents(injected, heard))
    wrong = tuple(_wrong_directives(injected, heard))
    tally, problems = _judge_counts(truth, counts)
    problems += _missing(verdicts)
    problems += [f"an incident that was not injected: {text}" for text in extra]
    problems += [f"a wrong directive: {text}" for text in wrong]
    return DemoReport(
        ok=not problems,
        **msgspec.structs.asdict(tally),
        incidents=verdicts,
        extra_incidents=extra,
        wrong_directives=wrong,
        problems=tuple(problems),
    )


def _judge_incident(one: Incident, heard: Sightings) -> IncidentVerdict:
    first = next((h for h in heard.incidents.values() if _same(one, h)), None)
    seconds = None if first is None else round(first.at - one.starts, 2)
    throttle = next((h for h in heard.directives if _throttles(h.directive, one)), None)
    return IncidentVerdict(
        name=one.name,
        found=seconds is not None and seconds <= FOUND_WITHIN_SECONDS,
        scope=_named(one.scope),
        channel=one.channel.value,
        seconds=seconds,
        directive=None
        if throttle is None
        else DirectiveSeen(
            _named(throttle.directive.scope),
            throttle.directive.action.value,
            throttle.directive.rate_fraction,
            round(throttle.at - one.starts, 2),
        ),
    )


def _same(one: Incident, heard: HeardIncident) -> bool:
    told = heard.incident
    return (told.scope, told.channel) == (one.scope, one.channel)


def _throttles(directive: Directive, one: Incident) -> bool:
    return directive.scope == one.scope and directive.action is not Action.RESUME


def _extra_incidents(injected: Sequence[Incident], heard: Sightings) -> list[str]:
    """Name what was opened beyond one incident for each that was injected."""
    open_causes = [(one.scope, one.channel) for one in injected]
    extra = []
    for told in (first.incident for first in heard.incidents.values()):
        cause = (told.scope, told.channel)
        if cause in open_causes:
            open_causes.remove(cause)
        else:
            extra.append(f"{_named(told.scope)} ({told.channel})")
    return extra


def _wrong_directives(injected: Sequence[Incident], heard: Sightings) -> list[str]:
    """Name throttles of scopes that did nothing wrong, and wrong actions."""
    by_scope = {one.scope: one for one in injected}
    wrong: dict[str, None] = {}
    for directive, _ in heard.directives:
        one = by_scope.get(directive.scope)
        if directive.action is Action.RESUME:
            continue
        if one is None or one.action not in (None, directive.action):
            wrong[f"{directive.action} {_named(directive.scope)}"] = None
    return list(wrong)


def _missing(verdicts: Sequence[IncidentVerdict]) -> list[str]:
    problems = []
    for verdict in verdicts:
        if not verdict.found:
            when = "never" if verdict.seconds is None else f"{verdict.seconds:g} s"
            problems.append(f"missed: {verdict.name} (heard of: {when})")
        if verdict.directive is None:
            problems.append(f"not throttled: {verdict.name}")
    return problems


def _judge_counts(
    truth: Truth, counts: CountsReport
) -> tuple[CountsVerdict, list[str]]:
    ledger = counts.ledger
    pairs = {
        "events": (ledger.events, truth.produced),
        "counted": (ledger.counted, truth.counted),
        "late": (ledger.late, truth.late),
        "duplicates": (ledger.duplicates, truth.duplicates),
    }
    problems = [
        f"{name}: the monitor says {ours}, the sender {theirs}"
        for name, (ours, theirs) in pairs.items()
        if ours != theirs
    ]
    wrong = _wrong_cells(truth, counts)
    if counts.unaccounted:
        problems.append(f"unaccounted events: {counts.unaccounted}")
    if wrong:
        problems.append(f"cells whose counts differ: {wrong}")
    tally = CountsVerdict(
        truth.produced,
        ledger.counted,
        ledger.late,
        ledger.duplicates,
        counts.unaccounted,
        wrong,
    )
    return tally, problems


def _wrong_cells(truth: Truth, counts: CountsReport) -> int:
    sent = {
        cell: tuple(row[column] for column in PLAIN_COLUMNS)
        for cell, row in truth.by(COMPARED_BY).items()
    }
    counted = {
        cell: tuple(row[column] for column in PLAIN_COLUMNS)
        for cell, row in counts.rows
    }
    cells = sent.keys() | counted.keys()
    return sum(sent.get(cell) != counted.get(cell) for cell in cells)


def _named(scope: Scope) -> str:

    return f"{scope.kind} {scope.key}"
