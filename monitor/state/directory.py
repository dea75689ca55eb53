"""Checkpoints in a directory: complete or not there, checked on reading, the one before always kept.

A checkpoint writes the numbers that joined growing rows (`segments`), then the parts that changed (`part_files`), then
its own file (`checkpoint`), which refers to both: each durable before the next one. The last is written under another
name, renamed, and the folder made durable. What no checkpoint refers to any more is removed after that.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Protocol, Self

from monitor.errors import ExternalError, TransientError, UsageError
from monitor.state import codec
from monitor.state.checkpoint import Contents, Manifest, contents_of, file_content, manifest_of
from monitor.state.durable import make_durable, numbered_files, write_durably
from monitor.state.part_files import Part, PartFiles
from monitor.state.segments import Segments
from monitor.stats.growing import Growing

_NAME: Final = re.compile(r"checkpoint-(\d{20})\.driftd")
_TEMPORARY: Final = ".checkpoint.tmp"
_LOCK: Final = "lock"
_ATTEMPTS: Final = 20
_A_PERSON_MUST_ACT: Final = {
    errno.EACCES,
    errno.ENOENT,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A checkpoint that was read; `damaged` are newer ones that could not be, each with the reason.

    `tree` is what is of the whole, `parts` the tree of every part by name. Of versions before, `tree` is the whole
    state and there are no parts.
    """

    tree: dict[str, Any]
    parts: dict[str, Any]
    sequence: int
    path: Path
    damaged: tuple[tuple[Path, str], ...]


class _Referred(NamedTuple):
    """Numbers of the segments and of the files of parts that a checkpoint refers to."""

    segments: frozenset[int] = frozenset()
    files: frozenset[int] = frozenset()


class StateStore(Protocol):
    """Where checkpoints go. All calls are made by one thread."""

    def lock(self) -> None:
        """Make the store this process's own until `close`."""

    def save(self, sequence: int, tree: Mapping[str, Any], parts: Sequence[Part] = ()) -> int:
        """Keep `tree` and all `parts` durably as the newest checkpoint; gives the bytes that were written.

        A part that is kept already under an equal mark is not asked for its tree.
        """

    def load(self, *, read_only: bool = False) -> Loaded | None:
        """The newest checkpoint that can be read, or None when there never was one."""

    def close(self) -> None:
        """Give the store up; saves nothing."""


class MemoryState:
    """`state.store: memory`: every start is a fresh one."""

    def lock(self) -> None:
        """Nothing to share, nothing to lock."""

    def save(self, sequence: int, tree: Mapping[str, Any], parts: Sequence[Part] = ()) -> int:
        """Keeps nothing."""
        return 0

    def load(self, *, read_only: bool = False) -> Loaded | None:
        """Always None."""
        return None

    def close(self) -> None:
        """Nothing to give up."""


