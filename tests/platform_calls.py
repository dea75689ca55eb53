"""A call of a model, and what its records are made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

T0_US: Final = 1_772_619_330_000_000
NAMES: Final = ("age", "income", "grade")


class Record(NamedTuple):
    """A record, its value as bytes."""

    value: bytes | None
    headers: Mapping[str, str] = {}
    key: bytes | None = None
    topic: str = "traffic"


class Called(NamedTuple):
    """A call: rows of age, income and grade, and the score of each."""

    id: str
    ts_us: int
    rows: list[dict[str, Any]]
    scores: list[float]


CALL: Final = Called(
    "r-1001",
    T0_US,
    [{"age": 35, "income": 52000.0, "grade": "A"}, {"age": 41, "income": 38000.0, "grade": "B"}],
    [0.81, 0.17],
)


def dumped(tree: object) -> bytes:
    return json.dumps(tree).encode()


def text(tree: object) -> str:
    return json.dumps(tree)


def arrays(call: Called) -> list[list[Any]]:
    return [[row[name] for name in NAMES] for row in call.rows]


def split_frame(call: Called) -> dict[str, Any]:
    return {"dataframe_split": {"columns": list(NAMES), "index": [0, 1], "data": arrays(call)}, "params": {"t": 0.5}}
