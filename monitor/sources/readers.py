"""Readers of one file as one partition: in the order of the file, or sorted by event time."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np

from monitor.clock import Clock
from monitor.errors import UsageError
from monitor.events import Partition
from monitor.records import Change, RecordBatch
from monitor.sources.copies import SortedRecords
from monitor.sources.csv_rows import CsvRows
from monitor.sources.kinds import require_one_value_a_line
from monitor.sources.streams import BATCH_BYTES, Stream, stand_in

#: a record of a file: its offset, its first line from 1, its value
FileRecord: TypeAlias = tuple[int, int, bytes]


class OpenFile(Protocol):
    """What records are read from: its name for messages, its bytes, how many of them were read."""

    @property
    def name(self) -> str: ...
    @property
    def size(self) -> int: ...
    def position(self) -> int: ...
    def close(self) -> None: ...


class Records(NamedTuple):
    """The records of an open file; `notes` returns lines for a person once they were read.

    `in_time_order` tells whether it is certain that sorting by event time would change nothing.
    """

    file: OpenFile
    records: Iterator[FileRecord]
    notes: Callable[[], list[str]]
    in_time_order: Callable[[], bool] = lambda: False


def json_lines(stream: Stream, longest: int | None) -> Records:
    """The records of a file with one value a line.

    Raises:
        UsageError: the file is pretty-printed.
    """
    require_one_value_a_line(stream)
    return Records(stream, _lines(stream, longest), list)


def _lines(stream: Stream, longest: int | None) -> Iterator[FileRecord]:
    too_long = stand_in(longest)  # rejected as too_large by the decoder
    for number, data, cut in stream.lines(longest):
        if cut:
            yield number - 1, number, too_long
        elif not data.isspace():
            yield number - 1, number, data.rstrip(b"\r\n")


def csv_rows(
    stream: Stream, csv_map: Mapping[str, str], longest: int | None, texts: Collection[str] | None = None
) -> Records:
    """The rows of a CSV file, each as a native event, or (with `texts`) as the object of its columns.

    Raises:
        UsageError: the header is wrong.
    """
    rows = CsvRows(stream, csv_map, longest, texts=texts)
    return Records(stream, rows.events(), rows.notes)


def parquet_rows(
    name: str,
    file: Path | io.RawIOBase,
    columns: Mapping[str, str],
    longest: int | None,
    texts: Collection[str] | None = None,
) -> Records:
    """The rows of a Parquet file, as those of `csv_rows`.

    Raises:
        UsageError: the file or the mapping is wrong, or the library is not installed.
    """
    try:
        from monitor.sources.parquet_rows import ParquetRows  # noqa: PLC0415  # its library is an extra
    except ModuleNotFoundError as error:
        raise UsageError(f"{name}: a .parquet file needs {error.name}; run: pip install 'driftd[parquet]'") from None
    rows = ParquetRows(name, file, columns, longest, texts=texts)
    return Records(rows, rows.events(), list, rows.in_time_order)


class OneFile:
    """A file in its own order. One record is read ahead, so that `at_end` is true right after the last one."""

    def __init__(self, partition: Partition, records: Records, clock: Clock) -> None:
        self._partition = partition
        self._file = records.file
        self._values = records.records
        self._clock = clock
        self._begins_at = 1
        self._ahead = next(self._values, None)
        if self._ahead is not None:
            self._begins_at = self._ahead[1] - self._ahead[0]
        self._close_at_end()

    def partitions(self) -> list[Partition]:
        return [self._partition]

    def changes(self) -> list[Change]:
        return []

    def read(self, chunk: int, paused: Collection[Partition]) -> list[RecordBatch]:
        if self._ahead is None or self._partition in paused:
            return []
        read: list[FileRecord] = []
        size = 0
        ahead: FileRecord | None = self._ahead
        while ahead is not None and len(read) < chunk and size <= BATCH_BYTES:
            read.append(ahead)
            size += len(ahead[2])
            ahead = next(self._values, None)
        self._ahead = ahead
        self._close_at_end()
        return [
            RecordBatch(
                partition=self._partition,
                values=[value for _, _, value in read],
                offsets=np.array([offset for offset, _, _ in read], np.int64),
                times_ms=None,
                next_offset=read[-1][0] + 1,
                now_us=self._clock.now_us(),
            )
        ]

    def at_end(self, partition: Partition) -> bool:
        return self._ahead is None

    def ended(self) -> bool:
        return self._ahead is None

    def progress(self) -> tuple[int, int]:
        return self._file.position(), self._file.size

    def place(self, partition: Partition, offset: int) -> str:
        return f"{self._file.name}:{offset + self._begins_at}"

    def close(self) -> None:
        self._file.close()

    def _close_at_end(self) -> None:
        if self._ahead is None:
            self._file.close()


class SortedFile:
    """A file in order of event time; offsets count its records in that order."""

    def __init__(self, partition: Partition, name: str, records: SortedRecords, clock: Clock) -> None:
        self._partition = partition
        self._name = name
        self._records = records
        self._clock = clock
        self._next = 0

    def partitions(self) -> list[Partition]:
        return [self._partition]

    def changes(self) -> list[Change]:
        return []

    def read(self, chunk: int, paused: Collection[Partition]) -> list[RecordBatch]:
        if self.ended() or self._partition in paused:
            return []
        begin = self._next
        end = self._next = self._records.end_of_batch(begin, chunk)
        return [
            RecordBatch(
                partition=self._partition,
                values=[*self._records.read(begin, end)],
                offsets=np.arange(begin, end),
                times_ms=None,
                next_offset=end,
                now_us=self._clock.now_us(),
            )
        ]

    def at_end(self, partition: Partition) -> bool:
        return self.ended()

    def ended(self) -> bool:
        return self._next == len(self._records)

    def progress(self) -> tuple[int, int]:
        return self._next, len(self._records)

    def place(self, partition: Partition, offset: int) -> str:
        return f"{self._name}:{self._records.lines[offset]}"

    def close(self) -> None:
        """Nothing to close: `Files` keeps the sorted records for the next pass."""
