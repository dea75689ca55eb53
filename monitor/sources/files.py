"""A record source over files: `.jsonl`, `.csv`, `.records.jsonl` (each also compressed), `.parquet`, or a pipe."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final, Protocol, TypeAlias

import numpy as np

from monitor.clock import Clock
from monitor.errors import UsageError
from monitor.events import Partition
from monitor.records import Change, RecordBatch
from monitor.sources.copies import PipeCopy, SortedRecords, Times
from monitor.sources.kinds import PARQUET, ROWS, argument_faults, is_unnamed_pipe, kind_of
from monitor.sources.readers import OneFile, Records, SortedFile, csv_rows, json_lines, parquet_rows
from monitor.sources.recordings import ENDINGS as RECORDINGS
from monitor.sources.recordings import Recordings
from monitor.sources.streams import Stream, is_pipe, opened, shown_name

#: records in a batch: they share what a turn of the loop costs whatever was read, and the decoder takes a part of them
#: at a time
CHUNK: Final = 8_000
#: files that are not read from their beginning to their end
_SOUGHT: Final = (RECORDINGS, PARQUET)

#: returns the event times of a batch's records, (n,) in microseconds
TimesOf: TypeAlias = Callable[[RecordBatch], Times]


class _FileReader(Protocol):
    """Reads one file, or all recordings together."""

    def partitions(self) -> list[Partition]: ...
    def changes(self) -> list[Change]: ...
    def read(self, chunk: int, paused: Collection[Partition], /) -> list[RecordBatch]: ...
    def at_end(self, partition: Partition) -> bool: ...
    def ended(self) -> bool: ...
    def progress(self) -> tuple[int, int]: ...
    def place(self, partition: Partition, offset: int, /) -> str: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How files are read.

    `csv_map` maps the columns of a table (`.csv`, `.parquet`) to fields of a native event
    (`monitor.sources.csv_rows.CsvRows`); with `csv_texts` its rows are objects of their columns instead, in which these
    stay text.
    `longest` is the limit of a record's bytes; no more of a longer one is held in memory. With `times_of`, tables are
    sorted by event time, because they have no order of arrival, and so are `.jsonl` files if `sort` is set.
    `again`: the files are opened more than once, so pipes are copied to temporary files.
    """

    csv_map: Mapping[str, str] | None = None
    longest: int | None = None
    times_of: TimesOf | None = None
    sort: bool = False
    again: bool = False
    csv_texts: Collection[str] | None = None


