"""What the message of Vertex AI's API makes of each line."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

from google.cloud.aiplatform_v1beta1.types import ModelMonitoringAlert

read = []
for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines():
    alert = ModelMonitoringAlert.from_json(line)
    anomaly = alert.anomaly.tabular_anomaly
    told, threshold = alert.alert_time.rfc3339(), anomaly.condition.threshold
    figures = f"{told} {threshold} {alert.anomaly.algorithm}"
    read.append(f"{alert.stats_name} {alert.objective_type} {figures}: {anomaly.summary}")
print(json.dumps({"read_by": {"google-cloud-aiplatform": version("google-cloud-aiplatform")}, "read": read}))
