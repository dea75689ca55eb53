"""Captures calls of KServe's own Python server, in the envelope that its logger puts around bodies; and its gRPC
messages on the topics of Seldon Core 2, which sends the same."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
from import_made_by import write_made_by
from kserve import InferInput, InferOutput, InferRequest, InferResponse, Model, ModelServer
from traffic import (
    KINDS,
    NAMES,
    Call,
    Exchange,
    Proxy,
    answers,
    calls,
    drifting,
    record,
    score,
    write_capture,
    write_recording,
)

SIDE = "org.kubeflow.serving.inference."


class Scorer(Model):  # type: ignore[misc]  # from a library without types here
    """The model behind all protocols."""

    def __init__(self) -> None:
        super().__init__("credit")
        self.ready = True

    async def get_input_types(self) -> list[dict[str, Any]]:
        return [{"name": name, "datatype": KINDS[name], "shape": [-1, 1]} for name in NAMES]

    async def get_output_types(self) -> list[dict[str, Any]]:
        return [{"name": "score", "datatype": "FP32", "shape": [-1, 1]}]

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:  # noqa: ANN401
        if isinstance(payload, InferRequest):
            columns = [payload.get_input_by_name(name).as_numpy().ravel().tolist() for name in NAMES]
            rows = [dict(zip(NAMES, row)) for row in zip(*columns)]  # noqa: B905
            found = np.array([[score(**_plain(row))] for row in rows], np.float32)
            output = InferOutput("score", [len(rows), 1], "FP32")
            output.set_data_from_numpy(found, binary_data=payload.use_binary_outputs)
            return InferResponse(payload.id, "credit", [output], model_version="12")
        rows = [row if isinstance(row, dict) else dict(zip(NAMES, row)) for row in payload["instances"]]  # noqa: B905
        return {"predictions": [score(**row) for row in rows]}


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    grade = row["grade"]
    text = grade.decode() if isinstance(grade, bytes) else str(grade)
    return {"age": int(row["age"]), "income": float(row["income"]), "grade": text}


def request_of(call: Call, *, binary: bool) -> InferRequest:
    """The rows as a request of the Open Inference Protocol."""
    kinds = {"INT64": np.int64, "FP64": np.float64, "BYTES": np.object_}
    inputs = []
    for name in NAMES:
        values = [[row[name].encode() if name == "grade" else row[name]] for row in call.rows]
        one = InferInput(name, [len(values), 1], KINDS[name])
        one.set_data_from_numpy(np.array(values, kinds[KINDS[name]]), binary_data=binary)
        inputs.append(one)
    return InferRequest("credit", inputs, request_id=f"body-{call.id}")


def v1(rows: Callable[[Call], Any]) -> Callable[[Call, Proxy], Exchange]:
    def send(call: Call, proxy: Proxy) -> Exchange:
        return proxy.post(
            "/v1/models/credit:predict", json.dumps({"instances": rows(call)}).encode(), "application/json"
        )

    return send


def v2(call: Call, proxy: Proxy) -> Exchange:
    body, _ = request_of(call, binary=False).to_rest()
    return proxy.post("/v2/models/credit/infer", json.dumps(body).encode(), "application/json")


def v2_binary(call: Call, proxy: Proxy) -> Exchange:
    body, length = request_of(call, binary=True).to_rest()
    header = {"Inference-Header-Content-Length": str(length)}
    return proxy.post("/v2/models/credit/infer", body, "application/octet-stream", header)


def logged(call: Call, seen: Exchange) -> list[dict[str, Any]]:
    """The two records of a call: CloudEvents in binary mode, both with the content type of the request."""
    records = []
    for side, body, headers in (
        ("request", seen.request, seen.headers),
        ("response", seen.response, seen.response_headers),
    ):
        kept = {k.title(): [v] for k, v in headers.items() if k.lower() == "inference-header-content-length"}
        attributes = {
            "ce_specversion": "1.0",
            "ce_id": call.id,
            "ce_type": SIDE + side,
            "ce_source": "http://localhost:9081/",
            "ce_time": call.time,
            "ce_inferenceservicename": "credit",
            "ce_namespace": "prod",
            "ce_component": "predictor",
            "ce_endpoint": "",
            "ce_metadata": json.dumps(kept),
            "ce_annotations": '{"modelVersion":"12"}',
            "content-type": seen.request_type,
        }
        records.append(record(body, attributes))
    return records


def on_seldon_topics(call: Call, *, raw: bool) -> list[dict[str, Any]]:
    """The gRPC messages of a call, as Seldon's gateway passes them on."""
    request = request_of(call, binary=raw)
    response = Scorer().predict(request)
    key, headers, topic = f"0.credit.{call.id}".encode(), {"x-request-id": call.id}, "seldon.prod.model.credit."
    both = ((request, "inputs"), (response, "outputs"))
    return [record(one.to_grpc().SerializeToString(), headers, key, topic + side) for one, side in both]


def write_metadata(port: int) -> None:
    """What the server says of the model (`GET /v2/models/NAME`), which `driftd reference import kserve` reads."""
    client = HTTPConnection("127.0.0.1", port, timeout=60)
    client.request("GET", "/v2/models/credit")
    folder = Path(sys.argv[1])
    text = json.dumps(json.loads(client.getresponse().read()), indent=1)
    (folder / "import_kserve.json").write_text(text + "\n", encoding="utf-8")
    write_made_by(folder, "kserve", "kserve")


def main() -> None:
    if sys.argv[1] == "serve":
        ModelServer(http_port=int(sys.argv[2]), enable_grpc=False, workers=1).start([Scorer()])
        return
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    forms = {"v1": v1(lambda call: call.rows), "v1_arrays": v1(lambda call: [[*row.values()] for row in call.rows])}
    with subprocess.Popen([sys.executable, __file__, "serve", str(port)]) as server:
        try:
            until = time.monotonic() + 120
            while not answers(port, "/v2/health/ready") and time.monotonic() < until and server.poll() is None:
                time.sleep(0.5)
            write_metadata(port)
            proxy = Proxy(port)
            for name, send in {**forms, "v2": v2, "v2_binary": v2_binary}.items():
                records = [one for call in calls() for one in logged(call, send(call, proxy))]
                write_capture(f"kserve_{name}", "kserve", ["kserve"], records)
            for name, raw in (("typed", False), ("raw", True)):
                records = [one for call in calls() for one in on_seldon_topics(call, raw=raw)]
                write_capture(f"seldon_{name}", "seldon", ["kserve"], records)
            send = forms["v1_arrays"]
            drift = [(call, one) for call in drifting() for one in logged(call, send(call, proxy))]
            write_recording("kserve", ["kserve"], drift, "knative-broker-prod-inference")
            drift = [(call, one) for call in drifting() for one in on_seldon_topics(call, raw=True)]
            write_recording("seldon", ["kserve"], drift)
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
