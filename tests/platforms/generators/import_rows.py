"""The training data that the statistics of every platform are of."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np

ROWS = 4_000


def rows(count: int = ROWS, seed: int = 7) -> list[dict[str, Any]]:
    """Numbers that are even, skewed, mostly zero, few; categories that are few, many, and an identifier."""
    of = np.random.default_rng(seed)
    income = np.exp(of.normal(10, 0.7, count)).round(2)
    columns = {
        "age": of.integers(18, 91, count).tolist(),
        "income": [
            None if lot < 0.02 else value for value, lot in zip(income.tolist(), of.random(count).tolist(), strict=True)
        ],
        "delay": np.where(of.random(count) < 0.62, 0.0, of.gamma(2, 10, count)).round(3).tolist(),
        "kids": of.poisson(1.2, count).tolist(),
        "grade": of.choice(list("ABCDE"), count, p=[0.4, 0.3, 0.15, 0.1, 0.05]).tolist(),
        "city": [f"c{place}" for place in (of.zipf(1.4, count) % 500).tolist()],
        "customer": [f"u{at}" for at in range(count)],
    }
    names = list(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def write_rows(folder: Path) -> None:
    lines = "".join(json.dumps(row) + "\n" for row in rows())
    (folder / "import_rows.jsonl.gz").write_bytes(gzip.compress(lines.encode(), mtime=0))
