"""What an encoding is: bytes of a record to a tree of plain values."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from monitor.cached import cached_property
from monitor.decode.columns import Limits
from monitor.errors import RejectedRecord
from monitor.records import Envelope, RecordBatch


class RecordInfo:
    """What comes with a record's value: its key, headers and time. Key and headers are read only when asked for.

    `time_us` is the record's timestamp in microseconds, or `values.NO_TIME`.
    """

    def __init__(self, batch: RecordBatch, place: int, time_us: int) -> None:
        self._batch = batch
        self._place = place
        self.time_us = time_us

    @cached_property
    def _envelope(self) -> Envelope:
        return self._batch.envelope(self._place)

    @property
    def topic(self) -> str:
        return self._batch.partition.topic

    @property
    def key(self) -> bytes | None:
        return self._envelope.key

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]:
        return self._envelope.headers

    def header(self, name: str) -> bytes | None:
        """The last value of a header; None without it, or if it is null."""
        return next((value for header, value in reversed(self.headers) if header == name), None)


class Encoding(Protocol):
    """Reads the bytes of a record."""

    def read(self, value: bytes, record: RecordInfo) -> object:
        """The value as a tree of dict (keys are str), list, str, int, float (also one that is not finite), bool, None.

        Raises:
            RejectedRecord: the bytes are not valid.
            TransientError: what the bytes need, such as a schema, cannot be had now; the record is read again later.
        """


class Bodies(Protocol):
    """An encoding whose bytes are JSON, perhaps behind something else."""

    def bodies(self, batch: RecordBatch, first: int, count: int) -> tuple[Sequence[bytes | None], Collection[int]]:
        """The JSON of so many records from a place on, and the positions of those that `read` may refuse."""


def require_size(value: bytes, limits: Limits) -> None:
    """Refuse a value without bytes, or with too many.

    Raises:
        RejectedRecord: it is.
    """
    if not value:
        raise RejectedRecord("empty", "the value has no bytes; write an event, or null for a tombstone")
    if len(value) > limits.record_bytes:
        message = f"the value is larger than limits.record_bytes ({limits.record_bytes:,})"
        raise RejectedRecord("too_large", message, f"{len(value):,} bytes")
