"""Recorded streams as a source of records: `.jsonl`, `.csv`, `.records.jsonl`, plain or compressed, or from a pipe."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from monitor.clock import Clock
from monitor.errors import UsageError
from monitor.events import Partition
from monitor.records import Change, RecordBatch
from monitor.sources.kept import KeptPipe, SortedRecords, Times
from monitor.sources.kinds import ROWS, argument_faults, is_unnamed_pipe, kind_of
from monitor.sources.readers import OneFile, Records, SortedFile, csv_rows, json_lines
from monitor.sources.recordings import ENDINGS as RECORDINGS
from monitor.sources.recordings import Recordings
from monitor.sources.streams import Stream, is_pipe, opened, shown_name

#: records in a batch
CHUNK: Final = 500

#: gives the event times of a batch's records
TimesOf: TypeAlias = Callable[[RecordBatch], Times]


class _FileReader(Protocol):
    """What reads one file, or the recordings together."""

    def partitions(self) -> list[Partition]: ...
    def changes(self) -> list[Change]: ...
    def read(self, chunk: int, paused: Collection[Partition], /) -> list[RecordBatch]: ...
    def at_end(self, partition: Partition) -> bool: ...
    def ended(self) -> bool: ...
    def progress(self) -> tuple[int, int]: ...
    def place(self, partition: Partition, offset: int, /) -> str: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Reading:
    """How files are read.

    `csv_map` says which column of a `.csv` file is which field of a native event (`monitor.sources.csv_rows.CsvRows`).
    `longest` is the limit of a record's bytes: of a longer one no more is held. `times_of` gives the times of records;
    with it `.csv` files, which have no order of arrival, are read in order of time, and `.jsonl` files with `sort`.
    `again`: the files are opened more than once, so that pipes are kept.
    """

    csv_map: Mapping[str, str] | None = None
    longest: int | None = None
    times_of: TimesOf | None = None
    sort: bool = False
    again: bool = False


class Files:
    """Files that can be opened one time after the other; what is kept of them goes with `close`.

    Each `.jsonl` (`.ndjson`; one value a line) and `.csv` file is one partition: its topic is the file's name, its
    number 0 (1, 2, ... for further files of the same name). The offset of a line is its number from 0, of a row its
    number from 0 after the header, of a sorted record its number from 0 in order of time; lines without anything in
    them are counted and are no records. These have no record time.

    `.records.jsonl` files keep the partitions, offsets and times of the topic; several are one stream in the order
    given, and are read through once on opening, since all partitions must be known before the first poll.

    `-` and named pipes are read once, and kept in a temporary file where that is not enough.
    """

    def __init__(self, paths: Sequence[Path], clock: Clock, reading: Reading, *, chunk: int = CHUNK) -> None:
        """A poll gives at most `chunk` records a batch.

        Raises:
            UsageError: no file, a file that is missing or of an unknown kind, or a wrong mapping.
        """
        faults = argument_faults(paths, reading.csv_map)
        if faults:
            raise UsageError(faults)
        self._paths = list(paths)
        self._clock = clock
        self._reading = reading
        self._chunk = chunk
        self._pipes: dict[Path, KeptPipe] = {}
        self._sorted: dict[Path, SortedRecords] = {}
        self._notes: list[str] = []

    def open(self) -> FileSource:
        """All files from their beginning.

        Raises:
            UsageError: a file is damaged, or not what its name says.
        """
        readers: list[_FileReader] = []
        recordings: list[Path] = []
        taken: set[Partition] = set()
        try:
            for path in self._paths:
                kind, stream = self._begun(path)
                if kind == RECORDINGS:
                    recordings.append(path)
                    continue
                topic = shown_name(Path(path.name))
                partition = next(p for n in range(len(self._paths)) if (p := Partition(topic, n)) not in taken)
                taken.add(partition)
                readers.append(self._lane(partition, path, kind, stream))
            if recordings:
                readers.append(Recordings(recordings, self._clock, self._reading.longest, self._stream))
            return FileSource(readers, self._chunk)
        except BaseException:
            for reader in readers:
                reader.close()
            raise

    def notes(self) -> list[str]:
        """What a person should know of the files that were sorted."""
        return self._notes

    def close(self) -> None:
        """Let go of what was kept."""
        for pipe in self._pipes.values():
            pipe.close()
        for records in self._sorted.values():
            records.close()
        self._pipes.clear()
        self._sorted.clear()

    def _begun(self, path: Path) -> tuple[tuple[str, ...], Stream | None]:
        """A file's kind, and the stream of a pipe that cannot be opened again."""
        if not is_pipe(path):
            return kind_of(path, None, mapped=False), None
        named = not is_unnamed_pipe(path)
        must_keep = self._reading.again or (named and kind_of(path, None, mapped=False) == RECORDINGS)
        if must_keep and path not in self._pipes:
            with contextlib.closing(opened(path)) as raw:
                self._pipes[path] = KeptPipe(shown_name(path), raw)
        stream = self._stream(path)
        kind = kind_of(path, stream, mapped=self._reading.csv_map is not None)
        if path in self._pipes:
            stream.close()
            return kind, None
        if kind == RECORDINGS:
            with contextlib.closing(stream):
                self._pipes[path] = KeptPipe(shown_name(path), stream.buffer)
            return kind, None
        return kind, stream

    def _stream(self, path: Path) -> Stream:
        return Stream(path, self._pipes[path].reader() if path in self._pipes else None)

    def _lane(self, partition: Partition, path: Path, kind: tuple[str, ...], stream: Stream | None) -> _FileReader:
        times_of = self._reading.times_of
        if times_of is None or not (self._reading.sort or kind == ROWS):
            stream = self._stream(path) if stream is None else stream
            try:
                return OneFile(partition, stream, self._records(kind, stream), self._clock)
            except BaseException:
                stream.close()
                raise
        if path not in self._sorted:
            with contextlib.closing(self._stream(path) if stream is None else stream) as read:
                records = self._records(kind, read)
                values = ((line, value) for _, line, value in records.records)
                times = self._times(partition, times_of)
                self._sorted[path] = SortedRecords(shown_name(path), values, times, chunk=self._chunk)
                self._notes += records.notes()
        return SortedFile(partition, shown_name(path), self._sorted[path], self._clock)

    def _records(self, kind: tuple[str, ...], stream: Stream) -> Records:
        if kind == ROWS:
            return csv_rows(stream, self._reading.csv_map or {}, self._reading.longest)
        return json_lines(stream, self._reading.longest)

    def _times(self, partition: Partition, times_of: TimesOf) -> Callable[[list[bytes], list[int]], Times]:
        """The same question for values and the lines at which they stand."""

        def times(values: list[bytes], lines: list[int]) -> Times:
            now_us = self._clock.now_us()
            return times_of(RecordBatch(partition, [*values], lines, None, lines[-1] + 1, now_us))

        return times


