"""What protobuf's text parser makes of a file, by the message of TensorFlow's metadata."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2

PACKAGES = ("tensorflow-metadata", "protobuf")
KINDS, SEVERITIES = anomalies_pb2.AnomalyInfo.Type, anomalies_pb2.AnomalyInfo.Severity


def words(info: anomalies_pb2.AnomalyInfo) -> str:
    return " ".join([SEVERITIES.Name(info.severity), *(KINDS.Name(reason.type) for reason in info.reason)])


found = text_format.Parse(Path(sys.argv[1]).read_text(encoding="utf-8"), anomalies_pb2.Anomalies())
read = {name: words(info) for name, info in sorted(found.anomaly_info.items())}
paths = [list(info.path.step) == [name] for name, info in found.anomaly_info.items()]
whole = {"columns": read, "data_set": words(found.dataset_anomaly_info), "paths_are_names": all(paths)}
print(json.dumps({"read_by": {name: version(name) for name in PACKAGES}, "read": whole}))
