"""Reads responses with few copies: kafka-python asks its sockets for 4 KiB at a time, 250 times for a fetch of a
megabyte, and copies what it has read four times before the records can be taken out."""

from __future__ import annotations

from ssl import SSLSocket
from typing import Any, Final

import kafka
from kafka.protocol.parser import KafkaProtocol

#: versions of kafka-python with which this was tried
TRIED: Final = ("3.0.12",)
_AT_ONCE: Final = 256 << 10
#: of the length in front of each response
_LENGTH_BYTES: Final = 4


class _Response:
    """The bytes of a response, as the library's decoders read them."""

    def __init__(self, content: memoryview) -> None:
        self._content = content
        self._at = 0

    def read(self, size: int | None = None) -> bytes | memoryview:
        """The next bytes; all that are left are not copied."""
        begin, rest = self._at, len(self._content) - self._at
        self._at += rest if size is None else min(size, rest)
        return self._content[begin:] if size is None else bytes(self._content[begin : self._at])

    def tell(self) -> int:
        return self._at

    def seek(self, at: int) -> None:
        self._at = at


class _Responses:
    """What takes the place of a parser's `receive_bytes`: the pieces of a response are joined once, when all are there.

    Sizes are checked, and responses decoded, by the library's parser.
    """

    def __init__(self, parser: Any) -> None:  # noqa: ANN401  # of the library
        self._parser = parser
        self._pieces: list[bytes] = []
        self._held = 0
        #: bytes of the response and its length, 0 before the length is known
        self._needed = 0

    def __call__(self, data: bytes) -> list[Any]:
        self._pieces.append(data)
        self._held += len(data)
        responses = []
        while self._is_whole():
            joined = b"".join(self._pieces)
            content, rest = memoryview(joined)[_LENGTH_BYTES : self._needed], joined[self._needed :]
            self._pieces, self._held, self._needed = [rest], len(rest), 0
            responses.append(self._parser._process_response(_Response(content)))
        return responses

    def _is_whole(self) -> bool:
        if not self._needed and self._held >= _LENGTH_BYTES:
            if len(self._pieces[0]) < _LENGTH_BYTES:
                self._pieces = [b"".join(self._pieces)]
            size = int.from_bytes(self._pieces[0][:_LENGTH_BYTES], signed=True)
            self._parser._validate_frame_size(size)
            self._needed = _LENGTH_BYTES + size
        return 0 < self._needed <= self._held


def _join_once(transport: Any) -> None:  # noqa: ANN401  # of the library
    """Let the parser of a connection join what it receives once, if it is the one with which this was tried."""
    parser: Any = getattr(getattr(transport, "_protocol", None), "parser", None)
    if type(parser) is KafkaProtocol and kafka.__version__ in TRIED:
        parser.receive_bytes = _Responses(parser)


class _LargeReads:
    """A socket that reads more at once than it is asked for; all else is the socket's.

    The library reads until nothing is left and joins the pieces. A plain socket says so after each piece, which is
    then not copied once more; the library comes back at once if there is more. Of TLS something may be left that only
    the next read shows.
    """

    def __init__(self, socket: Any, transport: Any) -> None:  # noqa: ANN401  # plain or TLS; the library's
        self._socket = socket
        self._transport = transport
        self._by_piece = not isinstance(socket, SSLSocket)
        self._has_read = False

    def recv(self, size: int) -> bytes:
        if self._has_read:
            self._has_read = False
            raise BlockingIOError
        data: bytes = self._socket.recv(max(size, _AT_ONCE))
        if self._transport is not None:  # its connection has a parser from its first request on
            _join_once(self._transport)
            self._transport = None
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
            transport._sock = _LargeReads(transport._sock, transport)
        return transport

    manager._build_transport = build_transport
