"""Runs of a world through the room, without files."""

from monitor.backtest import (
    CountReplay,
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
from monitor.pipeline import FleetPolicy, Ingest
from monitor.providers import ProviderMatcher
from monitor.sources import open_source

Run = tuple[list[Found], Summary]


def run_events(*files: bytes, policy: FleetPolicy | None = None, step: int = 1) -> Run:
    faults = Faults()
    ingest = Ingest(open_source("canonical"), ProviderMatcher.builtin(), Classifier())
    replay = EventReplay(Mind(policy or FleetPolicy(), step), scrub)
    streams = [
        read_events("x", file.splitlines(keepends=True), ingest, faults)
        for file in files
    ]
    found = [one for placed in merged(streams) for one in replay.take(placed)]
    found += replay.end()
    summary = replay.summary()
    assert summary.invalid == sum(faults.counts.values())
    return found, summary


def run_counts(text: str, step: int, policy: FleetPolicy | None = None) -> Run:
    table = read_table("x", text.splitlines(keepends=True), None, 600.0)
    assert table.step == step
    mind = Mind(adapted(policy or FleetPolicy(), step), step, table.phase)
    replay = CountReplay(mind)
    found = [one for placed in table.rows for one in replay.take(placed)]
    return found + replay.end(), replay.summary()
