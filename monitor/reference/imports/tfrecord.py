"""Records of a TFRecord file: length, masked crc of the length, bytes, masked crc of the bytes; little endian."""

from __future__ import annotations

import struct
from typing import Final

import crc32c

from monitor.errors import UsageError

_HEAD: Final = struct.Struct("<QI")
_TAIL: Final = struct.Struct("<I")
_MASK: Final = 0xA282EAD8


def _masked(data: bytes) -> int:
    crc = crc32c.crc32c(data)
    return (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF


def is_tfrecord(data: bytes) -> bool:
    """Whether the file begins with a record's length and its crc."""
    return len(data) >= _HEAD.size and _masked(data[:8]) == _HEAD.unpack_from(data)[1]


def records_of(name: str, data: bytes) -> list[bytes]:
    """All records of the file called `name`.

    Raises:
        UsageError: it is cut off, or a crc does not fit.
    """
    at, found = 0, []
    while at < len(data):
        if len(data) - at < _HEAD.size or _masked(data[at : at + 8]) != _HEAD.unpack_from(data, at)[1]:
            raise UsageError(f"{name}: byte {at:,}: is no TFRecord: its length does not fit its crc; copy it again")
        length = _HEAD.unpack_from(data, at)[0]
        begin, end = at + _HEAD.size, at + _HEAD.size + length
        if end + _TAIL.size > len(data):
            missing = end + _TAIL.size - len(data)
            raise UsageError(f"{name}: is cut off: {missing:,} bytes of the record at byte {at:,} are missing")
        record = data[begin:end]
        if _masked(record) != _TAIL.unpack_from(data, end)[0]:
            raise UsageError(f"{name}: byte {at:,}: the record is damaged: its crc does not fit; copy it again")
        found.append(record)
        at = end + _TAIL.size
    return found
