"""The file format of a checkpoint.

A file `checkpoint-<sequence>.driftd` is, little endian:

    8 bytes  magic            b"driftd\\x1a\\n"
    u16      format version
    u64      sequence
    u64      length of the payload
    u64      length of the payload before compression
    payload  zstd of: u32 count of segments referred to; u64 number, u64 length, u32 CRC-32C of each;
             u32 count of parts; u64 file, u64 position, u64 length, u32 CRC-32C, u16 length of the name, name of each;
             the tree of `Whole` (`codec`). In format 2 there are no parts and the tree is the whole state;
             in format 1 nothing comes before the tree
    u32      CRC-32C of everything before

It is the manifest of a state: written last, it says which parts (`part_files`) and segments (`segments`) belong to it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import crc32c
import zstandard

from monitor.errors import UsageError
from monitor.state import codec
from monitor.state.packing import packed, unpacked
from monitor.state.part_files import PartReference, read_part
from monitor.state.segments import Reference, SegmentContents

FORMAT: Final = 3
#: formats 1 and 2 have the whole state in one tree, format 1 with the event ids in it
READABLE_FORMATS: Final = (1, 2, FORMAT)

_MAGIC: Final = b"driftd\x1a\n"
_HEAD: Final = struct.Struct("<8sHQQQ")
_CRC: Final = struct.Struct("<I")
_COUNT: Final = struct.Struct("<I")
_REFERENCE: Final = struct.Struct("<QQI")
_PART: Final = struct.Struct("<QQQIH")


class Manifest(NamedTuple):
    """Content of a checkpoint's file: its references, and the encoded tree of `Whole`."""

    segments: Sequence[Reference]
    parts: Sequence[PartReference]
    tree: bytes | bytearray


class Contents(NamedTuple):
    """A checkpoint that was read: the tree of `Whole`, the tree of every part by name, and its references."""

    tree: dict[str, Any]
    parts: dict[str, Any]
    segments: SegmentContents
    files: frozenset[int]


def file_content(sequence: int, manifest: Manifest) -> bytes:
    """The bytes of a checkpoint's file."""
    referred = b"".join(
        [
            _COUNT.pack(len(manifest.segments)),
            *(_REFERENCE.pack(*one) for one in manifest.segments),
            _COUNT.pack(len(manifest.parts)),
            *(_packed_part(part) for part in manifest.parts),
        ]
    )
    payload = packed(manifest.tree, referred)
    content = _HEAD.pack(_MAGIC, FORMAT, sequence, len(payload), len(referred) + len(manifest.tree)) + payload
    return content + _CRC.pack(crc32c.crc32c(content))


def _packed_part(part: PartReference) -> bytes:
    name = part.name.encode()
    return _PART.pack(part.file, part.at, part.length, part.crc, len(name)) + name


def contents_of(sequence: int, content: bytes, folder: Path) -> Contents:
    """Read a checkpoint from its file's bytes and all files it refers to.

    Raises:
        UsageError: a file is damaged; the message is one line.
        FileNotFoundError: a file it refers to is missing.
    """
    manifest = manifest_of(sequence, content)
    try:
        segments = SegmentContents(folder, manifest.segments)
        tree = codec.decode(manifest.tree, segments.between)
        parts = {part.name: read_part(folder, part, segments.between) for part in manifest.parts}
    except MemoryError as error:
        raise UsageError(f"not decodable: {error}") from error
    if not isinstance(tree, dict):
        raise UsageError("the payload does not match its header")
    return Contents(tree, parts, segments, frozenset(part.file for part in manifest.parts))


def manifest_of(sequence: int, content: bytes) -> Manifest:
    """Parse a checkpoint's file.

    Raises:
        UsageError: it is damaged; the message is one line.
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
        raise UsageError(f"{len(content)} bytes, but its header says {expected}")
    body = memoryview(content)[: -_CRC.size]
    if crc32c.crc32c(body) != _CRC.unpack(content[-_CRC.size :])[0]:
        raise UsageError("the checksum does not match")
    if inner_sequence != sequence:
        raise UsageError(f"it is checkpoint {inner_sequence} under the name of {sequence}")
    try:
        plain = unpacked(body[_HEAD.size :], plain_length)
    except (zstandard.ZstdError, MemoryError) as error:
        raise UsageError(f"not decompressible: {error}") from error
    if len(plain) != plain_length:
        raise UsageError("the payload does not match its header")
    try:
        return _divided(plain, version)
    except (struct.error, UnicodeDecodeError) as error:
        raise UsageError(f"the payload does not match its header: {error}") from error


def _divided(plain: bytes, version: int) -> Manifest:
    at, segments, parts = 0, list[Reference](), list[PartReference]()
    if version > 1:
        (count,) = _COUNT.unpack_from(plain)
        at = _COUNT.size + count * _REFERENCE.size
        segments = [Reference(*one) for one in _REFERENCE.iter_unpack(plain[_COUNT.size : at])]
    if version > 2:
        (count,) = _COUNT.unpack_from(plain, at)
        at += _COUNT.size
        for _ in range(count):
            file, place, length, crc, name_length = _PART.unpack_from(plain, at)
            at += _PART.size + name_length
            parts.append(PartReference(plain[at - name_length : at].decode(), file, place, length, crc))
    return Manifest(segments, parts, plain[at:])
