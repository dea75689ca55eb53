"""Connections of the bridge: when posts are answered, and what becomes of clients that behave badly."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from functools import partial
from typing import Final

import pytest

from monitor.bridge.connection import HEAD_LIMIT, Deadlines
from monitor.errors import TransientError
from monitor.kafka.delivery import TooLargeError
from tests.bridges import JSON, posted
from tests.real_parts.waiting import wait_until
from tests.served import is_closed, read_all
from tests.unit.bridge.received import Received

EVENT: Final = b'{"id": "a"}'


def raw(body: bytes = EVENT, path: str = "/events", *more: str) -> bytes:
    head = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/json", f"Content-Length: {len(body)}", *more]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def statuses(data: bytes) -> list[int]:
    return [int(part[:3]) for part in data.split(b"HTTP/1.1 ")[1:]]


def test_202_comes_after_the_acknowledgement_and_not_before() -> None:
    with Received() as received, received.client() as client:
        received.delivery.at_once = False
        client.request("POST", "/events", EVENT, JSON)
        received.wait_submitted(1)
        assert received.figures.waiting_requests == 1
        client.sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.sock.recv(1, socket.MSG_PEEK)
        client.sock.settimeout(10)
        received.delivery.settle(0)
        answer = client.getresponse()
        assert (answer.status, answer.read()) == (202, b"1 on events\n")
        wait_until(lambda: received.figures.waiting_requests == received.figures.waiting_bytes == 0, "nothing waits")
        assert received.figures.records == {"events": 1}


@pytest.mark.parametrize(
    ("failure", "status"), [(TransientError("the brokers are gone"), 503), (TooLargeError("too large"), 413)]
)
def test_a_failure_is_answered_with_its_words(failure: TransientError | TooLargeError, status: int) -> None:
    with Received() as received, received.client() as client:
        received.delivery.at_once = False
        client.request("POST", "/events", EVENT, JSON)
        received.wait_submitted(1)
        received.delivery.settle(0, failure)
        answer = client.getresponse()
        assert (answer.status, answer.read().decode()) == (status, f"{failure}\n")
        assert answer.headers["Retry-After"] == ("1" if status == 503 else None)
        received.delivery.at_once = True
        assert posted(client, "/events", EVENT, JSON)[0] == 202
        assert received.figures.records == {"events": 1}


def test_lost_brokers_are_503_at_once_and_not_ready() -> None:
    with Received() as received, received.client() as client:
        received.delivery.why = "the brokers are gone"
        assert posted(client, "/events", EVENT, JSON) == (503, "the brokers are gone\n")
        client.request("GET", "/readyz")
        answer = client.getresponse()
        assert (answer.status, answer.read()) == (503, b"the brokers are gone\n")
        client.request("GET", "/livez")
        assert client.getresponse().read() == b"ok\n"
        assert received.delivery.groups == []


def test_a_full_queue_is_429_until_there_is_room() -> None:
    with Received(queue_bytes=3_000, body_bytes=1_500) as received:
        received.delivery.at_once = False
        with received.client() as one, received.client() as two:
            one.request("POST", "/events", b'{"a": "' + b"x" * 1_200 + b'"}', JSON)
            received.wait_submitted(1)
            two.request("POST", "/events", EVENT, JSON)
            answer = two.getresponse()
            assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
            assert b"bridge.queue_bytes" in answer.read()
            received.delivery.settle(0)
            assert one.getresponse().status == 202
            wait_until(lambda: received.figures.waiting_bytes == 0, "there is room")
            received.delivery.at_once = True
            assert posted(two, "/events", EVENT, JSON)[0] == 202


def test_a_topics_size_is_413_before_anything_is_sent() -> None:
    with Received() as received, received.client() as client:
        received.delivery.refused = TooLargeError("too large for the topic")
        assert posted(client, "/events", EVENT, JSON) == (413, "too large for the topic\n")
        assert received.figures.waiting_bytes == 0


def test_refused_requests_keep_their_connection() -> None:
    with Received() as received, received.client() as client:
        for path, method, status in (
            ("/nowhere", "POST", 404),
            ("/topics/other", "POST", 404),
            ("/events", "GET", 405),
            ("/metrics", "POST", 405),
            ("/events", "POST", 400),
            ("/events", "POST", 202),
        ):
            kind = JSON if status == 202 else {}
            client.request(method, path, EVENT, kind)
            answer = client.getresponse()
            assert (answer.status, answer.headers["Connection"]) == (status, None), path
            answer.read()
        client.request("POST", "/events", EVENT, {**JSON, "Content-Encoding": "gzip"})
        assert client.getresponse().status == 400
        assert received.figures.connections == 1


def test_a_body_that_is_too_large_is_answered_though_the_client_sends_on() -> None:
    with Received(body_bytes=10_000) as received:
        for more in ({}, {"Transfer-Encoding": "chunked"}):
            with received.client() as client:
                client.request(
                    "POST", "/events", iter([b" " * 50_000] * 20), {**JSON, **more}, encode_chunked=bool(more)
                )
                answer = client.getresponse()
                assert (answer.status, answer.headers["Connection"]) == (413, "close")
                assert b"more than 10000 bytes" in answer.read()
        with received.client() as client:
            client.putrequest("POST", "/events")
            client.putheader("Content-Length", "10001")
            client.putheader("Expect", "100-continue")
            client.endheaders()
            assert client.getresponse().status == 413
        assert received.delivery.groups == []


def test_a_client_that_expects_100_gets_it() -> None:
    with Received() as received, received.connect() as client:
        head, body = raw(EVENT, "/events", "Expect: 100-continue").split(b"\r\n\r\n")
        client.sendall(head + b"\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 100")
        client.sendall(body)
        assert client.recv(1_000).startswith(b"HTTP/1.1 202")


def test_requests_sent_ahead_are_answered_one_after_another() -> None:
    with Received() as received, received.connect() as client:
        received.delivery.at_once = False
        client.sendall(
            raw(b'{"id": 1}') + raw(b'{"id": 2}') + raw(b"no") + raw(b'{"id": 3}', "/events", "Connection: close")
        )
        for at in range(3):
            received.wait_submitted(at + 1)
            assert len(received.delivery.groups) == at + 1
            received.delivery.settle(at)
        assert statuses(read_all(client)) == [202, 202, 400, 202]
        assert received.delivery.values() == [b'{"id": 1}', b'{"id": 2}', b'{"id": 3}']


def test_megabytes_sent_ahead_wait_in_the_kernel() -> None:
    with Received(body_bytes=100_000) as received, received.connect() as client:
        received.delivery.at_once = False
        large = raw(b'{"x": "' + b"x" * 90_000 + b'"}')
        sender = threading.Thread(target=lambda: client.sendall(large * 200))
        sender.start()
        for at in range(200):
            received.wait_submitted(at + 1)
            assert received.figures.waiting_bytes < 200_000
            received.delivery.settle(at)
        sender.join()
        assert len(received.delivery.groups) == 200


def test_a_client_that_sends_its_end_still_gets_its_answer() -> None:
    with Received() as received, received.connect() as client:
        received.delivery.at_once = False
        client.sendall(raw())
        client.shutdown(socket.SHUT_WR)
        received.wait_submitted(1)
        received.delivery.settle(0)
        assert statuses(read_all(client)) == [202]


def test_a_client_that_is_gone_is_no_fault() -> None:
    with Received() as received:
        received.delivery.at_once = False
        client = received.connect()
        client.sendall(raw())
        received.wait_submitted(1)
        client.close()
        received.delivery.settle(0)
        wait_until(lambda: received.figures.connections == 0, "it is gone")
        assert received.figures.records == {"events": 1}
        received.delivery.at_once = True
        with received.client() as other:
            assert posted(other, "/events", EVENT, JSON)[0] == 202


@pytest.mark.parametrize("part", [b"", b"P", raw()[:40], raw()[:-3], raw(b" " * 200_000)[:-3]])
def test_a_request_that_does_not_become_whole_is_dropped(part: bytes) -> None:
    with Received(Deadlines(request=0.3)) as received, received.connect() as client:
        client.sendall(part)
        assert is_closed(client)
        assert received.figures.dropped["slow"] == 1
        assert received.delivery.groups == []


def test_a_byte_now_and_then_does_not_prolong_a_request() -> None:
    with Received(Deadlines(request=0.4)) as received, received.connect() as client:
        sent = 0
        while not is_ended(client, 0.05):
            client.sendall(raw()[sent : sent + 1])
            sent += 1
        assert 2 < sent < len(raw())
        assert received.figures.dropped["slow"] == 1


def is_ended(client: socket.socket, seconds: float) -> bool:
    client.settimeout(seconds)
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


def test_an_idle_connection_has_a_longer_time_and_a_new_request_a_time_of_its_own() -> None:
    with Received(Deadlines(request=0.3, idle=30.0)) as received, received.connect() as client:
        client.sendall(raw())
        assert statuses(client.recv(1_000)) == [202]
        assert not is_ended(client, 0.6)
        client.sendall(raw()[:30])
        client.settimeout(10)
        assert is_closed(client)


def test_waiting_for_the_brokers_has_no_deadline_of_the_client() -> None:
    with Received(Deadlines(request=0.1, idle=0.1)) as received, received.connect() as client:
        received.delivery.at_once = False
        client.sendall(raw())
        assert not is_ended(client, 0.5)
        received.delivery.settle(0)
        client.settimeout(10)
        assert statuses(client.recv(1_000)) == [202]


def test_at_the_limit_one_that_asked_nothing_makes_way_and_one_that_waits_never() -> None:
    with Received(connections=3) as received:
        received.delivery.at_once = False
        waiting = received.connect()
        waiting.sendall(raw())
        received.wait_submitted(1)
        received.delivery.at_once = True
        asked = received.connect()
        asked.sendall(raw())
        assert statuses(asked.recv(1_000)) == [202]
        silent = received.connect()
        wait_until(lambda: received.figures.connections == 3, "three are open")
        with received.client() as one:
            assert posted(one, "/events", EVENT, JSON)[0] == 202
            assert is_closed(silent)
            with received.client() as two:
                assert posted(two, "/events", EVENT, JSON)[0] == 202
                assert is_closed(asked)
        received.delivery.settle(0)
        assert statuses(waiting.recv(1_000)) == [202]
        assert received.figures.dropped["over_limit"] == 2
        for client in (waiting, asked, silent):
            client.close()


def test_when_all_wait_a_further_connection_is_not_taken() -> None:
    with Received(connections=2) as received:
        received.delivery.at_once = False
        clients = [received.connect() for _ in range(2)]
        for client in clients:
            client.sendall(raw())
        received.wait_submitted(2)
        with received.connect() as other:
            assert is_closed(other)
        for at, client in enumerate(clients):
            received.delivery.settle(at)
            assert statuses(client.recv(1_000)) == [202]
            client.close()


def test_unfinished_requests_hold_so_many_bytes_together_and_the_oldest_goes() -> None:
    with Received(receiving_bytes=1_000_000) as received:
        part = raw(b" " * 600_000)[:-10]
        with received.connect() as first, received.connect() as second:
            first.sendall(part)
            wait_until(lambda: received.holding._bytes > 500_000, "the first is there")
            second.sendall(part)
            assert is_closed(first)
            wait_until(lambda: received.holding._bytes > 500_000, "the second is there")
        wait_until(lambda: received.holding._bytes == 0, "nothing is held")


def test_headers_without_end_are_431_and_no_http_is_400() -> None:
    with Received() as received:
        for data, status in (
            (b"POST / HTTP/1.1\r\nX: " + b"x" * (HEAD_LIMIT + 10), 431),
            (b"\x16\x03\x01\r\n\r\n", 400),
        ):
            with received.connect() as client:
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
                assert statuses(read_all(client)) == [status]


def test_two_lengths_are_no_way_to_smuggle_a_request() -> None:
    with Received() as received, received.connect() as client:
        client.sendall(raw(EVENT, "/events", "Content-Length: 3"))
        client.shutdown(socket.SHUT_WR)
        assert statuses(read_all(client)) == [400]
        assert received.delivery.groups == []


def test_leaving_answers_what_has_begun_and_closes_the_rest() -> None:
    with Received() as received:
        received.delivery.at_once = False
        with received.connect() as waiting, received.connect() as begun, received.connect() as silent:
            waiting.sendall(raw())
            begun.sendall(raw(b'{"id": "late"}')[:-5])
            received.wait_submitted(1)
            wait_until(lambda: received.holding._bytes > 0, "one has begun")
            received.leave()
            assert is_closed(silent)
            begun.sendall(raw(b'{"id": "late"}')[-5:])
            received.wait_submitted(2)
            for at in range(2):
                received.delivery.settle(at)
            for client in (waiting, begun):
                data = read_all(client)
                assert statuses(data) == [202]
                assert b"\r\nConnection: close\r\n" in data
        with pytest.raises((OSError, http.client.HTTPException)), received.client() as late:
            posted(late, "/events", EVENT, JSON)


def test_no_call_of_another_thread_is_left_behind() -> None:
    done: list[int] = []
    with Received() as received:

        def calling(first: int) -> None:
            for at in range(5_000):
                received.receiver._call(partial(done.append, first + at))
                if at % 7 == 0:
                    time.sleep(0)

        threads = [threading.Thread(target=calling, args=(at * 5_000,)) for at in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_until(lambda: len(done) == 15_000, "all calls are done")
    assert sorted(done) == list(range(15_000))
