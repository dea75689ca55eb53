"""Checkpoints in a directory: written atomically, verified on reading, the previous one always kept.

A checkpoint first writes the new numbers of growing rows (`segments`), then the changed parts (`part_files`), then its
own file (`checkpoint`), which refers to both: each is durable before the next. The last is written under a temporary
name and renamed, and the folder made durable. Files that no checkpoint refers to any more are removed after that.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
from collections.abc import Callable, Mapping, Sequence
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
from monitor.stats.tallies.growing import Growing

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
    """A checkpoint that was read; `damaged` are newer ones that could not be read, each with the reason.

    `tree` is that of `Whole`, `parts` the tree of every part by name. In a checkpoint of an earlier version `tree` is
    the whole state and there are no parts.
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
    """Where checkpoints go. No two calls are made at the same time."""

    def lock(self) -> None:
        """Lock the store for this process until `close`."""

    def save(self, sequence: int, tree: Mapping[str, Any], parts: Sequence[Part] = ()) -> int:
        """Save `tree` and all `parts` durably as the newest checkpoint; returns the bytes written.

        A part that is stored already with an equal mark is not encoded again.
        """

    def changed(self, parts: Sequence[Part]) -> set[str]:
        """The names of the parts whose trees the next `save` needs."""

    def load(self, *, read_only: bool = False) -> Loaded | None:
        """The newest checkpoint that can be read, or None if there is none at all."""

    def close(self) -> None:
        """Release the lock; saves nothing."""


class MemoryState:
    """`state.store: memory`: nothing survives a restart."""

    def lock(self) -> None:
        """No effect: memory is not shared."""

    def save(self, sequence: int, tree: Mapping[str, Any], parts: Sequence[Part] = ()) -> int:
        """Keeps nothing."""
        return 0

    def changed(self, parts: Sequence[Part]) -> set[str]:
        """None are needed."""
        return set()

    def load(self, *, read_only: bool = False) -> Loaded | None:
        """Always None."""
        return None

    def close(self) -> None:
        """No effect."""


class StateDirectory:
    """`state.store: directory`: the newest checkpoint and the previous one, in a folder used by one daemon."""

    def __init__(self, path: Path | str, rest: Callable[[], object] = lambda: None) -> None:
        """`rest` is called between small steps while a checkpoint is written."""
        self.path = Path(path)
        self._rest = rest
        self._lock_fd: int | None = None
        self._newest: int | None = None
        self._damaged: set[Path] = set()
        self._segments = Segments(self.path, rest)
        self._parts = PartFiles(self.path, rest)
        #: {sequence: what that checkpoint refers to}
        self._referred: dict[int, _Referred] = {}
        #: whether checkpoints were renamed to `….aside`, but not yet the files that only they refer to
        self._some_aside = False

    def __enter__(self) -> Self:
        self.lock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def lock(self) -> None:
        """Create the folder if it is missing, and lock out other processes until `close` or the end of this one.

        Raises:
            UsageError: another process has it, or we may not write there.
            ExternalError: the disk failed, perhaps for a while.
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
                "stop that daemon first, or give each daemon its own state.path"
            ) from error
        except OSError as error:
            os.close(descriptor)
            raise self._failure("cannot be locked", error) from error
        self._lock_fd = descriptor

    def _keep_lock(self) -> None:
        """Check the lock, and take it again if the folder was removed and recreated.

        Raises:
            ExternalError: it cannot be taken now, or another process has it.
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
        """Release the lock. The lock file stays: if it was removed, two processes could lock two files."""
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    def save(self, sequence: int, tree: Mapping[str, Any], parts: Sequence[Part] = ()) -> int:
        """Write checkpoint `sequence` (rising from call to call), keep the previous one, remove older ones.

        Returns the bytes written. Only parts whose mark changed since this process last saved them are written, and now
        and then some parts of old files.

        Checkpoints that `load` found damaged, or with a later sequence, are renamed to `….aside`, with the files that
        only they refer to: they are never read again and stay for inspection.

        Raises:
            ExternalError: the disk is full, read-only or failing; the previous checkpoints are unchanged, and the same
                sequence may be tried again.
            ValueError: the sequence does not rise (a bug in the caller).
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

    def changed(self, parts: Sequence[Part]) -> set[str]:
        return self._parts.changed(parts)

    def load(self, *, read_only: bool = False) -> Loaded | None:
        """The newest intact checkpoint; None if the folder has none at all.

        With `read_only` nothing is remembered for `save`, so that it can be called without the lock while a daemon
        runs; if a file vanishes between listing and reading, the folder is listed again.

        Raises:
            UsageError: there are checkpoints but none can be read, or we may not read the folder.
            ExternalError: the disk failed, perhaps for a while.
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
                self._parts = PartFiles(self.path, self._rest)
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
                if not path.exists():  # removed by a running daemon, after a newer checkpoint
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
        """Sequence and path of every checkpoint, newest first; none if the folder is missing."""
        try:
            return sorted(numbered_files(self.path, _NAME), reverse=True)
        except FileNotFoundError:
            return []

    def _newest_before(self, sequence: int) -> int | None:
        """The checkpoint to keep besides `sequence`: the one last loaded or saved, else the newest below it."""
        if self._newest is not None:
            return self._newest
        return next((found for found, path in self._checkpoints() if found < sequence), None)

    def _set_aside(self, sequence: int) -> None:
        """Rename checkpoints that `load` would prefer to the one being written, or could not read."""
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
        """Files of a kept checkpoint, whether or not this process read or wrote it."""
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
