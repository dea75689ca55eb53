"""The HTTP server over real sockets: paths, probes, methods, and clients that behave badly."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import logging
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import pytest
import structlog

from monitor.clock import ManualClock
from monitor.errors import UsageError
from monitor.events import ModelKey, Partition
from monitor.log import configure_logging
from monitor.publish import series
from monitor.publish.connection import CONNECTION_LIMIT, HEAD_LIMIT, PAGE_LIMIT
from monitor.publish.series import CONTENT_TYPE
from monitor.publish.server import Server
from monitor.publish.snapshot import IncidentView, Snapshot, SnapshotHolder
from monitor.publish.status import page as status
from tests.served import Served, is_closed, read_all, wait_for


@pytest.fixture
def served() -> Iterator[Served]:
    one = Served()
    yield one
    one.server.close()


@pytest.fixture
def hasty() -> Iterator[Served]:
    one = Served(step=0.2)
    yield one
    one.server.close()


def test_metrics_are_there_before_anything_was_shown(served: Served) -> None:
    status, text, headers = served.ask("/metrics")
    assert (status, headers["Content-Type"]) == (200, CONTENT_TYPE)
    assert "\ndriftd_restored 0.0\n" in text


def test_metrics_follow_the_board(served: Served) -> None:
    served.snapshots.show(Snapshot(restored=True, records={Partition("events", 1): 5}))
    _, text, _ = served.ask("/metrics?name[]=x")
    assert 'driftd_records_total{partition="1",topic="events"} 5.0' in text


def test_a_half_surrogate_in_a_models_name_does_not_break_the_page(served: Served) -> None:
    served.snapshots.show(Snapshot(restored=True, incidents=(IncidentView(ModelKey("\udc80", "1")),)))
    status, text, _ = served.ask("/metrics")
    assert status == 200
    assert "driftd_incident_active{" in text


def test_livez_is_200_while_the_loop_runs_and_has_the_reason_otherwise(served: Served) -> None:
    assert served.ask("/livez")[:2] == (200, "ok\n")
    served.clock.advance(61.0)
    assert served.ask("/livez")[:2] == (503, "the loop has not turned for 61 s, the limit is 60 s\n")
    served.snapshots.beat()
    assert served.ask("/livez")[0] == 200


def test_livez_does_not_depend_on_kafka(served: Served) -> None:
    served.snapshots.beat(failure="no broker answers")
    assert served.ask("/livez")[0] == 200


def test_readyz_names_what_is_missing_until_nothing_is(served: Served) -> None:
    status, text, _ = served.ask("/readyz")
    assert (status, len(text.splitlines())) == (503, 3)
    served.snapshots.beat(assigned=True, restored=True)
    assert served.ask("/readyz")[:2] == (503, "the end of the topics has not been reached yet\n")
    served.snapshots.beat(caught_up_once=True)
    assert served.ask("/readyz")[:2] == (200, "ok\n")
    served.snapshots.show(Snapshot(stalled=("events-0 stands still",)))
    assert served.ask("/readyz")[:2] == (200, "ok\nevents-0 stands still\n")
    served.snapshots.beat(failure="no broker answers \udc80")
    assert served.ask("/readyz")[:2] == (503, "no broker answers ?\nevents-0 stands still\n")


def test_readyz_has_what_is_lost_and_stays_ready(served: Served) -> None:
    served.snapshots.beat(assigned=True, restored=True, caught_up_once=True)
    served.snapshots.show(Snapshot(restored=True, not_fine=("all events of a are lost", "all events of b are lost")))
    lost = "not fine: all events of a are lost\nnot fine: all events of b are lost\n"
    assert served.ask("/readyz")[:2] == (200, f"ok\n{lost}")
    served.snapshots.beat(failure="no broker answers")
    assert served.ask("/readyz")[:2] == (503, f"no broker answers\n{lost}")


def test_the_status_page_leads_to_the_others_and_escapes_what_it_shows(served: Served) -> None:
    served.snapshots.beat(assigned=True, restored=True, caught_up_once=True, failure="<script>")
    status, text, headers = served.ask("/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert all(f'href="{path}"' in text for path in ("metrics", "livez", "readyz"))
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_the_status_page_may_load_nothing_but_its_own_style(served: Served) -> None:
    _, text, headers = served.ask("/")
    style = text.partition("<style>")[2].partition("</style>")[0]
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["style-src"] == f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"
    assert policy.keys() == {"default-src", "style-src", "img-src", "base-uri", "form-action", "frame-ancestors"}
    assert policy["img-src"] == "data:"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_the_status_page_shows_a_stuck_loop_when_livez_does(served: Served) -> None:
    served.snapshots.beat(assigned=True, restored=True, caught_up_once=True)
    assert "It reads and judges." in served.ask("/")[1]
    served.clock.advance(61.0)
    assert served.ask("/livez")[1].strip() in served.ask("/")[1]


def test_the_status_page_computes_ages_by_the_servers_clock(served: Served) -> None:
    served.snapshots.show(Snapshot(restored=True, checkpoint_us=0))
    served.clock.advance(3_700.0)
    assert "1 h 1 min ago" in served.ask("/")[1]


@pytest.mark.parametrize("path", ["/healthz", "/metrics/", "/livez/x", "//", "/../etc/passwd", "*", "http://x/metrics"])
def test_any_other_path_is_not_found(served: Served, path: str) -> None:
    assert served.ask(path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get"])
def test_any_other_method_is_refused_with_those_that_are_not(served: Served, method: str) -> None:
    status, _, headers = served.ask("/metrics", method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/", "/nowhere"])
def test_head_is_get_without_the_body(served: Served, path: str) -> None:
    status, text, headers = served.ask(path)
    headless = served.ask(path, "HEAD")
    assert headless[:2] == (status, "")
    assert headless[2]["Content-Length"] == headers["Content-Length"] == str(len(text.encode()))


@pytest.mark.parametrize("request_line", [b"GET /livez", b"\x16\x03\x01", b"GET / HTTP/2", b"", b"A B C D"])
def test_what_is_not_a_request_is_a_bad_one(served: Served, request_line: bytes) -> None:
    assert served.say(request_line + b"\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_an_endless_head_is_refused(served: Served) -> None:
    assert served.say(b"GET / HTTP/1.1\r\nX: " + b"x" * HEAD_LIMIT).startswith(b"HTTP/1.1 431 ")


def test_a_request_in_pieces_is_answered(served: Served) -> None:
    with served.connect() as client:
        for piece in (b"GET /li", b"vez HTTP/1.1\r\nHost: x\r", b"\nConnection: close\r\n\r", b"\n"):
            client.sendall(piece)
        assert read_all(client).endswith(b"\r\n\r\nok\n")


def test_many_clients_that_say_nothing_do_not_hold_the_others_up(served: Served) -> None:
    threads = threading.active_count()
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(served.connect()) for _ in range(2 * CONNECTION_LIMIT)]
        began = time.monotonic()
        for path in ("/metrics", "/livez", "/metrics"):
            assert served.ask(path)[0] == 200
        assert time.monotonic() - began < 2.0, "less than the five seconds after which silent clients are dropped"
        assert threading.active_count() == threads
        assert len(served.server.connections) <= CONNECTION_LIMIT
        assert is_closed(silent[0]), "the oldest made room"


def test_a_silent_client_is_dropped_in_time(hasty: Served) -> None:
    with hasty.connect() as client:
        assert is_closed(client)


def test_a_client_that_drips_cannot_stretch_its_time(hasty: Served) -> None:
    with hasty.connect() as client:
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - began < 5.0:
                client.sendall(b"G")
                time.sleep(0.01)
        assert time.monotonic() - began < 2.0


def test_a_client_that_takes_no_answer_is_dropped_in_time(hasty: Served) -> None:
    many = tuple(IncidentView(ModelKey(f"model-{number}" + "x" * 200, "1")) for number in range(20_000))
    hasty.snapshots.show(Snapshot(restored=True, incidents=many))
    with hasty.connect() as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        wait_for(lambda: len(hasty.server.connections) > 0)
        wait_for(lambda: len(hasty.server.connections) == 0)


def large_snapshot() -> Snapshot:
    """Some 10 MB of series: more than the sockets of both sides hold."""
    names = (f"model-{number}" + "x" * 200 for number in range(15_000))
    return Snapshot(restored=True, incidents=tuple(IncidentView(ModelKey(name, "1")) for name in names))


def ask_slowly(served: Served, stack: contextlib.ExitStack) -> socket.socket:
    """A client that has begun to take `/metrics`, and takes no more for now."""
    client = stack.enter_context(served.connect_slowly())
    client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert client.recv(100).startswith(b"HTTP/1.1 200 OK")
    return client


def is_whole(rest: bytes) -> bool:
    return rest.endswith(b"\n") and rest.count(b"\ndriftd_incident_active{") == 2 * 15_000


def test_a_new_connection_never_cuts_an_answer_short() -> None:
    served = Served(step=30.0)
    served.snapshots.show(large_snapshot())
    with contextlib.ExitStack() as stack, contextlib.closing(served.server):
        slow = [ask_slowly(served, stack) for _ in range(3)]
        others = [stack.enter_context(served.connect()) for _ in range(2 * CONNECTION_LIMIT)]
        assert served.ask("/livez")[0] == 200
        assert is_closed(others[0]), "one that had asked for nothing made room"
        for client in slow:
            assert is_whole(read_all(client))


def test_more_pages_than_may_be_taken_at_a_time_are_asked_to_come_again_and_probes_are_not() -> None:
    served = Served(step=30.0)
    served.snapshots.show(large_snapshot())
    with contextlib.ExitStack() as stack, contextlib.closing(served.server):
        slow = [ask_slowly(served, stack) for _ in range(PAGE_LIMIT)]
        for path in ("/", "/metrics"):
            status_code, _, headers = served.ask(path)
            assert (status_code, headers["Retry-After"]) == (503, "1")
        assert (served.ask("/livez")[0], served.ask("/readyz")[1].count("\n")) == (200, 3)
        for client in slow:
            client.close()
        wait_for(lambda: served.ask("/metrics")[0] == 200)


def test_a_slow_client_that_goes_on_taking_gets_the_whole_answer(hasty: Served) -> None:
    hasty.snapshots.show(large_snapshot())
    with contextlib.ExitStack() as stack:
        client = ask_slowly(hasty, stack)
        began, parts = time.monotonic(), []
        while part := client.recv(200_000):
            parts.append(part)
            if time.monotonic() - began < 1.0:  # five times as long as one step may take
                time.sleep(0.01)
        assert time.monotonic() - began >= 1.0
        assert is_whole(b"".join(parts))


@pytest.mark.parametrize(("path", "module", "name"), [("/", status, "status_page"), ("/metrics", series, "render")])
def test_a_moment_is_rendered_once_however_many_ask_for_it(
    served: Served, monkeypatch: pytest.MonkeyPatch, path: str, module: ModuleType, name: str
) -> None:
    rendered, real = [], getattr(module, name)

    def counted(*given: object) -> object:
        rendered.append(given)
        return real(*given)

    monkeypatch.setattr(module, name, counted)
    for expected in (1, 2):
        served.snapshots.show(Snapshot(restored=True))
        with ThreadPoolExecutor(8) as pool:
            assert {answer[0] for answer in pool.map(lambda _: served.ask(path), range(40))} == {200}
        served.snapshots.beat()
        assert served.ask(path)[0] == 200
        assert len(rendered) == expected


def test_the_page_follows_health_silence_and_the_clock_too(served: Served) -> None:
    served.snapshots.beat(assigned=True, restored=True, caught_up_once=True)
    pages = [served.ask("/")[1]]
    served.snapshots.beat(failure="no broker answers")
    pages.append(served.ask("/")[1])
    served.clock.advance(1.0)
    pages.append(served.ask("/")[1])
    served.clock.advance(61.0)
    pages.append(served.ask("/")[1])
    assert len(set(pages)) == 4
    assert ["no broker answers" in page for page in pages] == [False, True, True, False]
    assert "It stands still" in pages[-1]


def test_a_page_that_fails_is_logged_and_the_probes_go_on(served: Served) -> None:
    stream = io.StringIO()
    before = list(logging.getLogger().handlers), logging.getLogger().level
    configure_logging(stream, "info", served.clock)
    try:
        broken = Snapshot(restored=True, incidents=(None,))  # type: ignore[arg-type]  # a bug, on purpose
        served.snapshots.show(broken)
        assert served.ask("/metrics")[0] == 500
        assert served.ask("/livez")[0] == 200
        assert '"page_failed"' in stream.getvalue()
        served.snapshots.show(Snapshot())
        assert served.ask("/metrics")[0] == 200
    finally:
        logging.getLogger().handlers[:], logging.getLogger().level = before
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()


def test_starting_and_closing_twice_is_once_and_it_can_start_again() -> None:
    one = Served()
    port = one.server.port
    one.server.start()
    assert (one.server.port, one.ask("/livez")[0]) == (port, 200)
    one.server.close()
    one.server.close()
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=10):
        pass
    one.server.start()
    assert one.ask("/livez")[0] == 200
    one.server.close()


def test_closing_at_once_drops_open_connections() -> None:
    one = Served()
    with one.connect() as client:
        one.server.close()
        assert is_closed(client)


def test_a_port_in_use_is_a_usage_error_with_the_remedy(served: Served) -> None:
    second = Server(served.snapshots, "127.0.0.1", served.server.port)
    with pytest.raises(UsageError, match=r"http\.port: 127\.0\.0\.1:\d+ cannot .* set http\.port .* to a free one"):
        second.start()
    second.close()


def test_a_host_that_is_not_an_address_is_a_usage_error() -> None:
    no_name = "x" * 64  # longer than a name's part may be, so nobody is asked for it
    with pytest.raises(UsageError, match=r"http\.host: 'x+' is not an address of this machine; write 127\.0\.0\.1"):
        Server(SnapshotHolder(ManualClock()), no_name, 0).start()
