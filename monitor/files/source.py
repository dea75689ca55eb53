"""Recorded streams as a source of records: `.jsonl`, `.csv`, `.records.jsonl`, plain or compressed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, Protocol

from monitor.clock import Clock
from monitor.errors import UsageError
from monitor.events import Partition
from monitor.files.csv_source import CsvRows, mapping_faults
from monitor.files.records import ENDINGS as RECORDINGS
from monitor.files.records import Recordings
from monitor.files.streams import Stream
from monitor.records import Change, RecordBatch

#: records in a batch
CHUNK: Final = 500

_LINES: Final = (".jsonl", ".jsonl.gz", ".jsonl.zst")
_ROWS: Final = (".csv", ".csv.gz", ".csv.zst")
_UNDERSTOOD: Final = ".jsonl, .csv, .records.jsonl, each also with .gz or .zst"


class _Lane(Protocol):
    """What reads one file, or the recordings together."""

    def partitions(self) -> list[Partition]: ...
    def changes(self) -> list[Change]: ...
    def read(self, chunk: int, paused: Collection[Partition], /) -> list[RecordBatch]: ...
    def at_end(self, partition: Partition) -> bool: ...
    def ended(self) -> bool: ...
    def progress(self) -> tuple[int, int]: ...
    def close(self) -> None: ...


def open_source(
    paths: Sequence[Path], clock: Clock, *, chunk: int = CHUNK, csv_map: Mapping[str, str] | None = None
) -> FileSource:
    """Open recorded files; a poll gives at most `chunk` records a batch.

    Each `.jsonl` (one value a line) and `.csv` file is one partition: its topic is the file's name, its number 0 (1, 2,
    ... for further files of the same name). The offset of a line is its number from 0, of a row its number from 0 after
    the header; lines without anything in them are counted and are no records. These have no record time.

    `.records.jsonl` files keep the partitions, offsets and times of the topic; several are one stream in the order
    given, and are read through once before this returns, since all partitions must be known before the first poll.

    `csv_map` says which column of a `.csv` file is which field of a native event (`monitor.files.csv_source.CsvRows`).

    Raises:
        UsageError: no file, a file that is missing, damaged or of an unknown kind, or a wrong mapping.
    """
    faults = _argument_faults(paths, csv_map)
    if faults:
        raise UsageError(faults)
    lanes: list[_Lane] = []
    taken: set[Partition] = set()
    recordings = [path for path in paths if _ends(path, RECORDINGS)]
    try:
        for path in paths:
            if path not in recordings:
                partition = next(p for n in range(len(paths)) if (p := Partition(path.name, n)) not in taken)
                taken.add(partition)
                lanes.append(_OneFile(partition, path, clock, csv_map or {}))
        if recordings:
            lanes.append(Recordings(recordings, clock))
        return FileSource(lanes, chunk)
    except UsageError:
        for lane in lanes:
            lane.close()
        raise


class FileSource:
    """A `monitor.records.Source` over recorded files; see `open_source`.

    A paused `.jsonl` or `.csv` file is not read; a recording holds many partitions and is read in the order of the
    file whatever is paused.
    """

    def __init__(self, lanes: Sequence[_Lane], chunk: int) -> None:
        self._lanes = list(lanes)
        self._chunk = chunk
        self._lane_of: dict[Partition, _Lane] = {}
        for lane in lanes:
            for partition in lane.partitions():
                if partition in self._lane_of:
                    raise UsageError(
                        f"{partition} stands for a file and for a partition of a recording; rename the file"
                    )
                self._lane_of[partition] = lane

    def partitions(self) -> list[Partition]:
        """Every partition of every file, in order of topic and number."""
        return sorted(self._lane_of)

    def changes(self) -> list[Change]:
        """Offsets missing between two recordings, told before the later one is read."""
        return [change for lane in self._lanes for change in lane.changes()]

    def poll(self, paused: Collection[Partition]) -> list[RecordBatch]:
        """At most `chunk` records of each file and of the recordings.

        Raises:
            UsageError: file and line where the data are damaged.
        """
        return [batch for lane in self._lanes for batch in lane.read(self._chunk, paused)]

    def at_end(self, partition: Partition) -> bool:
        return self._lane_of[partition].at_end(partition)

    def ended(self) -> bool:
        return all(lane.ended() for lane in self._lanes)

    def progress(self) -> tuple[int, int]:
        """Bytes read and bytes altogether, of the files as they lie on the disk (compressed)."""
        done, total = zip(*(lane.progress() for lane in self._lanes), strict=True)
        return sum(done), sum(total)

    def close(self) -> None:
        """Close every file."""
        for lane in self._lanes:
            lane.close()


class _OneFile:
    """A file that is one partition. One record is read ahead, so that the end is known with the last record."""

    def __init__(self, partition: Partition, path: Path, clock: Clock, csv_map: Mapping[str, str]) -> None:
        self._partition = partition
        self._clock = clock
        self._stream = Stream(path)
        try:
            self._values = CsvRows(self._stream, csv_map).events() if _ends(path, _ROWS) else _json_lines(self._stream)
            self._ahead = next(self._values, None)
            self._close_at_end()
        except UsageError:
            self._stream.close()
            raise

    def partitions(self) -> list[Partition]:
        return [self._partition]

    def changes(self) -> list[Change]:
        return []

    def read(self, chunk: int, paused: Collection[Partition]) -> list[RecordBatch]:
        if self._ahead is None or self._partition in paused:
            return []
        read = [self._ahead, *islice(self._values, chunk - 1)]
        self._ahead = next(self._values, None)
        self._close_at_end()
        return [
            RecordBatch(
                partition=self._partition,
                values=[value for _, value in read],
                offsets=[offset for offset, _ in read],
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
        return self._stream.position(), self._stream.size

    def close(self) -> None:
        self._stream.close()

    def _close_at_end(self) -> None:
        if self._ahead is None:
            self._stream.close()


def _json_lines(stream: Stream) -> Iterator[tuple[int, bytes]]:
    for number, line in stream.lines():
        if not line.isspace():
            yield number - 1, line.rstrip(b"\r\n")


def _argument_faults(paths: Sequence[Path], csv_map: Mapping[str, str] | None) -> list[str]:
    if not paths:
        return [f"no file given; understood are {_UNDERSTOOD}"]
    faults = [fault for path in paths if (fault := _path_fault(path))]
    faults += [f"{path}: given twice" for path in sorted(set(paths)) if paths.count(path) > 1]
    rows = [path for path in paths if _ends(path, _ROWS)]
    if csv_map is not None and not rows:
        faults.append("--map is for .csv files, and none is given")
    if csv_map is None:
        faults += [f"{path}: a .csv file needs --map column=field, at least one for ts" for path in rows]
    elif rows:
        faults += mapping_faults(csv_map)
    return faults


def _path_fault(path: Path) -> str:
    if _ends(path, (".parquet",)):
        return f"{path}: parquet is not in this version; understood are {_UNDERSTOOD}"
    if not _ends(path, (*_LINES, *_ROWS)):
        return f"{path}: unknown kind of file; understood are {_UNDERSTOOD}"
    if not path.is_file():
        return f"{path}: there is no such file"
    return ""


def _ends(path: Path, endings: tuple[str, ...]) -> bool:
    return path.name.lower().endswith(endings)
