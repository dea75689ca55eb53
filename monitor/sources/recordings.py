"""Reads recordings (`driftd record`): one JSON object a line for each raw record, bytes in base64."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final, TypeVar

import msgspec
import numpy as np

from monitor.clock import Clock
from monitor.errors import UsageError
from monitor.events import Partition
from monitor.records import Change, Envelope, OffsetGap, RecordBatch
from monitor.sources.streams import READ_BYTES, Line, Stream, stand_in

ENDINGS: Final = (".records.jsonl", ".records.jsonl.gz", ".records.jsonl.zst")

_T = TypeVar("_T")
#: offsets have 64 bits, and so has the one behind the last
_LARGEST: Final = 2**63 - 2
_NotNegative = Annotated[int, msgspec.Meta(ge=0, le=_LARGEST)]
#: bytes of a line: this multiple of the value (base64 takes 4/3), plus this many for key and headers
_LINE_RATIO: Final = 2
_LINE_MORE: Final = 1_048_576
#: the first fields of a line that is too long to read whole, in the order in which `driftd record` writes them
_BEGINNING: Final = re.compile(
    rb'\s*\{\s*"topic"\s*:\s*"(?P<topic>[^"\\]*)"\s*,\s*"partition"\s*:\s*(?P<partition>[0-9]{1,9})\s*,'
    rb'\s*"offset"\s*:\s*(?P<offset>[0-9]{1,18})\s*,(\s*"timestamp"\s*:\s*(?P<timestamp>-?[0-9]{1,18})\s*,)?'
)
_DECODE_ERRORS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Head(msgspec.Struct, gc=False):
    """The fields of a line that the first pass reads."""

    topic: str
    partition: _NotNegative
    offset: _NotNegative


class RecordedLine(msgspec.Struct, gc=False, kw_only=True):
    """One line; msgspec encodes and decodes bytes as base64."""

    topic: str
    partition: _NotNegative
    offset: _NotNegative
    timestamp: int | None = None
    key: bytes | None = None
    headers: list[tuple[str, bytes | None]] = []
    value: bytes | None


_HEADS: Final = msgspec.json.Decoder(_Head)
_LINES: Final = msgspec.json.Decoder(RecordedLine)


class Recordings:
    """Recording files read one after the other as one stream of many partitions.

    The first pass, on opening, reads topic, partition and offset of every line: the watermark waits for every
    partition, so all must be known before the first record. Records come in the order of the file, so pausing a
    partition has no effect.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        clock: Clock,
        longest: int | None = None,
        open_stream: Callable[[Path], Stream] = Stream,
    ) -> None:
        """Scan all files. A line too long for a value of `longest` bytes becomes a value that is rejected as too large.

        Raises:
            UsageError: a file is missing or damaged (with file and line), or a partition's offsets do not rise.
        """
        self._paths = list(paths)
        self._clock = clock
        self._open_stream = open_stream
        self._too_long = stand_in(longest)
        self._longest = None if longest is None else _LINE_RATIO * longest + _LINE_MORE
        self._left: dict[Partition, int] = {}
        self._gaps: list[list[OffsetGap]] = []
        self._changes: list[Change] = []
        self._sizes: list[int] = []
        self._opened = 0
        self._stream: Stream | None = None
        self._lines: Iterator[Line] = iter(())
        last: dict[tuple[str, int], int] = {}
        for path in self._paths:
            self._scan(path, last)
        self._records_left = sum(self._left.values())

    def partitions(self) -> list[Partition]:
        return sorted(self._left)

    def changes(self) -> list[Change]:
        """Offsets that are missing between two files, reported before the later file is read."""
        changes, self._changes = self._changes, []
        return changes

    def read(self, chunk: int, _paused: Collection[Partition]) -> list[RecordBatch]:
        """The next `chunk` records, one batch a partition; empty if `changes` has to be read before the next file.

        Raises:
            UsageError: a line is not a record (with file and line), or the file changed since it was opened.
        """
        while self._records_left:
            rows = self._rows(chunk)
            if rows:
                batches = self._batches(rows)
                if not self._records_left:
                    self.close()
                return batches
            if not self._open_next():
                raise UsageError(f"{self._paths[-1]}: records are gone since it was opened; do not write to it")
            if self._changes:
                return []
        return []

    def at_end(self, partition: Partition) -> bool:
        return not self._left[partition]

    def ended(self) -> bool:
        return not self._records_left

    def progress(self) -> tuple[int, int]:
        """Bytes read and total bytes of the files on disk."""
        if not self._records_left:
            return sum(self._sizes), sum(self._sizes)
        position = 0 if self._stream is None else self._stream.position()
        return sum(self._sizes[: max(self._opened - 1, 0)]) + position, sum(self._sizes)

    def place(self, partition: Partition, offset: int) -> str:
        return f"{partition}@{offset}"

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()

    def _scan(self, path: Path, last: dict[tuple[str, int], int]) -> None:
        """First pass over one file; `last` holds the last offset of each partition and is updated."""
        gaps: list[OffsetGap] = []
        seen_here = dict.fromkeys(last, False)
        with contextlib.closing(self._open_stream(path)) as stream:
            self._sizes.append(stream.size)
            for line in stream.lines(self._longest):
                if line[1].isspace():
                    continue
                head = self._cut(stream, line) if line[2] else _decoded(stream, line, _HEADS)
                key = (head.topic, head.partition)
                before = last.get(key, -1)
                if head.offset <= before:
                    raise UsageError(
                        f"{stream.name}:{line[0]}: offset {head.offset} of {Partition(*key)} comes after {before}; "
                        "give every recording once, in the order in which they were made"
                    )
                if seen_here.get(key) is False:
                    seen_here[key] = True
                    if head.offset > before + 1:
                        gaps.append(OffsetGap(Partition(*key), before + 1, head.offset))
                last[key] = head.offset
                self._left[Partition(*key)] = self._left.get(Partition(*key), 0) + 1
        self._gaps.append(gaps)

    def _open_next(self) -> bool:
        self.close()
        if self._opened == len(self._paths):
            return False
        self._stream = self._open_stream(self._paths[self._opened])
        self._lines = self._stream.lines(self._longest)
        self._changes += self._gaps[self._opened]
        self._opened += 1
        return True

    def _rows(self, chunk: int) -> list[RecordedLine]:
        stream = self._stream
        if stream is None:
            return []
        rows: list[RecordedLine] = []
        size = 0
        for line in self._lines:
            if line[1].isspace():
                continue
            rows.append(self._cut(stream, line) if line[2] else _decoded(stream, line, _LINES))
            size += len(line[1])
            if len(rows) == chunk or size > READ_BYTES:
                break
        return rows

    def _cut(self, stream: Stream, line: Line) -> RecordedLine:
        """The record of a line that was cut, with a stand-in value that is rejected as too large."""
        head = _BEGINNING.match(line[1])
        if head is None:
            raise UsageError(
                f"{stream.name}:{line[0]}: longer than limits.record_bytes lets a record be, and it does not begin "
                "with topic, partition and offset"
            )
        timestamp = head["timestamp"]
        return RecordedLine(
            topic=head["topic"].decode(),
            partition=int(head["partition"]),
            offset=int(head["offset"]),
            timestamp=None if timestamp is None else int(timestamp),
            value=self._too_long,
        )

    def _batches(self, rows: list[RecordedLine]) -> list[RecordBatch]:
        by_partition: dict[tuple[str, int], list[RecordedLine]] = {}
        for row in rows:
            by_partition.setdefault((row.topic, row.partition), []).append(row)
        now_us = self._clock.now_us()
        batches = []
        for key, own in by_partition.items():
            partition = Partition(*key)
            if self._left.get(partition, 0) < len(own):
                raise UsageError(
                    f"{self._paths[self._opened - 1]}: records came since it was opened; do not write to it"
                )
            self._left[partition] -= len(own)
            batches.append(_batch(partition, own, now_us))
        self._records_left -= len(rows)
        return batches


def _batch(partition: Partition, rows: list[RecordedLine], now_us: int) -> RecordBatch:
    return RecordBatch(
        partition=partition,
        values=[row.value for row in rows],
        offsets=np.array([row.offset for row in rows], np.int64),
        times_ms=np.array([-1 if row.timestamp is None else min(max(row.timestamp, -1), _LARGEST) for row in rows]),
        next_offset=rows[-1].offset + 1,
        now_us=now_us,
        envelope=lambda i: Envelope(rows[i].key, rows[i].headers),
    )


def _decoded(stream: Stream, line: Line, decoder: msgspec.json.Decoder[_T]) -> _T:
    try:
        return decoder.decode(line[1])
    except _DECODE_ERRORS as error:
        raise stream.damage(line[0], error) from error


def begins_as_recording(data: bytes) -> bool:
    """Whether a file with these first bytes is a recording."""
    return _BEGINNING.match(data) is not None
