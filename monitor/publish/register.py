"""The register of all series: name, type, labels, meaning, and what to do about an unusual value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from monitor.findings import Figures
from monitor.publish import rows
from monitor.publish.call_series import CALL_SERIES
from monitor.publish.column_series import COLUMN_SERIES, FIGURES, Series
from monitor.publish.fairness_series import FAIRNESS_SERIES
from monitor.publish.label_series import LABEL_SERIES
from monitor.publish.reading_series import READING_SERIES
from monitor.publish.traffic_series import TRAFFIC_SERIES

DROPPED: Final = "driftd_series_dropped"


def _figure(name: str, meaning: str, advice: str, get: Callable[[Figures], float]) -> Series:
    """Of every subject and cause of a model version."""
    labels = ("model", "version", "subject", "cause", "segment")
    return Series(name, "gauge", labels, meaning, advice, rows.figures(get), of_model=True, group=FIGURES)


REGISTER: Final = (
    Series(
        "driftd_records_total",
        "counter",
        ("topic", "partition"),
        "Records read.",
        "Follows the traffic. When it stands still while driftd_lag_records rises, see /readyz and the log.",
        lambda snapshot: rows.by_partition(snapshot.records),
    ),
    Series(
        "driftd_events_total",
        "counter",
        ("topic", "outcome", "reason"),
        "Events of those records, each in exactly one outcome: rejected (with a reason), unknown_model, ignored,"
        " over_limit, late, duplicate or accepted.",
        "Rejected: read the reason below and a dead letter, then fix the producer. Late: raise allowed_lateness or"
        " find the slow producer. Duplicate: a producer retries without idempotence.",
        rows.events,
    ),
    Series(
        "driftd_lost_events_ratio",
        "gauge",
        ("topic",),
        "Of the newest 1,000 events of a topic those that are lost: rejected, unknown_model, of a version that is not"
        " listed, late or duplicate. Absent while fewer than 20 came.",
        "Above 0.05 the monitor is not fine: the page and the log say which events, where and why.",
        lambda snapshot: (((topic,), share) for topic, share in snapshot.lost_topics.items()),
    ),
    Series(
        "driftd_model_lost_events_ratio",
        "gauge",
        ("model",),
        "The same of the newest 1,000 events that name a model of the settings, over all its versions and topics.",
        "At 1 nothing of the model is judged: a version that is not listed, a clock that is wrong, a new format.",
        lambda snapshot: (((model,), share) for model, share in snapshot.lost_models.items()),
        of_model=True,
    ),
    *READING_SERIES,
    Series(
        "driftd_open_panes",
        "gauge",
        (),
        "Panes that still take events.",
        "Rising without end: one partition's event time is far behind the others and holds them open.",
        lambda snapshot: [((), snapshot.open_panes)],
    ),
    Series(
        "driftd_checkpoint_timestamp_seconds",
        "gauge",
        (),
        "When the newest checkpoint was written; absent before the first.",
        "More than a minute old: the disk is full or read-only, or the loop is stuck; the log has the reason.",
        rows.checkpoint_time,
    ),
    Series(
        "driftd_checkpoint_bytes",
        "gauge",
        (),
        "Bytes that the newest checkpoint wrote.",
        "Grows with models that have traffic, their features, open panes and new ids; the first writes everything.",
        lambda snapshot: [((), snapshot.checkpoint_bytes)],
    ),
    Series(
        "driftd_checkpoint_parts",
        "gauge",
        (),
        "Parts of the state that the newest checkpoint wrote, as they had changed.",
        "Grows with partitions and models that have traffic; the first writes everything.",
        lambda snapshot: [((), snapshot.checkpoint_parts)],
    ),
    Series(
        "driftd_checkpoint_stop_seconds",
        "gauge",
        (),
        "The longest time for which the newest checkpoint stopped the counting; the rest is done beside it.",
        "More than 0.05: very many models have traffic at once. A slow disk does not lengthen it.",
        lambda snapshot: [((), snapshot.checkpoint_stop_seconds)],
    ),
    Series(
        "driftd_checkpoint_seconds",
        "gauge",
        (),
        "What the newest checkpoint took, from the first dead letter to the last transition; absent before the first.",
        "Near state.every: a slow disk or broker, or too many models and partitions for one process. Events are "
        "counted meanwhile, transitions wait.",
        rows.checkpoint_seconds,
    ),
    Series(
        "driftd_checkpoint_failures_total",
        "counter",
        (),
        "Checkpoints that failed: the state could not be kept, or dead letters and transitions not be sent.",
        "/readyz and the log have the reason. Status page and series keep working; incidents are sent afterwards.",
        lambda snapshot: [((), snapshot.checkpoint_failures)],
    ),
    Series(
        "driftd_restored",
        "gauge",
        (),
        "1 once the state is restored; before that no model has any series.",
        "0 for more than a minute: the log says what the state waits for.",
        lambda snapshot: [((), snapshot.restored)],
    ),
    Series(
        DROPPED,
        "gauge",
        (),
        "Series that are not shown, because there would be more than limits.series: first all bins, then all distances,"
        " then the figures of quiet subjects.",
        "Above 0: watch fewer columns (kind: ignore), or raise limits.series if Prometheus can take it.",
        lambda _snapshot: [((), 0)],
    ),
    Series(
        "driftd_build_info",
        "gauge",
        ("version", "python_version", "kafka_python_version"),
        "1; what runs here.",
        "Several values at once: a rolling update is under way.",
        lambda _snapshot: [(rows.build(), 1)],
    ),
    Series(
        "driftd_model_info",
        "gauge",
        ("model", "version", "team", "runbook_url", "reference"),
        "1; for joining an alert with its team, its runbook and the reference it is held against.",
        "A new reference hash: somebody changed the reference, and the model's windows started from scratch.",
        lambda snapshot: [((*one.key, one.team, one.runbook, one.reference), 1) for one in snapshot.models],
        of_model=True,
    ),
    Series(
        "driftd_model_events_total",
        "counter",
        ("model", "version", "type"),
        "Accepted events of a model version by type: prediction, features, label.",
        "Follows the model's traffic. Labels that stop: the labelling job has failed.",
        rows.model_events,
        of_model=True,
    ),
    Series(
        "driftd_warmup_ratio",
        "gauge",
        ("model", "version"),
        "How far the warm-up of a model version without a reference file has come: the smaller of its shares of"
        " predictions and base windows; absent behind it.",
        "It stands still: the model has no traffic. It begins at 0 again: no reference could be learned, page and log"
        " say why.",
        rows.warmup,
        of_model=True,
    ),
    Series(
        "driftd_first_verdict_timestamp_seconds",
        "gauge",
        ("model", "version"),
        "About when a model version in its warm-up will be judged first, in event time, at its traffic so far.",
        "Too far away: write a smaller reference.warmup, or build a reference from recorded events.",
        rows.first_verdict,
        of_model=True,
    ),
    Series(
        "driftd_unjudged_events_total",
        "counter",
        ("model", "version"),
        "Accepted events of panes that were already judged, and repeats counted for one: in totals, in no verdict.",
        "A partition was idle for longer than windows.idle_after and then delivered old events: raise idle_after.",
        rows.unjudged,
        of_model=True,
    ),
    *TRAFFIC_SERIES,
    Series(
        "driftd_silenced",
        "gauge",
        ("model", "version"),
        "1 while a silence of the settings (models[].silence) lasts at the event time up to which the model is judged:"
        " what would page is a ticket until it is over.",
        "1 outside of the planned times: check the calendar and its time zone.",
        rows.silenced,
        of_model=True,
    ),
    Series(
        "driftd_incident_active",
        "gauge",
        ("model", "version", "severity"),
        "1 while an incident of this severity (page, ticket) is open; 0 when it is known that none is; absent while"
        " nothing is known.",
        "Open the runbook of driftd_model_info; driftd_finding_active names the columns.",
        rows.incidents,
        of_model=True,
    ),
    Series(
        "driftd_incident_since_timestamp_seconds",
        "gauge",
        ("model", "version"),
        "Since when the open incident's change shows, in event time; absent while none is open. Of a lasting ticket and"
        " another incident it is the other one's.",
        "Look for a deploy, a data change or a new client at that time.",
        rows.since,
        of_model=True,
    ),
    Series(
        "driftd_incident_lasting_since_timestamp_seconds",
        "gauge",
        ("model", "version"),
        "Since when the change of the lasting ticket shows, in event time: a page that stood for lasting_after, or was"
        " accepted; absent while there is none.",
        "Fix it, or build a new reference if the change is to stay; meanwhile only another change pages.",
        rows.lasting_since,
        of_model=True,
    ),
    Series(
        "driftd_finding_active",
        "gauge",
        ("model", "version", "subject", "cause", "segment", "severity"),
        "1 for each finding that is over its threshold now.",
        "The subject is the column, the cause what happened to it.",
        rows.findings,
        of_model=True,
    ),
    Series(
        "driftd_finding_since_timestamp_seconds",
        "gauge",
        ("model", "version", "subject", "cause", "segment"),
        "Since when the change of an open finding shows, in event time.",
        "The earliest one of an incident is where to begin to look.",
        rows.finding_since,
        of_model=True,
    ),
    Series(
        "driftd_finding_rank",
        "gauge",
        ("model", "version", "subject", "cause", "segment"),
        "Place of an open finding among those of its incident, from 1: the likely first cause, then the worst.",
        "The alert's summary names 1, as the status page and the alert topic do.",
        rows.finding_rank,
        of_model=True,
    ),
    Series(
        "driftd_expected_false_pages_total",
        "counter",
        ("model", "version"),
        "False pages that the evaluations so far were allowed to cost: the promise.",
        "Rises evenly towards the budget; compare its increase with that of driftd_pages_total.",
        lambda snapshot: [(one.key, one.expected_false_pages - one.expected_before) for one in snapshot.models],
        of_model=True,
    ),
    Series(
        "driftd_pages_total",
        "counter",
        ("model", "version"),
        "Incidents that were ever a page, each once, to compare with the budget.",
        "Far above driftd_expected_false_pages_total without real faults: build the reference from more days.",
        lambda snapshot: [(one.key, one.pages - one.pages_before) for one in snapshot.models],
        of_model=True,
    ),
    _figure(
        "driftd_finding_value",
        "The statistic of the worst window: z of the share that moved most, a chi-square, or the share that is faulty.",
        "Compare it with driftd_finding_threshold, which moves with the traffic.",
        lambda figures: figures.value,
    ),
    _figure(
        "driftd_finding_threshold",
        "What driftd_finding_value is held against; absent where the test is exact.",
        "It rises when evaluations are more frequent: each may spend less of the budget.",
        lambda figures: figures.threshold,
    ),
    _figure(
        "driftd_finding_effect_ratio",
        "How large the change is: a cumulative share or a share that moved.",
        "Small and over the threshold: real and perhaps not worth waking anybody; see least_effect.",
        lambda figures: figures.effect,
    ),
    _figure(
        "driftd_finding_p_value",
        "How likely the worst window's figure is by chance, the reference's dispersion allowed for.",
        "Not to be alerted on by itself: thousands of evaluations a month make small values ordinary.",
        lambda figures: figures.p,
    ),
    _figure(
        "driftd_finding_samples",
        "Events in the worst window.",
        "Few: a large change, detected at once. Many: a small and lasting one.",
        lambda figures: figures.samples,
    ),
    *CALL_SERIES,
    *COLUMN_SERIES,
    *LABEL_SERIES,
    *FAIRNESS_SERIES,
    Series(
        "driftd_performance_ratio",
        "gauge",
        ("model", "version", "metric", "basis", "segment"),
        "Bounded performance figures by `metric`: accuracy, balanced_accuracy, precision, recall, f1, mcc, brier, "
        "roc_auc, pr_auc, calibration_error; mape, r2. Realised: of the newest labelled predictions (250 to 1,000), "
        "absent before 250 labels came and when labels stop; of a `segment` from 20 labels on, without roc_auc, pr_auc "
        "and calibration_error. Estimated: of the latest long window before its labels "
        "come, if the scores stay calibrated.",
        "Falling: the model is right less often; driftd_finding_active may say which column moved. An estimate does "
        "not see a change of what the features say of the label: a steady one does not show that a model is fine.",
        rows.performance,
        of_model=True,
    ),
    Series(
        "driftd_performance_error",
        "gauge",
        ("model", "version", "metric", "basis", "segment"),
        "Performance figures in a unit, of the same predictions: mae, rmse and bias in the target's, cost_per_thousand "
        "in that of models[].costs, and log_loss. Estimated: if errors stay as large in each bin of the features.",
        "Rising: errors became larger, or predictions cost more; driftd_finding_active may say which column moved.",
        rows.performance_errors,
        of_model=True,
    ),
    Series(
        "driftd_performance_labels",
        "gauge",
        ("model", "version"),
        "Labelled predictions that the realised figures are of; absent where there are none.",
        "Absent while predictions come: labels stopped, and nothing is known of the model's performance.",
        rows.performance_labels,
        of_model=True,
    ),
)