class StateDirectory:
    """`state.store: directory`: the newest checkpoint and the one before, in one folder of one daemon."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._lock_fd: int | None = None
        self._newest: int | None = None
        self._damaged: set[Path] = set()
        self._segments = Segments(self.path)
        self._parts = PartFiles(self.path)
        #: what a checkpoint refers to, by its sequence
        self._referred: dict[int, _Referred] = {}
        #: checkpoints were put aside, and what they alone refer to was not yet
        self._some_aside = False

    def __enter__(self) -> Self:
        self.lock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def lock(self) -> None:
        """Make the folder if it is missing and refuse it to every other process until `close` or our end.

        Raises:
            UsageError: another process has it, or we may not write there.
            ExternalError: the disk failed in a way that may heal.
        """
        try:
            self.path.mkdir(mode=0o750, parents=True, exist_ok=True)
        except OSError as error:
            raise self._failure("cannot be written", error) from error
        self._take_lock()

    def _take_lock(self) -> None:
        try:
            descriptor = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise self._failure("cannot be written", error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise UsageError(
                f"state.path: {self.path} is in use by process {holder}; "
                "stop that daemon first, or give each daemon a state.path of its own"
            ) from error
        except OSError as error:
            os.close(descriptor)
            raise self._failure("cannot be locked", error) from error
        self._lock_fd = descriptor

    def _keep_lock(self) -> None:
        """A folder that was taken away and made again has another lock, or none.

        Raises:
            ExternalError: it cannot be had now, or another process has it.
        """
        if self._lock_fd is None:
            return
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.stat(self.path / _LOCK), os.fstat(self._lock_fd)):
                return
        former, self._lock_fd = self._lock_fd, None
        try:
            self._take_lock()
        except UsageError as error:
            self._lock_fd = former
            raise TransientError(str(error)) from error
        os.close(former)

    def close(self) -> None:
        """Give the folder up. The lock file stays: removing it would let two processes lock two files."""
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    def save(self, sequence: int, tree: Mapping[str, Any], parts: Sequence[Part] = ()) -> int:
        """Write checkpoint `sequence` (rising from call to call), keep exactly the one before, remove older ones.

        Returns the bytes written. Of the parts those are written whose mark is another than when this process saved
        them last, and now and then some that lie in old files.

        Checkpoints that `load` found damaged, or that carry a later sequence, are renamed to `….aside`, with the
        files that no other refers to: they are never read again and stay for a person to look at.

        Raises:
            ExternalError: the disk is full, read-only or failing; the former checkpoints are as they were, and the
                same sequence may be tried again.
            ValueError: the sequence does not rise (a bug of the caller).
        """
        if self._newest is not None and sequence <= self._newest:
            raise ValueError(f"checkpoint {sequence} after {self._newest}")
        rows: list[Growing] = []
        plain = codec.encode(dict(tree), rows)
        rows += [row for part in parts for row in part.rows]
        try:
            self._keep_lock()
            added = self._segments.keep(rows) + self._parts.keep(parts)
            segments, files = self._segments.references(), self._parts.references()
            content = file_content(sequence, Manifest(segments, files, plain))
            write_durably(self.path / _TEMPORARY, [content])
            before = self._newest_before(sequence)
            self._set_aside(sequence)
            os.replace(self.path / _TEMPORARY, self.path / _file_name(sequence))
            make_durable(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                (self.path / _TEMPORARY).unlink()
            raise TransientError(f"state.path: no checkpoint in {self.path}: {_reason(error)}") from error
        self._newest = sequence
        self._referred[sequence] = _referred(Manifest(segments, files, b""))
        self._remove_all_but(sequence, before)
        return added + len(content)

    def load(self, *, read_only: bool = False) -> Loaded | None:
        """The newest checkpoint that is whole; None when the folder holds none at all.

        With `read_only` nothing is remembered for `save`, so that it can be called beside a running daemon without
        the lock; a file that vanishes between listing and reading makes it look again.

        Raises:
            UsageError: there are checkpoints and none can be read, or we may not read the folder.
            ExternalError: the disk failed in a way that may heal.
        """
        for _ in range(_ATTEMPTS):
            try:
                found = self._load_newest()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise self._failure("cannot be read", error) from error
            if found is None:
                return None
            loaded, contents = found
            if not read_only:
                self._newest = loaded.sequence
                self._damaged = {path for path, _ in loaded.damaged}
                self._segments.go_on_from(contents.segments)
                self._parts = PartFiles(self.path)
                numbers = frozenset(segment.number for segment in contents.segments.segments)
                self._referred = {loaded.sequence: _Referred(numbers, contents.files)}
            return loaded
        raise TransientError(f"state.path: checkpoints in {self.path} vanish faster than they can be read")

    def _load_newest(self) -> tuple[Loaded, Contents] | None:
        damaged: list[tuple[Path, str]] = []
        for sequence, path in self._checkpoints():
            content = path.read_bytes()
            try:
                contents = contents_of(sequence, content, self.path)
            except UsageError as error:
                damaged.append((path, str(error)))
                continue
            except FileNotFoundError as error:
                if not path.exists():  # a running daemon went on: files go after the last checkpoint that has them
                    raise
                damaged.append((path, f"{Path(error.filename).name} is missing"))
                continue
            return Loaded(contents.tree, contents.parts, sequence, path, tuple(damaged)), contents
        if not damaged:
            return None
        raise UsageError(
            [f"state.path: {path} cannot be read: {reason}" for path, reason in damaged]
            + [
                f"state.path: no checkpoint in {self.path} is whole; restore the folder from a backup, or move these "
                "files away and start with --accept-loss, which begins all counts again"
            ]
        )

    def _checkpoints(self) -> list[tuple[int, Path]]:
        """Sequence and path of every checkpoint, newest first; none when the folder is missing."""
        try:
            return sorted(numbered_files(self.path, _NAME), reverse=True)
        except FileNotFoundError:
            return []

    def _newest_before(self, sequence: int) -> int | None:
        """The checkpoint to keep beside `sequence`: the one last loaded or saved, else the newest below it."""
        if self._newest is not None:
            return self._newest
        return next((found for found, path in self._checkpoints() if found < sequence), None)

    def _set_aside(self, sequence: int) -> None:
        """Take out of sight what `load` would prefer to the checkpoint being written, or could not read."""
        for found, path in self._checkpoints():
            if found > sequence or path in self._damaged:
                os.replace(path, path.with_name(path.name + ".aside"))
                self._some_aside = True
        self._damaged.clear()

    def _remove_all_but(self, *kept: int | None) -> None:
        # The new checkpoint is durable: what cannot be removed now is tried again at the next one.
        with contextlib.suppress(OSError):
            for found, path in self._checkpoints():
                if found not in kept:
                    path.unlink()
            self._referred = {found: self._referred_by(found) for found in kept if found is not None}
            kept_segments, kept_files = zip(*self._referred.values(), strict=True)
            self._segments.remove_all_but(frozenset().union(*kept_segments), aside=self._some_aside)
            self._parts.remove_all_but(frozenset().union(*kept_files), aside=self._some_aside)
            self._some_aside = False

    def _referred_by(self, sequence: int) -> _Referred:
        """Files of a checkpoint that is kept, whether or not it was read or written here."""
        if sequence not in self._referred:
            try:
                return _referred(manifest_of(sequence, (self.path / _file_name(sequence)).read_bytes()))
            except (UsageError, FileNotFoundError):
                return _Referred()
        return self._referred[sequence]

    def _failure(self, what: str, error: OSError) -> UsageError | ExternalError:
        message = f"state.path: {self.path} {what}: {_reason(error)}"
        if error.errno in _A_PERSON_MUST_ACT:
            return UsageError(f"{message}; name a folder that user {os.geteuid()} may read and write")
        return TransientError(message)


def _referred(manifest: Manifest) -> _Referred:
    return _Referred(
        frozenset(reference.number for reference in manifest.segments),
        frozenset(reference.file for reference in manifest.parts),
    )


def has_checkpoint(path: Path) -> bool:
    """True when the folder holds a checkpoint, readable or not."""
    return any(path.glob("checkpoint-*"))


def _file_name(sequence: int) -> str:
    return f"checkpoint-{sequence:020d}.driftd"


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
