"""Captures calls of MLflow's own scoring server through a proxy that logs request and response together."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import mlflow
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from traffic import NAMES, Call, Exchange, Proxy, answers, calls, drifting, record, write_capture, write_recording

MODEL = """
import mlflow
from traffic import score

class Scorer(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [score(int(row.age), float(row.income), str(row.grade)) for row in model_input.itertuples()]

mlflow.models.set_model(Scorer())
"""


def bodies(call: Call) -> dict[str, tuple[bytes, str]]:
    """The same rows in every form that the server takes, by its name, with the content type."""
    rows = [[row[name] for name in NAMES] for row in call.rows]
    text = io.StringIO()
    csv.writer(text).writerows([NAMES, *rows])
    by_name = {name: [row[name] for row in call.rows] for name in NAMES}
    trees = {
        "split": {"dataframe_split": {"columns": list(NAMES), "data": rows}},
        "records": {"dataframe_records": call.rows},
        "instances": {"instances": call.rows},
        "inputs": {"inputs": by_name},
    }
    return {name: (json.dumps(tree).encode(), "application/json") for name, tree in trees.items()}


def logged(call: Call, seen: Exchange) -> bytes:
    """What a bridge writes of a call, in the words of docs/platforms.md."""
    whole = {"id": call.id, "model": "credit", "version": "12", "ts": call.time}
    return json.dumps({**whole, "request": seen.request.decode(), "response": seen.response.decode()}).encode()


def in_inference_table(call: Call, seen: Exchange) -> bytes:
    """The bodies of a call as a row of Databricks' inference table, in the schema of the AI Gateway."""
    row = {
        "request_date": call.time[:10],
        "databricks_request_id": f"d-{call.id}",
        "client_request_id": call.id,
        "request_time": call.time,
        "status_code": 200,
        "sampling_fraction": 1.0,
        "execution_duration_ms": 14,
        "request": seen.request.decode(),
        "response": seen.response.decode(),
        "served_entity_id": "12",
        "logging_error_codes": [],
        "requester": "svc-7",
    }
    return json.dumps(row).encode()


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    (folder / "scorer.py").write_text(MODEL)
    types = (DataType.long, DataType.double, DataType.string)
    schema = Schema([ColSpec(kind, name) for kind, name in zip(types, NAMES)])  # noqa: B905  # also for older Pythons
    mlflow.pyfunc.save_model(
        folder / "model",
        python_model=str(folder / "scorer.py"),
        code_paths=[str(Path(__file__).with_name("traffic.py"))],
        signature=ModelSignature(inputs=schema, outputs=Schema([ColSpec(DataType.double)])),
        pip_requirements=["mlflow"],
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    serve = ["-m", "mlflow", "models", "serve", "-m", str(folder / "model"), "-p", str(port), "-h", "127.0.0.1"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # where its own command is found
    command = [sys.executable, *serve, "--env-manager", "local", "--workers", "1"]
    with subprocess.Popen(command, env={**os.environ, "PATH": path}, start_new_session=True) as server:
        try:
            until = time.monotonic() + 120
            while not answers(port, "/ping") and time.monotonic() < until and server.poll() is None:
                time.sleep(0.5)
            proxy = Proxy(port)
            for form in bodies(calls()[0]):
                seen = [(call, proxy.post("/invocations", *bodies(call)[form])) for call in calls()]
                records = [record(logged(call, one), {}) for call, one in seen]
                write_capture(f"mlflow_{form}", "mlflow", ["mlflow"], records)
            drift = [(call, proxy.post("/invocations", *bodies(call)["split"])) for call in drifting()]
            bridged = [(call, record(logged(call, one), {})) for call, one in drift]
            write_recording("mlflow", ["mlflow"], bridged, "invocations")
            rows = [(call, record(in_inference_table(call, one), {})) for call, one in drift]
            write_recording("databricks", ["mlflow"], rows, "inference-table")
        finally:
            os.killpg(server.pid, signal.SIGTERM)


if __name__ == "__main__":
    main()
