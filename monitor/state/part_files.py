"""The parts of a state in files next to the checkpoints: written when changed, referred to by many checkpoints.

A file `parts-<number>.driftd` is a sequence of frames, each little endian:

    u16      length of the name
    u64      length of the payload before compression
    name     UTF-8
    payload  zstd of the part's tree (`codec`)

A checkpoint refers to every part by name, file, position, length and CRC-32C of its frame. A file is written once, and
removed when no kept checkpoint refers to it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import struct
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

import crc32c
import zstandard

from monitor.errors import UsageError
from monitor.state import codec
from monitor.state.durable import numbered_files, remove_all_but, write_durably
from monitor.state.packing import packed, unpacked
from monitor.stats.tallies.growing import Growing, Numbers

#: the oldest file's parts are rewritten when all files together are this many times as long as the parts in use, and
SPARE: Final = 2
#: longer by this many bytes, or when there are this many files
SPARE_BYTES: Final = 1 << 20
MOST_FILES: Final = 32

_HEAD: Final = struct.Struct("<HQ")
_NAME: Final = re.compile(r"parts-(\d{20})\.driftd")

Apart = Callable[[str, int, int], Numbers]

#: the mark of a part that is not stored: no mark is equal to it
_NOT_KEPT: Final = (object(), None)


class Part(NamedTuple):
    """A part of a state at one moment. Equal marks mean an equal part, so that `tree` need not be computed again.

    `rows` are the growing rows in the tree (`codec.encode`).
    """

    name: str
    mark: Hashable
    tree: Callable[[], dict[str, Any]]
    rows: Sequence[Growing] = ()


class NotFrozenError(OSError):
    """A part has to be written that was thought to be stored: it has to be frozen at another moment."""


def not_frozen() -> NoReturn:
    """The tree of a part that is stored already.

    Raises:
        NotFrozenError: its file is not what it was.
    """
    raise NotFrozenError(errno.EIO, "parts that were written before are missing or damaged")


class PartReference(NamedTuple):
    """Position of a part's frame."""

    name: str
    file: int
    at: int
    length: int
    crc: int


