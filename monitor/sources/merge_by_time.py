"""A source whose partitions come in the order of their records' times, however the polls cut them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from itertools import accumulate

from monitor.events import Partition
from monitor.records import Change, RecordBatch, Source

_NO_TIME = -1


@dataclass(slots=True)
class _Waiting:
    """A polled batch; `due` is the latest time in it up to each record, `begin` the first that was not given out.

    What was due in the batch before it need not be known: it was given out, so everything else is due after it.
    """

    batch: RecordBatch
    due: list[int]
    begin: int = 0

    def take(self, bound: tuple[int, Partition] | None) -> RecordBatch:
        """The records that come before `bound`, or all."""
        end = len(self.due)
        if bound is not None:
            due, other = bound
            cut = bisect_right if self.batch.partition < other else bisect_left
            end = cut(self.due, due, self.begin)
        taken = _slice(self.batch, self.begin, end)
        self.begin = end
        return taken


class MergeByTime:
    """The records of all partitions of another source, merged by their times; equal times in order of the partitions.

    A partition keeps its own order: a record that is older than one before it, or has no time, comes right after that
    one. Nothing is given out before the next record of every partition that has not ended is known, so that what comes
    first does not depend on how polls cut the partitions. Kept is what one poll gave of each partition. Partitions
    that are paused hold nobody up.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._waiting: dict[Partition, deque[_Waiting]] = {}

    def partitions(self) -> list[Partition]:
        return self._source.partitions()

    def changes(self) -> list[Change]:
        return self._source.changes()

    def poll(self, paused: Collection[Partition]) -> list[RecordBatch]:
        """Slices in the order of time, several of a partition among them; empty while one has to be waited for."""
        asked = [partition for partition in self._source.partitions() if partition not in paused]
        if any(self._is_awaited(partition) for partition in asked):
            for batch in self._source.poll({*paused, *self._waiting}):
                self._keep(batch)
        if any(self._is_awaited(partition) for partition in asked):
            return []
        return list(self._merged(asked))

    def _is_awaited(self, partition: Partition) -> bool:
        return partition not in self._waiting and not self._source.at_end(partition)

    def _keep(self, batch: RecordBatch) -> None:
        if not len(batch):
            return
        times = batch.times_ms if batch.times_ms is not None else [_NO_TIME] * len(batch)
        waiting = _Waiting(batch, list(accumulate(times, max)))
        self._waiting.setdefault(batch.partition, deque()).append(waiting)

    def _merged(self, asked: Collection[Partition]) -> Iterator[RecordBatch]:
        """All that can be given out before a partition has to be asked again."""
        heads = [self._head(partition) for partition in asked if partition in self._waiting]
        heapify(heads)
        while heads:
            _, partition = heappop(heads)
            reader = self._waiting[partition]
            yield reader[0].take(heads[0] if heads else None)
            if reader[0].begin == len(reader[0].due):
                reader.popleft()
            if reader:
                heappush(heads, self._head(partition))
            else:
                del self._waiting[partition]
                if not self._source.at_end(partition):
                    return

    def _head(self, partition: Partition) -> tuple[int, Partition]:
        first = self._waiting[partition][0]
        return first.due[first.begin], partition

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
        next_offset=batch.next_offset if end == len(batch) else batch.offsets[end],
        envelope=lambda index: batch.envelope(begin + index),
    )
