"""What is put into a simulated world: the product's parts, and ones that are wrong.

A *book* is what a worker keeps of one partition; a *reader* is what merges the topic.
"""

from collections import Counter
from collections.abc import Callable
from copy import copy
from typing import Any, NamedTuple, Protocol, TypeAlias

from monitor.counting import TallyMerger
from monitor.events import Cell, LedgerTally, Tally
from tests.laws.counting_log import (
    Entry,
    Lengths,
    Sums,
    feed,
    make_counter,
    matrix_cells,
    written,
)

#: As short as can be, so that four hundred steps see many checkpoints.
LENGTHS = Lengths(slot=10_000, lateness=20_000, tolerance=5_000)

CellSums: TypeAlias = Counter[tuple[int, Cell, int]]


class Delta(NamedTuple):
    """What was counted since the last flush, with the offsets read meanwhile."""

    partition: int
    slot: int
    cells: CellSums
    start: int
    to: int


Message: TypeAlias = Tally | LedgerTally | Delta


class Book(Protocol):
    """What a worker keeps of one partition."""

    @property
    def position(self) -> int:
        """The next offset to read."""

    def read(self, entry: Entry) -> None:
        """Count a record."""

    def flush(self) -> tuple[list[Message], int | None]:
        """What to send, and what to commit when it is acknowledged."""


class Reader(Protocol):
    """What merges the messages; all of its state can be saved."""

    @property
    def cells(self) -> CellSums:
        """The counts so far."""

    def take(self, message: Any) -> None:
        """Merge one message."""

    def forget(self) -> None:
        """Drop what is not needed any more."""

    def save(self) -> Callable[[], "Reader"]:
        """A snapshot, which makes a reader in the state of now."""


class TallyBook:
    """The product's counter.

    Args:
        partition: of the input topic.
        committed: where the group stands; ``None`` before its first commit.
        newest: wrong: commit what was read, not the checkpoint.
        torn: wrong: take slots that begin before the checkpoint for whole ones.
    """

    def __init__(
        self,
        partition: int,
        committed: int | None,
        *,
        newest: bool = False,
        torn: bool = False,
    ) -> None:
        self._newest = newest
        self._counter = make_counter(
            LENGTHS,
            committed or 0,
            start=committed is None or torn,
            partition=partition,
        )

    @property
    def position(self) -> int:
        return self._counter.position

    def read(self, entry: Entry) -> None:
        feed(self._counter, [entry])

    def flush(self) -> tuple[list[Message], int | None]:
        flush = self._counter.flush()
        return [*written(flush)], flush.position if self._newest else flush.commit


class DeltaBook:
    """Counts since the last flush, as one writes them first; commits the newest."""

    def __init__(self, partition: int, committed: int | None) -> None:
        position = committed or 0
        self._counter = make_counter(LENGTHS, position, partition=partition)
        self._partition = partition
        self._flushed_to = position
        self._sent: dict[int, CellSums] = {}

    @property
    def position(self) -> int:
        return self._counter.position

    def read(self, entry: Entry) -> None:
        feed(self._counter, [entry])

    def flush(self) -> tuple[list[Message], int | None]:
        start, self._flushed_to = self._flushed_to, self._counter.position
        messages: list[Message] = []
        for tally in self._counter.flush().tallies:
            slot = tally.prefix.slot
            now = matrix_cells(slot, tally.cells, tally.counts)
            more = now - self._sent.get(slot, Counter())
            self._sent[slot] = now
            messages.append(Delta(self._partition, slot, more, start, self._flushed_to))
        return messages, self._flushed_to


