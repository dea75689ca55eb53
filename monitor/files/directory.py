"""Checkpoints in a directory: complete or not there, checked on reading, the one before always kept.

A file `checkpoint-<sequence>.driftd` is, little endian:

    8 bytes  magic            b"driftd\\x1a\\n"
    u16      format version
    u64      sequence
    u64      length of the payload
    u64      length of the tree's bytes
    payload  the tree's bytes (`codec`), zstd
    u32      CRC-32C of everything before

It is written under another name, made durable (fsync of the file), renamed, and the folder made durable.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

import crc32c
import zstandard

from monitor.errors import OutsideTrouble, UsageError
from monitor.files import codec

FORMAT: Final = 1

_MAGIC: Final = b"driftd\x1a\n"
_HEAD: Final = struct.Struct("<8sHQQQ")
_CRC: Final = struct.Struct("<I")
_NAME: Final = re.compile(r"checkpoint-(\d{20})\.driftd")
_TEMPORARY: Final = ".checkpoint.tmp"
_LOCK: Final = "lock"
_ATTEMPTS: Final = 20
#: bytes unpacked in one step
_STEP: Final = 1 << 20
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
    """A checkpoint that was read; `damaged` are newer ones that could not be, each with the reason."""

    tree: dict[str, Any]
    sequence: int
    path: Path
    damaged: tuple[tuple[Path, str], ...]


class StateStore(Protocol):
    """Where checkpoints go. All calls are made by one thread."""

    def lock(self) -> None:
        """Make the store this process's own until `close`."""

    def save(self, sequence: int, tree: Mapping[str, Any]) -> int:
        """Keep `tree` durably as the newest checkpoint; gives its size in bytes."""

    def load(self, *, read_only: bool = False) -> Loaded | None:
        """The newest checkpoint that can be read, or None when there never was one."""

    def close(self) -> None:
        """Give the store up; saves nothing."""


