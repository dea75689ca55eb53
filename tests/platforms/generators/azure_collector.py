"""Captures what Azure's data collector sends of a model's inputs and outputs, taken where its agent listens: the
requests themselves, and the lines that they become.

The agent is no package: its line of the blob is made of what arrived as MicrosoftDocs/azure-ai-docs
how-to-collect-production-data.md describes it.
"""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pandas as pd
from traffic import NAMES, Call, calls, drifting, post, record, score, write_capture, write_posts, write_recording

SOURCE = (
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/onlineEndpoints/credit/"
    "deployments/blue"
)


CHANGING = {"trace-id", "host", "user-agent", "accept-encoding", "connection", "accept", "content-length"}


class Agent:
    """Keeps the lines of what is sent to a port of this machine."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.posts: list[dict[str, Any]] = []
        agent = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                headers, body = dict(self.headers), self.rfile.read(int(self.headers["content-length"]))
                agent.lines.append(line_of(headers, body))
                # those that are another one in each run, or with each version of the HTTP client
                kept = {name: text for name, text in headers.items() if name.lower() not in CHANGING}
                agent.posts.append(post(self.path, kept, body))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = server.server_address[1]
        Thread(target=server.serve_forever, daemon=True).start()


def line_of(headers: dict[str, str], body: bytes) -> dict[str, Any]:
    sent = {name.lower(): value for name, value in headers.items()}
    moment = datetime.fromtimestamp(int(sent["ce-time"]), timezone.utc)  # noqa: UP017  # also for older Pythons
    return {
        "specversion": "1.0",
        "id": f"{sent['ce-type'].rpartition('.')[2]}-{sent['ce-x-request-id']}",  # its own is another one in each run
        "source": SOURCE,
        "type": sent["ce-type"],
        "datacontenttype": sent["content-type"],
        "time": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "data": json.loads(body),
        "contentrange": f"bytes 0-{len(body) - 1}/{len(body)}",
        "correlationid": sent["ce-x-request-id"],
        "xrequestid": sent["ce-x-request-id"],
        "modelversion": sent["ce-model-version"],
        "collectdatatype": sent["ce-collect-data-type"],
        "agent": sent["ce-agent"],
    }


def collect(some: list[Call]) -> None:
    """As a scoring script does: inputs and outputs of a call in the same context."""
    from azureml.ai.monitoring import Collector  # noqa: PLC0415  # it reads its settings when it is imported
    from azureml.ai.monitoring.context import BasicCorrelationContext  # noqa: PLC0415

    inputs, outputs = Collector(name="model_inputs"), Collector(name="model_outputs")
    for call in some:
        moment = datetime.strptime(call.time, "%Y-%m-%dT%H:%M:%S%z")
        context = BasicCorrelationContext(id=call.id, timestamp=int(moment.timestamp()))
        context = inputs.collect(pd.DataFrame(call.rows)[list(NAMES)], context)
        outputs.collect(pd.DataFrame({"probability": [score(**row) for row in call.rows]}), context)


def main() -> None:
    agent = Agent()
    settings = {"ENABLED": "true", "HOST": "127.0.0.1", "PORT": str(agent.port), "QUEUE_CAPACITY": "10000"}
    os.environ |= {f"AZUREML_MDC_{name}": value for name, value in settings.items()}
    from azureml.ai.monitoring.init import init, teardown  # noqa: PLC0415

    init("12")
    both = calls(), drifting()
    for some in both:
        collect(some)
    teardown(wait_for_flush=True)
    made = [record(json.dumps(line).encode(), {}) for line in agent.lines]
    short, long = made[: 2 * len(both[0])], made[2 * len(both[0]) :]
    write_posts("azure", ["azureml-ai-monitoring"], agent.posts[: len(short)])
    write_capture("azure", "azure", ["azureml-ai-monitoring"], short)
    ordered = [call for call in both[1] for _ in range(2)]
    write_recording("azure", ["azureml-ai-monitoring"], list(zip(ordered, long, strict=True)), "model-data")


if __name__ == "__main__":
    main()
