"""Alerts of Vertex AI Model Monitoring, a JSON object a line: messages `ModelMonitoringAlert` of its API v1beta1.

Source of the form: googleapis/python-aiplatform, `google/cloud/aiplatform_v1beta1/types/model_monitoring_alert.py`.
"""

from __future__ import annotations

import json
from typing import Any, Final

from monitor.clock import rfc3339
from monitor.exports.form import Written
from monitor.exports.picked import Found, Picked, apart, said_of

NAME: Final = "Vertex"
#: the objective of each cause
OBJECTIVES: Final = {
    **dict.fromkeys(
        ("distribution", "missing", "absent", "unseen", "outside", "constant", "type", "schema"), "raw-feature-drift"
    ),
    **dict.fromkeys(("score", "prediction"), "prediction-output-drift"),
}


def alerts(picked: Picked) -> Written:
    """The lines: an alert for each finding of a column."""
    picked.of_one_model()
    taken, left = apart(picked.found, lambda one: one.text("cause") in OBJECTIVES and bool(one.column))
    lines = [json.dumps(_alert(one), ensure_ascii=False, separators=(",", ":")) for one in taken]
    return Written("\n".join(lines), said_of(left, NAME))


def _alert(one: Found) -> dict[str, Any]:
    told = rfc3339(one.line.told_us)
    anomaly: dict[str, Any] = {
        "summary": one.description,
        "anomaly": dict(one.finding),
        "triggerTime": told,
        "anomalyUri": one.line.data.get("links", {}).get("status", ""),
    }
    threshold = one.number("threshold")
    if threshold is not None:
        anomaly["condition"] = {"threshold": threshold}
    return {
        "statsName": one.column,
        "objectiveType": OBJECTIVES[one.text("cause")],
        "alertTime": told,
        "anomaly": {"tabularAnomaly": anomaly, "algorithm": one.text("statistic")},
    }
