"""Acceptance streams and real rows as native events: one converter for tests and benchmarks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

#: columns of an acceptance stream that are not features
NO_FEATURES = ("ts", "kind", "id", "score", "prediction", "label")
CATEGORICAL = ("SEX", "EDUCATION", "MARRIAGE")
#: the streams count seconds from 0; the events are given a date of today's magnitude
EPOCH_S = 1_764_000_000


def scenario_events(stream: Path, model: str = "credit", version: str = "1") -> Iterator[dict[str, Any]]:
    """The events of one acceptance stream (`NAME.csv.gz`), in order, as native events.

    The stream's own first rows count the seconds from 0; an empty cell is a missing value.
    """
    table = pd.read_csv(stream, low_memory=False)
    features = [column for column in table.columns if column not in NO_FEATURES]
    rows = table.to_dict("records")
    for row in rows:
        event: dict[str, Any] = {
            "type": row["kind"],
            "id": str(int(row["id"])),
            "model": model,
            "version": version,
            "ts": round((EPOCH_S + row["ts"]) * 1000),
        }
        if row["kind"] == "label":
            event["label"] = int(row["label"])
        else:
            event["features"] = {name: _value(name, row[name]) for name in features}
            event["score"] = row["score"]
            event["prediction"] = int(row["prediction"])
        yield event


def _value(name: str, value: float) -> float | int | None:
    if pd.isna(value):
        return None
    return int(value) if name in CATEGORICAL or float(value).is_integer() else float(value)


def write_events(events: Iterator[dict[str, Any]], path: Path) -> int:
    """Write events as JSON lines; returns their number."""
    n = 0
    with path.open("w", encoding="utf-8") as out:
        for event in events:
            out.write(json.dumps(event, separators=(",", ":"), ensure_ascii=False) + "\n")
            n += 1
    return n
