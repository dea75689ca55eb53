"""Connections that stay open, and pages in the form that was asked for; over real sockets."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator

import pytest

from monitor.events import ModelKey
from monitor.publish.connection import BODY_LIMIT, CONNECTION_LIMIT
from monitor.publish.packed import accepts_gzip
from monitor.publish.series import CONTENT_TYPE
from monitor.publish.snapshot import IncidentView, Snapshot
from tests.served import Served, is_closed, read_all, taken
from tests.snapshots import column, model

LIVEZ = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
LAST_LIVEZ = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture
def served() -> Iterator[Served]:
    one = Served()
    yield one
    one.server.close()


def large_snapshot() -> Snapshot:
    """Some 5 MB of series: more than the sockets of both sides hold."""
    names = (f"model-{number}" + "x" * 200 for number in range(8_000))
    return Snapshot(restored=True, incidents=tuple(IncidentView(ModelKey(name, "1")) for name in names))


# connections that stay open


def test_one_connection_answers_one_request_after_another(served: Served) -> None:
    with served.client() as client:
        for path in ("/livez", "/metrics", "/", "/nowhere", "/livez"):
            status, body, headers = taken(client, path)
            assert status == (404 if path == "/nowhere" else 200)
            assert len(body) == int(headers["Content-Length"])
            assert client.sock is not None, "the client would have dropped it, had the server said so"
        assert len(served.server.connections) == 1


@pytest.mark.parametrize(
    "request_bytes", [LAST_LIVEZ, b"GET /livez HTTP/1.0\r\n\r\n"], ids=["asked to close", "HTTP/1.0"]
)
def test_a_connection_is_closed_where_the_client_wants_it(served: Served, request_bytes: bytes) -> None:
    answer = served.say(request_bytes)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.endswith(b"\r\n\r\nok\n")


def test_requests_sent_at_once_are_answered_in_order(served: Served) -> None:
    answers = served.say(LIVEZ + b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n" + LAST_LIVEZ)
    assert re.findall(rb"HTTP/1\.1 (\d+)", answers) == [b"200", b"404", b"200"]


def test_requests_sent_at_once_wait_until_the_answers_before_them_are_taken(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.snapshots.show(large_snapshot())
    made, real = [], served.server.site.answer

    def counted(*given: str) -> object:
        made.append(given)
        return real(*given)

    monkeypatch.setattr(served.server.site, "answer", counted)
    page = b"GET /metrics HTTP/1.1\r\nHost: x\r\n"
    with served.connect_slowly() as client:
        client.sendall((page + b"\r\n") * 4 + page + b"Connection: close\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200 OK")
        assert served.ask("/livez")[0] == 200, "so the server has had time for more"
        assert [target for _, target, _ in made] == ["/metrics", "/livez"]
        rest = read_all(client)
    assert rest.count(b"\ndriftd_incident_active{") == 5 * 2 * 8_000


def test_an_open_connection_may_wait_longer_between_requests_than_within_one() -> None:
    one = Served(step=0.2, idle=30.0)
    with contextlib.closing(one.server), one.connect() as client:
        client.sendall(LIVEZ)
        assert client.recv(1_000).endswith(b"ok\n")
        client.settimeout(0.6)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(10)
        client.sendall(LIVEZ)
        assert client.recv(1_000).endswith(b"ok\n")
        client.sendall(LIVEZ[:10])
        assert is_closed(client), "the second request was begun and not ended in the time of a step"


def test_an_open_connection_that_asks_for_nothing_more_is_dropped_in_time() -> None:
    one = Served(step=30.0, idle=0.2)
    with contextlib.closing(one.server), one.connect() as client:
        client.sendall(LIVEZ)
        assert client.recv(1_000).endswith(b"ok\n")
        assert is_closed(client)


def test_who_never_asked_makes_room_before_who_did(served: Served) -> None:
    with served.client() as scraper, contextlib.ExitStack() as stack:
        taken(scraper, "/metrics")
        silent = [stack.enter_context(served.connect()) for _ in range(CONNECTION_LIMIT)]
        assert is_closed(silent[0])
        taken(scraper, "/metrics")
        assert len(served.server.connections) == CONNECTION_LIMIT


def test_open_connections_make_room_for_new_ones(served: Served) -> None:
    with contextlib.ExitStack() as stack:
        asked = [stack.enter_context(served.client()) for _ in range(CONNECTION_LIMIT)]
        for client in asked:
            taken(client, "/livez")
        assert served.ask("/livez")[0] == 200
        assert asked[0].sock is not None
        assert is_closed(asked[0].sock)
        assert taken(asked[1], "/livez")[0] == 200


# bodies that nobody asked for


def test_a_body_is_read_and_thrown_away(served: Served) -> None:
    with served.client() as client:
        client.request("POST", "/metrics", body=b"x" * 10_000)
        answer = client.getresponse()
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
        answer.read()
        assert taken(client, "/livez")[0] == 200


@pytest.mark.parametrize(
    ("head", "body", "status"),
    [
        (b"Content-Length: 1000000\r\n", b"x" * (BODY_LIMIT + 1), b"413"),
        (b"Transfer-Encoding: chunked\r\n", b"%x\r\n" % (BODY_LIMIT + 1) + b"x" * (BODY_LIMIT + 1), b"413"),
        (b"Content-Length: 1000000\r\nExpect: 100-continue\r\n", b"", b"405"),
        (b"Content-Length: 3\r\nContent-Length: 4\r\n", b"abc", b"400"),
    ],
    ids=["too long", "too long in chunks", "asks first", "two lengths"],
)
def test_a_body_that_cannot_be_read_ends_the_connection(
    served: Served, head: bytes, body: bytes, status: bytes
) -> None:
    answer = served.say(b"POST /metrics HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n" + body)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"\r\nConnection: close\r\n" in answer


def test_a_request_of_http_1_1_names_its_host(served: Served) -> None:
    assert served.say(b"GET /livez HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 400 ")


# the form of a page


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("", False), ("gzip", True), ("GZip", True), ("deflate, gzip;q=0.5", True), ("gzip;q=0", False),
        ("gzip; q=0.000", False), ("*", True), ("*;q=0", False), ("gzip;q=0, *", False), ("identity", False),
        ("br, zstd", False), ("gzipped", False), ("gzip;q=0.001", True), (";;,,=", False),
    ],
)  # fmt: skip
def test_gzip_is_what_the_asker_says(asked: str, expected: bool) -> None:
    assert accepts_gzip(asked) is expected


def metrics_of(body: bytes) -> list[bytes]:
    """The register's lines; those of the process go on while one asks."""
    return [line for line in body.splitlines() if b"driftd_" in line]


