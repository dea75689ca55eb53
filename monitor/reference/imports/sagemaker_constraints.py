"""What SageMaker's constraints say of the columns, in both of their spellings, and those of a model's quality."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from monitor.reference.imported import Limit
from monitor.reference.imports.limits import KS, LINF, MISSING, OUTSIDE, TYPE, UNSEEN
from monitor.reference.imports.shape import ImportedColumn, ImportedData
from monitor.reference.imports.trees import below, number_of, rows_of

#: the documentation has the share that may differ (0.1), files of the container the share that must not (1.0)
_HALF: Final = 0.5
_TASKS: Final = ("binary_classification", "multiclass_classification", "regression")


def apply_constraints(tree: Mapping[str, Any], data: ImportedData) -> None:
    """Add them to the columns of the statistics."""
    config = below(tree, "monitoring_config")
    columns = {one.name: one for one in data.columns}
    for row in rows_of(tree.get("features")):
        name = str(row.get("name", ""))
        column = columns.get(name)
        if column is None:
            data.notes.append(f"{name}: is in the constraints, and the statistics do not have it")
            continue
        column.limits += _limits(row, column, _merged(config, row))
    off = str(config.get("evaluate_constraints", "Enabled"))
    if off.lower() == "disabled":
        data.notes.append("monitoring_config.evaluate_constraints is Disabled; the limits are taken all the same")


def _merged(config: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of one feature: its own words before those of all."""
    strings = below(row, "string_constraints")
    own = below(row, "monitoringConfigOverrides") or below(row, "monitoring_config_overrides")
    own = own or below(strings, "monitoring_config_overrides") or below(strings, "monitoringConfigOverrides")
    distributions = below(config, "distribution_constraints") | below(own, "distribution_constraints")
    return {**config, **own, "distribution_constraints": distributions}


def _limits(row: Mapping[str, Any], column: ImportedColumn, config: Mapping[str, Any]) -> Iterator[Limit]:
    name = column.name
    completeness = number_of(row.get("completeness"))
    if 0 <= completeness <= 1:
        yield Limit(name, "completeness", MISSING, 1 - completeness)
    types = _may_differ(config.get("datatype_check_threshold"))
    if types is not None:
        yield Limit(name, "monitoring_config.datatype_check_threshold", TYPE, types)
    if below(row, "num_constraints").get("is_non_negative") is True:
        column.allowed = (0.0, None)
        yield Limit(name, "num_constraints.is_non_negative", OUTSIDE, 0.0)
    domains = below(row, "string_constraints").get("domains")
    if isinstance(domains, list) and domains:
        column.known = [str(one) for one in domains]
        threshold = config.get("domain_content_threshold", config.get("min_domain_mass"))
        differ = _may_differ(threshold)
        yield Limit(name, "monitoring_config.domain_content_threshold", UNSEEN, 0.0 if differ is None else differ)
    yield from _compared(column, below(config, "distribution_constraints"))


def _may_differ(value: object) -> float | None:
    """The share of values that may differ."""
    number = number_of(value)
    if not 0 <= number <= 1:
        return None
    return 1 - number if number > _HALF else number


def _compared(column: ImportedColumn, config: Mapping[str, Any]) -> Iterator[Limit]:
    asked = str(config.get("perform_comparison", config.get("enable_comparisons", "Enabled"))).lower()
    if asked in {"disabled", "false"} or not config:
        return
    of = "distribution_constraints"
    if column.categories is None:
        most = number_of(config.get("comparison_threshold"))
        method = str(config.get("comparison_method", "Robust"))
        if math.isfinite(most):
            yield Limit(column.name, f"{of}.comparison_threshold ({method})", KS, most)
        return
    most = number_of(config.get("categorical_comparison_threshold", config.get("comparison_threshold")))
    method = str(config.get("categorical_drift_method", "LInfinity"))
    if not math.isfinite(most):
        return
    name = f"{of}.categorical_comparison_threshold ({method})"
    if method == "LInfinity":
        yield Limit(column.name, name, LINF, most)
    else:
        why = "it is a p-value of one run of their job; driftd tests by its own budget of pages"
        yield Limit(column.name, name, "", most, why)


def apply_quality(tree: Mapping[str, Any], data: ImportedData) -> None:
    """Limits of a model's quality. What it was in training is no reference of performance: that takes labels."""
    for task in _TASKS:
        for name, one in below(tree, f"{task}_constraints").items():
            most = number_of(below({"of": one}, "of").get("threshold"))
            operator = str(below({"of": one}, "of").get("comparison_operator", ""))
            if math.isfinite(most):
                why = f"{operator}: performance is compared with a reference that has labels (docs/labels.md)"
                data.limits.append(Limit("", f"{task}_constraints.{name}", "", most, why))
        if f"{task}_metrics" in tree:
            data.notes.append(f"{task}_metrics: figures of training are not compared; labels of live events are")
