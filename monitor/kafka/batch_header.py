"""The header of a record batch, read on its own: it leads past a batch that nobody can unpack."""

from __future__ import annotations

import struct
from typing import Final

_HEAD: Final = struct.Struct(">qiibIhiqqqhii")
NEWEST_FORMAT: Final = 2


def end_of_damaged(raw: memoryview, behind: memoryview | None, at: int, highwater: int | None) -> int:
    """The offset behind a damaged batch that holds `at`: what its header says, unless what is around contradicts it.

    `behind` are the bytes that follow, None where none came. Where nothing is to be trusted only `at` is passed.
    """
    ceiling = highwater if highwater is not None and highwater > at else at + 1
    begin = first_offset(behind)
    follows = begin if begin is not None and at < begin <= ceiling else None
    messages = _offset_named(raw)
    if messages is not None and at < messages <= (ceiling if follows is None else follows):
        return messages
    return at + 1 if follows is None else follows


def first_offset(raw: memoryview | None) -> int | None:
    """Of a batch of format 2; None where there is no whole header of one."""
    if raw is None or len(raw) < _HEAD.size:
        return None
    head = _HEAD.unpack_from(raw)
    return int(head[0]) if head[3] == NEWEST_FORMAT else None


def _offset_named(raw: memoryview) -> int | None:
    if len(raw) < _HEAD.size:
        return None
    head = _HEAD.unpack_from(raw)
    base, magic, delta = head[0], head[3], head[6]
    if magic < NEWEST_FORMAT:
        return int(base) + 1
    return int(base) + int(delta) + 1 if delta >= 0 else None


def records_lost(raw: memoryview, first: int, next_offset: int) -> int:
    """How many records are lost with these offsets: the header's number for a whole batch, else one an offset."""
    offsets = next_offset - first
    if len(raw) < _HEAD.size:
        return offsets
    head = _HEAD.unpack_from(raw)
    base, magic, records = int(head[0]), head[3], int(head[12])
    is_whole = magic == NEWEST_FORMAT and base == first and 0 < records < offsets
    return records if is_whole else offsets
