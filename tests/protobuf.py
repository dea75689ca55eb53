"""Writes protobuf's wire format by hand: field number, wire type, value."""

from __future__ import annotations

import struct
from collections.abc import Sequence


def varint(value: int) -> bytes:
    value &= 0xFFFF_FFFF_FFFF_FFFF
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


def field(number: int, value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def packed(number: int, content: Sequence[float], form: str) -> bytes:
    return field(number, struct.pack(f"<{len(content)}{form}", *content))


def tensor_proto(kind: int, n: int, content: bytes) -> bytes:
    return field(1, kind) + field(2, field(2, field(1, n))) + content
