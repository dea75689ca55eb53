"""Lines of plain and compressed files and of pipes, read piece by piece; damage is told with file and line.

Nothing is ever whole in memory before it is known to be short enough: not a line, and not what a small piece of
compressed data unpacks to.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

import zstandard

from monitor.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: compressed bytes read at once
_PIECE: Final = 16 * 1024
#: zstd has no bound on what a piece unpacks to but 128 KiB for each 4 bytes of it: this much is at most 8 MiB
_ZSTD_PIECE: Final = 256
_BUFFER: Final = 256 * 1024
#: what a line may have behind its content
_LINE_END: Final = 2
#: bytes that are kept of a line that is too long
_BEGINNING: Final = 4_096
_NOTHING: Final = memoryview(b"")

#: standard input as a path
STDIN: Final = "-"
#: what reading a damaged or unreadable file raises
READ_ERRORS: Final = (OSError, EOFError, zlib.error, zstandard.ZstdError)

_GZIP_MAGIC: Final = b"\x1f\x8b"
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_UTF8_MARK: Final = codecs.BOM_UTF8
_UTF16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


#: bytes of records that are handed on together, unless one alone has more
BATCH_BYTES: Final = 16 * 1024 * 1024


def stand_in(longest: int | None) -> bytes:
    """The value of a record that is longer than `longest` bytes: as long as it takes to be refused for that."""
    return bytes((longest or 0) + 1)


#: a line: its number from 1, its bytes with their end, and whether it was cut because it is too long
Line: TypeAlias = tuple[int, bytes, bool]


class _Decompressor(Protocol):
    """Unpacks one gzip member or zstd frame."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: memoryview, /) -> bytes: ...
    def pending(self) -> memoryview: ...


class _Gzip:
    """zlib with a bound on what it gives at once."""

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
    """One zstd frame; it is given small pieces, since it unpacks a piece as a whole."""

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


class _Packing(NamedTuple):
    word: str
    ending: str
    magic: bytes
    start: Callable[[], _Decompressor]


_PACKINGS: Final = (_Packing("gzip", ".gz", _GZIP_MAGIC, _Gzip), _Packing("zstd", ".zst", _ZSTD_MAGIC, _Zstd))


def is_pipe(path: Path) -> bool:
    """Standard input, a named pipe or a process substitution: read once, from beginning to end."""
    return str(path) == STDIN or path.is_fifo() or path.is_char_device() or path.is_socket()


def shown_name(path: Path) -> str:
    """What a person is told a path is."""
    return "stdin" if str(path) == STDIN else str(path)


class Stream:
    """One open file or pipe, unpacked by its ending (`.gz`, `.zst`, several members or frames allowed).

    A pipe has no ending that could be trusted: it is unpacked by how it begins. A UTF-8 byte order mark at the
    beginning is skipped.
    """

    def __init__(self, path: Path, raw: io.RawIOBase | None = None) -> None:
        """Open the file; `raw` gives its bytes where they were kept elsewhere.

        Raises:
            UsageError: there is no such file, it may not be read, or it does not begin as its ending says.
        """
        self.path = path
        #: what a person is told it is
        self.name = shown_name(path)
        self.is_pipe = raw is None and is_pipe(path)
        try:
            self._raw = raw if raw is not None else opened(path)
            self.size = 0 if self.is_pipe else self._raw.seek(0, os.SEEK_END)
            if not self.is_pipe:
                self._raw.seek(0)
            # of packed files little is read ahead, so that `position` tells how much of them was read
            named = any(path.name.lower().endswith(one.ending) for one in _PACKINGS)
            self._plain = io.BufferedReader(self._raw, _PIECE if named else _BUFFER)
            packing = self._packing(self._plain.peek(_PIECE))
        except OSError as error:
            raise UsageError(f"{self.name}: cannot be read: {error.strerror}") from error
        except UsageError:
            self._raw.close()
            raise
        self.buffer = (
            self._plain
            if packing is None
            else io.BufferedReader(_Decompressed(self._plain, packing.start), _BUFFER)
        )  # fmt: skip

    def _packing(self, begins: bytes) -> _Packing | None:
        found = next((one for one in _PACKINGS if begins.startswith(one.magic)), None)
        named = next((one for one in _PACKINGS if self.path.name.lower().endswith(one.ending)), None)
        if named is None:
            if found is not None and not self.is_pipe:
                raise UsageError(f"{self.name} is {found.word}; name it {self.name}{found.ending}")
            return found
        begins = begins.lstrip(b"\0") if named.word == "gzip" else begins
        if named.magic.startswith(begins[: len(named.magic)]) or (named.word == "zstd" and _skippable(begins)):
            return named
        what = "" if found is None else f"; it is {found.word}, name it so"
        raise UsageError(f"{self.name} is not {named.word} (it begins with {_character(begins)}){what}")

    def lines(self, longest: int | None = None) -> Iterator[Line]:
        """Every line; of one that holds more than `longest` bytes, its beginning.

        Raises:
            UsageError: file and line where the data are damaged.
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
        """The first whole lines, as far as they are known without reading on; nothing is taken away."""
        return self.beginning().split(b"\n")[:-1]

    def beginning(self) -> bytes:
        """The first bytes, as far as they are known without reading on; nothing is taken away."""
        try:
            return self.buffer.peek(1)[:_BUFFER].removeprefix(_UTF8_MARK)
        except READ_ERRORS as error:
            raise self.damage(1, error) from error

    def damage(self, line: int, error: Exception) -> UsageError:
        """The error to raise for trouble at a line (from 1); without anything of the line's content."""
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
        """Bytes of the file, as it lies on the disk, that were read."""
        if self.is_pipe or self._raw.closed:
            return self.size
        return self._raw.tell()

    def close(self) -> None:
        self.buffer.close()
        self._plain.close()
        self._raw.close()


def opened(path: Path) -> io.RawIOBase:
    return io.FileIO(0, closefd=False) if str(path) == STDIN else io.FileIO(path)


def _skippable(begins: bytes) -> bool:
    """Whether zstd's data begin with a frame that holds notes of the program that wrote it."""
    return begins[:1] in b"PQRSTUVWXYZ[\\]^_" and begins[1:4] == b"\x2a\x4d\x18"


def _character(data: bytes) -> str:
    """The first character, where it can be shown."""
    first = data[:1].decode("ascii", errors="replace")
    return first if first.isprintable() and first.isascii() else f"the byte {data[0]:02X}"


def _encoding_of(line: bytes) -> str:
    """What a line that is not UTF-8 probably is: bytes above ASCII stand alone in Western text, in rows elsewhere."""
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
    """The unpacked bytes of a file; unlike the libraries' own readers it never takes a cut-off file for whole."""

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
