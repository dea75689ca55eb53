"""Converts the rows of a Parquet file to JSON: native events by a mapping of columns, or objects of the columns."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, overload

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import UNSET

from monitor.decode.table_rows import Predictions, TableRows
from monitor.errors import UsageError
from monitor.sources.csv_rows import TAG, TEXTS, VALUES, missing_columns
from monitor.sources.parquet_cells import cells_of, event_times, times_of
from monitor.sources.parquet_columns import predictions_of
from monitor.sources.streams import READ_BYTES, stand_in

#: most rows that are read at once
_ROWS: Final = 4_000
#: times that are looked at at once
_TIMES: Final = 1 << 16
_BUFFER: Final = 1 << 16
#: what the library raises for a damaged file; the first is the base of most of its errors, the last is of far times
_DAMAGE: Final = (pa.ArrowException, OSError, ValueError, OverflowError)


class ParquetRows:
    """The rows of one file, read piece by piece; each becomes the JSON of one native event.

    Columns are fields and features as in a `.csv` file (`CsvRows`), but values have the types of their columns: a null
    is null in a feature and in the label of a row whose type is `label`; in every other field it is left out.
    With `texts` (the columns that stay text) a row becomes the object of its columns.
    """

    def __init__(
        self,
        name: str,
        file: Path | io.RawIOBase,
        columns: Mapping[str, str],
        longest: int | None = None,
        *,
        texts: Collection[str] | None = None,
    ) -> None:
        """A row of more than `longest` bytes of JSON becomes a value that is rejected as too large.

        Raises:
            UsageError: it is no Parquet file, or a column of the mapping is not there.
        """
        self.name, self._longest, self._texts = name, longest, texts
        with self._reading():
            self._file = pq.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False)
            names = self._file.schema_arrow.names
        faults = [f"column {one!r} occurs twice" for one, count in sorted(Counter(names).items()) if count > 1]
        if faults := [*faults, *missing_columns(names, columns)]:
            self.close()
            raise UsageError(f"{name}: {fault}" for fault in faults)
        self._columns = columns
        self._rows_at_once = _rows_at_once(self._file.metadata)
        #: bytes of its row groups as they are on disk
        self.size = sum(_packed_bytes(self._file.metadata))
        self._number = 0

    def parts(self) -> Iterator[TableRows]:
        """The rows, some at a time; the value of each is its JSON.

        Raises:
            UsageError: the file is damaged.
        """
        for batch in self._batches():
            yield _Part(self, batch)
            self._number += batch.num_rows

    def json_of(self, batch: Any) -> list[bytes]:  # noqa: ANN401  # a record batch of pyarrow
        """The JSON of each row."""
        encode, longest = msgspec.json.Encoder().encode, self._longest
        values = [encode(row) for row in self._rows(batch)]
        if longest is None or max(map(len, values), default=0) <= longest:
            return values
        return [stand_in(longest) if len(value) > longest else value for value in values]

    def predictions(self, batch: Any) -> Predictions | None:  # noqa: ANN401  # as above
        """See `TableRows`."""
        if self._texts is not None or not batch.num_rows:
            return None
        with self._reading():
            found = predictions_of(dict(zip(batch.schema.names, batch.columns, strict=True)), self._columns)
        is_short = found is not None and (self._longest is None or found.most_bytes <= self._longest)
        return found if is_short else None

    def in_time_order(self) -> bool:
        """Whether no row's event time is certainly or possibly before that of a row above it.

        Then sorting would leave all rows where they are: one that is rejected has no time, and stays in its place.
        """
        names = [name for name, field in self._columns.items() if field == "ts"]
        if self._texts is not None or not names:
            return False
        newest = np.zeros(0, np.int64)
        with self._reading():
            for batch in self._file.iter_batches(_TIMES, columns=names, use_threads=False):
                times = event_times(batch.column(0)) if batch.num_columns == 1 else None
                if times is None or (np.diff(times, prepend=newest) < 0).any():
                    return False
                newest = times[-1:]
        return True

    def position(self) -> int:
        """Bytes of the rows that were read, on average."""
        rows: int = self._file.metadata.num_rows
        return self.size * self._number // max(rows, 1)

    def _batches(self) -> Iterator[Any]:
        """Record batches of pyarrow."""
        with self._reading():
            wanted = [name for name in self._file.schema_arrow.names if self._columns.get(name) != "-"]
            yield from self._file.iter_batches(self._rows_at_once, columns=wanted, use_threads=False)

    def _rows(self, batch: Any) -> Iterable[object]:  # noqa: ANN401  # a record batch of pyarrow
        with self._reading():
            columns = dict(zip(batch.schema.names, batch.columns, strict=True))
            cells = {name: cells_of(column) for name, column in columns.items() if self._columns.get(name) != "ts"}
            for name in columns.keys() - cells.keys():
                cells[name] = times_of(columns[name])
        if self._texts is not None:
            for name in cells.keys() & set(self._texts):
                cells[name] = [_as_text(value) for value in cells[name]]
            return _objects(cells, batch.num_rows)
        return self._events(cells, batch.num_rows)

    def _events(self, cells: Mapping[str, list[object]], count: int) -> Iterable[object]:
        given = {self._columns[name]: values for name, values in cells.items() if name in self._columns}
        kinds = given.get("type", ())
        fields: dict[str, Sequence[object]] = {}
        for name, values in given.items():
            if name in TEXTS:
                are_texts = {*map(type, values)} == {str}
                fields[name] = values if are_texts else [UNSET if one is None else _as_text(one) for one in values]
            elif name == "label" and "label" in kinds:  # its null takes an earlier label back
                rows = zip(values, kinds, strict=True)
                fields[name] = [UNSET if value is None and kind != "label" else value for value, kind in rows]
            elif name in VALUES:
                fields[name] = [UNSET if value is None else value for value in values] if None in values else values
        tags = {name.removeprefix(TAG): values for name, values in given.items() if name.startswith(TAG)}
        if tags:
            texts = [[UNSET if value is None else _as_text(value) for value in values] for values in tags.values()]
            some = [any(value is not UNSET for value in row) for row in zip(*texts, strict=True)]
            objects = zip(_objects(dict(zip(tags, texts, strict=True)), count), some, strict=True)
            fields["tags"] = [one if has_some else UNSET for one, has_some in objects]
        features = {name: values for name, values in cells.items() if name not in self._columns}
        if features:
            fields["features"] = [*_objects(features, count)]
        return _objects(fields, count)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except _DAMAGE as error:
            said = str(error).strip().splitlines() or [type(error).__name__]
            raise UsageError(f"{self.name}: cannot be read as Parquet: {said[0]}") from error

    def close(self) -> None:
        self._file.close()


class _Part(TableRows):
    """Some rows of a file; `batch` is a record batch of pyarrow."""

    def __init__(self, rows: ParquetRows, batch: Any) -> None:  # noqa: ANN401  # as above
        self._rows, self._batch = rows, batch
        self._json: list[bytes] | None = None

    def __len__(self) -> int:
        count: int = self._batch.num_rows
        return count

    @overload
    def __getitem__(self, at: int) -> bytes: ...
    @overload
    def __getitem__(self, at: slice) -> TableRows: ...
    def __getitem__(self, at: int | slice) -> bytes | TableRows:
        if isinstance(at, int):
            return self._values()[at]
        first, last, step = at.indices(len(self))
        return self.at(range(first, last, step)) if step != 1 else self._cut(first, max(last - first, 0))

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._values())

    def _cut(self, first: int, count: int) -> _Part:
        part = _Part(self._rows, self._batch.slice(first, count))
        part._json = None if self._json is None else self._json[first : first + count]
        return part

    def at(self, places: Sequence[int]) -> TableRows:
        return _Part(self._rows, self._batch.take(pa.array(places, pa.int64())))

    @property
    def size(self) -> int:
        size: int = self._batch.nbytes
        return size

    def predictions(self) -> Predictions | None:
        return self._rows.predictions(self._batch)

    def _values(self) -> list[bytes]:
        if self._json is None:
            self._json = self._rows.json_of(self._batch)
        return self._json


def _packed_bytes(metadata: Any) -> Iterator[int]:  # noqa: ANN401  # of pyarrow
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        yield sum(group.column(at).total_compressed_size for at in range(group.num_columns))


def _rows_at_once(metadata: Any) -> int:  # noqa: ANN401  # of pyarrow
    groups = [metadata.row_group(at) for at in range(metadata.num_row_groups)]
    largest = max((one.total_byte_size / max(one.num_rows, 1) for one in groups), default=0.0)
    return max(1, min(_ROWS, int(READ_BYTES / max(largest, 1.0))))


def _objects(columns: Mapping[str, Sequence[object]], count: int) -> Iterable[object]:
    """What is encoded as an object for each row, without the fields that are UNSET."""
    if not columns:
        return ({} for _ in range(count))
    names = {f"f{at}": name for at, name in enumerate(columns)}
    try:
        make = msgspec.defstruct("Columns", [(field, Any) for field in names], rename=names, gc=False)
    except ValueError:  # msgspec rejects names that have to be escaped
        rows = zip(*columns.values(), strict=True)
        return ({name: value for name, value in zip(columns, row, strict=True) if value is not UNSET} for row in rows)
    return map(make, *columns.values())


def _as_text(value: object) -> object:
    """A number as its decimal text: a column of integers with nulls may have been written as floats."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if type(value) in {int, float} else value
