"""The series of labels and of what waits for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from monitor.clock import SECOND_US
from monitor.count.labels.join_changes import FATES
from monitor.publish.column_series import Series
from monitor.publish.outcome_series import OUTCOME_SERIES
from monitor.publish.rows import Row, segment_labels
from monitor.publish.snapshot import Snapshot


def _fates(snapshot: Snapshot) -> Iterator[Row]:
    zeros = {(model.key, fate): 0 for model in snapshot.models for fate in FATES}
    return (((*key, fate), count) for (key, fate), count in (zeros | dict(snapshot.label_fates)).items())


def _waiting(snapshot: Snapshot) -> Iterator[Row]:
    zeros = {model.key: 0 for model in snapshot.models}
    return iter((zeros | dict(snapshot.labels_waiting)).items())


LABEL_SERIES: Final = (
    Series(
        "driftd_labels_total",
        "counter",
        ("model", "version", "fate"),
        "What became of label events: matched (the first label of its prediction), replaced (another one of a"
        " prediction that has one), retracted (null), expired (no prediction of its id within labels.horizon). One that"
        " meets predictions of several versions counts for each.",
        "Expired: labels carry other ids than predictions, come later than labels.horizon, or name another version.",
        _fates,
        of_model=True,
    ),
    Series(
        "driftd_labels_waiting",
        "gauge",
        ("model", "version"),
        "Label events that have no fate yet: they take effect later than the events of their topics so far, or wait for"
        " their prediction.",
        "Rises with every label: the ids of labels are not those of predictions.",
        _waiting,
        of_model=True,
    ),
    Series(
        "driftd_labels_joined_timestamp_seconds",
        "gauge",
        ("model",),
        "Event time up to which labels are joined with predictions. Live it stands, for up to two horizons, while no"
        " label comes on a topic of labels alone.",
        "Far behind driftd_watermark_timestamp_seconds while labels come: one partition of labels stands still.",
        lambda snapshot: [((model,), us / SECOND_US) for model, us in snapshot.labels_joined_us.items()],
        of_model=True,
    ),
    Series(
        "driftd_predictions_waiting",
        "gauge",
        ("model",),
        "Predictions that a label may still be joined to, at most limits.waiting_predictions and an eighth more.",
        "At the limit: the oldest are let go before labels.horizon; raise the limit, at about 100 bytes each.",
        lambda snapshot: [((model,), count) for model, count in snapshot.predictions_waiting.items()],
        of_model=True,
    ),
    Series(
        "driftd_predictions_let_go_total",
        "counter",
        ("model",),
        "Predictions that were let go before labels.horizon was over, for limits.waiting_predictions; since the state"
        " began.",
        "Rises: labels that come for them expire; raise the limit or shorten the horizon.",
        lambda snapshot: [((model,), count) for model, count in snapshot.predictions_let_go.items()],
        of_model=True,
    ),
    Series(
        "driftd_performance_segment_labels",
        "gauge",
        ("model", "version", "segment"),
        "Labelled predictions that the realised figures of a segment are of (models[].segments), among those of"
        " driftd_performance_labels; absent with fewer than 20.",
        "Few: the segment's figures in driftd_performance_ratio move by chance.",
        segment_labels,
        of_model=True,
    ),
    *OUTCOME_SERIES,
)
