"""``bouncemon backtest``: recorded data through the same rooms, at full speed."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from functools import partial
from math import gcd
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import typer
from rich.console import Console
from rich.table import Table as Sheet

from monitor.backtest import (
    MAX_STEP_SECONDS,
    CountReplay,
    Curves,
    EventReplay,
    Faults,
    Found,
    Mind,
    Summary,
    adapted,
    merged,
    read_events,
    read_table,
)
from monitor.classify import Classifier, scrub
from monitor.errors import ConfigError
from monitor.pipeline import FleetPolicy, Ingest
from monitor.service.assembly import fleet_policy, topic_inputs
from monitor.service.cli_backtest_files import STDIN, Recording
from monitor.service.cli_backtest_limits import wanted_limits, wanted_names
from monitor.service.cli_backtest_plot import Plot
from monitor.service.cli_exits import ExitCode
from monitor.service.cli_options import ConfigOption, settings_from
from monitor.service.clock import monotonic
from monitor.service.rules_file import load_rules_file
from monitor.service.settings import Settings
from monitor.service.settings_sections import InputSettings
from monitor.sources import SOURCES

#: More late events than this part, and the recording is probably not sorted; more
#: copies, and its events have probably no ids.
LATE_PART = COPIES_PART = 0.01

#: Name of the topic that a recording stands for.
TOPIC = "recording"


class Form(StrEnum):
    """What the files hold."""

    AUTO = "auto"
    EVENTS = "events"
    COUNTS = "counts"


FilesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...",
        help="Events as NDJSON, or counts as *.csv; plain or *.gz; - is stdin. "
        "Several files are read side by side, by time.",
    ),
]
FormOption = Annotated[
    Form, typer.Option("--format", help="What the files hold; auto: by their names.")
]
SourceOption = Annotated[
    str, typer.Option(help=f"Format of the events: {', '.join(SOURCES)}.")
]
PagesOption = Annotated[
    float | None,
    typer.Option(
        "--false-pages-per-week",
        help="The knob: false pages to accept, whole fleet.",
        show_default=False,
    ),
]
LimitOption = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        metavar="CHANNEL=RATE",
        help="Absolute limit: hard=5%, hard=5%/10% (ticket/page), hard=off.",
        show_default=False,
    ),
]
RulesOption = Annotated[
    str,
    typer.Option(
        "--rules",
        "--detectors",
        help="Rules to run, comma-separated, such as nb_glr,limit.",
        show_default=False,
    ),
]
DimensionsOption = Annotated[
    str,
    typer.Option(
        help="Dimensions to roll up by, such as provider,ip,campaign.",
        show_default=False,
    ),
]
SlotOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MAX_STEP_SECONDS,
        help="Seconds that a row of counts covers; else learned from the times.",
        show_default=False,
    ),
]
TickOption = Annotated[
    int,
    typer.Option(
        min=1,
        max=60,
        help="Seconds of event time between two looks; more is faster.",
    ),
]
PlotOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.png", help="Draw rates with incidents.", show_default=False
    ),
]
CopiesOption = Annotated[
    bool,
    typer.Option(
        "--keep-copies",
        help="Count events with the same id, or without ids and the same in every "
        "field, each by itself; else only the first counts.",
    ),
]
SummaryOption = Annotated[
    bool, typer.Option("--summary", help="Print the summary as a last line, too.")
]


class _Job(NamedTuple):
    """What to do with which files."""

    recording: Recording
    settings: Settings
    policy: FleetPolicy
    slot: int | None
    tick: int
    keep_copies: bool
    curves: Curves | None


def backtest(
    files: FilesArgument,
    form: FormOption = Form.AUTO,
    source: SourceOption = "canonical",
    false_pages: PagesOption = None,
    limit: LimitOption = None,
    rules: RulesOption = "",
    dimensions: DimensionsOption = "",
    slot: SlotOption = None,
    tick: TickOption = 1,
    keep_copies: CopiesOption = False,
    plot: PlotOption = None,
    summary: SummaryOption = False,
    config: ConfigOption = None,
) -> None:
    """Say which incidents would have been found in recorded data, and when.

    Time is the data's own. Incidents are printed as NDJSON when they are over, or at
    the end; a summary goes to standard error. Rows of counts have the columns time,
    provider, source_ip, campaign, tenant, segment, attempts, and one a channel. Flags
    win over the settings file. Exit status 1 if not one event could be read.
    """
    settings = _with_source(settings_from(config), source)
    policy = fleet_policy(settings)
    watched = policy.observe
    pages = watched.false_pages_per_week if false_pages is None else false_pages
    watched = replace(
        watched,
        false_pages_per_week=pages,
        limits=wanted_limits(watched.limits, limit or []),
        detectors=wanted_names(rules) or watched.detectors,
        dimensions=wanted_names(dimensions) or watched.dimensions,
    )
    holds_counts = _holds_counts(files, form)
    drawing = Plot(plot) if plot else None
    console, faults, began = Console(stderr=True), Faults(), monotonic()
    with Recording(files, console) as recording:
        curves = drawing.curves if drawing else None
        policy = replace(policy, observe=watched)
        job = _Job(recording, settings, policy, slot, tick, keep_copies, curves)
        news = _counts(job) if holds_counts else _events(job, faults)
        came_to = _run(recording, news, drawing)
    came_to = _timed(came_to, monotonic() - began)
    if drawing:
        drawing.write()
    if summary:
        _print({"summary": came_to})
    _report(console, came_to, faults)
    if not came_to.events:
        raise typer.Exit(ExitCode.FAILED)


def _run(
    recording: Recording, news: Iterator[Found | Summary], drawing: Plot | None
) -> Summary:
    """Print incidents as they come; the summary comes last."""
    for one in news:
        if isinstance(one, Summary):
            return one
        with recording.aside():
            _print(one)
        if drawing:
            drawing.incidents.append(one)
    raise AssertionError("a backtest ends with its summary")


def _holds_counts(files: list[str], form: Form) -> bool:
    """Whether the files are tables of counts.

    Raises:
        ConfigError: some are, and some are not.
    """
    if files.count(STDIN) > 1 or len(set(files)) < len(files):
        raise ConfigError("a file is named twice (each event would count twice)")
    if form is not Form.AUTO:
        return form is Form.COUNTS
    tables = [name.removesuffix(".gz").endswith(".csv") for name in files]
    if any(tables) != all(tables):
        raise ConfigError("some files are *.csv and some are not (run them apart)")
    return all(tables)


def _with_source(settings: Settings, source: str) -> Settings:
    """The settings with one input, which reads records as that source is set to."""
    if source not in SOURCES:
        raise ConfigError(f"--source {source}: there are {', '.join(SOURCES)}")
    known = [one for one in settings.inputs if one.source == source]
    one = known[0] if known else InputSettings(topic=TOPIC, source=source)
    return settings.model_copy(
        update={"inputs": (one.model_copy(update={"topic": TOPIC}),)}
    )


def _ingest(settings: Settings) -> Ingest:
    """The rooms before counting, with the users' own rules."""
    file = settings.classify.rules
    classifier = Classifier(load_rules_file(file).rules if file else ())
    return topic_inputs(settings, classifier)[TOPIC].ingest


