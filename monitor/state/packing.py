"""Bytes packed by zstd, and back, with no more room taken than they need."""

from __future__ import annotations

from typing import Final

import zstandard

#: bytes packed or unpacked in one step
_STEP: Final = 1 << 20


def packed(content: bytes | bytearray, before: bytes = b"") -> bytes:
    """`before` and `content` as one frame. Piece by piece: in one step it takes room for as much again."""
    compressor = zstandard.ZstdCompressor(level=1).compressobj(size=len(before) + len(content))
    pieces = [compressor.compress(before)]
    with memoryview(content) as view:
        pieces += [compressor.compress(view[at : at + _STEP]) for at in range(0, len(content), _STEP)]
    return b"".join([*pieces, compressor.flush()])


def unpacked(payload: memoryview, announced: int) -> bytes:
    """The payload's bytes, room taken as they come: neither head nor frame is believed about how many there are.

    Raises:
        zstandard.ZstdError: it is no frame.
    """
    pieces: list[bytes] = []
    size = 0
    with zstandard.ZstdDecompressor().stream_reader(payload) as reader:
        while size <= announced and (piece := reader.read(_STEP)):
            pieces.append(piece)
            size += len(piece)
    return b"".join(pieces)
