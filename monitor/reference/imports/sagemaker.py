"""Amazon SageMaker Model Monitor: statistics.json, and beside it constraints.json and a model-quality baseline."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from monitor.errors import UsageError
from monitor.reference.imports.sagemaker_constraints import apply_constraints, apply_quality
from monitor.reference.imports.shape import ImportedColumn, ImportedData, ImportedFile, Sketch
from monitor.reference.imports.trees import below, count_of, json_of, number_of, rows_of
from monitor.stats.bins.weighted import Floats, Shares
from monitor.text import many

SYSTEM: Final = "sagemaker"
_WHAT: Final = "statistics.json and constraints.json of a baseline job"
#: by how much shares by a sketch of 2,048 items a level may be wrong, and by ten buckets, which are made from it
ERROR: Final = 0.002
_QUALITY: Final = ("binary_classification", "multiclass_classification", "regression")
#: an item of the next level stands for twice as many values; more levels are no sketch
MOST_LEVELS: Final = 48
_FEW: Final = 100


def read_sagemaker(files: Sequence[ImportedFile], _slice_name: str = "") -> ImportedData:
    """The statistics of a data set, with its constraints.

    Raises:
        UsageError: a file is none of these, or there are no statistics.
    """
    trees = [(file, json_of(file, _WHAT)) for file in files]
    kinds = [_kind(file, tree) for file, tree in trees]
    found = [(file, tree) for (file, tree), kind in zip(trees, kinds, strict=True) if kind == "statistics"]
    if len(found) != 1:
        raise UsageError(f"SOURCE: {many(len(found), 'file')} of data-quality statistics; give one statistics.json")
    file, tree = found[0]
    data = ImportedData(SYSTEM, examples=count_of(below(tree, "dataset").get("item_count")))
    data.columns = [_column(row, f"{file.name}: features[{at}]") for at, row in enumerate(rows_of(tree["features"]))]
    if not data.columns:
        raise UsageError(f"{file.name}: the statistics are empty: features has no entry")
    data.notes.append("score and prediction are learned in the warm-up; a label in the statistics is left out there")
    data.notes.append("order of rows: how windows vary is not in it; it is learned in the warm-up")
    for (_, tree), kind in zip(trees, kinds, strict=True):
        if kind == "constraints":
            apply_constraints(tree, data)
        elif kind == "quality":
            apply_quality(tree, data)
    return data


def _kind(file: ImportedFile, tree: Mapping[str, Any]) -> str:
    """What a file is by its keys."""
    if any(f"{task}_{part}" in tree for task in _QUALITY for part in ("metrics", "constraints")):
        return "quality"
    features = rows_of(tree.get("features"))
    if "violations" in tree:
        raise UsageError(f"{file.name}: are constraint violations, the result of a run; give {_WHAT}")
    if "dataset" in tree or any({"numerical_statistics", "string_statistics"} & one.keys() for one in features):
        return "statistics"
    if "monitoring_config" in tree or any("completeness" in one for one in features):
        return "constraints"
    if isinstance(tree.get("features"), list) and not features:
        raise UsageError(f"{file.name}: the statistics are empty: features has no entry")
    raise UsageError(f"{file.name}: has neither statistics nor constraints of features; give {_WHAT}")


def _column(row: Mapping[str, Any], place: str) -> ImportedColumn:
    name = row.get("name")
    if not isinstance(name, str) or not name:
        raise UsageError(f"{place}: has no name")
    column = ImportedColumn(name)
    statistics = below(row, "numerical_statistics") or below(row, "string_statistics")
    common = below(statistics, "common")
    column.present, column.missing = count_of(common.get("num_present")), count_of(common.get("num_missing"))
    if "numerical_statistics" in row:
        _numeric(column, statistics, place, is_integral=row.get("inferred_type") == "Integral")
    elif "string_statistics" in row:
        _strings(column, statistics)
    else:
        column.left_out = f"its type is {row.get('inferred_type', 'Unknown')}, and there are no statistics of it"
    return column


def _strings(column: ImportedColumn, statistics: Mapping[str, Any]) -> None:
    buckets = rows_of(below(statistics, "distribution", "categorical").get("buckets"))
    column.categories = sorted(
        ((str(one.get("value", "")), count_of(one.get("count"))) for one in buckets), key=lambda one: (-one[1], one[0])
    )
    distinct = count_of(statistics.get("distinct_count"))
    if 2 * distinct > column.present > _FEW:
        column.left_out = f"{distinct:,.0f} different values in {column.present:,.0f}: an identifier, or text"
    elif not column.categories:
        column.left_out = "there is no histogram of its values"
    column.others = max(column.present - sum(count for _, count in column.categories), 0.0)


def _numeric(column: ImportedColumn, statistics: Mapping[str, Any], place: str, *, is_integral: bool) -> None:
    column.mean, column.deviation = number_of(statistics.get("mean")), number_of(statistics.get("std_dev"))
    low, high = number_of(statistics.get("min")), number_of(statistics.get("max"))
    kll = below(statistics, "distribution", "kll")
    column.error = ERROR
    sketch = _sketch(below(kll, "sketch"), low, high)
    if sketch is not None:
        column.numbers = sketch
        return
    buckets = list(_buckets(kll, place))
    if not buckets:
        column.left_out = "there is no histogram of its values"
        return
    total = sum(count for _, _, count in buckets)
    low = low if math.isfinite(low) else buckets[0][0]
    high = high if math.isfinite(high) else buckets[-1][1]
    if total <= 0 or low > high:
        column.left_out = "its histogram holds no values"
        return
    ends = _reached(buckets, is_integral=is_integral)
    reached = np.cumsum([count for _, _, count in buckets]) / total
    inside = (ends >= low) & (ends < high)
    column.numbers = Shares(low, high, ends[inside], reached[inside])


def _reached(buckets: Sequence[tuple[float, float, float]], *, is_integral: bool) -> Floats:
    """The highest number in each bucket: its upper bound belongs to the next one, unless the two bounds are one."""
    begins, ends = np.array([one[:2] for one in buckets]).T
    highest = np.nextafter(ends, -np.inf)
    if is_integral:
        highest = np.minimum(highest, np.ceil(ends) - 1)
    return np.asarray(np.where(ends > begins, highest, ends), np.float64)


def _buckets(kll: Mapping[str, Any], place: str) -> Iterator[tuple[float, float, float]]:
    """(lower bound, upper bound, count), rising."""
    before = -math.inf
    for at, one in enumerate(rows_of(kll.get("buckets"))):
        begin, end = number_of(one.get("lower_bound")), number_of(one.get("upper_bound"))
        if not (math.isfinite(begin) and math.isfinite(end)):
            continue
        if end < begin or begin < before:
            raise UsageError(f"{place}: kll.buckets[{at}] does not rise: {begin:g} to {end:g}")
        before = begin
        yield begin, end, count_of(one.get("count"))


def _sketch(tree: Mapping[str, Any], low: float, high: float) -> Sketch | None:
    """The items of each level, an item of level h for 2^h values; None where there is no sketch."""
    levels = tree.get("data")
    if not isinstance(levels, list) or len(levels) > MOST_LEVELS:
        return None
    values: list[float] = []
    weights: list[float] = []
    for height, level in enumerate(levels):
        items = [number for one in level if math.isfinite(number := number_of(one))] if isinstance(level, list) else []
        values += items
        weights += [float(1 << height)] * len(items)
    if not values:
        return None
    low = low if math.isfinite(low) else min(values)
    high = high if math.isfinite(high) else max(values)
    return Sketch(np.array(values), np.array(weights), min(low, *values), max(high, *values))
