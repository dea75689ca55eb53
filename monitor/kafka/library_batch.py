"""One record batch as kafka-python decodes it, record by record; any format, and any damage."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Final

from kafka.record.default_records import DefaultRecordBatch
from kafka.record.legacy_records import LegacyRecordBatch
from kafka.record.util import decode_varint

from monitor.kafka import codecs
from monitor.kafka.batch_header import NEWEST_FORMAT

#: bytes of a length field
_LENGTH_BYTES: Final = 4


def next_offset(batch: Any) -> int:  # noqa: ANN401
    """The offset after the batch; before format 2 the header holds the offset of its last record."""
    return int(batch.next_offset if batch.magic == NEWEST_FORMAT else batch.base_offset + 1)


def decompress(batch: Any, raw: memoryview, limit: int) -> int:  # noqa: ANN401
    """Decompress a batch in place, to `limit` bytes at most; returns the bytes of its records."""
    codec = batch.compression_type
    if codec == 0:
        return len(raw)
    data = codecs.decompress(codec, _compressed(batch), limit)
    batch._buffer = bytearray(data) if batch.magic == NEWEST_FORMAT else memoryview(data)
    batch._decompressed = True
    if batch.magic == NEWEST_FORMAT:
        batch._pos = 0
    return len(data)


def _compressed(batch: DefaultRecordBatch | LegacyRecordBatch) -> bytes:
    """The compressed bytes of a batch; before format 2 they are the value of a wrapper record."""
    if batch.magic == NEWEST_FORMAT:
        return bytes(memoryview(batch._buffer)[batch._pos :])
    if batch.magic == 0 and batch.compression_type == codecs.LZ4:
        message = "lz4 as Kafka 0.8 wrote it"
        raise codecs.NoCodec(message)
    at = batch.KEY_OFFSET_V1 if batch.magic == 1 else batch.KEY_OFFSET_V0
    for field in ("key", "value"):
        (size,) = struct.unpack_from(">i", batch._buffer, at)
        at += _LENGTH_BYTES
        if field == "value":
            return bytes(batch._buffer[at : at + size])
        at += max(size, 0)
    raise AssertionError


def with_valid_checksums(batch: Any) -> Iterator[Any]:  # noqa: ANN401
    """The records of a batch before format 2, which each have a checksum.

    Raises:
        ValueError: a checksum does not match.
    """
    for record in batch:
        if not record.validate_crc():
            message = "a record's checksum does not match"
            raise ValueError(message)
        yield record


def broken_record(batch: Any) -> tuple[int, int, int] | None:  # noqa: ANN401
    """The begin and end byte and the offset of the record at which `batch` raised; None if they cannot be read."""
    try:
        length, begin = decode_varint(batch._buffer, batch._pos)
        _, at = decode_varint(batch._buffer, begin)
        _, at = decode_varint(batch._buffer, at)
        delta, _ = decode_varint(batch._buffer, at)
    except (ValueError, IndexError):
        return None
    end, offset = begin + length, batch.base_offset + delta
    more = batch._next_record_index < batch.records_count
    if not more or length <= 0 or end > len(batch._buffer) or not batch.base_offset <= offset <= batch.last_offset:
        return None
    return begin, end, offset
