"""Readers of one file as one partition: in the order of the file, or sorted by event time."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.clock import Clock
from monitor.decode.table_rows import TableRows
from monitor.errors import UsageError
from monitor.events import Partition
from monitor.records import Change, RecordBatch
from monitor.sources.copies import SortedRecords
from monitor.sources.csv_rows import CsvRows
from monitor.sources.kinds import require_one_value_a_line
from monitor.sources.streams import READ_BYTES, Stream, stand_in

Ints = NDArray[np.int64]
#: a record of a file: its offset, its first line from 1, its value
FileRecord: TypeAlias = tuple[int, int, bytes]
#: most records, and bytes of them, that are gathered to a block
_GATHERED: Final = 256
_GATHERED_BYTES: Final = 64 * 1024


class FileBlock(NamedTuple):
    """At least one record, `offsets` (n,), `lines` (n,) the first line of each from 1, `values` n."""

    offsets: Ints
    lines: Ints
    values: Sequence[bytes]

    @classmethod
    def of(cls, records: Sequence[FileRecord]) -> FileBlock:
        offsets, lines, values = zip(*records, strict=True)
        return cls(np.array(offsets, np.int64), np.array(lines, np.int64), list(values))

    @property
    def size(self) -> int:
        """About how many bytes are held."""
        return self.values.size if isinstance(self.values, TableRows) else sum(map(len, self.values))

    def cut(self, begin: int, end: int) -> FileBlock:
        """Some of its records."""
        return FileBlock(self.offsets[begin:end], self.lines[begin:end], self.values[begin:end])


class OpenFile(Protocol):
    """What records are read from: its name for messages, its bytes, how many of them were read."""

    @property
    def name(self) -> str: ...
    @property
    def size(self) -> int: ...
    def position(self) -> int: ...
    def close(self) -> None: ...


class Records(NamedTuple):
    """The records of an open file, block by block; `notes` returns lines for a person once they were read.

    `in_time_order` tells whether it is certain that sorting by event time would change nothing.
    """

    file: OpenFile
    blocks: Iterator[FileBlock]
    notes: Callable[[], list[str]]
    in_time_order: Callable[[], bool] = lambda: False


def json_lines(stream: Stream, longest: int | None) -> Records:
    """The records of a file with one value a line.

    Raises:
        UsageError: the file is pretty-printed.
    """
    require_one_value_a_line(stream)
    return Records(stream, _lines(stream, longest), list)


def _lines(stream: Stream, longest: int | None) -> Iterator[FileBlock]:
    too_long = stand_in(longest)  # rejected as too_large by the decoder
    for first, values, cut in stream.blocks(longest):
        for at in cut:
            values[at] = too_long
        offsets = np.arange(first - 1, first - 1 + len(values))
        block = FileBlock(offsets, offsets + 1, values)
        if not all(values) or any(map(bytes.isspace, values)):
            kept = [at for at, value in enumerate(values) if value and not value.isspace()]
            block = FileBlock(offsets[kept], offsets[kept] + 1, [values[at] for at in kept])
        if block.values:
            yield block


def _gathered(records: Iterator[FileRecord]) -> Iterator[FileBlock]:
    """Records in blocks; the first is by itself, so that a file is opened before more of it is read."""
    for first in records:
        yield FileBlock.of([first])
        break
    while block := list(_some(records)):
        yield FileBlock.of(block)


def _numbered(parts: Iterator[TableRows]) -> Iterator[FileBlock]:
    count = 0
    for part in parts:
        if len(part):
            offsets = np.arange(count, count + len(part))
            yield FileBlock(offsets, offsets + 1, part)
            count += len(part)


def _some(records: Iterator[FileRecord]) -> Iterator[FileRecord]:
    held = 0
    for record in islice(records, _GATHERED):
        yield record
        held += len(record[2])
        if held > _GATHERED_BYTES:
            return


def csv_rows(
    stream: Stream, csv_map: Mapping[str, str], longest: int | None, texts: Collection[str] | None = None
) -> Records:
    """The rows of a CSV file, each as a native event, or (with `texts`) as the object of its columns.

    Raises:
        UsageError: the header is wrong.
    """
    rows = CsvRows(stream, csv_map, longest, texts=texts)
    return Records(stream, _gathered(rows.events()), rows.notes)


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
    return Records(rows, _numbered(rows.parts()), list, rows.in_time_order)


class OneFile:
    """A file in its own order. A block is read ahead, so that `at_end` is true right after the last record."""

    def __init__(self, partition: Partition, records: Records, clock: Clock) -> None:
        self._partition = partition
        self._file = records.file
        self._blocks = records.blocks
        self._clock = clock
        self._begins_at = 1
        #: what was read and not handed out
        self._ahead = next(self._blocks, None)
        if self._ahead is not None:
            self._begins_at = int(self._ahead.lines[0] - self._ahead.offsets[0])
        self._close_at_end()

    def partitions(self) -> list[Partition]:
        return [self._partition]

    def changes(self) -> list[Change]:
        return []

    def read(self, chunk: int, paused: Collection[Partition]) -> list[RecordBatch]:
        if self._ahead is None or self._partition in paused:
            return []
        parts: list[FileBlock] = []
        count = size = 0
        while self._ahead is not None and count < chunk and size <= READ_BYTES:
            part = self._ahead.cut(0, chunk - count)
            rest = self._ahead.cut(len(part.values), len(self._ahead.values))
            parts.append(part)
            count += len(part.values)
            size += part.size
            self._ahead = rest if len(rest.values) else next(self._blocks, None)
            if isinstance(part.values, TableRows):  # its columns stay together
                break
        self._close_at_end()
        offsets = np.concatenate([part.offsets for part in parts])
        values = parts[0].values if len(parts) == 1 else [value for part in parts for value in part.values]
        return [
            RecordBatch(
                partition=self._partition,
                values=values,
                offsets=offsets,
                times_ms=None,
                next_offset=int(offsets[-1]) + 1,
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
