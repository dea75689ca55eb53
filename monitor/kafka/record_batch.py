"""Records of the client as a `RecordBatch`."""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.events import Partition
from monitor.records import Envelope, RecordBatch


class _Envelopes:
    """Keys and headers of a batch, read only on demand."""

    __slots__ = ("_records",)

    def __init__(self, records: list[Any]) -> None:
        self._records = records

    def __call__(self, index: int) -> Envelope:
        record = self._records[index]
        return Envelope(record.key, tuple(record.headers or ()))


def record_batch(partition: Partition, records: list[Any], next_offset: int, now_us: int) -> RecordBatch:
    """Consumer records of one partition in the order of their offsets."""
    return RecordBatch(
        partition=partition,
        values=[record.value for record in records],
        offsets=np.array([record.offset for record in records], np.int64),
        times_ms=np.array([record.timestamp for record in records], np.int64),
        next_offset=next_offset,
        now_us=now_us,
        envelope=_Envelopes(records),
    )
