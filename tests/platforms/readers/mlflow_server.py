"""A real tracking server of MLflow with a registered version and its run, which `driftd export mlflow` tells.

`python mlflow_server.py FOLDER COMMAND...`: starts the server, runs the command with the server's address as its last
argument, twice, and reads with MLflow's own client what is there then.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import mlflow
from mlflow.tracking import MlflowClient

SECONDS = 180


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def wait_for(uri: str, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{uri}/health", timeout=5):  # noqa: S310  # one on this machine
                return
        except OSError:
            if time.monotonic() > until or server.poll() is not None:
                raise
            time.sleep(0.5)


def registered(client: MlflowClient) -> str:
    run = client.create_run(client.create_experiment("training"))
    client.create_registered_model("credit")
    client.create_model_version("credit", source=run.info.artifact_uri, run_id=run.info.run_id)
    return str(run.info.run_id)


def understood(client: MlflowClient, run: str) -> dict[str, object]:
    """Without the run's id, which is another each time."""
    data = client.get_run(run).data
    history = {name: len(client.get_metric_history(run, name)) for name in data.metrics}
    tags = dict(client.get_model_version("credit", "1").tags)
    return {"tags": tags, "figures": dict(sorted(data.metrics.items())), "each_logged": sorted({*history.values()})}


def main(folder: Path, command: list[str]) -> None:
    uri = f"http://127.0.0.1:{free_port()}"
    store = [f"--backend-store-uri=sqlite:///{folder}/mlflow.db", f"--artifacts-destination={folder}/artifacts"]
    address = ["--host=127.0.0.1", f"--port={uri.rpartition(':')[2]}", "--workers=1"]
    server = subprocess.Popen([sys.executable, "-m", "mlflow", "server", *store, *address], stdout=subprocess.DEVNULL)
    try:
        wait_for(uri, server)
        client = MlflowClient(uri)
        run = registered(client)
        said = [subprocess.run([*command, uri], check=True, capture_output=True, text=True).stderr for _ in range(2)]
        read = understood(client, run)
    finally:
        server.terminate()
        server.wait()
    print(json.dumps({"read_by": {"mlflow": mlflow.__version__}, "read": read | {"said_again": said[0] == said[1]}}))


main(Path(sys.argv[1]), sys.argv[2:])