class TallyReader:
    """The product's merger, and the sum of all deltas it gave."""

    def __init__(self) -> None:
        self.merger = TallyMerger(LENGTHS.policy)
        self.sums = Sums()

    @property
    def cells(self) -> CellSums:
        return self.sums.cells

    def take(self, message: Tally | LedgerTally) -> None:
        self.sums.take(self.merger, message)

    def forget(self) -> None:
        self.merger.forget()

    def save(self) -> Callable[[], Reader]:
        state, sums, kind = self.merger.snapshot(), self.sums.copy(), type(self)

        def load() -> Reader:
            reader = kind()
            reader.merger = type(reader.merger).restore(LENGTHS.policy, state)
            reader.sums = sums.copy()
            return reader

        return load


class HastyReader(TallyReader):
    """Wrong: takes a slot for settled as soon as any tally says that it is closed."""

    def take(self, message: Tally | LedgerTally) -> None:
        super().take(message)
        for log in self.merger._logs.values():
            log.settled = log.watermark


class NewestReader:
    """Wrong: the last tally of a slot wins, as with compaction.

    Args:
        longest: the one that reaches furthest wins, wherever it began; also wrong.
    """

    def __init__(self, *, longest: bool = False) -> None:
        self._longest = longest
        self._held: dict[tuple[int, int], Tally] = {}

    @property
    def cells(self) -> CellSums:
        total: CellSums = Counter()
        for (_, slot), tally in self._held.items():
            total.update(matrix_cells(slot, tally.cells, tally.counts))
        return total

    def take(self, message: Tally | LedgerTally) -> None:
        if isinstance(message, LedgerTally):
            return
        prefix = message.prefix
        key = (prefix.partition, prefix.slot)
        held = self._held.get(key)
        if held is None or not self._longest or prefix.to > held.prefix.to:
            self._held[key] = message

    def forget(self) -> None:
        """Nothing: it holds one tally a slot for ever."""

    def save(self) -> Callable[[], Reader]:
        held, longest = dict(self._held), self._longest

        def load() -> Reader:
            reader = NewestReader(longest=longest)
            reader._held = dict(held)
            return reader

        return load


class DeltaReader:
    """Wrong: adds what it is told to add.

    Args:
        ranges: skip a delta that begins before what was added already; also wrong.
    """

    def __init__(self, *, ranges: bool = False) -> None:
        self.cells: CellSums = Counter()
        self._ranges = ranges
        self._marks: dict[tuple[int, int], int] = {}

    def take(self, message: Delta) -> None:
        key = (message.partition, message.slot)
        if self._ranges and message.start < self._marks.get(key, 0):
            return
        self._marks[key] = message.to
        self.cells.update(message.cells)

    def forget(self) -> None:
        """Nothing: it holds only sums."""

    def save(self) -> Callable[[], Reader]:
        cells, marks, ranges = copy(self.cells), dict(self._marks), self._ranges

        def load() -> Reader:
            reader = DeltaReader(ranges=ranges)
            reader.cells, reader._marks = copy(cells), dict(marks)
            return reader

        return load


class Parts(NamedTuple):
    """A book and a reader that belong together.

    ``careless``: a worker whose flush failed goes on, instead of dying. ``orderly``:
    they need a topic that keeps the order of each producer.
    """

    book: Callable[[int, int | None], Book]
    reader: Callable[[], Reader]
    careless: bool = False
    orderly: bool = False


PRODUCT = Parts(TallyBook, TallyReader)

#: Protocols that look right; a simulator that does not catch them is blind.
WRONG: dict[str, Parts] = {
    "naive deltas": Parts(DeltaBook, DeltaReader),
    "delta ranges": Parts(DeltaBook, lambda: DeltaReader(ranges=True)),
    "newest offset committed": Parts(
        lambda partition, committed: TallyBook(partition, committed, newest=True),
        TallyReader,
    ),
    "last write wins": Parts(TallyBook, NewestReader),
    "first offset ignored": Parts(
        lambda partition, committed: TallyBook(
            partition, committed, newest=True, torn=True
        ),
        lambda: NewestReader(longest=True),
    ),
    "goes on after a failed flush": Parts(TallyBook, TallyReader, careless=True),
    "forgets too early": Parts(TallyBook, HastyReader, orderly=True),
}
