"""Rows of a model version in its warm-up as lines of JSON: native events without ids, read again later.

A line has all that a reference is built from: time, features as they came, score, prediction, inline label, the tags
that cut the events, and the names (not the values) of fields that nobody reads.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, Final

from monitor.clock import rfc3339
from monitor.count.columns.pane_rows import Rows
from monitor.decode.columns import Group
from monitor.decode.raw import RawFields
from monitor.events import FEATURES, KINDS, PREDICTION

#: numbers of microseconds since 1970 that are read as such; times outside are written as text
_FIRST_US, _LAST_US = 10**14, 10**17
_ENCODE: Final = json.JSONEncoder(separators=(",", ":")).encode


def lines_of(group: Group, rows: Rows, tags: Sequence[str] = ()) -> list[bytes]:
    """One line for each of the rows (n,), in their order; `tags` are the names of the group's."""
    fields = RawFields({}, {}, {}) if group.raw is None else group.raw
    features, others = _features(group, fields), _others(fields)
    lines = []
    picked, times = rows.picked.tolist(), rows.ts.tolist()
    for at, ts, is_prediction in zip(picked, times, rows.is_prediction.tolist(), strict=True):
        line: dict[str, Any] = {
            "type": KINDS[PREDICTION if is_prediction else FEATURES],
            "ts": ts if _FIRST_US <= ts < _LAST_US else rfc3339(ts),
        }
        if group.has_features[at]:
            line["features"] = features[at]
        if not math.isnan(score := group.score[at]):
            line["score"] = float(score)
        for name, value in (("prediction", group.prediction[at]), ("label", group.label[at])):
            if value is not None:
                line[name] = value
        tagged = ((name, column[at]) for name, column in zip(tags, group.tags, strict=True))
        if texts := {name: text for name, text in tagged if text is not None}:
            line["tags"] = texts
        lines.append(_ENCODE(line | others.get(at, {})).encode())
    return lines


def _features(group: Group, fields: RawFields) -> Sequence[dict[str, object]]:
    """The features of each row of the group."""
    found: list[dict[str, object]] = [{} for _ in group.rows]
    for name, column in fields.features.items():
        for at, value in zip(column.rows.tolist(), column.values, strict=True):
            found[at][name] = value
    return found


def _others(fields: RawFields) -> dict[int, dict[str, Any]]:
    """The names of fields that nobody reads, and of classes in `scores`, by row; their values are left out."""
    found: dict[int, dict[str, Any]] = {}
    for name, rows in fields.unread.items():
        for at in rows.tolist():
            found.setdefault(at, {})[name] = None
    for name, rows in fields.score_classes.items():
        for at in rows.tolist():
            found.setdefault(at, {}).setdefault("scores", {})[name] = None
    return found
