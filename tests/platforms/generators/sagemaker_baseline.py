"""A baseline of SageMaker Model Monitor: statistics.json with sketches, and constraints.json in both spellings.

The container that computes them is no package: fields and sketch are those of its documentation (compactors of k = 2048
and c = 0.64, an item of level h for 2^h values), written here without anything of driftd. The package's own classes
carry both files, and write the overrides of a feature.
"""

from __future__ import annotations

import json
import math
import os
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from import_made_by import write_made_by
from import_rows import rows

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")  # none is called

from sagemaker.model_monitor import Constraints, Statistics

K, C, BUCKETS = 256, 0.64, 10


class Sketch:
    """KLL: the levels are halved when they are full."""

    def __init__(self, of: random.Random) -> None:
        self.levels: list[list[float]] = [[]]
        self._of = of

    def _room(self, height: int) -> int:
        return max(2, math.ceil(K * C ** (len(self.levels) - 1 - height)) + 1)

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


def numeric(values: list[float]) -> dict[str, Any]:
    sketch, mean = Sketch(random.Random(3)), sum(values) / len(values)
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
            "kll": {"buckets": buckets, "sketch": {"parameters": {"c": C, "k": float(K)}, "data": sketch.levels}}
        },
    }


def text(values: list[str]) -> dict[str, Any]:
    counted = Counter(values)
    listed = sorted(counted.items()) if len(counted) <= 100 else []
    buckets = [{"value": value, "count": count} for value, count in listed]
    return {"distinct_count": float(len(counted)), "distribution": {"categorical": {"buckets": buckets}}}


def feature(name: str, cells: list[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    values = [cell for cell in cells if cell is not None]
    common = {"common": {"num_present": len(values), "num_missing": len(cells) - len(values)}}
    is_text, whole = isinstance(values[0], str), all(isinstance(value, int) for value in values)
    kind = "String" if is_text else "Integral" if whole else "Fractional"
    own = common | (text(values) if is_text else numeric([float(value) for value in values]))
    statistics = {"name": name, "inferred_type": kind, "string_statistics" if is_text else "numerical_statistics": own}
    constraints: dict[str, Any] = {"name": name, "inferred_type": kind, "completeness": len(values) / len(cells)}
    if not is_text:
        constraints["num_constraints"] = {"is_non_negative": min(values) >= 0}
    elif len(set(values)) <= 10:
        constraints["string_constraints"] = {"domains": sorted(set(values))}
    return statistics, constraints


def main(folder: Path) -> None:
    made = rows()
    both = [feature(name, [row[name] for row in made]) for name in made[0]]
    statistics = Statistics(
        {"version": 0.0, "dataset": {"item_count": len(made)}, "features": [one for one, _ in both]}, None
    )
    config = {
        "evaluate_constraints": "Enabled",
        "emit_metrics": "Enabled",
        "datatype_check_threshold": 1.0,
        "domain_content_threshold": 1.0,
        "distribution_constraints": {
            "perform_comparison": "Enabled",
            "comparison_threshold": 0.1,
            "comparison_method": "Robust",
            "categorical_comparison_threshold": 0.1,
            "categorical_drift_method": "LInfinity",
        },
    }
    body = {"version": 0.0, "features": [one for _, one in both], "monitoring_config": config}
    constraints = Constraints(body, None)
    constraints.set_monitoring(enable_monitoring=True, feature_name="grade")
    (folder / "import_sagemaker_statistics.json").write_text(json.dumps(statistics.body_dict) + "\n")
    (folder / "import_sagemaker_constraints.json").write_text(json.dumps(constraints.body_dict) + "\n")
    write_made_by(folder, "sagemaker", "sagemaker")


main(Path(sys.argv[1]))
