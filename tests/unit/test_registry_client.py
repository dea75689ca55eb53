"""The registry's client against a server of its API on the loopback: what it asks, and what it makes of answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from monitor.clock import ManualClock
from monitor.errors import TransientError, UsageError
from monitor.records import RegisteredSchema
from monitor.registry.client import RegistryClient
from monitor.settings.tree import Registry

GUID = "00000000-0000-0000-0000-000000000007"
ANSWERS: dict[str, object] = {
    "/base/schemas/ids/1": {"schema": '"string"'},
    "/base/schemas/ids/2": {
        "schema": "outer", "schemaType": "PROTOBUF",
        "references": [{"name": "a/b.proto", "subject": "s/1", "version": 3}],
    },
    "/base/subjects/s%2F1/versions/3": {
        "schema": "inner", "schemaType": "PROTOBUF", "references": [{"name": "c.proto", "subject": "c", "version": 1}],
    },
    "/base/subjects/c/versions/1": {"schema": "last", "schemaType": "PROTOBUF"},
    f"/base/schemas/guids/{GUID}": {"schema": '"long"', "schemaType": "AVRO"},
    "/base/schemas/ids/3": {"schema": "self", "references": [{"name": "s", "subject": "self", "version": 1}]},
    "/base/subjects/self/versions/1": {
        "schema": "self", "references": [{"name": "s", "subject": "self", "version": 1}],
    },
    "/base/schemas/ids/4": ["no object"],
    "/base/schemas/ids/5": {"schema": 5},
    "/base/schemas/ids/6": b"no JSON",
    "/base/schemas/ids/7": 401,
    "/base/schemas/ids/8": 302,
    "/base/schemas/ids/9": 500,
}  # fmt: skip
#: answered with what is no HTTP
NO_HTTP = "/base/schemas/ids/10"


class Server:
    """Answers as ANSWERS say; `asked` are the paths with their Authorization."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []
        self.answers: Mapping[str, object] = ANSWERS
        made = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # the library's name
                made.asked.append((self.path, self.headers.get("Authorization")))
                if self.path == NO_HTTP:
                    self.wfile.write(b"what is this\r\n\r\n")
                    return
                answer = made.answers.get(self.path, 404)
                self.send_response(answer if isinstance(answer, int) else 200)
                if answer == 302:
                    self.send_header("Location", "/base/schemas/ids/1")
                self.end_headers()
                if not isinstance(answer, int):
                    self.wfile.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

            def log_message(self, *_: object) -> None:
                """Nothing is printed."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/base"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def client_of(server: Server, clock: ManualClock | None = None, **more: Any) -> RegistryClient:  # noqa: ANN401  # settings
    return RegistryClient(Registry.model_validate({"url": f"{server.url}/", **more}), clock or ManualClock())


def test_a_schema_is_asked_for_once_with_all_that_it_refers_to(server: Server) -> None:
    client = client_of(server)
    last = RegisteredSchema("PROTOBUF", "last")
    inner = RegisteredSchema("PROTOBUF", "inner", (("c.proto", last),))
    for _ in range(2):
        assert client.schema(1) == RegisteredSchema("AVRO", '"string"')
        assert client.schema(2) == RegisteredSchema("PROTOBUF", "outer", (("a/b.proto", inner),))
        assert client.schema(GUID) == RegisteredSchema("AVRO", '"long"')
    assert len(server.asked) == 5


@pytest.mark.parametrize(
    ("more", "sent"),
    [
        ({}, None),
        ({"user": "u", "password": "p"}, "Basic dTpw"),
        ({"token": "t"}, "Bearer t"),
    ],
)
def test_credentials_are_sent(server: Server, more: dict[str, str], sent: str | None) -> None:
    client_of(server, None, **more).schema(1)
    assert server.asked == [("/base/schemas/ids/1", sent)]


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (3, "the answer is no schema"),
        (4, "the answer is no schema"),
        (5, "the answer is no schema"),
        (6, "does not answer"),
        (7, "this user may not read it (401); check schema_registry.user, password or token"),
        (8, "HTTP 302"),
        (9, "HTTP 500"),
        (99, "schema 99: it is not there (404)"),
    ],
)
def test_what_cannot_be_had_may_come_later(server: Server, schema: int, message: str) -> None:
    with pytest.raises(TransientError) as caught:
        client_of(server, token="hunter2canary").schema(schema)  # noqa: S106  # a canary
    assert message in str(caught.value)
    assert server.url in str(caught.value)
    assert "hunter2canary" not in str(caught.value)


def test_a_schema_that_was_not_there_is_asked_for_again_after_a_while(server: Server) -> None:
    clock = ManualClock()
    client = client_of(server, clock)
    for _ in range(3):
        with pytest.raises(TransientError):
            client.schema(99)
    assert len(server.asked) == 1
    server.answers = {**ANSWERS, "/base/schemas/ids/99": {"schema": '"int"'}}
    clock.advance(5.5)
    assert client.schema(99).text == '"int"'


def test_a_registry_that_is_down_is_named() -> None:
    server = Server()
    client = client_of(server)
    server.close()
    with pytest.raises(TransientError, match=r"schema registry http://127\.0\.0\.1:.* does not answer"):
        client.schema(1)


def test_a_wrong_file_of_authorities_is_a_fault(server: Server) -> None:
    with pytest.raises(UsageError, match=r"schema_registry\.cafile: No such file"):
        client_of(server, cafile="no-such-file.pem")
    with pytest.raises(UsageError, match=r"schema_registry\.url: missing"):
        RegistryClient(Registry(), ManualClock())


def test_what_is_no_http_is_an_outage(server: Server) -> None:
    with pytest.raises(TransientError, match="does not answer"):
        client_of(server).schema(10)