def open_source(
    paths: Sequence[Path], clock: Clock, *, chunk: int = CHUNK, csv_map: Mapping[str, str] | None = None
) -> FileSource:
    """Open recorded files once, each in its own order (`Files`).

    Raises:
        UsageError: no file, a file that is missing, damaged or of an unknown kind, or a wrong mapping.
    """
    return Files(paths, clock, Reading(csv_map=csv_map), chunk=chunk).open()


class FileSource:
    """A `monitor.records.Source` over recorded files; see `open_source`.

    A paused `.jsonl` or `.csv` file is not read; a recording holds many partitions and is read in the order of the
    file whatever is paused.
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
        """Offsets missing between two recordings, told before the later one is read."""
        return [change for reader in self._readers for change in reader.changes()]

    def poll(self, paused: Collection[Partition]) -> list[RecordBatch]:
        """At most `chunk` records of each file and of the recordings.

        Raises:
            UsageError: file and line where the data are damaged.
        """
        return [batch for reader in self._readers for batch in reader.read(self._chunk, paused)]

    def at_end(self, partition: Partition) -> bool:
        return self._reader_of[partition].at_end(partition)

    def ended(self) -> bool:
        return all(reader.ended() for reader in self._readers)

    def progress(self) -> tuple[int, int]:
        """Bytes read and bytes altogether, of the files as they lie on the disk (compressed)."""
        done, total = zip(*(reader.progress() for reader in self._readers), strict=True)
        return sum(done), sum(total)

    def place(self, partition: Partition, offset: int) -> str:
        """Where a record stands, for a person: `file:line`, or `topic-partition@offset` of a recording."""
        return self._reader_of[partition].place(partition, offset)

    def close(self) -> None:
        """Close every file."""
        for reader in self._readers:
            reader.close()
