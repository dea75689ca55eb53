"""Decompresses batches up to a size limit: kafka-python's own functions have none, and 30 kB can hold gigabytes."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from typing import Final

import lz4.frame
import snappy
import zstandard

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4

_GZIP_WINDOW: Final = 31
#: bytes decompressed in one step: this multiple of the input, at least `_LEAST_STEP`; one step does for most batches
_STEP_RATIO: Final = 16
_LEAST_STEP: Final = 64 << 10
#: header of snappy-java's block format, and its length in bytes with the two version numbers after it
_SNAPPY_JAVA_MAGIC: Final = b"\x82SNAPPY\x00"
_SNAPPY_JAVA_HEADER: Final = 16
#: bytes of the length varint of a snappy block
_MOST_LENGTH_BYTES: Final = 5


class TooLarge(Exception):
    """The decompressed batch would be larger than the limit."""


class NoCodec(Exception):
    """The batch's codec is not known."""


def decompress(codec: int, data: bytes, limit: int) -> bytes:
    """Decompress `data`, to `limit` bytes at most.

    Raises:
        TooLarge: it is larger than `limit`.
        NoCodec: the codec number is not known.
        Exception: the bytes are not of this codec; each library has its own error.
    """
    if codec not in _CODECS:
        message = f"{codec} is not the number of a codec"
        raise NoCodec(message)
    return _CODECS[codec](data, limit)


def _joined(parts: Iterator[bytes], limit: int) -> bytes:
    kept: list[bytes] = []
    size = 0
    for part in parts:
        size += len(part)
        if size > limit:
            raise TooLarge
        kept.append(part)
    return kept[0] if len(kept) == 1 else b"".join(kept)


def _step(data: bytes) -> int:
    return max(_STEP_RATIO * len(data), _LEAST_STEP)


def _torn() -> ValueError:
    return ValueError("the compressed bytes end too early")


def _gzip_parts(data: bytes) -> Iterator[bytes]:
    while data:
        member = zlib.decompressobj(_GZIP_WINDOW)
        step = _step(data)
        while not member.eof:
            part = member.decompress(data, step)
            data = member.unconsumed_tail
            if not part and not member.eof:
                raise _torn()
            yield part
        data = member.unused_data.lstrip(b"\x00")


def _lz4_parts(data: bytes) -> Iterator[bytes]:
    frame = lz4.frame.LZ4FrameDecompressor()
    step = _step(data)
    while not frame.eof:
        part = frame.decompress(data, max_length=step)
        data = b""
        if not part and not frame.eof and frame.needs_input:
            raise _torn()
        yield part


def _zstd_parts(data: bytes) -> Iterator[bytes]:
    step = _step(data)
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True) as reader:
        while part := reader.read(step):
            yield part


def _snappy(data: bytes, limit: int) -> bytes:
    if not data.startswith(_SNAPPY_JAVA_MAGIC):
        return _snappy_block(data, limit)
    return _joined(_snappy_parts(data, limit), limit)


def _snappy_parts(data: bytes, limit: int) -> Iterator[bytes]:
    at = _SNAPPY_JAVA_HEADER
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big", signed=True)
        if size < 0 or at + 4 + size > len(data):
            raise _torn()
        yield _snappy_block(data[at + 4 : at + 4 + size], limit)
        at += 4 + size


def _snappy_block(block: bytes, limit: int) -> bytes:
    """One block. Its length comes first, and the library allocates that before it decompresses."""
    size = 0
    for place, byte in enumerate(block[:_MOST_LENGTH_BYTES]):
        size |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            break
    if size > limit:
        raise TooLarge
    out: bytes = snappy.decompress(block)
    return out


_CODECS: Final[dict[int, Callable[[bytes, int], bytes]]] = {
    GZIP: lambda data, limit: _joined(_gzip_parts(data), limit),
    SNAPPY: _snappy,
    LZ4: lambda data, limit: _joined(_lz4_parts(data), limit),
    ZSTD: lambda data, limit: _joined(_zstd_parts(data), limit),
}
