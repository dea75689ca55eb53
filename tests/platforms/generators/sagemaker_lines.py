"""Captures calls of a SageMaker endpoint as lines of data capture.

The endpoint that writes the lines is no package: their fields are those of awsdocs/amazon-sagemaker-developer-guide
model-monitor-data-capture.md. Bodies and their content types are made by the serializers that `Predictor` calls, and
which encoding a side has is what `DataCaptureConfig` asks the service for.
"""

from __future__ import annotations

import base64
import json
import os
import uuid
from typing import Any

from traffic import NAMES, Call, calls, drifting, record, score, write_capture, write_recording

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")  # none is called

from sagemaker.base_serializers import BaseSerializer
from sagemaker.model_monitor import DataCaptureConfig
from sagemaker.serializers import CSVSerializer, JSONSerializer

PACKAGES = ["sagemaker"]


def asked(**listed: list[str]) -> dict[str, Any]:
    """The part of CreateEndpointConfig that says which sides are captured, and which content types are what."""
    config = DataCaptureConfig(
        enable_capture=True, sampling_percentage=100, destination_s3_uri="s3://bucket/capture", **listed
    )
    made: dict[str, Any] = config._to_request_dict()
    return made


def side(mode: str, body: str, kind: str, request: dict[str, Any]) -> dict[str, str]:
    types = request["CaptureContentTypeHeader"]
    encoding = "BASE64"
    if kind in types.get("CsvContentTypes", ()):
        encoding = "CSV"
    elif kind in types.get("JsonContentTypes", ()):
        encoding = "JSON"
    data = base64.b64encode(body.encode()).decode() if encoding == "BASE64" else body
    return {"observedContentType": kind, "mode": mode, "data": data, "encoding": encoding}


def line_of(call: Call, serializer: BaseSerializer, request: dict[str, Any]) -> bytes:
    rows, scores = [[row[name] for name in NAMES] for row in call.rows], [score(**row) for row in call.rows]
    named = isinstance(serializer, JSONSerializer)
    sent = serializer.serialize({"instances": call.rows} if named else rows)
    answered = serializer.serialize({"predictions": scores} if named else [[one] for one in scores])
    kind = serializer.CONTENT_TYPE
    sides = {
        f"endpoint{mode['CaptureMode']}": side(
            mode["CaptureMode"].upper(), sent if mode["CaptureMode"] == "Input" else answered, kind, request
        )
        for mode in request["CaptureOptions"]
    }
    metadata = {
        "eventId": str(uuid.uuid5(uuid.NAMESPACE_URL, call.id)),
        "inferenceId": call.id,
        "inferenceTime": call.time,
    }
    return json.dumps({"captureData": sides, "eventMetadata": metadata, "eventVersion": "0"}).encode()


def main() -> None:
    forms: dict[str, tuple[BaseSerializer, dict[str, Any]]] = {
        "csv": (CSVSerializer(), asked(csv_content_types=["text/csv"])),
        "json": (JSONSerializer(), asked(json_content_types=["application/json"])),
        "base64": (CSVSerializer(), asked(csv_content_types=["application/csv"])),
    }
    entry = {"model": "credit", "version": "12"}
    for name, form in forms.items():
        records = [record(line_of(call, *form), {}) for call in calls()]
        write_capture(f"sagemaker_{name}", "sagemaker", PACKAGES, records, **entry)
    drift = [(call, record(line_of(call, *forms["csv"]), {})) for call in drifting()]
    write_recording("sagemaker", PACKAGES, drift, "capture")


if __name__ == "__main__":
    main()
