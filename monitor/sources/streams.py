"""Reads lines of plain and compressed files and of pipes; damage is reported with file and line.

Memory is bounded: neither a line nor a decompressed block is held whole before its size is known to be within its
limit.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
import zlib
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

import zstandard

from monitor.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: compressed bytes read at once
_PIECE: Final = 16 * 1024
#: compressed bytes that zstd gets at once: 4 of them can decompress to 128 KiB, so these to 8 MiB at most
_ZSTD_PIECE: Final = 256
_BUFFER: Final = 256 * 1024
#: bytes of the longest line end, CR LF
_LINE_END: Final = 2
#: bytes that are kept of a line that is too long
_BEGINNING: Final = 4_096
_NOTHING: Final = memoryview(b"")

#: standard input as a path
STDIN: Final = "-"
#: errors of reading a damaged or unreadable file
READ_ERRORS: Final = (OSError, EOFError, zlib.error, zstandard.ZstdError)

_GZIP_MAGIC: Final = b"\x1f\x8b"
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_UTF8_MARK: Final = codecs.BOM_UTF8
_UTF16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


#: bytes of records after which a batch ends
BATCH_BYTES: Final = 16 * 1024 * 1024
#: ... of a file that is read from its beginning to its end
READ_BYTES: Final = 2 * 1024 * 1024


def stand_in(longest: int | None) -> bytes:
    """A stand-in for a value of more than `longest` bytes: long enough that the decoder rejects it as too large."""
    return bytes((longest or 0) + 1)


#: a line: its number from 1, its bytes with their end, and whether it was cut because it is too long
Line: TypeAlias = tuple[int, bytes, bool]


class Lines(NamedTuple):
    """Lines one after the other, without their ends: the number of the first one from 1, their bytes, and the places of
    those that were cut because they are too long."""

    first: int
    lines: list[bytes]
    cut: Collection[int]

    @classmethod
    def of(cls, first: int, block: bytes, size: int) -> Lines:
        """Of whole lines with their ends; those of `size` bytes or more are cut."""
        lines = block.split(b"\n")
        del lines[-1]
        cut = {at for at, line in enumerate(lines) if len(line) >= size} if size <= len(block) else frozenset()
        for at in cut:
            lines[at] = lines[at][:_BEGINNING]
        return cls(first, [line.rstrip(b"\r") for line in lines] if b"\r" in block else lines, cut)


class _Decompressor(Protocol):
    """Decompresses one gzip member or zstd frame."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: memoryview, /) -> bytes: ...
    def pending(self) -> memoryview: ...


