"""Writes that are on the disk when the call returns (fsync)."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterable, Iterator
from pathlib import Path


def write_durably(path: Path, pieces: Iterable[bytes], at: int = 0) -> None:
    """Write `pieces` from byte `at` on and truncate after them; a missing file is created.

    Raises:
        OSError: the content from `at` on is undefined.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        os.ftruncate(descriptor, at)
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                written = os.pwrite(descriptor, rest, at)
                rest, at = rest[written:], at + written
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def numbered_files(folder: Path, name: re.Pattern[str]) -> Iterator[tuple[int, Path]]:
    """Number and path of every file in a folder whose whole name matches; the first group of `name` is the number."""
    for match in map(name.fullmatch, os.listdir(folder)):
        if match:
            yield int(match[1]), folder / match[0]


def remove_all_but(kept: Container[int], files: Iterable[tuple[int, Path]], *, aside: bool) -> None:
    """Remove the numbered files that are not kept, or rename them to `….aside`."""
    for number, path in files:
        if number in kept:
            continue
        if aside:
            os.replace(path, path.with_name(path.name + ".aside"))
        else:
            path.unlink()


def make_durable(folder: Path) -> None:
    """Make created, renamed and removed names of a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
