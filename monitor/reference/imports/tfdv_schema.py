"""What a TFDV schema says of the columns of its statistics: limits, ranges, and which columns are never served."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from monitor.reference.imported import Limit
from monitor.reference.imports.limits import JENSEN_SHANNON, LINF, MISSING, OUTSIDE, UNSEEN
from monitor.reference.imports.shape import ImportedColumn, ImportedData
from monitor.text import many

SERVING: Final = "SERVING"
_NOT_VALIDATED: Final = {1: "PLANNED", 2: "ALPHA", 5: "DEPRECATED", 6: "DEBUG_ONLY", 7: "DISABLED"}


def apply_schema(schema: Any, data: ImportedData) -> None:  # noqa: ANN401  # a message
    """Add what the schema says to the columns of the statistics."""
    domains = {one.name: one for one in (*schema.string_domain, *schema.int_domain, *schema.float_domain)}
    columns = {one.name: one for one in data.columns}
    for feature in schema.feature:
        column = columns.get(feature.name)
        if column is None:
            data.notes.append(f"{feature.name}: is in the schema, and the statistics do not have it")
            continue
        if not column.left_out:
            column.left_out = _left_out(feature, list(schema.default_environment))
        column.limits += _limits(feature, domains, column)
    if schema.HasField("dataset_constraints"):
        data.limits += _of_dataset(schema.dataset_constraints)
    without = [one.name for one in data.columns if one.name not in {feature.name for feature in schema.feature}]
    if without:
        data.notes.append(f"{many(len(without), 'column')} of the statistics are not in the schema")


def _left_out(feature: Any, environments: list[str]) -> str:  # noqa: ANN401  # as above
    """Why the schema does not expect a feature in live events."""
    if SERVING in feature.not_in_environment:
        return "the schema says it is not in the environment SERVING: a label"
    if feature.in_environment and SERVING in environments and SERVING not in feature.in_environment:
        return "the schema says it is not in the environment SERVING: a label"
    if feature.deprecated:
        return "the schema says it is deprecated"
    if stage := _NOT_VALIDATED.get(feature.lifecycle_stage):
        return f"its stage in the schema is {stage}, which is not validated"
    return ""


def _limits(feature: Any, domains: Mapping[str, Any], column: ImportedColumn) -> Iterator[Limit]:  # noqa: ANN401
    name = feature.name
    if feature.HasField("presence") and feature.presence.min_fraction > 0:
        yield Limit(name, "presence.min_fraction", MISSING, 1 - feature.presence.min_fraction)
    if feature.HasField("presence") and feature.presence.min_count > 1:
        yield Limit(
            name, "presence.min_count", "", float(feature.presence.min_count), "a stream has no number of examples"
        )
    values = _values(feature, domains)
    if values:
        mass = feature.distribution_constraints
        least = mass.min_domain_mass if feature.HasField("distribution_constraints") else 1.0
        column.known = values
        yield Limit(name, "distribution_constraints.min_domain_mass", UNSEEN, 1 - least)
    low, high = _range(feature, domains)
    if low is not None or high is not None:
        column.allowed = (low, high)
        yield Limit(name, "int_domain" if feature.type == 2 else "float_domain", OUTSIDE, 0.0)
    if feature.HasField("unique_constraints"):
        yield Limit(
            name, "unique_constraints", "", float(feature.unique_constraints.max), "a stream has no number of values"
        )
    for comparator in ("skew_comparator", "drift_comparator"):
        if feature.HasField(comparator):
            yield from _compared(name, comparator, getattr(feature, comparator))


def _compared(name: str, comparator: str, of: Any) -> Iterator[Limit]:  # noqa: ANN401  # as above
    for field, measure in (("infinity_norm", LINF), ("jensen_shannon_divergence", JENSEN_SHANNON)):
        if of.HasField(field):
            yield Limit(name, f"{comparator}.{field}", measure, getattr(of, field).threshold)
    if of.HasField("normalized_abs_difference"):
        why = "it compares counts of values, which a stream does not have"
        yield Limit(name, f"{comparator}.normalized_abs_difference", "", of.normalized_abs_difference.threshold, why)


def _values(feature: Any, domains: Mapping[str, Any]) -> list[str]:  # noqa: ANN401  # as above
    """The values that a feature may have."""
    if feature.HasField("string_domain"):
        return list(feature.string_domain.value)
    if feature.HasField("bool_domain") and feature.bool_domain.true_value:
        return [feature.bool_domain.true_value, feature.bool_domain.false_value]
    domain = domains.get(feature.domain) if feature.domain else None
    return list(domain.value) if domain is not None and hasattr(domain, "value") else []


def _range(feature: Any, domains: Mapping[str, Any]) -> tuple[float | None, float | None]:  # noqa: ANN401  # as above
    """The lowest and highest number that a feature may have."""
    domain = domains.get(feature.domain) if feature.domain else None
    for field in ("int_domain", "float_domain"):
        if feature.HasField(field):
            domain = getattr(feature, field)
    if domain is None or hasattr(domain, "value"):
        return None, None
    low = float(domain.min) if domain.HasField("min") else None
    high = float(domain.max) if domain.HasField("max") else None
    return low, high


def _of_dataset(constraints: Any) -> Iterator[Limit]:  # noqa: ANN401  # as above
    why = "a stream has no number of examples; its rate is judged by what the warm-up learns (traffic)"
    for field in ("min_examples_count", "max_examples_count"):
        if constraints.HasField(field):
            yield Limit("", f"dataset_constraints.{field}", "", float(getattr(constraints, field)), why)
    for field in ("num_examples_drift_comparator", "num_examples_version_comparator"):
        if constraints.HasField(field):
            most = getattr(constraints, field).max_fraction_threshold
            yield Limit("", f"dataset_constraints.{field}", "", most, why)
