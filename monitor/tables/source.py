"""A table's rows as a source of records: one partition, in the order of their times."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.clock import Clock
from monitor.errors import UsageError
from monitor.events import Partition
from monitor.records import Change, RecordBatch
from monitor.run.decoders import decoder_of
from monitor.settings.tree import Settings
from monitor.sources.copies import NO_TIME
from monitor.sources.event_times import EventTimes

#: rows of a batch
CHUNK: Final = 500
#: the name of the one topic, which is what findings call the table
TABLE: Final = Partition("table", 0)


class TableRows:
    """The rows of one table, sorted by time; `rows` (n,) are their numbers in the table, from 0, in that order."""

    def __init__(self, values: Sequence[bytes], settings: Settings, clock: Clock) -> None:
        """
        Raises:
            UsageError: there are none.
        """
        if not values:
            raise UsageError("the table has no rows")
        self.clock = clock
        times = self._times(values, EventTimes(settings, decoder_of))
        self.rows: NDArray[np.int64] = np.argsort(times, kind="stable").astype(np.int64)
        self.values = [values[row] for row in self.rows.tolist()]

    def _times(
        self, values: Sequence[bytes], times_of: Callable[[RecordBatch], NDArray[np.int64]]
    ) -> NDArray[np.int64]:
        parts = [times_of(self.batch(values, at)) for at in range(0, len(values), CHUNK)]
        times = np.concatenate([np.zeros(0, np.int64), *parts])
        # a row that will be rejected stays behind the one before it
        known = np.maximum.accumulate(np.where(times == NO_TIME, 0, np.arange(len(times))))
        return np.asarray(times[known], np.int64)

    def batch(self, values: Sequence[bytes], begin: int) -> RecordBatch:
        """The records from `begin` on, at most CHUNK."""
        end = min(begin + CHUNK, len(values))
        return RecordBatch(TABLE, [*values[begin:end]], np.arange(begin, end), None, end, self.clock.now_us())

    def open(self) -> TableSource:
        return TableSource(self)

    def place(self, partition: Partition, offset: int) -> str:
        """`table row 17`, for messages."""
        return f"{partition.topic} row {self.rows[offset]}"


class TableSource:
    """A `monitor.records.Source` over the rows of a table."""

    def __init__(self, rows: TableRows) -> None:
        self._rows = rows
        self._next = 0

    def partitions(self) -> list[Partition]:
        return [TABLE]

    def changes(self) -> list[Change]:
        return []

    def poll(self, paused: Collection[Partition]) -> list[RecordBatch]:
        if self.ended() or TABLE in paused:
            return []
        batch = self._rows.batch(self._rows.values, self._next)
        self._next = batch.next_offset
        return [batch]

    def at_end(self, partition: Partition) -> bool:
        return self.ended()

    def ended(self) -> bool:
        return self._next == len(self._rows.values)

    def place(self, partition: Partition, offset: int) -> str:
        return self._rows.place(partition, offset)

    def close(self) -> None:
        """Nothing is open."""
