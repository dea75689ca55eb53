"""`driftd bridge` as its own process, and requests for it."""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import socket
import ssl
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.daemons import DRIFTD, DaemonProcess, Tree

POSTED: Final = Path(__file__).parent / "platforms" / "posted"
NDJSON: Final = {"Content-Type": "application/x-ndjson"}
JSON: Final = {"Content-Type": "application/json"}
_numbers = itertools.count(1)


class Captured(NamedTuple):
    """A request that a platform's package sent, and what it makes of the same for Kafka."""

    path: str
    headers: dict[str, str]
    body: bytes
    for_kafka: list[Tree]


def captured_posts(name: str) -> list[Captured]:
    """Those of `tests/platforms/posted`."""
    content = json.loads((POSTED / f"{name}.posts.json").read_text(encoding="utf-8"))
    return [
        Captured(one["path"], one["headers"], base64.b64decode(one["body"]), one["for_kafka"])
        for one in content["posts"]
    ]


def kserve_posts(records: list[Tree]) -> list[Captured]:
    """Captured records of KServe as its agent posts them: attributes as Go's canonical header names."""
    return [
        Captured(
            "/",
            {
                (f"Ce-{name[3:].title()}" if name.startswith("ce_") else name.title()): text
                for name, text in one["headers"].items()
            },
            base64.b64decode(one["value"]),
            [one],
        )
        for one in records
    ]


def bridge_tree(bootstrap: str, topic: str, **bridge: object) -> Tree:
    """Settings of a bridge to one topic on a free port."""
    return {
        "kafka": {"bootstrap_servers": [bootstrap]},
        "inputs": [{"topic": topic}],
        "bridge": {"port": 0, **bridge},
    }


class BridgeProcess(DaemonProcess):
    """One bridge, killed at the end of its `with` block if it still runs."""

    def __init__(self, config: Path, *arguments: str) -> None:
        command = [*DRIFTD, "bridge", "--config", str(config), *arguments]
        self._start(command, config.parent / f"bridge-{next(_numbers)}.log")

    def client(self, timeout: float = 30.0) -> closing[http.client.HTTPConnection]:
        """A client that keeps its connection."""
        return closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout))

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def post(self, path: str, body: bytes, headers: Mapping[str, str] = NDJSON) -> tuple[int, str]:
        """A post on a connection of its own: status and text."""
        with self.client() as client:
            return posted(client, path, body, headers)


def posted(
    client: http.client.HTTPConnection, path: str, body: bytes, headers: Mapping[str, str] = NDJSON
) -> tuple[int, str]:
    """A post: status and text."""
    client.request("POST", path, body, dict(headers))
    answer = client.getresponse()
    return answer.status, answer.read().decode()


def trusting(ca_file: Path) -> ssl.SSLContext:
    """A context that trusts the authority of the tests."""
    return ssl.create_default_context(cafile=str(ca_file))


def header_texts(headers: Any) -> dict[str, str]:  # noqa: ANN401  # pairs of a record
    """Headers of a record as texts."""
    return {name: value.decode() for name, value in headers}
