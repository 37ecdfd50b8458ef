"""A report that was printed as JSON becomes a report again.

``--json`` says null for what is infinite or not a number, and adds what can be told
from the rest; so a null comes back as "not a number", whatever it was.
"""

from collections.abc import Mapping
from math import nan

import msgspec

from monitor.errors import ConfigError
from monitor.lab.report import Bound, Report, Table, Value

#: Rows of a table by the name in their first column, then by the column's heading.
Rows = Mapping[str, Mapping[str, float]]


class _Bound(msgspec.Struct):
    name: str
    value: float | None
    limit: float
    at_least: bool = False


class _Table(msgspec.Struct):
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[float | str | None, ...], ...]


class _Report(msgspec.Struct):
    name: str
    seed: int
    sizes: dict[str, float]
    tables: tuple[_Table, ...]
    bounds: tuple[_Bound, ...]


def report_of(said: bytes) -> Report:
    """Read what ``Report.as_json`` wrote.

    Raises:
        ConfigError: it is not the JSON of a report, or a row has not all columns.
    """
    try:
        read = msgspec.json.decode(said, type=_Report)
    except msgspec.DecodeError as error:
        raise ConfigError(f"not a report of the lab: {error}") from None
    tables = tuple(_table(table) for table in read.tables)
    bounds = tuple(
        Bound(one.name, _number(one.value), one.limit, one.at_least)
        for one in read.bounds
    )
    return Report(read.name, read.seed, read.sizes, tables, bounds)


def rows_of(report: Report, title: str) -> Rows:
    """The table with a title; text where numbers belong is not a number.

    Raises:
        ConfigError: the report has no such table.
    """
    for table in report.tables:
        if table.title == title:
            return {str(row[0]): _by_heading(table, row) for row in table.rows}
    raise ConfigError(f"report {report.name!r}: there is no table {title!r}")


def value_of(row: Mapping[str, float], heading: str) -> float:
    """A row's value in a column.

    Raises:
        ConfigError: there is no such column.
    """
    if heading not in row:
        raise ConfigError(f"a table of the report has no column {heading!r}")
    return row[heading]


def size_of(report: Report, name: str) -> float:
    """One of the sizes that the report was made with.

    Raises:
        ConfigError: it is not said.
    """
    if name not in report.sizes:
        raise ConfigError(f"report {report.name!r} does not say its size {name!r}")
    return report.sizes[name]


def _table(table: _Table) -> Table:
    if any(len(row) != len(table.columns) for row in table.rows):
        raise ConfigError(f"not a report of the lab: ragged table {table.title!r}")
    rows = tuple(tuple(_value(value) for value in row) for row in table.rows)
    return Table(table.title, table.columns, rows)


def _by_heading(table: Table, row: tuple[Value, ...]) -> Mapping[str, float]:
    pairs = zip(table.columns[1:], row[1:], strict=True)
    return {name: nan if isinstance(value, str) else value for name, value in pairs}


def _value(value: float | str | None) -> Value:
    return value if isinstance(value, str) else _number(value)


def _number(value: float | None) -> float:
    return nan if value is None else value