def test_metrics_are_gzipped_for_who_asks(served: Served) -> None:
    served.snapshots.show(
        Snapshot(restored=True, models=(model("credit", tuple(column(f"f{n}", 0.4) for n in range(30))),))
    )
    with served.client() as client:
        _, plain, headers = taken(client, "/metrics")
        assert (headers["Content-Encoding"], headers["Vary"]) == (None, "Accept-Encoding")
        _, packed, headers = taken(client, "/metrics", accept_encoding="gzip")
        assert (headers["Content-Encoding"], headers["Vary"]) == ("gzip", "Accept-Encoding")
        assert headers["Content-Type"] == CONTENT_TYPE
    assert metrics_of(gzip.decompress(packed)) == metrics_of(plain)
    assert len(packed) < len(plain) / 3


def test_the_status_page_is_gzipped_for_who_asks_and_keeps_its_headers(served: Served) -> None:
    with served.client() as client:
        _, plain, headers = taken(client, "/")
        _, packed, packed_headers = taken(client, "/", accept_encoding="gzip, deflate, br")
        assert gzip.decompress(packed) == plain
        assert packed_headers["Content-Security-Policy"] == headers["Content-Security-Policy"]
        status, nothing, of_head = taken(client, "/", "HEAD", accept_encoding="gzip")
    assert (status, nothing) == (200, b"")
    assert dict(of_head) == dict(packed_headers)


def test_probes_are_never_packed(served: Served) -> None:
    with served.client() as client:
        for path in ("/livez", "/readyz", "/nowhere"):
            assert taken(client, path, accept_encoding="gzip")[2]["Content-Encoding"] is None


@pytest.mark.parametrize(
    "accept",
    ["*/*", "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2", "application/json"],
)
def test_metrics_are_the_text_format_whatever_is_accepted(served: Served, accept: str) -> None:
    with served.client() as client:
        _, body, headers = taken(client, "/metrics", accept=accept)
    assert headers["Content-Type"] == CONTENT_TYPE == "text/plain; version=0.0.4; charset=utf-8"
    assert b"# EOF" not in body, "that is OpenMetrics"


# next to a busy consumer

ASKER = """
    import http.client, sys, time
    client, slowest = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=30), 0.0
    for _ in range(int(sys.argv[2])):
        began = time.monotonic()
        client.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
        client.getresponse().read()
        slowest = max(slowest, time.monotonic() - began)
    print(slowest)
"""


def test_metrics_come_within_a_second_next_to_a_loop_that_never_waits(served: Served) -> None:
    """It lets go of the interpreter's lock in short system calls alone, as a consumer with a backlog does."""
    columns = tuple(column(f"feature-{number}", 0.4) for number in range(50))
    snapshot = Snapshot(restored=True, models=tuple(model(f"model-{number}", columns) for number in range(4)))
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(ASKER), str(served.server.port), "20"], stdout=subprocess.PIPE, text=True
    ) as asker:
        limit = time.monotonic() + 60.0
        while asker.poll() is None and time.monotonic() < limit:
            for _ in range(2_000):
                os.stat("/")
            served.clock.advance(0.02)
            served.snapshots.show(snapshot)
            served.snapshots.beat()
        out, _ = asker.communicate(timeout=10)
    assert float(out) < 1.0
