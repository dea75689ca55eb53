"""The series of fairness: rates of groups, and how far the groups of a feature are apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from monitor.publish.column_series import Series
from monitor.publish.rows import Row
from monitor.publish.snapshot import Snapshot


def _apart(snapshot: Snapshot) -> Iterator[Row]:
    return (
        ((*model.key, one.feature, one.metric), one.estimate.value)
        for model in snapshot.models
        for one in model.fairness
    )


def _rates(snapshot: Snapshot) -> Iterator[Row]:
    return (((*model.key, one.segment, one.kind), one.rate) for model in snapshot.models for one in model.group_rates)


def _rows(snapshot: Snapshot) -> Iterator[Row]:
    return (((*model.key, one.segment, one.kind), one.rows) for model in snapshot.models for one in model.group_rates)


FAIRNESS_SERIES: Final = (
    Series(
        "driftd_fairness_ratio",
        "gauge",
        ("model", "version", "feature", "metric"),
        "How far the groups of a feature or tag of models[].fairness are apart, of the newest 16,000 predictions at the"
        " most: `metric` disparate_impact is the ratio of the smallest positive rate to the largest, equal_opportunity"
        " the largest difference of true positive rates (of as many labels of the favourable class).",
        "Disparate_impact below what fairness permits, or equal_opportunity above: see driftd_group_samples, as small"
        " groups are apart by chance; driftd_finding_active of cause fairness is 1 where chance does not explain it.",
        _apart,
        of_model=True,
    ),
    Series(
        "driftd_group_rate_ratio",
        "gauge",
        ("model", "version", "segment", "metric"),
        "Rates of each group of models[].fairness: `metric` positive_rate is the share of its predictions with the"
        " favourable class, true_positive_rate that among those whose label is that class. Absent below 30.",
        "One far below the others: that group is treated unequally, or is another population.",
        _rates,
        of_model=True,
    ),
    Series(
        "driftd_group_samples",
        "gauge",
        ("model", "version", "segment", "metric"),
        "Of how many predictions, or labels of the favourable class, driftd_group_rate_ratio is.",
        "Few: the rate is known to some percent only.",
        _rows,
        of_model=True,
    ),
)
