"""A checkpoint as the bytes of a file.

A file `checkpoint-<sequence>.driftd` is, little endian:

    8 bytes  magic            b"driftd\\x1a\\n"
    u16      format version
    u64      sequence
    u64      length of the payload
    u64      length of what is packed in it
    payload  zstd of: u32 count of segments that are referred to; u64 number, u64 length, u32 CRC-32C of each; the tree
             (`codec`). In format 1 it is the tree alone
    u32      CRC-32C of everything before
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import crc32c
import zstandard

from monitor.errors import UsageError
from monitor.state import codec
from monitor.state.segments import Reference, SegmentContents

FORMAT: Final = 2
#: format 1 refers to no segments
READABLE_FORMATS: Final = (1, FORMAT)

_MAGIC: Final = b"driftd\x1a\n"
_HEAD: Final = struct.Struct("<8sHQQQ")
_CRC: Final = struct.Struct("<I")
_COUNT: Final = struct.Struct("<I")
_REFERENCE: Final = struct.Struct("<QQI")
#: bytes unpacked in one step
_STEP: Final = 1 << 20


def file_content(sequence: int, references: Sequence[Reference], tree: bytes | bytearray) -> bytes:
    """The bytes of a file."""
    referred = b"".join([_COUNT.pack(len(references)), *(_REFERENCE.pack(*one) for one in references)])
    payload = _compressed(referred, tree)
    content = _HEAD.pack(_MAGIC, FORMAT, sequence, len(payload), len(referred) + len(tree)) + payload
    return content + _CRC.pack(crc32c.crc32c(content))


def _compressed(referred: bytes, tree: bytes | bytearray) -> bytes:
    """Piece by piece: in one step it takes room for as much again."""
    compressor = zstandard.ZstdCompressor(level=1).compressobj(size=len(referred) + len(tree))
    parts = [compressor.compress(referred)]
    with memoryview(tree) as view:
        parts += [compressor.compress(view[at : at + _STEP]) for at in range(0, len(tree), _STEP)]
    return b"".join([*parts, compressor.flush()])


def tree_of(sequence: int, content: bytes, folder: Path) -> tuple[dict[str, Any], SegmentContents]:
    """The tree in a file's bytes and in the segments it refers to.

    Raises:
        UsageError: its one line says what is wrong with them.
        FileNotFoundError: a segment is not there.
    """
    references, encoded = parts_of(sequence, content)
    try:
        contents = SegmentContents(folder, references)
        tree = codec.decode(encoded, contents.between)
    except MemoryError as error:
        raise UsageError(f"not decodable: {error}") from error
    if not isinstance(tree, dict):
        raise UsageError("not the state its head announces")
    return tree, contents


def parts_of(sequence: int, content: bytes) -> tuple[list[Reference], bytes]:
    """The segments that a file's bytes refer to, and the tree as bytes.

    Raises:
        UsageError: the one line says what is wrong with them.
    """
    if len(content) < _HEAD.size + _CRC.size:
        raise UsageError(f"truncated: {len(content)} bytes")
    magic, version, inner_sequence, payload_length, plain_length = _HEAD.unpack_from(content)
    if magic != _MAGIC:
        raise UsageError("not a checkpoint")
    if version not in READABLE_FORMATS:
        raise UsageError(f"format {version}; this build reads formats up to {FORMAT}")
    expected = _HEAD.size + payload_length + _CRC.size
    if len(content) != expected:
        raise UsageError(f"{len(content)} bytes where its head says {expected}")
    body = memoryview(content)[: -_CRC.size]
    if crc32c.crc32c(body) != _CRC.unpack(content[-_CRC.size :])[0]:
        raise UsageError("the checksum does not match")
    if inner_sequence != sequence:
        raise UsageError(f"it is checkpoint {inner_sequence} under the name of {sequence}")
    try:
        plain = _unpacked(body[_HEAD.size :], plain_length)
    except (zstandard.ZstdError, MemoryError) as error:
        raise UsageError(f"not decompressible: {error}") from error
    if len(plain) != plain_length:
        raise UsageError("not the state its head announces")
    return ([], plain) if version == 1 else _divided(plain)


def _divided(plain: bytes) -> tuple[list[Reference], bytes]:
    try:
        (count,) = _COUNT.unpack_from(plain)
        end = _COUNT.size + count * _REFERENCE.size
        return [Reference(*one) for one in _REFERENCE.iter_unpack(plain[_COUNT.size : end])], plain[end:]
    except struct.error as error:
        raise UsageError(f"not the state its head announces: {error}") from error


def _unpacked(payload: memoryview, announced: int) -> bytes:
    """The payload's bytes, room taken as they come: neither head nor frame is believed about how many there are."""
    parts: list[bytes] = []
    size = 0
    with zstandard.ZstdDecompressor().stream_reader(payload) as reader:
        while size <= announced and (part := reader.read(_STEP)):
            parts.append(part)
            size += len(part)
    return b"".join(parts)
