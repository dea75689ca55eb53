"""Google Vertex AI: TFDV statistics of the training data, a monitoring schema, and thresholds of skew and drift."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from monitor.errors import UsageError
from monitor.reference.imported import Limit
from monitor.reference.imports.limits import JENSEN_SHANNON, LINF
from monitor.reference.imports.shape import ImportedColumn, ImportedData, ImportedFile
from monitor.reference.imports.tfdv import read_tfdv
from monitor.reference.imports.trees import below, json_of, number_of, rows_of
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC

SYSTEM: Final = "vertex"
_WHAT: Final = "a monitoring schema, or a monitoring job or model monitor as JSON"
_KINDS: Final = {
    **dict.fromkeys(("float", "integer"), NUMERIC),
    **dict.fromkeys(("string", "categorical", "boolean"), CATEGORICAL),
}
#: thresholds of what no event holds, or no baseline has, in both spellings
_NOT_IMPORTED: Final = {
    "attributionScoreSkewThresholds": "attribution_score_skew_thresholds",
    "attributionScoreDriftThresholds": "attribution_score_drift_thresholds",
    "featureAttributionSpec": "feature_attribution_spec",
    "predictionOutputDriftSpec": "prediction_output_drift_spec",
}
_METRICS: Final = {"l_infinity": LINF, "jensen_shannon_divergence": JENSEN_SHANNON}


def read_vertex(files: Sequence[ImportedFile], slice_name: str = "") -> ImportedData:
    """Distributions by the statistics, names and types by the schema, limits by the thresholds.

    Raises:
        UsageError: a file is none of these, or there are neither statistics nor a schema.
    """
    texts = [file for file in files if file.data.lstrip()[:1] == b"{"]
    binary = [file for file in files if file not in texts]
    trees = [(file, json_of(file, _WHAT)) for file in texts]
    data = read_tfdv(binary, slice_name) if binary else ImportedData(SYSTEM)
    data.system = SYSTEM
    schemas = [(file, tree) for file, tree in trees if _one_of(tree, "featureFields", "feature_fields") is not None]
    if not binary and not schemas:
        raise UsageError(
            "SOURCE: no columns are in it: a job or model monitor has thresholds only; "
            "give TFDV's statistics (FeatureStats.pb) or a monitoring schema too"
        )
    for file, tree in schemas:
        _with_schema(file.name, tree, data, has_statistics=bool(binary))
    for file, tree in trees:
        if all(file is not one for one, _ in schemas):
            found = list(_thresholds(tree, data))
            if not found:
                raise UsageError(f"{file.name}: holds no schema and no threshold; give {_WHAT}")
            _add(found, data)
    return data


def _one_of(tree: Mapping[str, Any], *names: str) -> Any:  # noqa: ANN401  # whatever JSON holds
    return next((tree[name] for name in names if name in tree), None)


def _with_schema(file: str, tree: Mapping[str, Any], data: ImportedData, *, has_statistics: bool) -> None:
    columns = {one.name: one for one in data.columns}
    for at, field in enumerate(rows_of(_one_of(tree, "featureFields", "feature_fields"))):
        name = field.get("name")
        if not isinstance(name, str):
            raise UsageError(f"{file}: featureFields[{at}] has no name")
        data.order.append(name)
        if name not in columns:
            kind = str(_one_of(field, "dataType", "data_type") or "").lower()
            columns[name] = ImportedColumn(name, kind=_KINDS.get(kind, ""))
            data.columns.append(columns[name])
            if has_statistics:
                data.notes.append(f"{name}: is in the schema, and the statistics do not have it")
        if field.get("repeated") and not columns[name].left_out:
            columns[name].left_out = "it is repeated: lists are not imported"
    for part, what in (("predictionFields", "a prediction"), ("groundTruthFields", "ground truth")):
        snake = part.replace("F", "_f").replace("T", "_t")
        for field in rows_of(_one_of(tree, part, snake)):
            column = columns.get(str(field.get("name", "")))
            if column is not None and not column.left_out:
                column.left_out = f"it is {what} by the schema, not a feature"
    if not has_statistics:
        data.notes.append("a schema has names and types only: all distributions are learned in the warm-up")


def _add(limits: Sequence[Limit], data: ImportedData) -> None:
    columns = {one.name: one for one in data.columns}
    for limit in limits:
        column = columns.get(limit.column)
        if column is None:
            data.notes.append(f"{limit.column}: has a threshold, and neither statistics nor schema have it")
        else:
            column.limits.append(limit)


def _thresholds(node: object, data: ImportedData) -> Iterator[Limit]:
    """The thresholds of a job (version 1) or a monitor (version 2), wherever they are in its JSON."""
    if isinstance(node, list):
        for one in node:
            yield from _thresholds(one, data)
    if not isinstance(node, dict):
        return
    for words in (("skewThresholds", "skew_thresholds"), ("driftThresholds", "drift_thresholds")):
        named = _one_of(node, *words)
        if isinstance(named, dict):
            for name, one in named.items():
                most = number_of(one.get("value", 0.3) if isinstance(one, dict) else one)
                if math.isfinite(most):
                    yield _limit(name, words[0], "", most, data)
    default = _one_of(node, "defaultSkewThreshold", "default_skew_threshold")
    most = number_of(below({"of": default}, "of").get("value"))
    if math.isfinite(most):
        for column in data.columns:
            yield _limit(column.name, "defaultSkewThreshold", "", most, data)
    drift = _one_of(node, "featureDriftSpec", "feature_drift_spec")
    if isinstance(drift, dict):
        yield from _of_spec(drift, data)
    others = [name for name, other in _NOT_IMPORTED.items() if _one_of(node, name, other)]
    data.notes += [f"{name}: is not imported: it is not of the features' values" for name in others]
    for below_it in node.values():
        yield from _thresholds(below_it, data)


def _limit(name: str, threshold: str, metric: str, most: float, data: ImportedData) -> Limit:
    """Categories are compared by the largest change of a share unless said otherwise, numbers by the divergence."""
    column = next((one for one in data.columns if one.name == name), None)
    is_numeric = column is not None and (column.numbers is not None or column.kind == NUMERIC)
    measure = _METRICS.get(metric, JENSEN_SHANNON if is_numeric else LINF)
    return Limit(name, f"{threshold}[{name}]", measure, most)


def _of_spec(spec: Mapping[str, Any], data: ImportedData) -> Iterator[Limit]:
    """Version 2: conditions by feature, and defaults for features of numbers and of categories."""
    own = _one_of(spec, "featureAlertConditions", "feature_alert_conditions")
    own = own if isinstance(own, dict) else {}
    asked = spec.get("features")
    wanted = [str(one) for one in asked] if isinstance(asked, list) and asked else [one.name for one in data.columns]
    for name in wanted:
        column = next((one for one in data.columns if one.name == name), None)
        is_numeric = column is not None and (column.numbers is not None or column.kind == NUMERIC)
        kind = "Numeric" if is_numeric else "Categorical"
        snake = kind.lower()
        default = _one_of(spec, f"default{kind}AlertCondition", f"default_{snake}_alert_condition")
        condition = own.get(name, default)
        most = number_of(condition.get("threshold") if isinstance(condition, dict) else condition)
        metric = str(_one_of(spec, f"{snake}MetricType", f"{snake}_metric_type") or "")
        if math.isfinite(most):
            yield _limit(name, "featureDriftSpec", metric, most, data)
