"""Every field of the dashboard is one of Grafana's: Grafana's own types (of 10.3) read it and give it back whole."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from monitor.publish.dashboards.dashboard import dashboard

Tree = dict[str, Any]

#: fields that Grafana reads and its types leave out
UNTYPED: Final = {
    "id",  # null: a new dashboard
    *(f"templating.list[].{name}" for name in ("definition", "includeAll", "allValue")),
    *(f"annotations.list[].{name}" for name in ("step", "titleFormat", "textFormat", "tagKeys", "useValueForTime")),
}


def lost(ours: object, theirs: object, where: str = "") -> Iterator[str]:
    """Where `theirs` does not have what stands in `ours`; places in lists are left out."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name, value in ours.items():
            yield from (
                lost(value, theirs.get(name), f"{where}.{name}".lstrip("."))
                if name in theirs
                else [f"{where}.{name}".lstrip(".")]
            )
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for one, other in zip(ours, theirs, strict=True):
            yield from lost(one, other, f"{where}[]")
    elif ours != theirs:
        yield where


def read_by_grafana(tree: Tree) -> Tree:
    register_default_plugins()
    read: Tree = json.loads(JSONEncoder().encode(Dashboard.from_json(deepcopy(tree))))
    return read


def test_grafana_knows_every_field() -> None:
    assert set(lost(dashboard(), read_by_grafana(dashboard()))) == UNTYPED


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("timeseries", "options.tooltip"),
        ("timeseries", "fieldConfig.defaults.custom.fillOpacity"),
        ("stat", "options.reduceOptions.calcs"),
        ("table", "fieldConfig.defaults.noValue"),
        ("stat", "targets[].legendFormat"),
    ],
)
def test_a_misspelt_field_would_be_found(kind: str, path: str) -> None:
    tree = dashboard()
    inner: Any = next(panel for panel in tree["panels"] if panel["type"] == kind)
    *before, last = re.findall(r"\w+|\[\]", path)
    for step in before:
        inner = inner[0] if step == "[]" else inner[step]
    inner[f"{last}s"] = inner.pop(last)
    assert f"panels[].{path}s" in set(lost(tree, read_by_grafana(tree)))
