"""A record at a time: what the tests of counting are written in."""

from collections.abc import Sequence
from typing import NamedTuple

from monitor.counting import (
    CountBatch,
    Evidence,
    PartitionCounter,
    cell_text,
    columns_of,
)
from monitor.events import Cell, Outcome

#: What an event adds to that went well.
DELIVERED = columns_of(Outcome.DELIVERED, None)


class Countable(NamedTuple):
    """One event as counting sees it.

    ``columns`` come from ``columns_of``; without any the event is *excluded*: it never
    reached a receiver. ``evidence`` says why a failed one failed.
    """

    event_id: str
    event_time: float
    cell: Cell
    columns: tuple[int, ...]
    evidence: Evidence | None = None


def record(
    counter: PartitionCounter,
    offset: int,
    kafka_time: float,
    events: Sequence[Countable],
    invalid: int = 0,
) -> None:
    """Give a counter one record, which may hold any number of events."""
    counter.take(one_record(offset, kafka_time, events, invalid))


def one_record(
    offset: int, kafka_time: float, events: Sequence[Countable], invalid: int = 0
) -> CountBatch:
    """A batch of a single record, which may hold any number of events."""
    return CountBatch(
        [offset],
        [kafka_time],
        [offset] * len(events),
        [event.event_id for event in events],
        [event.event_time for event in events],
        [cell_text(event.cell) for event in events],
        {
            place: event.columns
            for place, event in enumerate(events)
            if event.columns != DELIVERED
        },
        {
            place: event.evidence
            for place, event in enumerate(events)
            if event.evidence is not None
        },
        [offset] * invalid,
    )
