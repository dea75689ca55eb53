"""Bytes compressed by zstd, and back, without large temporary buffers."""

from __future__ import annotations

from typing import Final

import zstandard

#: bytes compressed or decompressed in one step
_STEP: Final = 1 << 20


def packed(content: bytes | bytearray, before: bytes = b"") -> bytes:
    """`before` and `content` as one frame. In steps: one call would need as much memory again."""
    compressor = zstandard.ZstdCompressor(level=1).compressobj(size=len(before) + len(content))
    pieces = [compressor.compress(before)]
    with memoryview(content) as view:
        pieces += [compressor.compress(view[at : at + _STEP]) for at in range(0, len(content), _STEP)]
    return b"".join([*pieces, compressor.flush()])


def unpacked(payload: memoryview, announced: int) -> bytes:
    """The payload's bytes. Memory grows with the data: the sizes in header and frame are not trusted.

    Raises:
        zstandard.ZstdError: it is not a frame.
    """
    pieces: list[bytes] = []
    size = 0
    with zstandard.ZstdDecompressor().stream_reader(payload) as reader:
        while size <= announced and (piece := reader.read(_STEP)):
            pieces.append(piece)
            size += len(piece)
    return b"".join(pieces)
