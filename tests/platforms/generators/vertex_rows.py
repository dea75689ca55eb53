"""Captures calls of Vertex AI's prediction service in its client's own messages, as rows of the table of its
request-response logging.

The service that writes the table is no package: columns and their types are those that googleapis/python-aiplatform
and vertex-ai-samples read. Each payload is the JSON that protobuf makes of an instance or a prediction; its objects
have no order, so their keys are sorted: else each run would write another one.
"""

from __future__ import annotations

import json
from typing import Any

from google.cloud.aiplatform_v1.types import PredictRequest, PredictResponse
from google.protobuf.json_format import MessageToJson, ParseDict
from traffic import Call, calls, drifting, record, score, write_capture, write_recording

ENDPOINT = "projects/1/locations/us-central1/endpoints/4567"


def both(call: Call) -> tuple[PredictRequest, PredictResponse]:
    """The messages of a call, as they are on the wire."""
    answers = [{"classes": ["0", "1"], "scores": [1 - score(**row), score(**row)]} for row in call.rows]
    request, response = PredictRequest(), PredictResponse()
    ParseDict({"endpoint": ENDPOINT, "instances": call.rows}, PredictRequest.pb(request))
    body = {"predictions": answers, "deployedModelId": "12", "model": "projects/1/models/9"}
    ParseDict(body, PredictResponse.pb(response))
    return (
        PredictRequest.deserialize(PredictRequest.serialize(request)),
        PredictResponse.deserialize(PredictResponse.serialize(response)),
    )


def row_of(call: Call) -> dict[str, Any]:
    request, response = both(call)
    return {
        "endpoint": request.endpoint,
        "deployed_model_id": response.deployed_model_id,
        "logging_time": call.time,
        "request_id": call.id,
        "request_payload": [
            MessageToJson(one, indent=None, sort_keys=True) for one in PredictRequest.pb(request).instances
        ],
        "response_payload": [
            MessageToJson(one, indent=None, sort_keys=True) for one in PredictResponse.pb(response).predictions
        ],
    }


def main() -> None:
    packages = ["google-cloud-aiplatform", "protobuf"]
    records = [record(json.dumps(row_of(call)).encode(), {}) for call in calls()]
    write_capture("vertex", "vertex", packages, records, model="credit")
    drift = [(call, record(json.dumps(row_of(call)).encode(), {})) for call in drifting()]
    write_recording("vertex", packages, drift, "request-response")


if __name__ == "__main__":
    main()
