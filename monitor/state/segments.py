"""Append-only rows of numbers, in segment files next to the checkpoints: written once, referred to by many checkpoints.

A file `ids-<number>.driftd` is a sequence of frames, each little endian:

    u16      length of the name
    u64      position of the first number in its row
    u32      count of numbers
    name     UTF-8
    numbers  u64 each

A checkpoint refers to segments in order, to each by number, length and CRC-32C of that many bytes. Bytes after that
belong to no checkpoint. If a position occurs twice, the later one counts. A process never appends to a segment that
another one began.
"""

from __future__ import annotations

import contextlib
import os
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import crc32c
import numpy as np

from monitor.errors import UsageError
from monitor.state.durable import make_durable, numbered_files, remove_all_but, write_durably
from monitor.stats.tallies.growing import Growing, Numbers

#: length from which on a segment is not appended to
SEGMENT_BYTES: Final = 4 << 20
#: most numbers in a frame
FRAME_NUMBERS: Final = 1 << 16
#: the oldest segment is dropped when all together are this many times as long as the numbers still needed, and
SPARE: Final = 2
#: longer by this many segments, or when there are this many segments more than those need
SPARE_SEGMENTS: Final = 8

_FRAME: Final = struct.Struct("<HQI")
_NAME: Final = re.compile(r"ids-(\d{20})\.driftd")

Span = tuple[int, int]


class Reference(NamedTuple):
    """The first `length` bytes of a segment."""

    number: int
    length: int
    crc: int


@dataclass(slots=True)
class _Segment:
    number: int
    length: int = 0
    crc: int = 0
    #: places in it, by name of the row
    spans: dict[str, list[Span]] = field(default_factory=dict)

    def note(self, name: str, first: int, end: int) -> None:
        spans = self.spans.setdefault(name, [])
        for at, (start, before) in enumerate(spans):
            if before == first:
                spans[at] = (start, end)
                return
        spans.append((first, end))


class SegmentContents:
    """Content of the segments of a checkpoint."""

    def __init__(self, folder: Path, references: Iterable[Reference]) -> None:
        """Read and verify them.

        Raises:
            UsageError: one is damaged; the message says which and how.
            FileNotFoundError: one is missing.
        """
        self.segments: list[_Segment] = []
        self._rows: dict[str, list[tuple[int, Numbers]]] = {}
        #: {row that was read: its end position}
        self.ends: dict[str, int] = {}
        for reference in references:
            segment = _Segment(*reference)
            for name, first, numbers in _frames(_content(folder, reference), reference.number):
                segment.note(name, first, first + len(numbers))
                self._rows.setdefault(name, []).append((first, numbers))
            self.segments.append(segment)

    def between(self, name: str, first: int, end: int) -> Numbers:
        """The numbers of a row at positions from `first` to before `end`.

        Raises:
            ValueError: some of them are missing.
        """
        pieces = self._rows.get(name, [])
        if not first <= end <= first + sum(len(numbers) for _, numbers in pieces):
            raise ValueError(f"ids {first} to {end} of {name} are not in its segments")
        found, there = np.empty(end - first, np.uint64), np.zeros(end - first, np.bool_)
        for start, numbers in pieces:
            low, high = max(first, start), min(end, start + len(numbers))
            if low < high:
                found[low - first : high - first] = numbers[low - start : high - start]
                there[low - first : high - first] = True
        if not there.all():
            raise ValueError(
                f"{np.count_nonzero(~there)} of the ids {first} to {end} of {name} are not in its segments"
            )
        self.ends[name] = end
        return found


