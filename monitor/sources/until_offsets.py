"""Limits a source to the offsets below a given end, by partition."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from monitor.events import Partition
from monitor.records import Change, RecordBatch, Source


class UntilOffsets:
    """The records of another source below `ends` (exclusive); partitions without an end are left out."""

    def __init__(self, source: Source, ends: Mapping[Partition, int], begins: Mapping[Partition, int]) -> None:
        """`begins` are the start positions of the source, if known: a partition that starts at its end is finished."""
        self._source = source
        self._ends = dict(ends)
        self._finished = {partition for partition, end in ends.items() if begins.get(partition, -1) >= end}

    def partitions(self) -> list[Partition]:
        return [partition for partition in self._source.partitions() if partition in self._ends]

    def changes(self) -> list[Change]:
        return [change for change in self._source.changes() if change.partition in self._ends]

    def poll(self, paused: Collection[Partition]) -> list[RecordBatch]:
        others = [partition for partition in self._source.partitions() if partition not in self._ends]
        cut = (self._cut(batch) for batch in self._source.poll({*paused, *self._finished, *others}))
        return [batch for batch in cut if len(batch)]

    def _cut(self, batch: RecordBatch) -> RecordBatch:
        end = self._ends.get(batch.partition, 0)
        n = int(np.searchsorted(batch.offsets, end))
        if batch.next_offset >= end:
            self._finished.add(batch.partition)
        times = None if batch.times_ms is None else batch.times_ms[:n]
        return replace(batch, values=batch.values[:n], offsets=batch.offsets[:n], times_ms=times)

    def at_end(self, partition: Partition) -> bool:
        return partition in self._finished or self._source.at_end(partition)

    def ended(self) -> bool:
        return self._source.ended() or all(self.at_end(partition) for partition in self._ends)
