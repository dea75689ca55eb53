"""Merges the partitions of a source by record time; the order does not depend on how polls cut them."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from monitor.events import Partition
from monitor.records import Change, RecordBatch, Source

_NO_TIME = -1


@dataclass(slots=True)
class _Pending:
    """A polled batch: `due` is the running maximum of its times, `begin` the first record that was not returned.

    The maximum need not include the batch before: that was returned whole, so every other record comes after it.
    """

    batch: RecordBatch
    due: NDArray[np.int64]
    begin: int = 0

    def take(self, bound: tuple[int, Partition] | None) -> RecordBatch:
        """Remove and return the records that sort before `bound` (due time, partition); all if it is None."""
        end = len(self.due)
        if bound is not None:
            due, other = bound
            side: Literal["left", "right"] = "right" if self.batch.partition < other else "left"
            end = self.begin + int(np.searchsorted(self.due[self.begin :], due, side))
        taken = _slice(self.batch, self.begin, end)
        self.begin = end
        return taken


class MergeByTime:
    """The records of all partitions of another source, merged by their times; equal times in order of the partitions.

    A partition keeps its own order: a record that is older than one before it, or has no time, comes right after that
    one. Records are returned only once the next record of every partition that is not paused and not at its end is
    known. At most one poll's records of each partition are held in memory.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._waiting: dict[Partition, deque[_Pending]] = {}

    def partitions(self) -> list[Partition]:
        return self._source.partitions()

    def changes(self) -> list[Change]:
        return self._source.changes()

    def poll(self, paused: Collection[Partition]) -> list[RecordBatch]:
        """Slices of batches in order of time, possibly several of one partition; empty while a partition is awaited."""
        asked = [partition for partition in self._source.partitions() if partition not in paused]
        if any(self._is_awaited(partition) for partition in asked):
            for batch in self._source.poll({*paused, *self._waiting}):
                self._add(batch)
        if any(self._is_awaited(partition) for partition in asked):
            return []
        return list(self._merged(asked))

    def _is_awaited(self, partition: Partition) -> bool:
        return partition not in self._waiting and not self._source.at_end(partition)

    def _add(self, batch: RecordBatch) -> None:
        if not len(batch):
            return
        times = batch.times_ms if batch.times_ms is not None else np.full(len(batch), _NO_TIME, np.int64)
        pending = _Pending(batch, np.maximum.accumulate(times))
        self._waiting.setdefault(batch.partition, deque()).append(pending)

    def _merged(self, asked: Collection[Partition]) -> Iterator[RecordBatch]:
        """Yield slices until a partition has no pending records and is not at its end."""
        heads = [self._head(partition) for partition in asked if partition in self._waiting]
        heapify(heads)
        while heads:
            _, partition = heappop(heads)
            batches = self._waiting[partition]
            yield batches[0].take(heads[0] if heads else None)
            if batches[0].begin == len(batches[0].due):
                batches.popleft()
            if batches:
                heappush(heads, self._head(partition))
            else:
                del self._waiting[partition]
                if not self._source.at_end(partition):
                    return

    def _head(self, partition: Partition) -> tuple[int, Partition]:
        first = self._waiting[partition][0]
        return int(first.due[first.begin]), partition

    def at_end(self, partition: Partition) -> bool:
        return partition not in self._waiting and self._source.at_end(partition)

    def ended(self) -> bool:
        return not self._waiting and self._source.ended()


def _slice(batch: RecordBatch, begin: int, end: int) -> RecordBatch:
    return replace(
        batch,
        values=batch.values[begin:end],
        offsets=batch.offsets[begin:end],
        times_ms=None if batch.times_ms is None else batch.times_ms[begin:end],
        next_offset=batch.next_offset if end == len(batch) else int(batch.offsets[end]),
        envelope=lambda index: batch.envelope(begin + index),
    )
