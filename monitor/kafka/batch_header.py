"""Reads the header of a record batch by itself, to skip a batch that cannot be decoded."""

from __future__ import annotations

import struct
from typing import Final

_HEAD: Final = struct.Struct(">qiibIhiqqqhii")
NEWEST_FORMAT: Final = 2


def end_of_damaged(raw: memoryview, following: memoryview | None, at: int, highwater: int | None) -> int:
    """The offset to read next after the damaged batch `raw` at offset `at`.

    It is the end in the batch's own header, if that lies behind `at` and before the next batch and the high watermark;
    else the first offset of the next batch; else `at + 1`. `following` are the bytes after the batch, None if there are
    none.
    """
    ceiling = highwater if highwater is not None and highwater > at else at + 1
    begin = first_offset(following)
    next_batch = begin if begin is not None and at < begin <= ceiling else None
    claimed = _claimed_end(raw)
    if claimed is not None and at < claimed <= (ceiling if next_batch is None else next_batch):
        return claimed
    return at + 1 if next_batch is None else next_batch


def first_offset(raw: memoryview | None) -> int | None:
    """The base offset of a batch of format 2; None for another format or an incomplete header."""
    if raw is None or len(raw) < _HEAD.size:
        return None
    head = _HEAD.unpack_from(raw)
    return int(head[0]) if head[3] == NEWEST_FORMAT else None


def _claimed_end(raw: memoryview) -> int | None:
    """The offset after the batch by its own header, None if that is incomplete or negative."""
    if len(raw) < _HEAD.size:
        return None
    head = _HEAD.unpack_from(raw)
    base, magic, delta = head[0], head[3], head[6]
    if magic < NEWEST_FORMAT:
        return int(base) + 1
    return int(base) + int(delta) + 1 if delta >= 0 else None


def records_lost(raw: memoryview, first: int, next_offset: int) -> int:
    """How many records are lost with these offsets: the count in the header of a whole batch, else one per offset."""
    offsets = next_offset - first
    if len(raw) < _HEAD.size:
        return offsets
    head = _HEAD.unpack_from(raw)
    base, magic, records = int(head[0]), head[3], int(head[12])
    is_whole = magic == NEWEST_FORMAT and base == first and 0 < records < offsets
    return records if is_whole else offsets
