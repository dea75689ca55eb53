"""Reads protobuf's wire format, without generated code: the fields of a message by number.

Source of the format: protobuf.dev, "Encoding".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from monitor.errors import RejectedRecord

_VARINT: Final = 0
_EIGHT: Final = 1
_BYTES: Final = 2
_FOUR: Final = 5
_MOST_VARINT: Final = 10
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
        tag, at = (data[at], at + 1) if data[at] < 0x80 else _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if not 1 <= number <= _MOST_FIELD:
            raise _wrong("it has a field number that there is not")
        value: int | bytes
        if kind == _VARINT:
            value, at = _varint(data, at)
        else:
            size = {_EIGHT: 8, _FOUR: 4}.get(kind, -1)
            if kind == _BYTES:
                size, at = (data[at], at + 1) if at < end and data[at] < 0x80 else _varint(data, at)
            if size < 0:
                raise _wrong("it has a wire type that there is not")
            if at + size > end:
                raise _wrong("it ends before it is whole")
            value, at = data[at : at + size], at + size
        found.setdefault(number, []).append(value)
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
    found = [value for value in fields.get(number, ()) if isinstance(value, bytes)]
    if len(found) < len(fields.get(number, ())):
        raise _wrong("a field has another type")
    return found


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
    return [one for value in fields.get(number, []) for one in _unpacked(value)]


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
    if len(content) % np.dtype(kind).itemsize:
        raise _wrong("a list of floats ends before it is whole")
    values: list[float] = np.frombuffer(content, kind).tolist()
    return values
