"""A whole batch of format 2 whose records are decompressed, but not yet read."""

from __future__ import annotations

from typing import Any, NamedTuple

from kafka.record.default_records import DefaultRecordBatch

from monitor.kafka import codecs
from monitor.kafka.batch_header import HEAD_BYTES, Head
from monitor.kafka.unpack import Span


class OpenedBatch(NamedTuple):
    """`data[begin:end]` are its records; `raw` is the batch as it was fetched."""

    head: Head
    raw: memoryview
    data: bytes
    begin: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.begin

    @property
    def next_offset(self) -> int:
        return self.head.next_offset

    def span(self) -> Span:
        head = self.head
        return Span(
            self.data,
            self.begin,
            self.end,
            head.records_count,
            head.base_offset,
            head.last_offset,
            head.first_timestamp,
            head.append_ms,
        )

    def for_library(self) -> Any:  # noqa: ANN401  # without types
        """The same batch for the library's decoder, which reads it record by record."""
        batch = DefaultRecordBatch(self.raw)
        if self.head.codec:
            batch._buffer, batch._pos = bytearray(self.data[self.begin : self.end]), 0
        batch._decompressed = True
        return batch


def opened_batch(head: Head, raw: memoryview, fetched: bytes, end: int, limit: int) -> OpenedBatch:
    """Open the batch `raw`, which ends at `end` of the `fetched` bytes; its records may have `limit` bytes.

    Raises:
        Exception: it cannot be decompressed, see `codecs.decompress`.
    """
    if not head.codec:
        return OpenedBatch(head, raw, fetched, end - len(raw) + HEAD_BYTES, end)
    data = codecs.decompress(head.codec, bytes(raw[HEAD_BYTES:]), limit)
    return OpenedBatch(head, raw, data, 0, len(data))


def hidden_batch(head: Head, raw: memoryview, fetched: bytes) -> OpenedBatch:
    """A batch whose records nobody gets: only the position moves."""
    return OpenedBatch(head._replace(records_count=0), raw, fetched, 0, 0)
