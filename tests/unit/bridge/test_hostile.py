"""Clients that want to fill the memory of the bridge, or to have it see other requests than a proxy in front does."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time

import pytest

from tests.bridges import posted
from tests.real_parts.waiting import wait_until
from tests.served import read_all
from tests.unit.bridge.received import Received
from tests.unit.bridge.test_connection import raw, statuses


def test_a_chunked_body_costs_its_bytes_however_small_its_chunks_are() -> None:
    with Received() as received, received.connect() as client:
        head = (
            b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        client.sendall(head + b"2\r\n{}\r\n" * 20_000)
        wait_until(lambda: received.holding._bytes == 40_000, "all of it is there")
        (held,) = received.holding._open
        body = vars(held)["_body"]
        parts = body if isinstance(body, list) else []
        assert sys.getsizeof(body) + sum(map(sys.getsizeof, parts)) < 100_000


def test_many_small_requests_sent_ahead_wait_in_the_kernel() -> None:
    """Each that is answered makes room for what it took, not for as much as one connection may send ahead."""
    with Received() as received, received.connect() as client:
        received.delivery.at_once = False

        def send() -> None:
            with contextlib.suppress(OSError):
                client.sendall(raw() * 60_000)

        sender = threading.Thread(target=send)
        sender.start()
        for at in range(60):
            received.wait_submitted(at + 1)
            time.sleep(0.005)  # for what the connection would read meanwhile
            (held,) = received.holding._open
            assert len(vars(held)["_http"].trailing_data[0]) < 1_000_000
            received.delivery.settle(at)
        received.loop.call_soon_threadsafe(received.holding.drop, "slow")
        sender.join()


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_length_beside_chunks_is_no_way_to_smuggle_a_request(version: str) -> None:
    hidden = raw(b'{"id": "hidden"}')
    chunked = b"Transfer-Encoding: chunked\r\n"
    both = chunked + b"Content-Length: %d\r\n" % (len(hidden) + 5) if version == "1.1" else chunked
    head = f"POST /events HTTP/{version}\r\nHost: x\r\nContent-Type: application/json\r\n".encode()
    with Received() as received, received.connect() as client:
        client.sendall(head + both + b"\r\n0\r\n\r\n" + hidden)
        client.shutdown(socket.SHUT_WR)
        assert statuses(read_all(client)) == [400]
        assert received.delivery.groups == []


def test_records_of_a_batch_count_with_their_headers() -> None:
    """A small body may become thousands of records, each with all headers of the request."""
    batch = {"Content-Type": "application/cloudevents-batch+json", "traceparent": "x" * 10_000}
    with Received(queue_bytes=2_000_000) as received, received.client() as client:
        status, said = posted(client, "/", b"[" + b",".join([b"{}"] * 1_000) + b"]", batch)
        assert status == 413
        assert "send fewer" in said
        assert posted(client, "/", b"[" + b",".join([b"{}"] * 100) + b"]", batch)[0] == 202
        assert received.figures.records == {"events": 100}