class PartFiles:
    """The part files of a folder, written by one process. No two calls are made at the same time."""

    def __init__(self, folder: Path, rest: Callable[[], object] = lambda: None) -> None:
        """`rest` is called between small steps."""
        self._folder = folder
        self._rest = rest
        self._kept: dict[str, tuple[Hashable, PartReference]] = {}

    def references(self) -> list[PartReference]:
        """The parts of the last `keep`, in their order."""
        return [reference for _, reference in self._kept.values()]

    def changed(self, parts: Sequence[Part]) -> set[str]:
        """The names of the parts that are not stored, judged by their marks alone: `keep` needs the trees of these."""
        return {part.name for part in parts if self._kept.get(part.name, _NOT_KEPT)[0] != part.mark}

    def forget(self) -> None:
        """Nothing counts as stored any more."""
        self._kept = {}

    def keep(self, parts: Sequence[Part]) -> int:
        """Make the changed parts durable; `parts` are all parts of the state. Returns the bytes written.

        Raises:
            OSError: the disk is full or failing; what was durable still is, and the call may be repeated.
            NotFrozenError: the tree of a part is needed that `changed` did not name; it will name all of them.
        """
        sizes = {number: path.stat().st_size for number, path in part_files(self._folder)}
        held = {part.name: self._held(part, sizes) for part in parts}
        again = self._crowded([reference for reference in held.values() if reference is not None], sizes)
        changed = [part for part in parts if (kept := held[part.name]) is None or kept.file in again]
        written = self._write(changed, held, 1 + max(sizes, default=0)) if changed else {}
        references = {name: written.get(name, reference) for name, reference in held.items()}
        self._kept = {part.name: (part.mark, found) for part in parts if (found := references[part.name]) is not None}
        return sum(reference.length for reference in written.values())

    def remove_all_but(self, kept: Iterable[int], *, aside: bool) -> None:
        """Remove the other files, or rename them to `….aside`."""
        numbers = {reference.file for reference in self.references()} | set(kept)
        remove_all_but(numbers, part_files(self._folder), aside=aside)

    def _held(self, part: Part, sizes: dict[int, int]) -> PartReference | None:
        """The reference of a part that is stored already and unchanged."""
        mark, reference = self._kept.get(part.name, (None, None))
        if reference is None or mark != part.mark or sizes.get(reference.file, 0) < reference.at + reference.length:
            return None
        return reference

    def _crowded(self, held: Sequence[PartReference], sizes: dict[int, int]) -> set[int]:
        """The oldest files, whose parts are to be rewritten so that the files can be removed."""
        live: dict[int, int] = {}
        for reference in held:
            live[reference.file] = live.get(reference.file, 0) + reference.length
        most = SPARE * sum(live.values()) + SPARE_BYTES
        again: set[int] = set()
        files = sorted(live)
        while files and (len(files) >= MOST_FILES or sum(sizes[number] for number in files) > most):
            again.add(files.pop(0))
        return again

    def _write(
        self, parts: Sequence[Part], held: dict[str, PartReference | None], number: int
    ) -> dict[str, PartReference]:
        path, written = _path(self._folder, number), dict[str, PartReference]()
        try:
            write_durably(path, self._frames(parts, held, number, written))
        except OSError as error:
            if isinstance(error, NotFrozenError):
                self.forget()
            with contextlib.suppress(OSError):  # on a full disk, free the bytes that nothing refers to
                path.unlink()
            raise
        return written

    def _frames(
        self,
        parts: Iterable[Part],
        held: dict[str, PartReference | None],
        number: int,
        written: dict[str, PartReference],
    ) -> Iterator[bytes]:
        """One by one: all at once they would take the memory of the whole state again."""
        at = 0
        for part in parts:
            frame = self._stored(held[part.name]) or _frame(part, self._rest)
            self._rest()
            written[part.name] = PartReference(part.name, number, at, len(frame), crc32c.crc32c(frame))
            at += len(frame)
            yield frame

    def _stored(self, reference: PartReference | None) -> bytes:
        """The frame of a part that is stored already and unchanged; empty if there is none, or not a whole one."""
        if reference is None:
            return b""
        try:
            frame = _frame_at(_path(self._folder, reference.file), reference)[0]
        except FileNotFoundError:
            return b""
        return frame if crc32c.crc32c(frame) == reference.crc else b""


def _frame(part: Part, rest: Callable[[], object]) -> bytes:
    tree, name = codec.encode(part.tree(), [], rest), part.name.encode()
    return _HEAD.pack(len(name), len(tree)) + name + packed(tree)


def _frame_at(path: Path, reference: PartReference) -> tuple[bytes, int]:
    """What a file has of a frame, and how long the file is."""
    with path.open("rb") as file:
        file.seek(min(reference.at, there := os.fstat(file.fileno()).st_size))
        return file.read(max(0, min(reference.length, there - reference.at))), there


def read_part(folder: Path, reference: PartReference, apart: Apart) -> Any:  # noqa: ANN401 - who reads a part checks its shape
    """The tree of a part.

    Raises:
        UsageError: its file is damaged; the message says which and how.
        FileNotFoundError: its file is missing.
    """
    path = _path(folder, reference.file)
    frame, there = _frame_at(path, reference)
    if len(frame) < reference.length:
        raise UsageError(f"{path.name} has {there} of the {reference.at + reference.length} bytes that are referred to")
    if crc32c.crc32c(frame) != reference.crc:
        raise UsageError(f"the checksum of {reference.name} in {path.name} does not match")
    try:
        length, plain_length = _HEAD.unpack_from(frame)
        name = frame[_HEAD.size : _HEAD.size + length].decode()
        tree = unpacked(memoryview(frame)[_HEAD.size + length :], plain_length)
    except (struct.error, ValueError, zstandard.ZstdError) as error:
        raise UsageError(f"{reference.name} in {path.name} cannot be read: {error}") from error
    if name != reference.name or len(tree) != plain_length:
        raise UsageError(f"{reference.name} in {path.name} does not match its header")
    return codec.decode(tree, apart)


def part_files(folder: Path) -> Iterator[tuple[int, Path]]:
    """Number and path of every file of parts in a folder."""
    return numbered_files(folder, _NAME)


def _path(folder: Path, number: int) -> Path:
    return folder / f"parts-{number:020d}.driftd"
