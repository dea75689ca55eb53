"""Reads sockets in large pieces: kafka-python asks for 4 KiB at a time, 250 times for a fetch of a megabyte."""

from __future__ import annotations

from ssl import SSLSocket
from typing import Any, Final

_AT_ONCE: Final = 256 << 10


class _LargeReads:
    """A socket that reads more at once than it is asked for; all else is the socket's.

    The library reads until nothing is left and joins the pieces. A plain socket says so after each piece, which is
    then not copied once more; the library comes back at once if there is more. Of TLS something may be left that only
    the next read shows.
    """

    def __init__(self, socket: Any) -> None:  # noqa: ANN401  # plain or TLS
        self._socket = socket
        self._by_piece = not isinstance(socket, SSLSocket)
        self._has_read = False

    def recv(self, size: int) -> bytes:
        if self._has_read:
            self._has_read = False
            raise BlockingIOError
        data: bytes = self._socket.recv(max(size, _AT_ONCE))
        self._has_read = self._by_piece and bool(data)
        return data

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._socket, name)


def read_large_pieces(consumer: Any) -> None:  # noqa: ANN401  # of the library
    """Make the connections that it opens from now on read so, if the library opens them as it did when this was tried.

    One thread opens and reads them all.
    """
    manager = getattr(consumer, "_manager", None)
    build = getattr(manager, "_build_transport", None)
    if manager is None or build is None:
        return

    async def build_transport(*arguments: Any, **more: Any) -> Any:  # noqa: ANN401
        transport = await build(*arguments, **more)
        if hasattr(transport, "_sock"):
            transport._sock = _LargeReads(transport._sock)
        return transport

    manager._build_transport = build_transport
