"""``bouncemon lab plots``: the tables of reports as a page of Markdown."""

from collections.abc import Iterable, Iterator
from math import isfinite

from monitor.lab.report import Report, Table, Value

#: From here on digits behind the point tell nothing.
WHOLE = 100.0

_HEAD = """# Measured

Made by `bouncemon lab plots`, from the reports that its figures are drawn from. Do not
edit: run it again. A dash is a number that was not reached or cannot be told.
"""


def measured_page(reports: Iterable[Report]) -> str:
    """All tables and bounds of some reports, one section each."""
    return "\n".join([_HEAD, *(_section(report) for report in reports)])


def _section(report: Report) -> str:
    sizes = ", ".join(f"{name} {size:g}" for name, size in report.sizes.items())
    kept = "all kept" if report.kept else "not all kept"
    lines = [
        f"## `bouncemon lab {report.name}`",
        "",
        f"Seed {report.seed}; {sizes}. Bounds: {kept}.",
        "",
    ]
    for table in (*report.tables, _bounds(report)):
        lines += [f"**{table.title}**", "", *_markdown(table), ""]
    return "\n".join(lines)


def _bounds(report: Report) -> Table:
    rows: tuple[tuple[Value, ...], ...] = tuple(
        (
            bound.name,
            bound.value,
            f"{'>=' if bound.at_least else '<='} {bound.limit:g}",
            "kept" if bound.kept else "**missed**",
        )
        for bound in report.bounds
    )
    return Table("Bounds", ("bound", "measured", "promised", ""), rows)


def _markdown(table: Table) -> Iterator[str]:
    yield _line(table.columns)
    yield _line(["---", *("---:" for _ in table.columns[1:])])
    for row in table.rows:
        yield _line([worded(value) for value in row])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def worded(value: Value) -> str:
    """A number as people read it; a dash where there is none.

    >>> worded(0.12345), worded(1234.5), worded(float("nan"))
    ('0.123', '1234', '-')
    """
    if isinstance(value, str):
        return value
    if not isfinite(value):
        return "-"
    return f"{value:.0f}" if abs(value) >= WHOLE else f"{value:.3g}"
