"""Statistics and constraints of a feature as SageMaker's documentation has them, written without anything of driftd.

The sketch is KLL: compactors of k items and c = 0.64, an item of level h for 2^h values.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from typing import Any

K, C, BUCKETS = 256, 0.64, 10


class Sketch:
    """KLL: the levels are halved when they are full."""

    def __init__(self, of: random.Random, k: int = K) -> None:
        self.levels: list[list[float]] = [[]]
        self._of, self._k = of, k

    def _room(self, height: int) -> int:
        return max(2, math.ceil(self._k * C ** (len(self.levels) - 1 - height)) + 1)

    def add(self, value: float) -> None:
        self.levels[0].append(value)
        while sum(map(len, self.levels)) > sum(map(self._room, range(len(self.levels)))):
            height = next(h for h, level in enumerate(self.levels) if len(level) >= self._room(h))
            if height + 1 == len(self.levels):
                self.levels.append([])
            level = sorted(self.levels[height])
            even = len(level) // 2 * 2
            self.levels[height + 1] += level[self._of.randrange(2) : even : 2]
            self.levels[height] = level[even:]


def numeric(values: list[float], k: int = K) -> dict[str, Any]:
    sketch, mean = Sketch(random.Random(3), k), sum(values) / len(values)
    for value in values:
        sketch.add(value)
    low, high = min(values), max(values)
    width = (high - low) / BUCKETS
    counts = Counter(min(int((value - low) / width), BUCKETS - 1) for value in values)
    bounds = [low + width * at for at in range(BUCKETS)] + [high]
    buckets = [
        {"lower_bound": bounds[at], "upper_bound": bounds[at + 1], "count": float(counts[at])} for at in range(BUCKETS)
    ]
    return {
        "mean": mean,
        "sum": sum(values),
        "std_dev": math.sqrt(sum((value - mean) ** 2 for value in values) / len(values)),
        "min": low,
        "max": high,
        "distribution": {
            "kll": {"buckets": buckets, "sketch": {"parameters": {"c": C, "k": float(k)}, "data": sketch.levels}}
        },
    }


def text(values: list[str]) -> dict[str, Any]:
    counted = Counter(values)
    listed = sorted(counted.items()) if len(counted) <= 100 else []
    buckets = [{"value": value, "count": count} for value, count in listed]
    return {"distinct_count": float(len(counted)), "distribution": {"categorical": {"buckets": buckets}}}


def feature(name: str, cells: list[Any], k: int = K) -> tuple[dict[str, Any], dict[str, Any]]:
    values = [cell for cell in cells if cell is not None]
    common = {"common": {"num_present": len(values), "num_missing": len(cells) - len(values)}}
    is_text, whole = isinstance(values[0], str), all(isinstance(value, int) for value in values)
    kind = "String" if is_text else "Integral" if whole else "Fractional"
    own = common | (text(values) if is_text else numeric([float(value) for value in values], k))
    statistics = {"name": name, "inferred_type": kind, "string_statistics" if is_text else "numerical_statistics": own}
    constraints: dict[str, Any] = {"name": name, "inferred_type": kind, "completeness": len(values) / len(cells)}
    if not is_text:
        constraints["num_constraints"] = {"is_non_negative": min(values) >= 0}
    elif len(set(values)) <= 10:
        constraints["string_constraints"] = {"domains": sorted(set(values))}
    return statistics, constraints
