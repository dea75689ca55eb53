"""Records of one partition, in one array of offsets and one of times; keys and headers are read only on demand."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

import numpy as np

from monitor.events import Partition
from monitor.kafka.cut_values import CutValues, joined
from monitor.records import Envelope, Ints, RecordBatch

_NO_TIME: Final = -1
_LAST_TIME: Final = (1 << 63) - 1


@dataclass(slots=True)
class Chunk:
    """Some records: `values` has n, arrays are (n,). `envelopes` returns key and headers of the i-th after `first`."""

    values: Sequence[bytes | None]
    offsets: Ints
    times_ms: Ints
    envelopes: Callable[[int], Envelope]
    first: int = 0

    def __len__(self) -> int:
        return len(self.values)

    def part(self, begin: int, end: int) -> Chunk:
        rows, first, values = slice(begin, end), self.first + begin, self.values
        own = values.part(begin, end) if isinstance(values, CutValues) else values[rows]
        return Chunk(own, self.offsets[rows], self.times_ms[rows], self.envelopes, first)

    def since(self, offset: int) -> Chunk:
        """The records at this offset and later ones."""
        begin = int(np.searchsorted(self.offsets, offset))
        return self.part(begin, len(self)) if begin else self

    def envelope(self, index: int) -> Envelope:
        return self.envelopes(self.first + index)


class Taken:
    """Chunks as kafka-python wants what a poll takes: its length are the records, and it is read once."""

    def __init__(self) -> None:
        self._chunks: list[Chunk] = []
        self._decoded: list[Any] = []
        self._records = 0

    def add(self, chunk: Chunk) -> None:
        self._settle()
        if len(chunk):
            self._chunks.append(chunk)
            self._records += len(chunk)

    def add_decoded(self, records: Sequence[Any]) -> None:
        """Records of the library's decoder: those of many batches become one chunk."""
        self._decoded += records
        self._records += len(records)

    def _settle(self) -> None:
        if self._decoded:
            self._chunks.append(chunk_of(self._decoded))
            self._decoded = []

    def __len__(self) -> int:
        return self._records

    def __iter__(self) -> Iterator[Chunk]:
        self._settle()
        return iter(self._chunks)


def chunk_of(records: Sequence[Any]) -> Chunk:
    """Records that the library has decoded, in the order of their offsets."""
    return Chunk(
        [record.value for record in records],
        np.array([record.offset for record in records], np.int64),
        np.array([time_or_none(record.timestamp) for record in records], np.int64),
        lambda index: Envelope(records[index].key, tuple(records[index].headers or ())),
    )


def time_or_none(timestamp: int | None) -> int:
    """The timestamp, -1 for none: the oldest format has none, and a producer may write one that no 64 bits hold."""
    return timestamp if timestamp is not None and -_LAST_TIME <= timestamp <= _LAST_TIME else _NO_TIME


def record_batch(partition: Partition, chunks: Sequence[Chunk], next_offset: int, now_us: int) -> RecordBatch:
    """The chunks of one partition, in the order of their offsets."""
    first = chunks[0]
    alone = len(chunks) == 1
    return RecordBatch(
        partition=partition,
        values=joined([one.values for one in chunks]),
        offsets=first.offsets if alone else np.concatenate([one.offsets for one in chunks]),
        times_ms=first.times_ms if alone else np.concatenate([one.times_ms for one in chunks]),
        next_offset=next_offset,
        now_us=now_us,
        envelope=first.envelope if alone else _Joined(chunks),
    )


class _Joined:
    """Keys and headers of the chunks as if they were one."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self._chunks = chunks
        self._ends = list(accumulate(map(len, chunks)))

    def __call__(self, index: int) -> Envelope:
        place = bisect_right(self._ends, index)
        chunk = self._chunks[place]
        return chunk.envelope(index - self._ends[place] + len(chunk))
