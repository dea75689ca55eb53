"""Reads protobuf's wire format, without generated code: the fields of a message by number.

Source of the format: protobuf.dev, "Encoding".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, cast

from monitor.errors import RejectedRecord

_VARINT: Final = 0
_EIGHT: Final = 1
_BYTES: Final = 2
_FOUR: Final = 5
_MOST_VARINT: Final = 10
#: the bytes of a value, by wire type
_SIZES: Final = {_EIGHT: 8, _FOUR: 4}
#: a varint that begins with a smaller byte is that byte
_LONG: Final = 0x80
#: bytes, and the letter of `struct`, of floats by numpy's name
_FLOATS: Final = {"<f4": (4, "f"), "<f8": (8, "d")}
#: the largest field number
_MOST_FIELD: Final = (1 << 29) - 1

#: by number, in order; a varint is its unsigned value, all else its bytes
Fields = dict[int, list[int | bytes]]


def fields_of(data: bytes) -> Fields:
    """The fields of a message.

    Raises:
        RejectedRecord: it is cut off, or no protobuf.
    """
    found: Fields = {}
    at, end = 0, len(data)
    while at < end:
        tag, at = (data[at], at + 1) if data[at] < _LONG else _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if not 1 <= number <= _MOST_FIELD:
            raise _wrong("it has a field number that there is not")
        value: int | bytes
        if kind == _VARINT:
            value, at = _varint(data, at)
        else:
            if kind == _BYTES:
                size, at = (data[at], at + 1) if at < end and data[at] < _LONG else _varint(data, at)
            elif kind in _SIZES:
                size = _SIZES[kind]
            else:
                raise _wrong("it has a wire type that there is not")
            first, at = at, at + size
            if at > end:
                raise _wrong("it ends before it is whole")
            value = data[first:at]
        if number in found:
            found[number].append(value)
        else:
            found[number] = [value]
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for step in range(_MOST_VARINT):
        if at >= len(data):
            raise _wrong("it ends before it is whole")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << (7 * step)
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
    raise _wrong("a number in it is too long")


def _wrong(what: str) -> RejectedRecord:
    return RejectedRecord("protobuf", f"the bytes are not the protobuf message that was expected: {what}")


def messages(fields: Fields, number: int) -> list[bytes]:
    """All values of a field of messages, strings or bytes."""
    found = fields.get(number, [])
    for value in found:
        if type(value) is not bytes:
            raise _wrong("a field has another type")
    return cast("list[bytes]", found)


def message(fields: Fields, number: int) -> bytes | None:
    """The last value of such a field, which is the one that counts; None without it."""
    found = messages(fields, number)
    return found[-1] if found else None


def text(fields: Fields, number: int) -> str:
    """A field that is a string; empty without it."""
    return (message(fields, number) or b"").decode(errors="replace")


def integers(fields: Fields, number: int) -> list[int]:
    """A repeated field of signed integers, packed or not."""
    return [value - (1 << 64) if value >= 1 << 63 else value for value in unsigned(fields, number)]


def unsigned(fields: Fields, number: int) -> list[int]:
    """A repeated field of unsigned integers or booleans, packed or not."""
    found = fields.get(number, [])
    if len(found) == 1 and type(found[0]) is bytes and len(found[0]) == 1 and found[0][0] < _LONG:
        return [found[0][0]]  # the shape of a column, mostly
    return [one for value in found for one in _unpacked(value)]


def _unpacked(value: int | bytes) -> Iterator[int]:
    if isinstance(value, int):
        yield value
        return
    at = 0
    while at < len(value):
        number, at = _varint(value, at)
        yield number


def floats(fields: Fields, number: int, kind: str) -> list[float]:
    """A repeated field of floats, packed or not; `kind` is numpy's name, `<f4` or `<f8`."""
    content = b"".join(messages(fields, number))
    size, code = _FLOATS[kind]
    if len(content) % size:
        raise _wrong("a list of floats ends before it is whole")
    return [*struct.unpack(f"<{len(content) // size}{code}", content)]
