"""A server on a free port of this machine, with a snapshot and a clock that a test moves, and clients for it."""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from collections.abc import Callable

from monitor.clock import ManualClock
from monitor.publish.connection import Deadlines
from monitor.publish.server import Server
from monitor.publish.snapshot import SnapshotHolder


class Served:
    """`step` and `idle` are the server's deadlines in seconds."""

    def __init__(self, step: float = 5.0, idle: float = 30.0) -> None:
        self.clock = ManualClock()
        self.snapshots = SnapshotHolder(self.clock)
        self.server = Server(
            self.snapshots, "127.0.0.1", 0, live_seconds=60.0, deadlines=Deadlines(step, idle), clock=self.clock
        )
        self.server.start()

    def ask(self, path: str, method: str = "GET") -> tuple[int, str, http.client.HTTPMessage]:
        """A request on its own connection: status, body, headers."""
        with self.client() as client:
            status, body, headers = taken(client, path, method)
            return status, body.decode(), headers

    def client(self) -> contextlib.closing[http.client.HTTPConnection]:
        """A client that keeps its connection as long as the server does."""
        return contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10))

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.server.port), timeout=10)

    def connect_slowly(self) -> socket.socket:
        """A client whose side holds little, so that a large answer waits at the server."""
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
        client.settimeout(10)
        client.connect(("127.0.0.1", self.server.port))
        return client

    def say(self, data: bytes) -> bytes:
        """Everything the server answers to these bytes until it closes."""
        with self.connect() as client:
            client.sendall(data)
            return read_all(client)


def taken(
    client: http.client.HTTPConnection, path: str, method: str = "GET", **headers: str
) -> tuple[int, bytes, http.client.HTTPMessage]:
    """One request and its whole answer: status, body, headers. `accept_encoding` is sent as Accept-Encoding."""
    client.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = client.getresponse()
    return answer.status, answer.read(), answer.headers


def read_all(client: socket.socket) -> bytes:
    parts: list[bytes] = []
    while part := client.recv(65_536):
        parts.append(part)
    return b"".join(parts)


def is_closed(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def wait_for(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.005)
