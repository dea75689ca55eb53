"""Reads the header of a record batch by itself, to skip a batch that cannot be decoded."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from kafka.record.util import calc_crc32c

_HEAD: Final = struct.Struct(">qiibIhiqqqhii")
#: bytes before the first record of a batch of format 2
HEAD_BYTES: Final = _HEAD.size
NEWEST_FORMAT: Final = 2
_MAGIC_AT: Final = 16
#: where the bytes begin that the checksum covers
_CHECKED_FROM: Final = 21
#: bits of the attributes
_CODEC, _APPEND_TIME, _TRANSACTIONAL, _CONTROL = 0x07, 0x08, 0x10, 0x20


class Head(NamedTuple):
    """The header of a batch of format 2."""

    base_offset: int
    length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    first_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    records_count: int

    @property
    def last_offset(self) -> int:
        return self.base_offset + self.last_offset_delta

    @property
    def next_offset(self) -> int:
        return self.last_offset + 1

    @property
    def codec(self) -> int:
        return self.attributes & _CODEC

    @property
    def append_ms(self) -> int | None:
        """The time of all its records, if it is that of the broker."""
        return self.max_timestamp if self.attributes & _APPEND_TIME else None

    @property
    def is_transactional(self) -> bool:
        return bool(self.attributes & _TRANSACTIONAL)

    @property
    def is_control(self) -> bool:
        return bool(self.attributes & _CONTROL)


def intact_head(raw: memoryview) -> Head | None:
    """The header of a whole batch of format 2 whose checksum matches; None for anything else."""
    if len(raw) < HEAD_BYTES or raw[_MAGIC_AT] != NEWEST_FORMAT:
        return None
    head = Head(*_HEAD.unpack_from(raw))
    return head if calc_crc32c(raw[_CHECKED_FROM:]) == head.crc else None


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