class _Gzip:
    """zlib with a limit on the bytes it returns at once."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._member.eof

    @property
    def unused_data(self) -> bytes:
        return self._member.unused_data

    def decompress(self, data: memoryview, /) -> bytes:
        return self._member.decompress(data, _BUFFER)

    def pending(self) -> memoryview:
        return memoryview(self._member.unconsumed_tail)


class _Zstd:
    """One zstd frame. It gets small pieces, because zstd decompresses a piece as a whole."""

    def __init__(self) -> None:
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._pending = _NOTHING

    @property
    def eof(self) -> bool:
        return self._frame.eof

    @property
    def unused_data(self) -> bytes:
        return self._frame.unused_data + bytes(self._pending)

    def decompress(self, data: memoryview, /) -> bytes:
        self._pending = data[_ZSTD_PIECE:]
        return self._frame.decompress(data[:_ZSTD_PIECE])

    def pending(self) -> memoryview:
        return self._pending


class _Compression(NamedTuple):
    name: str
    ending: str
    magic: bytes
    start: Callable[[], _Decompressor]


_COMPRESSIONS: Final = (
    _Compression("gzip", ".gz", _GZIP_MAGIC, _Gzip),
    _Compression("zstd", ".zst", _ZSTD_MAGIC, _Zstd),
)


def is_pipe(path: Path) -> bool:
    """Whether it is standard input, a named pipe or a process substitution: readable only once, from the beginning."""
    return str(path) == STDIN or path.is_fifo() or path.is_char_device() or path.is_socket()


def shown_name(path: Path) -> str:
    """The name of a path in messages."""
    return "stdin" if str(path) == STDIN else str(path)


class Stream:
    """One open file or pipe, decompressed by its ending (`.gz`, `.zst`; several members or frames are allowed).

    A pipe is decompressed by its first bytes instead. A UTF-8 byte order mark at the beginning is skipped.
    """

    def __init__(self, path: Path, raw: io.RawIOBase | None = None) -> None:
        """Open the file; `raw` is a temporary copy of it, if there is one.

        Raises:
            UsageError: the file is missing or not readable, or its first bytes do not match its ending.
        """
        self.path = path
        #: its name in messages
        self.name = shown_name(path)
        self.is_pipe = raw is None and is_pipe(path)
        try:
            self._raw = raw if raw is not None else opened(path)
            self.size = 0 if self.is_pipe else self._raw.seek(0, os.SEEK_END)
            if not self.is_pipe:
                self._raw.seek(0)
            # small read-ahead of compressed files, so that `position` shows the progress
            named = any(path.name.lower().endswith(one.ending) for one in _COMPRESSIONS)
            self._plain = io.BufferedReader(self._raw, _PIECE if named else _BUFFER)
            compression = self._compression(self._plain.peek(_PIECE))
        except OSError as error:
            raise UsageError(f"{self.name}: cannot be read: {error.strerror}") from error
        except UsageError:
            self._raw.close()
            raise
        self.buffer = (
            self._plain
            if compression is None
            else io.BufferedReader(_Decompressed(self._plain, compression.start), _BUFFER)
        )  # fmt: skip

    def _compression(self, first_bytes: bytes) -> _Compression | None:
        found = next((one for one in _COMPRESSIONS if first_bytes.startswith(one.magic)), None)
        named = next((one for one in _COMPRESSIONS if self.path.name.lower().endswith(one.ending)), None)
        if named is None:
            if found is not None and not self.is_pipe:
                raise UsageError(f"{self.name} is {found.name}; name it {self.name}{found.ending}")
            return found
        first_bytes = first_bytes.lstrip(b"\0") if named.name == "gzip" else first_bytes
        magic_fits = named.magic.startswith(first_bytes[: len(named.magic)])
        if magic_fits or (named.name == "zstd" and _is_skippable_frame(first_bytes)):
            return named
        what = "" if found is None else f"; it is {found.name}, name it so"
        raise UsageError(f"{self.name} is not {named.name} (it begins with {_character(first_bytes)}){what}")

    def lines(self, longest: int | None = None) -> Iterator[Line]:
        """Yield every line; only the beginning of one with more than `longest` bytes.

        Raises:
            UsageError: the data are damaged, with file and line.
        """
        number, size = 0, sys.maxsize if longest is None else longest + _LINE_END + 1
        try:
            for line in iter(partial(self.buffer.readline, size), b""):
                number += 1
                if number == 1:
                    yield self._first(line, size)
                elif len(line) < size or line.endswith(b"\n"):
                    yield number, line, False
                else:
                    self._skip_line()
                    yield number, line[:_BEGINNING], True
        except READ_ERRORS as error:
            raise self.damage(number + 1, error) from error

    def blocks(self, longest: int | None = None) -> Iterator[Lines]:
        """The same lines without their ends, as many at a time as the buffer holds whole.

        Raises:
            UsageError: as `lines`.
        """
        number, size = 0, sys.maxsize if longest is None else longest + _LINE_END + 1
        try:
            while held := self.buffer.peek(1):
                end = held.rfind(b"\n") + 1
                if number and end:
                    lines = Lines.of(number + 1, self.buffer.read(end), size)  # what is in the buffer is not read again
                    number += len(lines.lines)
                    yield lines
                    continue
                line, cut = self.buffer.readline(size), False
                number += 1
                if number == 1:
                    _, line, cut = self._first(line, size)
                elif len(line) == size and not line.endswith(b"\n"):
                    self._skip_line()
                    line, cut = line[:_BEGINNING], True
                yield Lines(number, [line.rstrip(b"\r\n")], {0} if cut else frozenset())
        except READ_ERRORS as error:
            raise self.damage(number + 1, error) from error

    def _first(self, line: bytes, size: int) -> Line:
        if line.startswith(_UTF16_MARKS):
            raise UsageError(f"{self.name}:1: UTF-16; convert it: iconv -f utf-16 -t utf-8")
        whole = len(line) < size or line.endswith(b"\n")
        if not whole:
            self._skip_line()
        line = line.removeprefix(_UTF8_MARK)
        return 1, line if whole else line[:_BEGINNING], not whole

    def _skip_line(self) -> None:
        while (piece := self.buffer.readline(_BUFFER)) and not piece.endswith(b"\n"):
            pass

    def first_lines(self) -> list[bytes]:
        """The whole lines of `beginning`; does not move the position."""
        return self.beginning().split(b"\n")[:-1]

    def beginning(self) -> bytes:
        """The bytes that are in the buffer, without a byte order mark; does not move the position."""
        try:
            return self.buffer.peek(1)[:_BUFFER].removeprefix(_UTF8_MARK)
        except READ_ERRORS as error:
            raise self.damage(1, error) from error

    def damage(self, line: int, error: Exception) -> UsageError:
        """The error to raise for a failure at a line (from 1); never quotes the line."""
        if isinstance(error, OSError):
            what = f"cannot be read: {error.strerror}"
        elif isinstance(error, EOFError):
            what = "the file ends in the middle of its compressed data; record or copy it again"
        elif isinstance(error, UnicodeDecodeError):
            what = f"the bytes are not UTF-8; convert it: iconv -f {_encoding_of(error.object)} -t utf-8"
        elif isinstance(error, zlib.error | zstandard.ZstdError):
            what = "the compressed data are damaged; record or copy the file again"
        else:
            what = str(error)
        return UsageError(f"{self.name}:{line}: {what}")

    def position(self) -> int:
        """Bytes of the file on disk (compressed) that were read."""
        if self.is_pipe or self._raw.closed:
            return self.size
        return self._raw.tell()

    def close(self) -> None:
        self.buffer.close()
        self._plain.close()
        self._raw.close()


def opened(path: Path) -> io.RawIOBase:
    return io.FileIO(0, closefd=False) if str(path) == STDIN else io.FileIO(path)


def _is_skippable_frame(first_bytes: bytes) -> bool:
    """Whether the data begin with a skippable frame of zstd, which holds metadata of the program that wrote it."""
    return first_bytes[:1] in b"PQRSTUVWXYZ[\\]^_" and first_bytes[1:4] == b"\x2a\x4d\x18"


def _character(data: bytes) -> str:
    """The first character if it is printable ASCII, else the byte in hexadecimal."""
    first = data[:1].decode("ascii", errors="replace")
    return first if first.isprintable() and first.isascii() else f"the byte {data[0]:02X}"


def _encoding_of(line: bytes) -> str:
    """The probable encoding of a line that is not UTF-8.

    Bytes above ASCII stand alone in Western European text, and in runs in other languages.
    """
    if b"\0" in line:
        return "utf-16"
    alone = sum(1 for i, byte in enumerate(line) if byte >= 128 and max(line[max(i - 1, 0) : i], default=0) < 128)
    above = sum(byte >= 128 for byte in line)
    candidates = ("cp1252", "cp932") if above < 2 * alone and above < 3 else ("cp932", "euc_jp", "gb18030", "cp1251")
    for encoding in candidates:
        try:
            line.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "cp1252"


class _Decompressed(io.RawIOBase):
    """The decompressed bytes of a file.

    Unlike the readers of the gzip and zstandard modules, it raises EOFError for a file that ends too early.
    """

    def __init__(self, packed: io.BufferedReader[io.RawIOBase], start: Callable[[], _Decompressor]) -> None:
        super().__init__()
        self._packed = packed
        self._start = start
        self._current: _Decompressor | None = None
        self._rest = _NOTHING
        self._ready = _NOTHING

    def readable(self) -> bool:
        return True

    def readinto(self, target: WriteableBuffer, /) -> int:
        while not self._ready:
            piece = self._rest or memoryview(self._packed.read1(_PIECE))
            if not piece and self._current is None:
                return 0
            self._ready = memoryview(self._unpacked(piece))
            if not piece and not self._ready and self._current is not None:
                raise EOFError
        into = memoryview(target).cast("B")
        count = min(len(into), len(self._ready))
        into[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _unpacked(self, piece: memoryview) -> bytes:
        self._rest = _NOTHING
        if self._current is None:
            # gzip files may be padded with zeros; no member or frame begins with one
            piece = memoryview(bytes(piece).lstrip(b"\0"))
            if not piece:
                return b""
            self._current = self._start()
        plain = self._current.decompress(piece)
        if self._current.eof:
            self._rest = memoryview(self._current.unused_data)
            self._current = None
        else:
            self._rest = self._current.pending()
        return plain
