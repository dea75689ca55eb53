"""Writes records to files: as a recording (`driftd record`), or readable by people (`--decode`)."""

from __future__ import annotations

import base64
import contextlib
import os
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Protocol, Self

import msgspec
import zstandard

from monitor.clock import MS_US, rfc3339
from monitor.errors import ExternalError, TransientError, UsageError
from monitor.records import RecordBatch
from monitor.sources.recordings import ENDINGS, RecordedLine

STDOUT: Final = "-"
_READABLE: Final = (".jsonl", ".ndjson", ".jsonl.gz", ".jsonl.zst", ".ndjson.gz", ".ndjson.zst")


class RecordWriter:
    """Writes batches to standard output, or to a temporary file that `close` renames when it is complete.

    As a context manager it closes at the end of the block, and discards the file if the block raises.
    """

    def __init__(self, path: Path | str, *, readable: bool = False) -> None:
        """Open a temporary file next to `path`, compressed by its ending.

        Raises:
            UsageError: the name's ending is wrong, or the file cannot be created.
        """
        self.path = Path(path)
        self._lines_of: Callable[[RecordBatch], Iterator[object]] = _readable_lines if readable else _recorded_lines
        self._encoder = msgspec.json.Encoder()
        self._temporary: Path | None = None
        self._compressor: _Compressor | None = None
        self._raw: BinaryIO
        if readable and str(path) == STDOUT:
            self._raw = sys.stdout.buffer
            return
        self._require_ending(readable=readable)
        if self.path.is_dir():
            raise UsageError(f"{self.path} is a folder; name the file")
        self._temporary = self.path.with_name(f".{self.path.name}.tmp")
        try:
            self._raw = open(self._temporary, "wb")  # noqa: SIM115 - open until close or discard
        except OSError as error:
            raise UsageError(f"{self.path}: cannot be written: {error.strerror}") from error
        self._compressor = _compressor_for(self.path)

    def _require_ending(self, *, readable: bool) -> None:
        name = self.path.name
        if not readable and not name.endswith(ENDINGS):
            raise UsageError(f"{self.path}: a recording's name ends with {', '.join(ENDINGS)}")
        if readable and (name.endswith(ENDINGS) or not name.endswith(_READABLE)):
            raise UsageError(
                f"{self.path}: with --decode it is not a recording, which could be read again; name it OUT.jsonl, "
                ".jsonl.gz or .jsonl.zst, or - for standard output"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def write(self, batch: RecordBatch) -> None:
        """Add the records of a batch, in their order.

        Raises:
            ExternalError: the disk is full or failing; call `discard`.
        """
        plain = self._encoder.encode_lines(self._lines_of(batch))
        self._put(plain if self._compressor is None else self._compressor.compress(plain))

    def close(self) -> None:
        """Sync the file and rename it to its name.

        Raises:
            ExternalError: the disk is full or failing; the file was discarded.
        """
        if self._compressor is not None:
            self._put(self._compressor.flush())
        try:
            self._raw.flush()
            if self._temporary is not None:
                os.fsync(self._raw.fileno())
                self._raw.close()
                os.replace(self._temporary, self.path)
        except BrokenPipeError:
            raise
        except OSError as error:
            self.discard()
            raise self._failure(error) from error

    def discard(self) -> None:
        """Remove the temporary file."""
        if self._temporary is None:
            return
        with contextlib.suppress(OSError):
            self._raw.close()
        with contextlib.suppress(OSError):
            self._temporary.unlink()

    def _put(self, data: bytes) -> None:
        try:
            self._raw.write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> ExternalError:
        return TransientError(f"{self.path}: cannot be written: {error.strerror}")


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


def _compressor_for(path: Path) -> _Compressor | None:
    if path.suffix == ".zst":
        return zstandard.ZstdCompressor(level=3, write_checksum=True).compressobj()
    return zlib.compressobj(level=6, wbits=31) if path.suffix == ".gz" else None


def _recorded_lines(batch: RecordBatch) -> Iterator[RecordedLine]:
    times: Sequence[int | None] = [None] * len(batch) if batch.times_ms is None else batch.times_ms.tolist()
    for i, (value, offset, time_ms) in enumerate(zip(batch.values, batch.offsets.tolist(), times, strict=True)):
        key, headers = batch.envelope(i)
        yield RecordedLine(
            topic=batch.partition.topic,
            partition=batch.partition.number,
            offset=offset,
            timestamp=time_ms,
            key=key,
            headers=list(headers),
            value=value,
        )


def _readable_lines(batch: RecordBatch) -> Iterator[dict[str, object]]:
    """Lines for people: times as RFC 3339, values as JSON, else as text, else `{"base64": …}`."""
    for line in _recorded_lines(batch):
        time_ms = line.timestamp
        yield {
            "topic": line.topic,
            "partition": line.partition,
            "offset": line.offset,
            "timestamp": None if time_ms is None or time_ms < 0 else _time(time_ms),
            "key": _text(line.key),
            "headers": [[name, _text(value)] for name, value in line.headers],
            "value": _value(line.value),
        }


def _time(time_ms: int) -> str | int:
    try:
        return rfc3339(time_ms * MS_US)
    except (ValueError, OverflowError):
        return time_ms


def _text(data: bytes | None) -> object:
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def _value(data: bytes | None) -> object:
    """JSON as it was written, to the last digit, without line breaks between its tokens; other values as text."""
    if data is None:
        return None
    plain = data.removeprefix(b"\xef\xbb\xbf")
    try:
        msgspec.json.decode(plain)
        return msgspec.Raw(
            plain if b"\n" not in plain and b"\r" not in plain else msgspec.json.format(plain, indent=-1)
        )
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _text(data)
