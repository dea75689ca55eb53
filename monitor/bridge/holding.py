"""The open connections: how many there may be, and how many bytes of unfinished requests they may hold."""

from __future__ import annotations

from typing import Final, Protocol

from monitor.bridge.figures import OVER_LIMIT, SLOW, Figures

#: bytes of unfinished requests in all connections together; at it the oldest unfinished one is given up
RECEIVING_BYTES: Final = 64 << 20


class Held(Protocol):
    """An open connection."""

    #: bytes of the request that is being received
    received: int
    #: when that request began
    began: float
    #: a post of it waits for the brokers, or its answer is not taken yet
    is_answering: bool
    #: it had an answer once
    has_asked: bool
    #: when the client has to have done its next step, by the monotonic clock
    deadline: float

    def drop(self, reason: str) -> None:
        """Close it now."""

    def leave(self) -> None:
        """Close it once the request that has begun is answered."""


class Holding:
    """The open connections, oldest first. One that waits for an answer is never closed for another one."""

    def __init__(self, limit: int, figures: Figures, most_bytes: int = RECEIVING_BYTES) -> None:
        self._limit, self._figures, self._most_bytes = limit, figures, most_bytes
        self._open: dict[Held, None] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._open)

    def entered(self, connection: Held) -> bool:
        """Add a connection; at the limit close another one, which never sent a request if possible.

        Returns False if all others wait for an answer: then this one cannot be taken.
        """
        if len(self._open) >= self._limit:
            idle = (one for one in self._open if not one.is_answering)
            other = min(idle, key=lambda one: one.has_asked, default=None)
            if other is None:
                return False
            other.drop(OVER_LIMIT)
        self._open[connection] = None
        self._figures.connections = len(self._open)
        return True

    def left(self, connection: Held) -> None:
        """Remove a closed connection; again is nothing."""
        self.finished(connection)
        self._open.pop(connection, None)
        self._figures.connections = len(self._open)

    def grew(self, connection: Held, size: int) -> None:
        """Count bytes of an unfinished request, and give up the oldest ones while they are too many."""
        connection.received += size
        self._bytes += size
        while self._bytes > self._most_bytes:
            unfinished = (one for one in self._open if one.received)
            min(unfinished, key=lambda one: one.began).drop(OVER_LIMIT)

    def finished(self, connection: Held) -> None:
        """The request was received, or is given up."""
        self._bytes -= connection.received
        connection.received = 0

    def sweep(self, now: float) -> None:
        """Close those whose clients are too slow."""
        for connection in [one for one in self._open if one.deadline < now]:
            connection.drop(SLOW)

    def leave(self) -> None:
        """Close all once they have their answer."""
        for connection in list(self._open):
            connection.leave()

    def drop(self, reason: str) -> None:
        """Close all now."""
        for connection in list(self._open):
            connection.drop(reason)