class Segments:
    """The segments of a folder, written by one process. No two calls are made at the same time."""

    def __init__(self, folder: Path, rest: Callable[[], object] = lambda: None) -> None:
        """`rest` is called between small steps."""
        self._folder = folder
        self._rest = rest
        self._all: list[_Segment] = []
        #: the one that is appended to; not in `_all` before some of it is durable
        self._last: _Segment | None = None
        self._ends: dict[str, int] = {}

    def go_on_from(self, contents: SegmentContents) -> None:
        """Take over the segments that a loaded checkpoint refers to."""
        self._all, self._last, self._ends = contents.segments, None, dict(contents.ends)

    def references(self) -> list[Reference]:
        """The segments with the rows of the last `keep`; they may hold older numbers too."""
        return [Reference(one.number, one.length, one.crc) for one in self._all]

    def keep(self, rows: Sequence[Growing]) -> int:
        """Append the new numbers of `rows`, which are all rows of the state; returns the bytes written.

        Raises:
            OSError: the disk is full or failing; what was durable still is, and the call may be repeated.
        """
        if not all(self._is_there(segment) for segment in self._all):
            self._all, self._last, self._ends = [], None, {}
        for row in rows:
            if self._ends.get(row.name, 0) > row.end:  # another row under the same name
                del self._ends[row.name]
        news = [(row, max(row.first, self._ends.get(row.name, 0)), row.end) for row in rows]
        return self._append(news) + self._tidy(rows)

    def remove_all_but(self, kept: Iterable[int], *, aside: bool) -> None:
        """Remove the other segments, or rename them to `….aside`."""
        numbers = {segment.number for segment in self._all} | set(kept)
        remove_all_but(numbers, segment_files(self._folder), aside=aside)

    def _is_there(self, segment: _Segment) -> bool:
        try:
            return self._path(segment.number).stat().st_size >= segment.length
        except FileNotFoundError:
            return False

    def _tidy(self, rows: Sequence[Growing]) -> int:
        """Drop the oldest segments: the numbers still needed are appended at the end; gives the bytes written."""
        needed = 8 * sum(row.end - row.first for row in rows)
        most_bytes = SPARE * needed + SPARE_SEGMENTS * SEGMENT_BYTES
        most = SPARE * needed // SEGMENT_BYTES + 2 * SPARE_SEGMENTS
        written = 0
        for _ in range(len(self._all) - 1):
            spans = self._all[0].spans
            held = [
                (row, max(first, row.first), min(end, row.end))
                for row in rows
                for first, end in spans.get(row.name, ())
                if max(first, row.first) < min(end, row.end)
            ]
            if held:
                if sum(segment.length for segment in self._all) <= most_bytes and len(self._all) <= most:
                    break
                written += self._append(held)
            del self._all[0]
        return written

    def _append(self, news: Iterable[tuple[Growing, int, int]]) -> int:
        """Add places of rows, as much at once as a segment takes; gives the bytes written."""
        written, waiting, size = 0, list[tuple[str, int, bytes]](), 0
        for row, first, end in news:
            numbers = row.between(first, end) if first < end else np.empty(0, np.uint64)
            for at in range(0, len(numbers), FRAME_NUMBERS):
                part = numbers[at : at + FRAME_NUMBERS]
                waiting.append((row.name, first + at, part.astype("<u8", copy=False).tobytes()))
                size += _FRAME.size + len(row.name) + 8 * len(part)
                self._rest()
                if (0 if self._last is None else self._last.length) + size >= SEGMENT_BYTES:
                    written += self._write(waiting)
                    waiting, size, self._last = [], 0, None
        return written + (self._write(waiting) if waiting else 0)

    def _write(self, frames: Sequence[tuple[str, int, bytes]]) -> int:
        if self._last is None:
            self._last = _Segment(1 + max([number for number, _ in segment_files(self._folder)], default=0))
        segment, content = self._last, b"".join(_frame(*frame) for frame in frames)
        try:
            write_durably(self._path(segment.number), [content], segment.length)
            if not segment.length:
                make_durable(self._folder)
        except OSError:
            self._take_back(segment)
            raise
        if not segment.length:
            self._all.append(segment)
        segment.crc = crc32c.crc32c(content, segment.crc)
        segment.length += len(content)
        for name, first, numbers in frames:
            end = first + len(numbers) // 8
            segment.note(name, first, end)
            self._ends[name] = max(end, self._ends.get(name, 0))
        return len(content)

    def _take_back(self, segment: _Segment) -> None:
        """Leave no room on a full disk to bytes that nothing refers to."""
        with contextlib.suppress(OSError):
            if segment.length:
                os.truncate(self._path(segment.number), segment.length)
            else:
                self._path(segment.number).unlink()

    def _path(self, number: int) -> Path:
        return _path(self._folder, number)


def segment_files(folder: Path) -> Iterator[tuple[int, Path]]:
    """Number and path of every segment in a folder."""
    return numbered_files(folder, _NAME)


def _path(folder: Path, number: int) -> Path:
    return folder / f"ids-{number:020d}.driftd"


def _frame(name: str, first: int, numbers: bytes) -> bytes:
    encoded = name.encode()
    return _FRAME.pack(len(encoded), first, len(numbers) // 8) + encoded + numbers


def _content(folder: Path, reference: Reference) -> bytes:
    path = _path(folder, reference.number)
    with path.open("rb") as file:
        there = os.fstat(file.fileno()).st_size
        content = file.read(min(reference.length, there))
    if len(content) < reference.length:
        raise UsageError(f"{path.name} has {len(content)} of the {reference.length} bytes that are referred to")
    if crc32c.crc32c(content) != reference.crc:
        raise UsageError(f"the checksum of {path.name} does not match")
    return content


def _frames(content: bytes, number: int) -> Iterator[tuple[str, int, Numbers]]:
    at = 0
    while at < len(content):
        try:
            length, first, count = _FRAME.unpack_from(content, at)
            at += _FRAME.size
            name = content[at : at + length].decode()
            numbers = np.frombuffer(content, "<u8", count, at + length).astype(np.uint64, copy=False)
        except (struct.error, ValueError) as error:
            raise UsageError(f"segment {number} cannot be read: {error}") from error
        at += length + 8 * count
        yield name, first, numbers
