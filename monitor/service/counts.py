"""Exact counts, read back from ``bounce.counts`` and merged by the law.

This is how a user reconciles us with logs of his own: nothing of a worker's memory is
asked, only what is on the topic.
"""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from monitor.events import COLUMNS, Cell, Ledger, LedgerTally, Tally
from monitor.service.codecs import (
    CountsRecord,
    DecodeError,
    decode_counts,
    open_counts,
)
from monitor.service.kafka import read_to_end, topic_reader
from monitor.service.longest import Longest
from monitor.service.settings import Settings
from monitor.service.topics import topic_names

log = structlog.get_logger(__name__)

#: A tally is written at most so long before the event times that it holds: the
#: tolerance for fast clocks, and what clocks of workers may differ by.
MARGIN_SECONDS = 120.0


@dataclass(frozen=True)
class CountsQuery:
    """What to count: by which dimensions, of which slots (epoch seconds), of whom."""

    by: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None
    fleet: str = "default"


@dataclass(frozen=True)
class CountsReport:
    """Counts by the dimensions asked for, largest first.

    ``ledger`` covers the same span of log time; ``unaccounted`` is 0 or a bug.
    """

    rows: list[tuple[tuple[str, ...], dict[str, int]]]
    ledger: Ledger
    unaccounted: int


def read_counts(settings: Settings, query: CountsQuery) -> CountsReport:
    """Read, merge and sum; see ``count_tallies`` for what is summed.

    Raises:
        BrokerError: Kafka or the topic is not there.
    """
    return asyncio.run(_read(settings, query))


async def _read(settings: Settings, query: CountsQuery) -> CountsReport:
    longest = Longest()
    async with topic_reader(settings.kafka, topic_names(settings).counts) as reader:
        partitions = [*reader.assignment()]
        await _seek(reader, partitions, query.since)
        async for record in read_to_end(reader, partitions):
            _add(longest, record.value, query.fleet)
    tallies = _decoded(longest.records())
    return count_tallies(tallies, query, settings.counting.slot_seconds)


async def _seek(
    reader: AIOKafkaConsumer, partitions: list[TopicPartition], since: float | None
) -> None:
    """Skip what was written long before the span; a broker may know no such offset."""
    await reader.seek_to_beginning(*partitions)
    if since is None:
        return
    moment = int((since - MARGIN_SECONDS) * 1000)
    found = await reader.offsets_for_times(dict.fromkeys(partitions, max(0, moment)))
    for tp, offset in found.items():
        if offset is not None:
            reader.seek(tp, offset.offset)


def _decoded(records: Iterable[CountsRecord]) -> Iterator[Tally | LedgerTally]:
    """The tallies; what cannot be read is named, and missing from the sums."""
    for record in records:
        try:
            yield decode_counts(record)
        except DecodeError as error:
            log.error("unreadable tally", prefix=str(record.prefix), error=str(error))


def _add(longest: Longest, value: bytes | None, fleet: str) -> None:
    try:
        record = open_counts(value)
    except DecodeError:
        return
    if record.prefix.fleet == fleet:
        longest.add(record)


def count_tallies(
    tallies: Iterable[Tally | LedgerTally], query: CountsQuery, slot_seconds: float
) -> CountsReport:
    """Sum the longest tallies of all slots that begin within the span.

    Cells are of slots of event time, ledgers of log time. Without a span both cover
    everything, and the cells must hold what the ledgers say was counted.
    """
    sums: dict[tuple[str, ...], np.ndarray[tuple[int], np.dtype[np.int64]]] = {}
    totals = dict.fromkeys(Ledger.__struct_fields__, 0)
    for tally in tallies:
        if not _within(tally.prefix.slot * slot_seconds, query):
            continue
        if isinstance(tally, LedgerTally):
            for name in totals:
                totals[name] += getattr(tally.ledger, name)
            continue
        for cell, row in _rows(tally):
            key = tuple(getattr(cell, name) for name in query.by)
            sums[key] = sums.get(key, np.zeros(len(COLUMNS), np.int64)) + row
    rows = [
        (key, dict(zip(COLUMNS, map(int, row), strict=True)))
        for key, row in sorted(sums.items(), key=lambda item: (-item[1][0], item[0]))
    ]
    ledger = Ledger(**totals)
    whole = query.since is None and query.until is None
    return CountsReport(rows, ledger, _unaccounted(ledger, rows if whole else None))


def _within(begin: float, query: CountsQuery) -> bool:
    if query.since is not None and begin < query.since:
        return False
    return query.until is None or begin < query.until


def _rows(
    tally: Tally,
) -> Iterator[tuple[Cell, np.ndarray[tuple[int], np.dtype[np.int32]]]]:
    matrix = np.frombuffer(tally.counts, dtype="<i4").reshape(-1, len(COLUMNS))
    return zip(tally.cells, matrix, strict=True)


def _unaccounted(
    ledger: Ledger, rows: list[tuple[tuple[str, ...], dict[str, int]]] | None
) -> int:
    booked = ledger.counted + ledger.duplicates + ledger.late + ledger.excluded
    missing = abs(ledger.events - booked)
    if rows is not None:
        held = sum(row["attempts"] + row["complaint"] for _, row in rows)
        missing += abs(ledger.counted - held)
    return missing
