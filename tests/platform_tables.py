"""Calls as rows of the clouds' tables and captured lines, made by hand after the published formats."""

from __future__ import annotations

import base64
import json
from typing import Final

from monitor.clock import rfc3339
from tests.platform_calls import Called, Record, arrays, dumped, split_frame, text

SOURCE: Final = (
    "/subscriptions/S/resourceGroups/G/providers/Microsoft.MachineLearningServices/workspaces/W/onlineEndpoints/credit/"
    "deployments/blue"
)


def databricks_legacy(call: Called) -> list[Record]:
    row = {
        "databricks_request_id": "a0b1",
        "client_request_id": call.id,
        "date": "2026-03-04",
        "timestamp_ms": call.ts_us // 1_000,
        "status_code": 200,
        "sampling_fraction": 1.0,
        "execution_time_ms": 14,
        "request": text({"dataframe_records": call.rows}),
        "response": text({"predictions": call.scores}),
        "request_metadata": {"endpoint_name": "e", "model_name": "credit", "model_version": "12"},
    }
    return [Record(dumped(row))]


def databricks_gateway(call: Called) -> list[Record]:
    row = {
        "request_date": "2026-03-04",
        "databricks_request_id": "a0b1",
        "client_request_id": call.id,
        "request_time": rfc3339(call.ts_us),
        "status_code": 200,
        "request": text(split_frame(call)),
        "response": text({"predictions": call.scores}),
        "served_entity_id": "12",
        "logging_error_codes": [],
        "requester": "svc-7",
    }
    return [Record(dumped(row), {"x": "credit"})]


def as_csv(call: Called) -> str:
    return "".join(",".join(map(str, row)) + "\n" for row in arrays(call))


def sagemaker_csv(call: Called) -> list[Record]:
    return [sagemaker(call, as_csv(call), "\n".join(map(str, call.scores)), "CSV", "text/csv; charset=utf-8")]


def sagemaker_batch(call: Called) -> list[Record]:
    """Batch transform appends its id and time to each output."""
    added = "1f1d57b1-2222-3333-4444-555555555555,2026-03-04T10:00:00Z"
    answers = "\n".join(f"{score},{added}" for score in call.scores)
    record = sagemaker(call, as_csv(call), answers, "CSV", "text/csv")
    line = json.loads(record.value or b"")
    captured = line["captureData"]
    captured["batchTransformOutput"] = captured.pop("endpointOutput")
    return [record._replace(value=dumped(line))]


def sagemaker_json(call: Called) -> list[Record]:
    request, response = text({"instances": arrays(call)}), text({"predictions": call.scores})
    return [sagemaker(call, request, response, "JSON", "application/json")]


def sagemaker_base64(call: Called) -> list[Record]:
    request, response = (
        base64.b64encode(side.encode()).decode() for side in (as_csv(call), "\n".join(map(str, call.scores)))
    )
    return [sagemaker(call, request, response, "BASE64", "text/csv")]


def sagemaker(call: Called, request: str, response: str, encoding: str, kind: str) -> Record:
    def side(mode: str, data: str) -> dict[str, str]:
        return {"observedContentType": kind, "mode": mode, "data": data, "encoding": encoding}

    line = {
        "captureData": {"endpointInput": side("INPUT", request), "endpointOutput": side("OUTPUT", response)},
        "eventMetadata": {
            "eventId": "11111111-2222-3333-4444-555555555555",
            "inferenceId": call.id,
            "customAttributes": ["team=risk"],
            "inferenceTime": rfc3339(call.ts_us),
        },
        "eventVersion": "0",
    }
    return Record(dumped(line), {"endpoint": "credit", "variant": "12"})


def vertex(call: Called) -> list[Record]:
    answers = [{"classes": ["0", "1"], "scores": [1 - score, score]} for score in call.scores]
    row = {
        "endpoint": "projects/1/locations/us-central1/endpoints/credit",
        "deployed_model_id": "12",
        "logging_time": rfc3339(call.ts_us),
        "request_id": call.id,
        "request_payload": [text(row) for row in call.rows],
        "response_payload": list(map(text, answers)),
    }
    return [Record(dumped(row))]


def vertex_export(call: Called) -> list[Record]:
    """The same row as some exports of BigQuery nest it, with arrays as instances."""
    plain = json.loads(vertex(call)[0].value or b"")
    row = {name: {"v": value} for name, value in plain.items() if not isinstance(value, list)}
    row["request_payload"] = {"v": [{"v": text(row)} for row in arrays(call)]}
    row["response_payload"] = {"v": [{"v": one} for one in plain["response_payload"]]}
    return [Record(dumped(row))]


def azure(call: Called) -> list[Record]:
    def line(collection: str, data: object) -> Record:
        return Record(
            dumped(
                {
                    "specversion": "1.0",
                    "id": f"{collection}-{call.id}",
                    "source": SOURCE,
                    "type": f"azureml.inference.{collection}",
                    "datacontenttype": "application/json",
                    "time": rfc3339(call.ts_us),
                    "data": data,
                    "correlationid": call.id,
                    "xrequestid": call.id,
                    "modelversion": "12",
                    "collectdatatype": "pandas.core.frame.DataFrame",
                    "agent": "azureml-ai-monitoring/1.0.0",
                }
            )
        )

    outputs = [{"probability": score} for score in call.scores]
    return [line("model_inputs", call.rows), line("model_outputs", outputs)]
