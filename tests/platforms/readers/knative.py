"""What Knative does between a Kafka topic and a subscriber, without a cluster: the standard library only.

A KafkaSource turns the headers `ce_NAME` of a record into the HTTP headers `ce-NAME`, whose values are percent-encoded
as CloudEvents' HTTP binding has it, and keeps `content-type`; a Trigger passes on what its filter on attributes, which
is exact, lets through.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import NamedTuple
from urllib.parse import quote

TAKEN = 202
#: printable characters that stay as they are in a value: all but space, quote and percent
PLAIN = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')


class Record(NamedTuple):
    """A record of the topic."""

    headers: list[tuple[str, bytes]]
    value: bytes


class Request(NamedTuple):
    """What the subscriber got."""

    headers: dict[str, str]
    body: bytes


@contextmanager
def subscriber() -> Iterator[tuple[int, list[Request]]]:
    """A service at a port of this machine, and what it has got."""
    got: list[Request] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append(Request({name.lower(): text for name, text in self.headers.items()}, body))
            self.send_response(TAKEN)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1], got
        server.shutdown()
        thread.join()


def attributes_of(record: Record) -> dict[str, str]:
    """The attributes in a record; of one that is no CloudEvent in binary mode none."""
    return {name[len("ce_") :]: text.decode() for name, text in record.headers if name.startswith("ce_")}


def triggered(records: Iterable[Record], wanted: Mapping[str, str], port: int) -> None:
    """Post the events whose attributes are exactly the wanted ones, in their order."""
    for record in records:
        attributes = attributes_of(record)
        if "specversion" not in attributes or any(attributes.get(name) != value for name, value in wanted.items()):
            continue
        headers = {f"ce-{name}": quote(value, safe=PLAIN) for name, value in attributes.items()}
        kept = {name: text.decode() for name, text in record.headers if name == "content-type"}
        onward = HTTPConnection("127.0.0.1", port, timeout=60)
        onward.request("POST", "/", record.value, {**headers, **kept})
        status = onward.getresponse().status
        onward.close()
        if status != TAKEN:
            message = f"{attributes['id']}: {status}"
            raise RuntimeError(message)
