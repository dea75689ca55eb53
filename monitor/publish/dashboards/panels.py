"""Panels of a Grafana dashboard as plain trees (Grafana's dashboard JSON, schema 39), and where they stand.

A panel is made without a place: `placed` fills lines of 24 columns from left to right, as one reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

Panel: TypeAlias = dict[str, Any]
Target: TypeAlias = dict[str, Any]
#: (from this value on, colour); the first begins at None
Steps: TypeAlias = Sequence[tuple[float | None, str]]

COLUMNS: Final = 24
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
PLAIN: Final[Steps] = ((None, "green"),)
#: (value, words, colour) of an incident's state, as the queries of this dashboard make it
STATES: Final = ((-1, "not judged yet", "gray"), (0, "fine", "green"), (1, "ticket", "orange"), (2, "page", "red"))


def over_time(expression: str, legend: str) -> Target:
    """A line for each series."""
    return {"datasource": SOURCE, "expr": expression, "legendFormat": legend, "range": True}


def at_once(expression: str, legend: str = "__auto") -> Target:
    """The values at the end of the time range."""
    return {"datasource": SOURCE, "expr": expression, "legendFormat": legend, "instant": True, "range": False}


def in_rows(*expressions: str) -> list[Target]:
    """Columns `Value #A`, `Value #B`, ... of one table, by their labels."""
    return [at_once(expression) | {"format": "table"} for expression in expressions]


def panel(
    kind: str,
    title: str,
    description: str,
    targets: Sequence[Target],
    *,
    size: tuple[int, int],
    unit: str,
    no_value: str,
    steps: Steps = PLAIN,
    options: Mapping[str, Any] | None = None,
    **defaults: object,
) -> Panel:
    """`size` is columns and lines; `no_value` is said where a query has no result; `defaults` go to every field."""
    colours = {"mode": "absolute", "steps": [{"value": value, "color": colour} for value, colour in steps]}
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": SOURCE,
        "gridPos": {"w": size[0], "h": size[1]},
        "targets": [target | {"refId": chr(ord("A") + at)} for at, target in enumerate(targets)],
        "fieldConfig": {
            "defaults": {"unit": unit, "noValue": no_value, "thresholds": colours, **defaults},
            "overrides": [],
        },
        "options": dict(options or {}),
    }


def stat(
    title: str, description: str, target: Target, *, unit: str, no_value: str, steps: Steps = PLAIN, **defaults: object
) -> Panel:
    """One figure, its background in the colour of its step."""
    return panel(
        "stat",
        title,
        description,
        [target],
        size=(4, 4),
        unit=unit,
        no_value=no_value,
        steps=steps,
        options={"colorMode": "background", "graphMode": "none", "reduceOptions": {"calcs": ["lastNotNull"]}},
        **{"color": {"mode": "thresholds"}, **defaults},
    )


def lines(
    title: str,
    description: str,
    targets: Sequence[Target],
    *,
    unit: str,
    no_value: str,
    steps: Steps = (),
    stacked: bool = False,
    **defaults: object,
) -> Panel:
    """Lines over time, the largest first in the legend; steps are drawn as dashed lines."""
    custom: dict[str, Any] = {"lineWidth": 1, "fillOpacity": 10, "showPoints": "never", "spanNulls": False}
    if stacked:
        custom |= {"stacking": {"mode": "normal", "group": "A"}, "fillOpacity": 60}
    if steps:
        custom["thresholdsStyle"] = {"mode": "dashed"}
    legend = {"displayMode": "table", "placement": "right", "calcs": ["lastNotNull"], "sortBy": "Last *"}
    return panel(
        "timeseries",
        title,
        description,
        targets,
        size=(12, 8),
        unit=unit,
        no_value=no_value,
        steps=steps or PLAIN,
        options={
            "legend": legend | {"showLegend": True, "sortDesc": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        **{"custom": custom, "min": 0, **defaults},
    )


def value_words(words: Iterable[tuple[float, str, str]]) -> list[dict[str, Any]]:
    """Value mappings: (value, words, colour)."""
    options = {
        f"{value:g}": {"text": text, "color": colour, "index": at} for at, (value, text, colour) in enumerate(words)
    }
    return [{"type": "value", "options": options}]


def with_column(table: Panel, column: str, **properties: object) -> Panel:
    """Other properties for one column; `custom.width` is written `custom__width`."""
    changes = [{"id": name.replace("__", "."), "value": value} for name, value in properties.items()]
    table["fieldConfig"]["overrides"].append({"matcher": {"id": "byName", "options": column}, "properties": changes})
    return table


def merged(table: Panel, names: Mapping[str, str], sort: str, descending: bool = True) -> Panel:
    """The rows of all queries as one, in this order of columns under these names; columns not named are left out.

    Where one query alone has a result, Grafana calls its column `Value`: the first query is the one that always has.
    """
    names = {**names, "Value": names["Value #A"]}
    table["transformations"] = [
        {"id": "merge", "options": {}},
        {"id": "filterFieldsByName", "options": {"include": {"names": list(names)}}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {},
                "indexByName": {name: at for at, name in enumerate(names)},
                "renameByName": dict(names),
            },
        },
        {"id": "sortBy", "options": {"fields": {}, "sort": [{"field": sort, "desc": descending}]}},
    ]
    return table


def sized(one: Panel, width: int, height: int) -> Panel:
    """The same panel in another size."""
    one["gridPos"] |= {"w": width, "h": height}
    return one


def placed(rows: Iterable[tuple[str, Sequence[Panel]]]) -> list[Panel]:
    """Rows of panels under their titles, numbered from 1; the panels of one line are equally high."""
    out: list[Panel] = []
    y = 0
    for title, panels in rows:
        row = {"type": "row", "title": title, "collapsed": False, "panels": []}
        out.append(row | {"id": len(out) + 1, "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1}})
        x, y, height = 0, y + 1, 0
        for one in panels:
            if x + one["gridPos"]["w"] > COLUMNS:
                x, y = 0, y + height
            height = one["gridPos"]["h"]
            out.append(one | {"id": len(out) + 1, "gridPos": one["gridPos"] | {"x": x, "y": y}})
            x += one["gridPos"]["w"]
        y += height
    return out
