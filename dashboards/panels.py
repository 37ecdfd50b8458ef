"""Pieces of a Grafana dashboard in the classic JSON model, and where they lie.

Everything is plain data; equal calls give equal JSON, so that a generated file can be
compared byte for byte.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

Json = dict[str, Any]

#: Grafana's grid: a row of panels is 24 wide.
COLUMNS: Final = 24

#: Loads in Grafana 11 to 13 without a migration that could change it.
SCHEMA_VERSION: Final = 39

DATASOURCE: Final[Json] = {"type": "prometheus", "uid": "${datasource}"}

_ROW_HEIGHT: Final = 1


class Query(NamedTuple):
    """One PromQL expression and how its series are called."""

    expr: str
    legend: str = ""
    table: bool = False


class Panel(NamedTuple):
    """One panel; ``width`` is in columns, ``unit`` one of Grafana's unit ids."""

    kind: str
    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    width: int = 8
    height: int = 8
    defaults: Mapping[str, Any] = {}
    options: Mapping[str, Any] = {}
    overrides: tuple[Json, ...] = ()
    transformations: tuple[Json, ...] = ()


class Row(NamedTuple):
    """A heading and the panels below it, laid from left to right."""

    title: str
    panels: tuple[Panel, ...]


def steps(*bounds: tuple[float | None, str]) -> Json:
    """Return colour thresholds: (lower bound or None, colour), ascending."""
    levels = [{"value": bound, "color": color} for bound, color in bounds]
    return {"thresholds": {"mode": "absolute", "steps": levels}}


def stat(
    title: str, description: str, unit: str, query: Query, thresholds: Json
) -> Panel:
    """Return one big number, coloured by its thresholds."""
    return Panel(
        "stat",
        title,
        description,
        unit,
        (query,),
        width=3,
        height=4,
        defaults={"color": {"mode": "thresholds"}, **thresholds},
        options={
            "colorMode": "background",
            "graphMode": "area",
            "textMode": "auto",
            "justifyMode": "auto",
            "orientation": "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        },
    )


def graph(title: str, description: str, unit: str, *queries: Query) -> Panel:
    """Return lines over time."""
    return Panel(
        "timeseries",
        title,
        description,
        unit,
        queries,
        defaults={
            "min": 0,
            "custom": {
                "drawStyle": "line",
                "fillOpacity": 8,
                "lineWidth": 1,
                "showPoints": "never",
                "spanNulls": False,
            },
        },
        options={
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    )


def bars(title: str, description: str, unit: str, *queries: Query) -> Panel:
    """Return stacked bars over time, for things that are rare."""
    custom = {
        "drawStyle": "bars",
        "fillOpacity": 60,
        "lineWidth": 0,
        "stacking": {"mode": "normal", "group": "A"},
    }
    panel = graph(title, description, unit, *queries)
    return panel._replace(defaults={"min": 0, "custom": custom})


def states(
    title: str, description: str, unit: str, query: Query, levels: Json
) -> Panel:
    """Return a coloured band a series, that shows when it changed."""
    return Panel(
        "state-timeline",
        title,
        description,
        unit,
        (query,),
        defaults={"color": {"mode": "thresholds"}, "min": 0, "max": 1, **levels},
        options={"mergeValues": True, "rowHeight": 0.9, "showValue": "auto"},
    )


def table(
    title: str, description: str, unit: str, queries: Sequence[Query], hidden: str
) -> Panel:
    """Return a table of the newest values; a column a label and a query.

    Args:
        title: of the panel.
        description: of the panel.
        unit: of the numbers.
        queries: the columns with numbers, called by their legends.
        hidden: names of columns to leave out, with blanks between them.
    """
    names = [query.legend for query in queries]
    values = [f"Value #{chr(ord('A') + at)}" for at in range(len(queries))]
    if len(queries) == 1:
        values = ["Value"]
    rename = dict(zip(values, names, strict=True))
    organize = {
        "excludeByName": dict.fromkeys(["Time", *hidden.split()], True),
        "renameByName": rename,
    }
    return Panel(
        "table",
        title,
        description,
        unit,
        tuple(query._replace(table=True) for query in queries),
        width=COLUMNS // 2,
        defaults={"custom": {"align": "auto", "filterable": True}},
        options={"showHeader": True, "cellHeight": "sm"},
        transformations=(
            {"id": "merge", "options": {}},
            {"id": "organize", "options": organize},
        ),
    )


def column_unit(name: str, unit: str) -> Json:
    """Return an override: the unit of one column."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": "unit", "value": unit}],
    }


def lay_out(rows: Sequence[Row]) -> list[Json]:
    """Return all panels with ids and places, rows from top to bottom."""
    placed: list[Json] = []
    top = 0
    for row in rows:
        placed.append(_row_json(row, len(placed) + 1, top))
        top += _ROW_HEIGHT
        left = height = 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                top, left, height = top + height, 0, 0
            place = {"x": left, "y": top, "w": panel.width, "h": panel.height}
            placed.append(_panel_json(panel, len(placed) + 1, place))
            left, height = left + panel.width, max(height, panel.height)
        top += height
    return placed


def _row_json(row: Row, number: int, top: int) -> Json:
    return {
        "id": number,
        "type": "row",
        "title": row.title,
        "collapsed": False,
        "panels": [],
        "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": _ROW_HEIGHT},
    }


def _panel_json(panel: Panel, number: int, place: Json) -> Json:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "gridPos": place,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, **panel.defaults},
            "overrides": list(panel.overrides),
        },
        "options": dict(panel.options),
        "transformations": list(panel.transformations),
        "targets": [_target(query, at) for at, query in enumerate(panel.queries)],
    }


def _target(query: Query, at: int) -> Json:
    return {
        "refId": chr(ord("A") + at),
        "datasource": DATASOURCE,
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "format": "table" if query.table else "time_series",
        "instant": query.table,
        "range": not query.table,
    }
