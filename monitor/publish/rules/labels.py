"""The alerts about labels: the model is more often wrong, and no labels come that could tell."""

from __future__ import annotations

from typing import Final

from monitor.publish.rules.alert import ONE_OF_ALL, WARNING, Alert

#: labels that stopped longer ago are what is usual now
REMEMBERED: Final = "7d"
#: in this time neither a restart nor a batch of labels that is late is an alert
WAIT: Final = "30m"
_VERSION = ("model", "version")


def performance_worse() -> Alert:
    """A page of the incident wakes people; this one is for those who own the model."""
    causes = 'cause=~"performance|calibration|cost",severity=~"page|ticket"'
    return Alert(
        "DriftdPerformanceWorse",
        f"(max without (instance, pod, subject, cause, segment, severity) (driftd_finding_active{{{causes}}}) == 1)",
        WARNING, "1m", "5m",
        "{{ $labels.model }} {{ $labels.version }} is wrong more often, or by more, than in its reference",
        "By its labels" + _figures() + ". driftd's status page has the figures, the reference's and since when.",
        _VERSION,
    )  # fmt: skip


def _figures() -> str:
    """` (accuracy 0.71, recall 0.55)`: the realised figures that people ask for first."""
    chosen = 'model=%[1]q,version=%[2]q,basis="realised",segment="",metric=~"accuracy|recall|precision"'
    figures = f"query (printf `max by (metric) (driftd_performance_ratio{{{chosen}}})` $labels.model $labels.version)"
    one = "{{ if $i }}, {{ end }}{{ $figure.Labels.metric }} {{ $figure.Value | humanizePercentage }}"
    each = f"{{{{ range $i, $figure := . }}}}{one}{{{{ end }}}}"
    return f"{{{{ with {figures} | sortByLabel `metric` }}}}: {each}{{{{ end }}}}"


def labels_stopped() -> Alert:
    """The labels of a figure are absent where labels stopped: for how long that takes, see the series."""
    known = f"{ONE_OF_ALL} (last_over_time(driftd_performance_labels[{REMEMBERED}]))"
    predictions = 'sum without (instance, pod, type) (increase(driftd_model_events_total{type="prediction"}[15m])) > 0'
    return Alert(
        "DriftdLabelsStopped",
        f"({known} unless {ONE_OF_ALL} (driftd_performance_labels) and on (model, version) {predictions})",
        WARNING, WAIT, "5m",
        "{{ $labels.model }} {{ $labels.version }}: labels stopped, its performance is not known",
        "Predictions come, and none of the newest has its label as soon as labels came in the reference. Drift is "
        "found as before; that the model is wrong more often is not.",
        _VERSION,
    )  # fmt: skip