def _events(job: _Job, faults: Faults) -> Iterator[Found | Summary]:
    ingest = _ingest(job.settings)
    mind = Mind(job.policy, job.tick, curves=job.curves)
    replay = EventReplay(mind, scrub, job.keep_copies)
    recording = job.recording
    streams = [
        read_events(name, recording.lines(name), ingest, faults)
        for name in recording.names
    ]
    for placed in merged(streams):
        yield from replay.take(placed)
    yield from replay.end()
    yield replay.summary()


def _counts(job: _Job) -> Iterator[Found | Summary]:
    recording, counting = job.recording, job.policy.counting
    read = partial(
        read_table, step=job.slot, lateness=counting.allowed_lateness_seconds
    )
    tables = [read(name, recording.text(name)) for name in recording.names]
    step = gcd(*(table.step for table in tables))
    mind = Mind(
        adapted(job.policy, step), step, tables[0].phase % step, curves=job.curves
    )
    replay = CountReplay(mind)
    for placed in merged([table.rows for table in tables]):
        yield from replay.take(placed)
    yield from replay.end()
    yield replay.summary()


def _timed(summary: Summary, seconds: float) -> Summary:
    amount = summary.rows or summary.records
    return msgspec.structs.replace(
        summary,
        seconds=round(seconds, 3),
        events_per_second=round(amount / max(seconds, 1e-9), 1),
    )


def _print(line: object) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


def _report(console: Console, summary: Summary, faults: Faults) -> None:
    sheet = Sheet(box=None, show_header=False)
    for name, value in msgspec.structs.asdict(summary).items():
        shown = f"{value:,.6g}" if isinstance(value, float) else f"{value:,}"
        sheet.add_row(name.replace("_", " "), shown)
    console.print(sheet)
    for reason, count in faults.counts.items():
        place, detail = faults.samples[reason]
        console.print(
            f"invalid, {reason.value}: {count:,}, such as {place}: {detail}",
            markup=False,
            soft_wrap=True,
        )
    for advice in _advice(summary):
        console.print(advice, soft_wrap=True)


def _advice(summary: Summary) -> Iterator[str]:
    """What is odd about a recording, and what to do about it."""
    if summary.late > LATE_PART * summary.events:
        yield (
            f"{summary.late:,} events or rows came late, and what is late is not "
            "judged: is the recording sorted by time?"
        )
    if summary.duplicates > COPIES_PART * summary.events:
        yield (
            f"{summary.duplicates:,} events were copies of others and did not count: "
            "if they are none, use --keep-copies"
        )
    if not summary.events:
        yield "not one event could be read"
