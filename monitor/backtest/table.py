"""Recorded counts: a CSV file with a row for each time and leaf.

The header names the columns, in any order: ``time`` (epoch seconds or ISO 8601; the
begin of the span that a row counts), any of the dimensions, ``attempts``, any of the
channels, and ``delivered``, which else is what neither bounced nor was deferred. How
long a row's span is follows from the times: their greatest common step. A file that
fits into the look-ahead may be in any order; a longer one must be sorted by time.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain, islice, pairwise
from math import floor, gcd, isfinite
from typing import NamedTuple

from monitor.backtest.log_clock import Placed
from monitor.errors import ConfigError
from monitor.events import COLUMNS, SCOPE_DIMENSIONS, Cell, Channel

#: Rows read ahead to learn the step, and to sort by time: about 100 MB of them.
LOOK_AHEAD_ROWS = 200_000

#: Longest span of a row: an alarm a day late is none.
MAX_STEP_SECONDS = 3_600

#: A step for a table with only one time.
DEFAULT_STEP = 60

#: Most of one count: sums of a slot's rows stay within 32 bits.
MAX_COUNT = 100_000_000

#: Cells remembered, so that each is made once; then the memory starts anew.
MAX_CELLS = 100_000

#: Longest name of a dimension's value, as in events.
MAX_NAME = 200

#: The years that times may be in: 1990 to 2106, as in events.
MIN_TIME, MAX_TIME = 631_152_000, 4_294_967_295

TIME, ATTEMPTS, DELIVERED = "time", "attempts", "delivered"

#: Dimensions by their names in a header, short ones too.
_DIMENSIONS = {
    "provider": "provider",
    "source_ip": "source_ip",
    "ip": "source_ip",
    "campaign": "campaign",
    "tenant": "tenant",
    "segment": "segment",
}

_CHANNELS = tuple(channel.value for channel in Channel)
_ATTEMPTS, _DELIVERED = COLUMNS.index(ATTEMPTS), COLUMNS.index(DELIVERED)
_BOUNCE, _DEFERRAL = COLUMNS.index("bounce"), COLUMNS.index("deferral")
_COMPLAINT = COLUMNS.index("complaint")
_REST = tuple(COLUMNS.index(name) for name in ("hard", "block", "config", "technical"))

assert set(_DIMENSIONS.values()) == set(Cell._fields)
assert len(SCOPE_DIMENSIONS) == len(Cell._fields)


class Row(NamedTuple):
    """Counts of one leaf, in the order of ``COLUMNS``, from ``time`` on."""

    time: int
    cell: Cell
    counts: list[int]


class Table(NamedTuple):
    """Rows by the time at which they came.

    ``step`` is the seconds that a row counts, ``phase`` the second within a step at
    which a span begins.
    """

    step: int
    phase: int
    rows: Iterator[Placed[Row]]


class _Layout:
    """Where in a row what is."""

    def __init__(self, header: Sequence[str]) -> None:
        names = [name.strip().lower() for name in header]
        self.width = len(names)
        self.cell: dict[str, int] = {}
        self.counts: list[tuple[int, int, str]] = []
        self.time = -1
        for place, name in enumerate(names):
            if names.index(name) != place:
                raise ConfigError(f"column {name!r} is there twice (name each once)")
            if name in _DIMENSIONS and _DIMENSIONS[name] not in self.cell:
                self.cell[_DIMENSIONS[name]] = place
            elif name in COLUMNS:
                self.counts.append((COLUMNS.index(name), place, name))
            elif name == TIME:
                self.time = place
            else:
                raise ConfigError(f"no such column: {name!r} ({_known_columns()})")
        self._require(names)
        self.has_delivered = DELIVERED in names
        self.has_bounce = Channel.BOUNCE in names

    @staticmethod
    def _require(names: Sequence[str]) -> None:
        for name in (TIME, ATTEMPTS):
            if name not in names:
                raise ConfigError(f"column {name!r} is missing ({_known_columns()})")
        if not set(names) & set(_CHANNELS):
            raise ConfigError(f"no channel is counted ({_known_columns()})")


class _Reader:
    """Makes rows of fields; remembers the last time, which many rows share."""

    def __init__(self, header: Sequence[str]) -> None:
        self._layout = _Layout(header)
        self._named = [name for name in Cell._fields if name in self._layout.cell]
        self._places = [self._layout.cell[name] for name in self._named]
        self._cells: dict[tuple[str, ...], Cell] = {}
        self._text, self._time = "", 0

    def row(self, fields: Sequence[str]) -> Row:
        """Read one row.

        Raises:
            ConfigError: it is not one.
        """
        layout = self._layout
        if len(fields) != layout.width:
            raise ConfigError(f"{len(fields)} fields (the header has {layout.width})")
        text = fields[layout.time]
        if text != self._text:
            self._text, self._time = text, _seconds(text)
        counts = [0] * len(COLUMNS)
        for column, place, name in layout.counts:
            text = fields[place]
            counts[column] = int(text) if text.isdecimal() else _count(name, text)
        if max(counts) > min(counts[_ATTEMPTS], MAX_COUNT):
            _check(counts)
        if not layout.has_delivered:
            failed = counts[_BOUNCE] + counts[_DEFERRAL]
            if not layout.has_bounce:
                failed += sum(counts[column] for column in _REST)
            counts[_DELIVERED] = max(0, counts[_ATTEMPTS] - failed)
        return Row(self._time, self._cell(fields), counts)

    def _cell(self, fields: Sequence[str]) -> Cell:
        names = tuple([fields[place] for place in self._places])
        cell = self._cells.get(names)
        if cell is None:
            if max(map(len, names), default=0) > MAX_NAME:
                raise ConfigError(f"a name is too long (at most {MAX_NAME} characters)")
            if len(self._cells) >= MAX_CELLS:
                self._cells.clear()
            known = dict(zip(self._named, map(str.strip, names), strict=True))
            cell = Cell(*(known.get(name, "") for name in Cell._fields))
            self._cells[names] = cell
        return cell


def _check(counts: Sequence[int]) -> None:
    """Look closely at counts that are large, or larger than the attempts."""
    attempts = counts[_ATTEMPTS]
    for column, name in enumerate(COLUMNS):
        if counts[column] > MAX_COUNT:
            raise _no_count(name, str(counts[column]))
        if counts[column] > attempts and column != _COMPLAINT:
            raise ConfigError(
                f"more {name} than attempts ({counts[column]} and {attempts})"
            )


def read_table(
    name: str, lines: Iterable[str], step: int | None, lateness: float
) -> Table:
    """Read a table.

    Args:
        name: of the file, for errors.
        lines: its text.
        step: seconds that a row counts; None: learn it from the times.
        lateness: how far a row may lie behind those before it, seconds.

    Raises:
        ConfigError: the header makes no sense, or there is no row; the iterator
            raises it for rows. It names the line.
    """
    rows = _rows(name, lines)
    ahead = list(islice(rows, LOOK_AHEAD_ROWS))
    if not ahead:
        raise ConfigError(f"{name}: a header and no rows (give it at least one)")
    if len(ahead) < LOOK_AHEAD_ROWS:
        ahead.sort(key=lambda numbered: numbered[1].time)
    first = ahead[0][1].time
    step = step or _step_of(name, {row.time for _, row in ahead})
    return Table(step, first % step, _placed(name, chain(ahead, rows), lateness))


def _rows(name: str, lines: Iterable[str]) -> Iterator[tuple[int, Row]]:
    reader = csv.reader(lines, strict=True)
    try:
        header = next(reader, [])
        rows = _Reader(header)
        for fields in reader:
            if fields:
                yield reader.line_num, rows.row(fields)
    except ConfigError as error:
        raise ConfigError(f"{name}: line {reader.line_num}: {error}") from None
    except csv.Error as error:
        raise ConfigError(
            f"{name}: line {reader.line_num}: not CSV ({error})"
        ) from None


def _placed(
    name: str, rows: Iterable[tuple[int, Row]], lateness: float
) -> Iterator[Placed[Row]]:
    newest = 0
    for number, row in rows:
        newest = max(newest, row.time)
        if row.time < newest - lateness:
            raise ConfigError(
                f"{name}: line {number}: {newest - row.time} s older than rows before "
                "it (sort the table by time)"
            )
        yield Placed(float(newest), row)


def _step_of(name: str, times: set[int]) -> int:
    """The greatest common step of all times."""
    ordered = sorted(times)
    step = gcd(*(later - first for first, later in pairwise(ordered)))
    if step > MAX_STEP_SECONDS:
        raise ConfigError(
            f"{name}: rows are {step} s apart (bouncemon takes slots up to "
            f"{MAX_STEP_SECONDS} s; for a table with gaps give --slot)"
        )
    return step or DEFAULT_STEP


def _seconds(text: str) -> int:
    """A time as epoch seconds; what has no time zone is UTC."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            parsed = datetime.fromisoformat(text.strip())
        except ValueError:
            raise ConfigError(
                f"time {text[:40]!r} (epoch seconds or ISO 8601)"
            ) from None
        seconds = parsed.replace(tzinfo=parsed.tzinfo or UTC).timestamp()
    if not (isfinite(seconds) and MIN_TIME <= seconds <= MAX_TIME):
        raise ConfigError(f"time {text[:40]!r} (epoch seconds of 1990 to 2106)")
    return floor(seconds)


def _count(name: str, text: str) -> int:
    try:
        count = int(text or 0)
    except ValueError:
        count = _whole(text)
    if not 0 <= count <= MAX_COUNT:
        raise _no_count(name, text)
    return count


def _no_count(name: str, text: str) -> ConfigError:
    return ConfigError(f"{name} {text[:40]!r} (whole numbers from 0 to {MAX_COUNT:,})")


def _whole(text: str) -> int:
    """A count that was written as a float, as some tools do; -1 if it is none."""
    try:
        number = float(text) if text.strip() else 0.0
    except ValueError:
        return -1
    return int(number) if number.is_integer() else -1


def _known_columns() -> str:
    return "time, provider, source_ip, campaign, tenant, segment, " + ", ".join(COLUMNS)
