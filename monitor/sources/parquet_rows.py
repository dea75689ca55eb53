"""Converts the rows of a Parquet file to JSON: native events by a mapping of columns, or objects of the columns."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from monitor.errors import UsageError
from monitor.sources.csv_rows import TAG, TEXTS, VALUES, missing_columns
from monitor.sources.parquet_cells import cells_of
from monitor.sources.streams import BATCH_BYTES, stand_in

#: most rows that are converted at once
_ROWS: Final = 1_000
_BUFFER: Final = 1 << 16
#: what the library raises for a damaged file; the first is the base of most of its errors
_DAMAGE: Final = (pa.ArrowException, OSError, ValueError)

Rows = Iterator[dict[str, object]]


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

    def events(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield (row number from 0, row number from 1, value as JSON) of each row.

        Raises:
            UsageError: the file is damaged.
        """
        encode, longest = msgspec.json.Encoder().encode, self._longest
        for batch in self._batches():
            for row in self._rows(batch):
                value = encode(row)
                self._number += 1
                is_too_long = longest is not None and len(value) > longest
                yield self._number - 1, self._number, stand_in(longest) if is_too_long else value

    def position(self) -> int:
        """Bytes of the rows that were read, on average."""
        rows: int = self._file.metadata.num_rows
        return self.size * self._number // max(rows, 1)

    def _batches(self) -> Iterator[Any]:
        """Record batches of pyarrow."""
        with self._reading():
            wanted = [name for name in self._file.schema_arrow.names if self._columns.get(name) != "-"]
            yield from self._file.iter_batches(self._rows_at_once, columns=wanted, use_threads=False)

    def _rows(self, batch: Any) -> Rows:  # noqa: ANN401  # a record batch of pyarrow
        with self._reading():
            cells = {name: cells_of(batch.column(at)) for at, name in enumerate(batch.schema.names)}
        if self._texts is not None:
            for name in cells.keys() & set(self._texts):
                cells[name] = [_as_text(value) for value in cells[name]]
            return _objects(cells, batch.num_rows)
        return self._events(cells, batch.num_rows)

    def _events(self, cells: Mapping[str, Sequence[object]], count: int) -> Rows:
        fields = {self._columns[name]: values for name, values in cells.items() if name in self._columns}
        for name in fields.keys() & set(TEXTS):
            fields[name] = [_as_text(value) for value in fields[name]]
        single = {name: values for name, values in fields.items() if name in TEXTS or name in VALUES}
        tags = {name.removeprefix(TAG): values for name, values in fields.items() if name.startswith(TAG)}
        features = {name: values for name, values in cells.items() if name not in self._columns}
        beside = zip(_objects(tags, count), _objects(features, count), strict=True)
        for one, (tag_texts, own) in zip(_objects(single, count), beside, strict=True):
            takes_back = one.get("type") == "label"
            event = {
                name: value for name, value in one.items() if value is not None or (takes_back and name == "label")
            }
            if given := {name: _as_text(value) for name, value in tag_texts.items() if value is not None}:
                event["tags"] = given
            if own:
                event["features"] = own
            yield event

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except _DAMAGE as error:
            said = str(error).strip().splitlines() or [type(error).__name__]
            raise UsageError(f"{self.name}: cannot be read as Parquet: {said[0]}") from error

    def close(self) -> None:
        self._file.close()


def _packed_bytes(metadata: Any) -> Iterator[int]:  # noqa: ANN401  # of pyarrow
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        yield sum(group.column(at).total_compressed_size for at in range(group.num_columns))


def _rows_at_once(metadata: Any) -> int:  # noqa: ANN401  # of pyarrow
    groups = [metadata.row_group(at) for at in range(metadata.num_row_groups)]
    largest = max((one.total_byte_size / max(one.num_rows, 1) for one in groups), default=0.0)
    return max(1, min(_ROWS, int(BATCH_BYTES / max(largest, 1.0))))


def _objects(columns: Mapping[str, Sequence[object]], count: int) -> Rows:
    names = tuple(columns)
    if not names:
        return ({} for _ in range(count))
    return (dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True))


def _as_text(value: object) -> object:
    """A number as its decimal text: a column of integers with nulls may have been written as floats."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if type(value) in {int, float} else value
