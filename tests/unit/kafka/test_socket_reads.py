"""Larger reads lose nothing: what the library gets is what was sent, piece by piece, and the end of it."""

from __future__ import annotations

import asyncio
import random
import socket
from contextlib import closing
from types import SimpleNamespace
from typing import Any

from kafka.net.transport import KafkaTCPTransport

from monitor.kafka.socket_reads import read_large_pieces


def transport_of(consumer: Any) -> Any:  # noqa: ANN401  # of the library
    return asyncio.run(consumer._manager._build_transport("node", timeout_at=1.0))


def test_what_is_read_in_large_pieces_is_what_was_sent() -> None:
    ours, theirs = socket.socketpair()
    with closing(theirs), closing(ours):
        ours.setblocking(False)

        async def build(_node: str, timeout_at: float) -> Any:  # noqa: ANN401
            assert timeout_at
            return KafkaTCPTransport(None, ours)

        consumer = SimpleNamespace(_manager=SimpleNamespace(_build_transport=build))
        read_large_pieces(consumer)
        transport = transport_of(consumer)
        assert transport._sock.fileno() == ours.fileno(), "all else is the socket's"
        sent, read, reads = random.Random(0).randbytes(3 << 20), b"", 0
        left = memoryview(sent)
        theirs.setblocking(False)
        while len(read) < len(sent):
            if left:
                left = left[theirs.send(left) :]
            data, error = transport._sock_recv()
            assert error is None
            read, reads = read + data, reads + 1
        assert read == sent
        assert reads < len(sent) / 4_096, "the library alone would ask so often"
        assert transport._sock_recv() == (b"", None)
        theirs.shutdown(socket.SHUT_WR)
        assert transport._sock_recv()[1] is not None, "the end is told at once"


def test_a_library_that_opens_connections_otherwise_is_left_as_it_is() -> None:
    consumer = SimpleNamespace(_manager=SimpleNamespace())
    read_large_pieces(consumer)
    assert vars(consumer._manager) == {}
    read_large_pieces(SimpleNamespace())
