"""Made-up calls of a model, the same for every platform; a model; and what writes a capture. The standard library only:
this runs in the environments of the platforms."""

from __future__ import annotations

import base64
import json
import platform
import random
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

NAMES = ("age", "income", "grade")
KINDS = {"age": "INT64", "income": "FP64", "grade": "BYTES"}
BEGIN = datetime(2026, 3, 4, 10, 15, 30, tzinfo=timezone.utc)  # noqa: UP017  # also for older Pythons
CALLS = 12


class Call(NamedTuple):
    """A call: its id, its time, and its rows."""

    id: str
    time: str
    rows: list[dict[str, Any]]


class Exchange(NamedTuple):
    """What a proxy saw of a call."""

    request: bytes
    request_type: str
    headers: Mapping[str, str]
    response: bytes
    response_type: str
    response_headers: Mapping[str, str]


def calls() -> list[Call]:
    """The same calls each time."""
    numbers = random.Random(7)
    made = []
    for at in range(CALLS):
        rows = [
            {
                "age": numbers.randrange(18, 90),
                "income": numbers.randrange(80_000, 400_000) / 4,
                "grade": numbers.choice(["A", "B", "C é"]),
            }
            for _ in range(numbers.choice([1, 3]))
        ]
        moment = BEGIN + timedelta(seconds=at)
        made.append(Call(f"r-{at}", moment.strftime("%Y-%m-%dT%H:%M:%SZ"), rows))
    return made


def score(age: int, income: float, grade: str) -> float:
    """The model: a probability that every float type holds exactly."""
    return float((age * 7 + int(income) + len(grade)) % 127 + 1) / 128


def record(
    value: bytes, headers: Mapping[str, str], key: bytes | None = None, topic: str = "traffic"
) -> dict[str, Any]:
    """A Kafka record as JSON."""
    return {
        "topic": topic,
        "key": None if key is None else key.decode(),
        "headers": dict(headers),
        "value": base64.b64encode(value).decode(),
    }


def write_capture(name: str, form: str, packages: Sequence[str], records: Sequence[Mapping[str, Any]]) -> None:
    """Write the records of a platform, with what made them, to the folder that the command line names."""
    made_by = {package: version(package) for package in packages} | {"python": platform.python_version()}
    events = [
        {"id": f"{call.id}#{at}", "ts": call.time, "features": row, "score": score(**row)}
        for call in calls()
        for at, row in enumerate(call.rows)
    ]
    content = {"made_by": made_by, "format": form, "records": list(records), "events": events}
    file = Path(sys.argv[1]) / f"{name}.json"
    file.write_text(json.dumps(content, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    print(f"{file.name}: {len(records)} records, {len(events)} rows, by {made_by}")


class Proxy:
    """Passes HTTP calls on to a server at a port of this machine, and keeps the last one."""

    def __init__(self, port: int) -> None:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                onward = HTTPConnection("127.0.0.1", port, timeout=60)
                onward.request("POST", self.path, body, dict(self.headers))
                answer = onward.getresponse()
                content, kind = answer.read(), answer.getheader("content-type") or ""
                seen = dict(self.headers), dict(answer.getheaders())
                proxy.last = Exchange(body, self.headers["content-type"], seen[0], content, kind, seen[1])
                self.send_response(answer.status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.last: Exchange | None = None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self._server.serve_forever, daemon=True).start()

    def post(self, path: str, body: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> Exchange:
        """Send a request through the proxy."""
        client = HTTPConnection("127.0.0.1", self._server.server_address[1], timeout=60)
        client.request("POST", path, body, {"content-type": content_type, **(headers or {})})
        answer = client.getresponse()
        content = answer.read()
        if answer.status != 200 or self.last is None:
            message = f"{path}: {answer.status} {content[:500]!r}"
            raise RuntimeError(message)
        return self.last


def answers(port: int, path: str) -> bool:
    """Whether a server answers there."""
    try:
        client = HTTPConnection("127.0.0.1", port, timeout=5)
        client.request("GET", path)
        return client.getresponse().status == 200
    except OSError:
        return False
