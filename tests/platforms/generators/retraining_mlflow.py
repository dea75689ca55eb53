"""The recipe on a real registry: MLflow's own client and tracking server, at a port of this machine."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time

from mlflow import MlflowClient
from retraining import page, recipe, write


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "mlflow",
            "server",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--workers",
            "1",
        ]
        store = ["--backend-store-uri", f"sqlite:///{folder}/db", "--artifacts-destination", folder]
        server = subprocess.Popen(
            [*command, *store], stdout=sys.stderr, env={**os.environ, "MLFLOW_ENABLE_TELEMETRY": "0"}
        )
        try:
            answers(port, server)
            write("mlflow", ["mlflow"], told(MlflowClient(address, address)))
        finally:
            server.terminate()
            server.wait()


def answers(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if server.poll() is not None:
            raise SystemExit("the server ended")
        try:
            asked = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            asked.request("GET", "/health")
            asked.getresponse().close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise SystemExit("the server does not answer")


def told(client: MlflowClient) -> dict[str, object]:
    """The registry after a page about inputs alone, and after one that labels confirm."""
    registry, transition = recipe("mlflow_registry"), page()
    client.create_registered_model(transition["model"])
    for _ in range(3):
        client.create_model_version(transition["model"], source="s3://acme/models/credit")
    client.set_registered_model_alias(transition["model"], registry.ALIAS, "3")
    transition["version"] = "3"
    inputs = {**transition, "findings": [one for one in transition["findings"] if one["cause"] != "performance"]}
    moved = []
    for told_page in ({**inputs, "version": "2"}, inputs, transition):
        registry.tag(client, told_page)
        moved.append(registry.roll_back(client, told_page))
    versions = client.search_model_versions(f"name = '{transition['model']}'")
    return {
        "moved": moved,
        "alias": str(client.get_model_version_by_alias(transition["model"], registry.ALIAS).version),
        "tags": {str(one.version): one.tags for one in versions},
    }


if __name__ == "__main__":
    main()
