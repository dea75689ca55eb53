"""Made-up calls of a model, the same for every platform; a model; and what writes a capture. The standard library only:
this runs in the environments of the platforms."""

from __future__ import annotations

import base64
import gzip
import json
import platform
import random
import sys
from collections import Counter
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
#: the calls of the traffic with a drift, their rows, the seconds between them, and the call from which on it drifts
DRIFT_CALLS, DRIFT_ROWS, DRIFT_SECONDS, DRIFT_FROM = 80, 15, 60, 60


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


def drifting() -> list[Call]:
    """The same calls each time; from one on, a client sends `income` in cents."""
    numbers = random.Random(11)
    made = []
    for at in range(DRIFT_CALLS):
        unit = 100 if at >= DRIFT_FROM else 1
        rows = [
            {
                "age": numbers.randrange(18, 80),
                "income": unit * numbers.randrange(800, 4_000) * 25 / 2,
                "grade": numbers.choice("AABC"),
            }
            for _ in range(DRIFT_ROWS)
        ]
        moment = BEGIN + timedelta(seconds=at * DRIFT_SECONDS)
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


def events_of(some: Sequence[Call]) -> list[dict[str, Any]]:
    """The rows of calls with their ids, times and scores."""
    return [
        {"id": f"{call.id}#{at}", "ts": call.time, "features": row, "score": score(**row)}
        for call in some
        for at, row in enumerate(call.rows)
    ]


def write_recording(
    name: str, packages: Sequence[str], records: Sequence[tuple[Call, Mapping[str, Any]]], topic: str = ""
) -> None:
    """Write the records of the traffic with a drift as `driftd record` would, and beside it what made them.

    Those that have no topic of their own are of `topic`.
    """
    offsets: Counter[str] = Counter()
    lines = []
    for call, one in records:
        moment = datetime.strptime(call.time, "%Y-%m-%dT%H:%M:%S%z")
        of_topic = topic or one["topic"]
        line = {
            "topic": of_topic,
            "partition": 0,
            "offset": offsets[of_topic],
            "timestamp": int(moment.timestamp() * 1000),
            "key": None if one["key"] is None else base64.b64encode(one["key"].encode()).decode(),
            "headers": [[key, base64.b64encode(text.encode()).decode()] for key, text in one["headers"].items()],
            "value": one["value"],
        }
        offsets[of_topic] += 1
        lines.append(json.dumps(line, separators=(",", ":")) + "\n")
    file = Path(sys.argv[1]) / f"{name}.records.jsonl.gz"
    file.write_bytes(gzip.compress("".join(lines).encode(), mtime=0))
    made_by = versions(packages)
    file.with_name(f"{name}.made_by.json").write_text(json.dumps(made_by, indent=0) + "\n", encoding="utf-8")
    print(f"{file.name}: {len(lines)} records, by {made_by}")


def versions(packages: Sequence[str]) -> dict[str, str]:
    return {package: version(package) for package in packages} | {"python": platform.python_version()}


def write_capture(
    name: str, form: str, packages: Sequence[str], records: Sequence[Mapping[str, Any]], **entry: object
) -> None:
    """Write the records of a platform, with what made them, to the folder that the command line names.

    `entry` is what the settings of the input have to say, as the records do not.
    """
    made_by, events = versions(packages), events_of(calls())
    content = {"made_by": made_by, "format": form, "input": entry, "records": list(records), "events": events}
    file = Path(sys.argv[1]) / f"{name}.json"
    file.write_text(json.dumps(content, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    print(f"{file.name}: {len(records)} records, {len(events)} rows, by {made_by}")


def post(path: str, headers: Mapping[str, str], body: bytes, for_kafka: Sequence[Any] = ()) -> dict[str, Any]:
    """A request as JSON; `for_kafka` are the messages that the same package makes of it for Kafka."""
    messages = [
        {
            "headers": {name: value.decode() for name, value in one.headers.items()},
            "key": one.key,
            "value": base64.b64encode(one.value).decode(),
        }
        for one in for_kafka
    ]
    return {"path": path, "headers": dict(headers), "body": base64.b64encode(body).decode(), "for_kafka": messages}


def write_posts(name: str, packages: Sequence[str], posts: Sequence[Mapping[str, Any]]) -> None:
    """Write requests, with what made them, to the folder that the command line names."""
    content = {"made_by": versions(packages), "posts": list(posts)}
    file = Path(sys.argv[1]) / f"{name}.posts.json"
    file.write_text(json.dumps(content, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    print(f"{file.name}: {len(posts)} requests")


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
