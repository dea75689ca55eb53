"""The series of named outcomes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from monitor.publish.column_series import Series
from monitor.publish.rows import Row
from monitor.publish.snapshot import OutcomeSegment, Snapshot


def _each(snapshot: Snapshot) -> Iterator[tuple[tuple[str, ...], OutcomeSegment]]:
    for model in snapshot.models:
        for one in model.outcomes:
            for of in (one.whole, *one.segments) if one.name else ():
                yield (*model.key, one.name, of.segment), of


def _fates(snapshot: Snapshot) -> Iterator[Row]:
    return (((*key, name, fate), count) for (key, name, fate), count in sorted(snapshot.outcome_fates.items()))


def _means(snapshot: Snapshot) -> Iterator[Row]:
    return ((labels, one.mean) for labels, one in _each(snapshot) if one.mean is not None)


def _shares(snapshot: Snapshot) -> Iterator[Row]:
    return (((*labels, category), share) for labels, one in _each(snapshot) for category, share in one.shares)


def _values(snapshot: Snapshot) -> Iterator[Row]:
    return ((labels, one.values) for labels, one in _each(snapshot))


OUTCOME_SERIES: Final = (
    Series(
        "driftd_outcomes_total",
        "counter",
        ("model", "version", "outcome", "fate"),
        "What became of named outcomes of label events: matched (the first of its prediction under that name),"
        " replaced, retracted (null), expired (no prediction of its id within labels.horizon, or that is 0),"
        " over_limit (`outcome` is (other): the model has 16 others that neither the settings nor a reference name),"
        " too_large (beyond 2^128; `outcome` is (other) for the `value` of labels).",
        "Expired: they carry other ids than predictions, or come too late. Over_limit: their names are no names, or are"
        " to be given in models[].outcomes. Too_large: their unit is wrong.",
        _fates,
        of_model=True,
    ),
    Series(
        "driftd_outcome_mean",
        "gauge",
        ("model", "version", "outcome", "segment"),
        "The mean of the newest values of a named outcome of the reference, of cohorts whose values have come; true is"
        " 1. With a `segment` of the predictions in it (models[].segments), from 20 values on. Absent where values"
        " stopped.",
        "Compare with the reference (`driftd reference show`); a finding says when it is another one.",
        _means,
        of_model=True,
    ),
    Series(
        "driftd_outcome_ratio",
        "gauge",
        ("model", "version", "outcome", "segment", "bin"),
        "The share of each category of a named outcome that is text, the same.",
        "As the mean.",
        _shares,
        of_model=True,
    ),
    Series(
        "driftd_outcome_values",
        "gauge",
        ("model", "version", "outcome", "segment"),
        "How many values the mean or the shares are of.",
        "Absent while predictions come: values stopped, and nothing is known of the outcome.",
        _values,
        of_model=True,
    ),
)
