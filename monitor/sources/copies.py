"""Temporary copies of data that is read twice (pipes) or in another order (sorted files); removed with the process."""

from __future__ import annotations

import io
import mmap
import os
import tempfile
from array import array
from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import IO, TYPE_CHECKING, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from monitor.errors import UsageError
from monitor.sources.streams import BATCH_BYTES

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: most bytes that are copied of a pipe
LARGEST_PIPE: Final = 8 * 1024**3
#: most records that are sorted; each takes 60 bytes of memory
MOST_SORTED: Final = 20_000_000

_PIECE: Final = 1024 * 1024

#: the event times of records, in microseconds; `NO_TIME` for a record without one
Times = NDArray[np.int64]
NO_TIME: Final = -(1 << 63)


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes | None: ...


class PipeCopy:
    """A copy of a pipe's bytes, which can be read several times."""

    def __init__(self, name: str, pipe: _Readable, largest: int = LARGEST_PIPE) -> None:
        """Copy the pipe to its end.

        Raises:
            UsageError: it has more than `largest` bytes, or the disk is full.
        """
        self._file = _temporary(name)
        self._size = 0
        try:
            while piece := pipe.read(_PIECE):
                self._size += len(piece)
                if self._size > largest:
                    raise UsageError(
                        f"{name}: more than {largest // 1024**2:,} MiB, which is kept of a pipe for a second pass; "
                        "write it to a file"
                    )
                self._file.write(piece)
            self._file.flush()
        except OSError as error:
            self._file.close()
            raise UsageError(f"{name}: cannot be kept for a second pass: {error.strerror}") from error
        except BaseException:
            self._file.close()
            raise

    def reader(self) -> io.RawIOBase:
        """The bytes from the beginning; several readers may be in use at once."""
        return _Reader(self._file.fileno(), self._size)

    def close(self) -> None:
        self._file.close()


class SortedRecords:
    """The records of one file in a stable order of their event times.

    A record without a time stays behind the one before it. `lines` (n,) are the records' lines in the file, from 1, in
    the sorted order.
    """

    def __init__(
        self,
        name: str,
        records: Iterable[tuple[int, bytes]],
        times_of: Callable[[list[bytes], list[int]], Times],
        *,
        chunk: int = 500,
        most: int = MOST_SORTED,
    ) -> None:
        """Copy and sort `records` (line, value); `times_of` gets the values and lines of up to `chunk` records at once.

        Raises:
            UsageError: there are more than `most` records, or the disk is full.
        """
        self._file = _temporary(name)
        self._map: mmap.mmap | None = None
        try:
            self._read(name, records, times_of, chunk, most)
        except OSError as error:
            self._file.close()
            raise UsageError(f"{name}: cannot be kept to be sorted: {error.strerror}") from error
        except BaseException:
            self._file.close()
            raise

    def _read(
        self,
        name: str,
        records: Iterable[tuple[int, bytes]],
        times_of: Callable[[list[bytes], list[int]], Times],
        chunk: int,
        most: int,
    ) -> None:
        lines, sizes, times = array("q"), array("q"), array("q")
        values: list[bytes] = []
        held = 0
        for line, value in records:
            lines.append(line)
            sizes.append(len(value))
            values.append(value)
            held += len(value)
            if len(values) == chunk or held > BATCH_BYTES:
                times.extend(times_of(values, lines[-len(values) :].tolist()).tolist())
                self._file.writelines(values)
                values.clear()
                held = 0
            if len(lines) > most:
                raise UsageError(f"{name}: more than {most:,} records; sort it by ts before it is read")
        if values:
            times.extend(times_of(values, lines[-len(values) :].tolist()).tolist())
            self._file.writelines(values)
        self._file.flush()
        sort_by = np.array(times, np.int64)
        last_timed = np.maximum.accumulate(np.where(sort_by != NO_TIME, np.arange(len(sort_by)), 0))
        order = np.argsort(sort_by[last_timed], kind="stable")
        begins = np.array([*accumulate(sizes, initial=0)], np.int64)
        self.lines = np.array(lines, np.int64)[order]
        self._begins, self._ends = begins[:-1][order], begins[1:][order]
        if begins[-1]:
            self._map = mmap.mmap(self._file.fileno(), int(begins[-1]), access=mmap.ACCESS_READ)

    def __len__(self) -> int:
        return len(self.lines)

    def end_of_batch(self, begin: int, chunk: int) -> int:
        """The end of a batch of at most `chunk` records that goes over `BATCH_BYTES` by one record at most."""
        end = min(begin + chunk, len(self))
        sizes = np.cumsum(self._ends[begin:end] - self._begins[begin:end])
        return min(begin + int(np.searchsorted(sizes, BATCH_BYTES)) + 1, end)

    def read(self, begin: int, end: int) -> list[bytes]:
        """The values of the records in [begin, end), in order of time."""
        held = self._map if self._map is not None else b""
        places = zip(self._begins[begin:end].tolist(), self._ends[begin:end].tolist(), strict=True)
        return [held[first:last] for first, last in places]

    def close(self) -> None:
        if self._map is not None:
            self._map.close()
        self._file.close()


def _temporary(name: str) -> IO[bytes]:
    try:
        return tempfile.TemporaryFile(prefix="driftd-")
    except OSError as error:
        raise UsageError(
            f"{name}: no temporary file can be made: {error.strerror}; set TMPDIR to a folder with room"
        ) from error


class _Reader(io.RawIOBase):
    """Reads the first `size` bytes of an open file descriptor (`number`), with its own position."""

    def __init__(self, number: int, size: int) -> None:
        super().__init__()
        self._number = number
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, target: WriteableBuffer, /) -> int:
        count = os.preadv(self._number, [target], self._at)
        self._at += count
        return count