class Files:
    """The files of a command, which can be opened several times; `close` removes the temporary copies.

    Each `.jsonl` (`.ndjson`; one value a line), `.csv` and `.parquet` file is one partition: its topic is the file's
    name, its number 0 (1, 2, ... for further files of the same name). Offsets count from 0: lines, rows, or records in
    order of time if the file is sorted. Blank lines are counted but are not records. There is no record time.

    `.records.jsonl` files keep the partitions, offsets and times of the topic. Several of them are one stream in the
    given order; they are scanned once on opening, because all partitions must be known before the first poll.

    `-` and named pipes can be read only once, and are copied to a temporary file if that is not enough.
    """

    def __init__(self, paths: Sequence[Path], clock: Clock, options: ReadOptions, *, chunk: int = CHUNK) -> None:
        """A poll returns at most `chunk` records a batch.

        Raises:
            UsageError: no file, a missing file, a file of an unknown kind, or a wrong mapping.
        """
        faults = argument_faults(paths, options.csv_map, maps_itself=options.csv_texts is not None)
        if faults:
            raise UsageError(faults)
        self._paths = list(paths)
        self._clock = clock
        self._options = options
        self._chunk = chunk
        self._pipes: dict[Path, PipeCopy] = {}
        self._sorted: dict[Path, SortedRecords] = {}
        self._notes: list[str] = []

    def open(self) -> FileSource:
        """A source over all files from their beginning.

        Raises:
            UsageError: a file is damaged, or its content does not match its name.
        """
        readers: list[_FileReader] = []
        recordings: list[Path] = []
        taken: set[Partition] = set()
        try:
            for path in self._paths:
                kind, stream = self._prepare(path)
                if kind == RECORDINGS:
                    recordings.append(path)
                    continue
                topic = shown_name(Path(path.name))
                partition = next(p for n in range(len(self._paths)) if (p := Partition(topic, n)) not in taken)
                taken.add(partition)
                readers.append(self._reader(partition, path, kind, stream))
            if recordings:
                readers.append(Recordings(recordings, self._clock, self._options.longest, self._stream))
            return FileSource(readers, self._chunk)
        except BaseException:
            for reader in readers:
                reader.close()
            raise

    def notes(self) -> list[str]:
        """One line for each thing that a person should know about the files that were sorted."""
        return self._notes

    def close(self) -> None:
        """Remove the temporary copies."""
        for pipe in self._pipes.values():
            pipe.close()
        for records in self._sorted.values():
            records.close()
        self._pipes.clear()
        self._sorted.clear()

    def _prepare(self, path: Path) -> tuple[tuple[str, ...], Stream | None]:
        """The kind of a file, and the open stream of a pipe that is not copied, which cannot be opened again."""
        if not is_pipe(path):
            return kind_of(path, None, mapped=False), None
        named = not is_unnamed_pipe(path)
        must_keep = self._options.again or (named and kind_of(path, None, mapped=False) in _SOUGHT)
        if must_keep and path not in self._pipes:
            with contextlib.closing(opened(path)) as raw:
                self._pipes[path] = PipeCopy(shown_name(path), raw)
        stream = self._stream(path)
        kind = kind_of(path, stream, mapped=self._options.csv_map is not None)
        if path in self._pipes:
            stream.close()
            return kind, None
        if kind in _SOUGHT:
            with contextlib.closing(stream):
                self._pipes[path] = PipeCopy(shown_name(path), stream.buffer)
            return kind, None
        return kind, stream

    def _stream(self, path: Path) -> Stream:
        return Stream(path, self._pipes[path].reader() if path in self._pipes else None)

    def _reader(self, partition: Partition, path: Path, kind: tuple[str, ...], stream: Stream | None) -> _FileReader:
        times_of = self._options.times_of
        if times_of is None or not (self._options.sort or kind in {ROWS, PARQUET}):
            return self._unsorted(partition, self._records(path, kind, stream))
        if path not in self._sorted:
            records = self._records(path, kind, stream)
            if records.in_time_order():
                return self._unsorted(partition, records)
            with contextlib.closing(records.file):
                blocks = (zip(block.lines.tolist(), block.values, strict=True) for block in records.blocks)
                values = chain.from_iterable(blocks)
                times = self._times(partition, times_of)
                self._sorted[path] = SortedRecords(shown_name(path), values, times, chunk=self._chunk)
                self._notes += records.notes()
        return SortedFile(partition, shown_name(path), self._sorted[path], self._clock)

    def _unsorted(self, partition: Partition, records: Records) -> OneFile:
        try:
            return OneFile(partition, records, self._clock)
        except BaseException:
            records.file.close()
            raise

    def _records(self, path: Path, kind: tuple[str, ...], stream: Stream | None) -> Records:
        """The records of a file; `stream` is that of a pipe which cannot be opened again."""
        columns, longest, texts = self._options.csv_map or {}, self._options.longest, self._options.csv_texts
        if kind == PARQUET:
            file = self._pipes[path].reader() if path in self._pipes else path
            return parquet_rows(shown_name(path), file, columns, longest, texts)
        stream = self._stream(path) if stream is None else stream
        try:
            return csv_rows(stream, columns, longest, texts) if kind == ROWS else json_lines(stream, longest)
        except BaseException:
            stream.close()
            raise

    def _times(self, partition: Partition, times_of: TimesOf) -> Callable[[list[bytes], list[int]], Times]:
        """`times_of` as a function of values and their line numbers."""

        def times(values: list[bytes], lines: list[int]) -> Times:
            now_us = self._clock.now_us()
            return times_of(RecordBatch(partition, [*values], np.array(lines, np.int64), None, lines[-1] + 1, now_us))

        return times


def open_source(
    paths: Sequence[Path], clock: Clock, *, chunk: int = CHUNK, csv_map: Mapping[str, str] | None = None
) -> FileSource:
    """Open files once, each in its own order (`Files`).

    Raises:
        UsageError: no file, a missing or damaged file, one of an unknown kind, or a wrong mapping.
    """
    return Files(paths, clock, ReadOptions(csv_map=csv_map), chunk=chunk).open()


class FileSource:
    """A `monitor.records.Source` over files; see `Files`.

    A paused file that is no recording is not read. A recording holds many partitions and is read in the order of the
    file, also while some of them are paused.
    """

    def __init__(self, readers: Sequence[_FileReader], chunk: int) -> None:
        self._readers = list(readers)
        self._chunk = chunk
        self._reader_of: dict[Partition, _FileReader] = {}
        for reader in readers:
            for partition in reader.partitions():
                if partition in self._reader_of:
                    raise UsageError(
                        f"{partition} stands for a file and for a partition of a recording; rename the file"
                    )
                self._reader_of[partition] = reader

    def partitions(self) -> list[Partition]:
        """Every partition of every file, in order of topic and number."""
        return sorted(self._reader_of)

    def changes(self) -> list[Change]:
        """Offsets that are missing between two recordings, reported before the later one is read."""
        return [change for reader in self._readers for change in reader.changes()]

    def poll(self, paused: Collection[Partition]) -> list[RecordBatch]:
        """At most `chunk` records of each file, and of all recordings together.

        Raises:
            UsageError: a file is damaged, with file and line.
        """
        return [batch for reader in self._readers for batch in reader.read(self._chunk, paused)]

    def at_end(self, partition: Partition) -> bool:
        return self._reader_of[partition].at_end(partition)

    def ended(self) -> bool:
        return all(reader.ended() for reader in self._readers)

    def progress(self) -> tuple[int, int]:
        """Bytes read and total bytes of the files on disk (compressed); of a sorted file records instead of bytes."""
        done, total = zip(*(reader.progress() for reader in self._readers), strict=True)
        return sum(done), sum(total)

    def place(self, partition: Partition, offset: int) -> str:
        """The place of a record for messages: `file:line`, or `topic-partition@offset` in a recording."""
        return self._reader_of[partition].place(partition, offset)

    def close(self) -> None:
        """Close every file."""
        for reader in self._readers:
            reader.close()
