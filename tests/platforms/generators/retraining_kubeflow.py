"""The body of CreateRun, read and written by the client that Kubeflow generates of its own API."""

from __future__ import annotations

import json
from types import SimpleNamespace

import kfp_server_api as kfp
from retraining import EVENT_ID, page, recipe, write


def main() -> None:
    asked = recipe("kubeflow_pipeline").run_of(EVENT_ID, page())
    client = kfp.ApiClient()
    run = client.deserialize(SimpleNamespace(data=json.dumps(asked)), "V2beta1Run")
    write("kubeflow", ["kfp-server-api"], client.sanitize_for_serialization(run))


if __name__ == "__main__":
    main()