class MemoryState:
    """`state.store: memory`: every start is a fresh one."""

    def lock(self) -> None:
        """Nothing to share, nothing to lock."""

    def save(self, sequence: int, tree: Mapping[str, Any]) -> int:
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
            OutsideTrouble: the disk failed in a way that may heal.
        """
        try:
            self.path.mkdir(mode=0o750, parents=True, exist_ok=True)
        except OSError as error:
            raise self._trouble("cannot be written", error) from error
        self._take_lock()

    def _take_lock(self) -> None:
        try:
            descriptor = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise self._trouble("cannot be written", error) from error
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
            raise self._trouble("cannot be locked", error) from error
        self._lock_fd = descriptor

    def _keep_lock(self) -> None:
        """A folder that was taken away and made again has another lock, or none.

        Raises:
            OutsideTrouble: it cannot be had now, or another process has it.
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
            raise OutsideTrouble(str(error)) from error
        os.close(former)

    def close(self) -> None:
        """Give the folder up. The lock file stays: removing it would let two processes lock two files."""
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    def save(self, sequence: int, tree: Mapping[str, Any]) -> int:
        """Write checkpoint `sequence` (rising from call to call), keep exactly the one before, remove older ones.

        Returns the bytes written.

        Checkpoints that `load` found damaged, or that carry a later sequence, are renamed to `….aside`: they are never
        read again and stay for a person to look at.

        Raises:
            OutsideTrouble: the disk is full, read-only or failing; the former checkpoints are as they were, and the
                same sequence may be tried again.
            ValueError: the sequence does not rise (a bug of the caller).
        """
        if self._newest is not None and sequence <= self._newest:
            raise ValueError(f"checkpoint {sequence} after {self._newest}")
        content = _file_content(sequence, tree)
        try:
            self._keep_lock()
            self._write_temporary(content)
            before = self._newest_before(sequence)
            self._set_aside(sequence)
            os.replace(self.path / _TEMPORARY, self.path / _file_name(sequence))
            _make_durable(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                (self.path / _TEMPORARY).unlink()
            raise OutsideTrouble(f"state.path: no checkpoint in {self.path}: {_reason(error)}") from error
        self._newest = sequence
        self._remove_all_but(sequence, before)
        return len(content)

    def load(self, *, read_only: bool = False) -> Loaded | None:
        """The newest checkpoint that is whole; None when the folder holds none at all.

        With `read_only` nothing is remembered for `save`, so that it can be called beside a running daemon without
        the lock; a file that vanishes between listing and reading makes it look again.

        Raises:
            UsageError: there are checkpoints and none can be read, or we may not read the folder.
            OutsideTrouble: the disk failed in a way that may heal.
        """
        for _ in range(_ATTEMPTS):
            try:
                loaded = self._load_newest()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise self._trouble("cannot be read", error) from error
            if loaded is not None and not read_only:
                self._newest = loaded.sequence
                self._damaged = {path for path, _ in loaded.damaged}
            return loaded
        raise OutsideTrouble(f"state.path: checkpoints in {self.path} vanish faster than they can be read")

    def _load_newest(self) -> Loaded | None:
        damaged: list[tuple[Path, str]] = []
        for sequence, path in self._checkpoints():
            content = path.read_bytes()
            try:
                tree = _tree_of(sequence, content)
            except UsageError as error:
                damaged.append((path, str(error)))
                continue
            return Loaded(tree, sequence, path, tuple(damaged))
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
            names = os.listdir(self.path)
        except FileNotFoundError:
            return []
        found = [(int(match[1]), self.path / match[0]) for match in map(_NAME.fullmatch, names) if match]
        return sorted(found, reverse=True)

    def _write_temporary(self, content: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        with open(os.open(self.path / _TEMPORARY, flags, 0o640), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

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
        self._damaged.clear()

    def _remove_all_but(self, *kept: int | None) -> None:
        # The new checkpoint is durable: what cannot be removed now is tried again at the next one.
        with contextlib.suppress(OSError):
            for found, path in self._checkpoints():
                if found not in kept:
                    path.unlink()

    def _trouble(self, what: str, error: OSError) -> UsageError | OutsideTrouble:
        message = f"state.path: {self.path} {what}: {_reason(error)}"
        if error.errno in _A_PERSON_MUST_ACT:
            return UsageError(f"{message}; name a folder that user {os.geteuid()} may read and write")
        return OutsideTrouble(message)


def has_checkpoint(path: Path) -> bool:
    """True when the folder holds a checkpoint, readable or not."""
    return any(path.glob("checkpoint-*"))


def _file_name(sequence: int) -> str:
    return f"checkpoint-{sequence:020d}.driftd"


def _file_content(sequence: int, tree: Mapping[str, Any]) -> bytes:
    plain = codec.encode(dict(tree))
    payload = _compressed(plain)
    content = _HEAD.pack(_MAGIC, FORMAT, sequence, len(payload), len(plain)) + payload
    return content + _CRC.pack(crc32c.crc32c(content))


def _compressed(plain: bytearray) -> bytes:
    """Piece by piece: in one step it takes room for as much again."""
    compressor = zstandard.ZstdCompressor(level=1).compressobj(size=len(plain))
    with memoryview(plain) as view:
        parts = [compressor.compress(view[at : at + _STEP]) for at in range(0, len(plain), _STEP)]
    return b"".join([*parts, compressor.flush()])


def _tree_of(sequence: int, content: bytes) -> dict[str, Any]:
    """The tree in a file's bytes.

    Raises:
        UsageError: the one line says what is wrong with them.
    """
    if len(content) < _HEAD.size + _CRC.size:
        raise UsageError(f"truncated: {len(content)} bytes")
    magic, version, inner_sequence, payload_length, plain_length = _HEAD.unpack_from(content)
    if magic != _MAGIC:
        raise UsageError("not a checkpoint")
    if version != FORMAT:
        raise UsageError(f"format {version}; this build reads format {FORMAT}")
    expected = _HEAD.size + payload_length + _CRC.size
    if len(content) != expected:
        raise UsageError(f"{len(content)} bytes where its head says {expected}")
    body = memoryview(content)[: -_CRC.size]
    if crc32c.crc32c(body) != _CRC.unpack(content[-_CRC.size :])[0]:
        raise UsageError("the checksum does not match")
    if inner_sequence != sequence:
        raise UsageError(f"it is checkpoint {inner_sequence} under the name of {sequence}")
    try:
        plain = _unpacked(body[_HEAD.size :], plain_length)
        tree = codec.decode(plain)
    except (zstandard.ZstdError, MemoryError) as error:
        raise UsageError(f"not decompressible: {error}") from error
    if len(plain) != plain_length or not isinstance(tree, dict):
        raise UsageError("not the state its head announces")
    return tree


def _unpacked(payload: memoryview, announced: int) -> bytes:
    """The payload's bytes, room taken as they come: neither head nor frame is believed about how many there are."""
    parts: list[bytes] = []
    size = 0
    with zstandard.ZstdDecompressor().stream_reader(payload) as reader:
        while size <= announced and (part := reader.read(_STEP)):
            parts.append(part)
            size += len(part)
    return b"".join(parts)


def _make_durable(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
