"""Lines of plain and compressed files, read piece by piece; damage is told with file and line."""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import zstandard

from monitor.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: small, so that one piece of compressed input never becomes a large piece of memory
_PIECE: Final = 16 * 1024
_BUFFER: Final = 256 * 1024

#: what reading a damaged or unreadable file raises
READ_TROUBLE: Final = (OSError, EOFError, zlib.error, zstandard.ZstdError)


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


def _gzip() -> _Decompressor:
    return zlib.decompressobj(wbits=31)


def _zstd() -> _Decompressor:
    return zstandard.ZstdDecompressor().decompressobj()


_BY_ENDING: Final[dict[str, Callable[[], _Decompressor]]] = {".gz": _gzip, ".zst": _zstd}


class Stream:
    """One open file, decompressed by its ending (`.gz`, `.zst`, several members or frames allowed)."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            UsageError: there is no such file, or it may not be read.
        """
        self.path = path
        try:
            self._raw = io.FileIO(path)
            self.size = os.fstat(self._raw.fileno()).st_size
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
        decompressor = _BY_ENDING.get(path.suffix.lower())
        plain = self._raw if decompressor is None else _Decompressed(self._raw, decompressor)
        self.buffer = io.BufferedReader(plain, _BUFFER)

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """(line number from 1, line with its end) of every line.

        Raises:
            UsageError: file and line where the data are damaged.
        """
        number = 0
        try:
            for line in self.buffer:
                number += 1
                yield number, line
        except READ_TROUBLE as error:
            raise self.damage(number + 1, error) from error

    def damage(self, line: int, error: Exception) -> UsageError:
        """The error to raise for trouble at a line (from 1); without anything of the line's content."""
        if isinstance(error, OSError):
            what = f"cannot be read: {error.strerror}"
        elif isinstance(error, EOFError):
            what = "the file ends in the middle of its compressed data; record or copy it again"
        elif isinstance(error, UnicodeDecodeError):
            what = "the bytes are not UTF-8"
        elif isinstance(error, zlib.error | zstandard.ZstdError):
            what = "the compressed data are damaged; record or copy the file again"
        else:
            what = str(error)
        return UsageError(f"{self.path}:{line}: {what}")

    def position(self) -> int:
        """Bytes of the file, as it lies on the disk, that were read."""
        return self.size if self._raw.closed else self._raw.tell()

    def close(self) -> None:
        self.buffer.close()
        self._raw.close()


class _Decompressed(io.RawIOBase):
    """The decompressed bytes of a file; unlike the libraries' own readers it never takes a cut-off file for whole."""

    def __init__(self, raw: io.FileIO, start: Callable[[], _Decompressor]) -> None:
        super().__init__()
        self._raw = raw
        self._start = start
        self._current: _Decompressor | None = None
        self._rest = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target: WriteableBuffer, /) -> int:
        while not self._ready:
            piece = self._rest or self._raw.read(_PIECE)
            self._rest = b""
            if not piece:
                if self._current is not None:
                    raise EOFError
                return 0
            self._ready = memoryview(self._decompressed(piece))
        into = memoryview(target).cast("B")
        count = min(len(into), len(self._ready))
        into[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _decompressed(self, piece: bytes) -> bytes:
        if self._current is None:
            piece = piece.lstrip(b"\0")  # gzip files may be padded with zeros; no member or frame begins with one
            if not piece:
                return b""
            self._current = self._start()
        plain = self._current.decompress(piece)
        if self._current.eof:
            self._rest = self._current.unused_data
            self._current = None
        return plain
