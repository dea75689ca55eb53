"""Converts the rows of a CSV file to native JSON events, by a mapping of columns to fields."""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from monitor.errors import UsageError
from monitor.sources.streams import Stream, stand_in
from monitor.text import many

#: fields of a native event that stay text even if the cell reads as a number
TEXTS: Final = ("type", "id", "model", "version")
VALUES: Final = ("ts", "prediction", "score", "label", "value")
TAG: Final = "tags."
_LEFT_OUT: Final = "-"
_UNDERSTOOD: Final = ", ".join((*TEXTS, *VALUES, "tags.NAME, or - to leave the column out"))

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(\.[0-9]*)?|(\.[0-9]+))([eE][+-]?[0-9]+)?")
_LONGEST_INTEGER: Final = 20
#: separators other than the comma, to recognise a file that is not comma-separated
_SEPARATORS: Final = (";", "\t", "|")
#: texts that other programs write for a missing value
_NO_VALUE: Final = frozenset(("NA", "N/A", "#N/A", "<NA>", "n/a", "NULL", "null", "Null", "None", "nil", "-", "?", "."))
#: how NumPy writes a missing number
_NOT_A_NUMBER: Final = frozenset(("NaN", "nan"))
#: first rows in which numbers are counted by column, to find the numeric columns
_SAMPLE: Final = 1_000
#: most columns that a message lists
_MOST_LISTED: Final = 50


def mapping_faults(csv_map: Mapping[str, str]) -> list[str]:
    """Faults of a mapping that do not depend on the file: unknown fields, fields mapped twice, no `ts`."""
    faults: list[str] = []
    column_of: dict[str, str] = {}
    for column, field in csv_map.items():
        is_tag = field.startswith(TAG) and len(field) > len(TAG)
        if field == _LEFT_OUT:
            continue
        if not is_tag and field not in TEXTS and field not in VALUES:
            faults.append(f"--map {column}={field}: there is no field {field!r}; write one of {_UNDERSTOOD}")
        elif field in column_of:
            faults.append(f"--map {column}={field}: {column_of[field]!r} is mapped to {field} already")
        column_of[field] = column
    if "ts" not in column_of:
        faults.append("--map: no column is mapped to ts; rows of a table have no other time")
    return faults


class CsvRows:
    """The rows of one open file; each becomes the bytes of one native event.

    Mapped columns become the event's fields, all others features. An empty cell is null in a feature and in the label
    of a row whose type is `label`; in every other field the field is left out. A cell that reads as a decimal number is
    a number, except with a leading zero (`007`) and in `type`, `id`, `model`, `version` and tags; all else is text.

    With `texts` (the columns that stay text) a row becomes the object of its columns, for a layout of one's own.
    """

    def __init__(
        self,
        stream: Stream,
        csv_map: Mapping[str, str],
        longest: int | None = None,
        *,
        texts: Collection[str] | None = None,
    ) -> None:
        """Read the header line. A row of more than `longest` bytes becomes a value that is rejected as too large.

        Raises:
            UsageError: every fault of the header, and of the mapping for this header.
        """
        self._stream = stream
        self._lines = _TextLines(stream, longest)
        self._too_long = stand_in(longest)
        if longest is not None:  # the csv module's own limit is by cell, and global to the process
            csv.field_size_limit(max(csv.field_size_limit(), longest))
        self._rows = csv.reader(self._lines, strict=True)
        header = self._next_row()
        if isinstance(header, bytes):
            raise UsageError(f"{stream.name}:1: the header has more than {longest:,} bytes")
        if header is None:
            raise UsageError(f"{stream.name}:1: no header line")
        faults = _header_faults(header, csv_map)
        if faults:
            raise UsageError(f"{stream.name}:1: {fault}" for fault in faults)
        self._width = len(header)
        self._as_columns = None if texts is None else [(i, name, name in texts) for i, name in enumerate(header)]
        fields = [csv_map.get(column, "") for column in header]
        self._texts = [(i, field) for i, field in enumerate(fields) if field in TEXTS]
        self._values = [(i, field) for i, field in enumerate(fields) if field in VALUES]
        self._tags = [(i, field.removeprefix(TAG)) for i, field in enumerate(fields) if field.startswith(TAG)]
        self._features = [(i, column) for i, column in enumerate(header) if column not in csv_map]
        self._no_value: Counter[tuple[str, str]] = Counter()
        self._first_line: dict[tuple[str, str], int] = {}
        self._numbers: Counter[str] = Counter()

    def events(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield (row number from 0 after the header, its first line from 1, event as JSON) of each row, without blanks.

        Raises:
            UsageError: file and line of a row that is damaged or has too few or too many cells.
        """
        number = -1
        while (row := self._next_row()) is not None:
            number += 1
            line = self._lines.row_begins
            if isinstance(row, bytes):
                yield number, line, row
                continue
            if not row:
                continue
            if len(row) != self._width:
                raise UsageError(f"{self._stream.name}:{line}: {len(row)} cells where the header has {self._width}")
            if number < _SAMPLE or not _NO_VALUE.isdisjoint(row):
                self._count_cells(row, line, number < _SAMPLE)
            yield number, line, msgspec.json.encode(self._event(row))

    def _count_cells(self, row: Sequence[str], line: int, sampled: bool) -> None:
        """Count the numbers of a sampled row, and the texts for a missing value, by column."""
        for i, column in self._features:
            cell = row[i]
            if cell in _NO_VALUE:
                self._no_value[column, cell] += 1
                self._first_line.setdefault((column, cell), line)
            elif sampled and cell and _NUMBER.fullmatch(cell):
                self._numbers[column] += 1

    def notes(self) -> list[str]:
        """One line for each text for a missing value in a column that also has numbers."""
        return [
            f"{column}: {many(count, 'cell')} {'is' if count == 1 else 'are'} {cell!r} (first at "
            f"{self._stream.name}:{self._first_line[column, cell]}): write empty cells for missing values"
            for (column, cell), count in self._no_value.items()
            if self._numbers[column]
        ]

    def _next_row(self) -> list[str] | bytes | None:
        """The cells of the next row; a stand-in value for a row that is too long; None at the end."""
        self._lines.begin_row()
        try:
            return next(self._rows, None)
        except _TooLong:
            return self._too_long
        except csv.Error as error:
            raise self._stream.damage(self._lines.row_begins, error) from error

    def _event(self, row: Sequence[str]) -> dict[str, Any]:
        if self._as_columns is not None:
            return {name: (row[i] or None) if is_text else _typed(row[i]) for i, name, is_text in self._as_columns}
        event: dict[str, Any] = {field: row[i] for i, field in self._texts if row[i]}
        is_label = event.get("type") == "label"
        for i, field in self._values:
            if row[i] or (is_label and field == "label"):  # null takes an earlier label back
                event[field] = _typed(row[i]) if field in _CLASSES else _value(row[i])
        tags = {name: row[i] for i, name in self._tags if row[i]}
        if tags:
            event["tags"] = tags
        if self._features:
            event["features"] = {column: _typed(row[i]) for i, column in self._features}
        return event


class _TooLong(Exception):  # control flow out of csv.reader, never raised to a caller
    """A line that was cut because it is too long."""


class _TextLines:
    """Iterates over the lines of a file as text, and limits the bytes of all lines of one row."""

    def __init__(self, stream: Stream, longest: int | None) -> None:
        self._stream = stream
        self._raw = stream.lines(longest)
        self._longest = longest
        self._read = self._size = 0
        #: the first line, from 1, of the current row
        self.row_begins = 1

    def begin_row(self) -> None:
        self.row_begins, self._size = self._read + 1, 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        number, data, cut = next(self._raw)
        self._read = number
        self._size += len(data)
        if cut and number == self.row_begins:
            raise _TooLong
        if cut or (self._longest is not None and self._size > self._longest and number > self.row_begins):
            raise UsageError(
                f"{self._stream.name}:{self.row_begins}: a quote begins here, and {self._longest:,} bytes later it has "
                "not ended; close it, or write it twice inside quotes"
            )
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise self._stream.damage(number, error) from error


def _header_faults(header: Sequence[str], csv_map: Mapping[str, str]) -> list[str]:
    separator = next((mark for mark in _SEPARATORS if mark in header[0]), None) if len(header) == 1 else None
    if separator is not None:
        named = "a tab" if separator == "\t" else f"{separator!r}"
        return [f"the header is one cell: is the separator {named}? write the file with commas"]
    faults = [f"column {name!r} occurs twice" for name, count in sorted(Counter(header).items()) if count > 1]
    if "" in header and "" not in csv_map:
        faults.append("a column has no name; name it, or leave it out with --map =-")
    return [*faults, *missing_columns(header, csv_map)]


def missing_columns(header: Sequence[str], columns: Collection[str]) -> list[str]:
    """Faults of a mapping that names columns which are not there."""
    there = set(header)
    faults = [f"--map names the column {column!r}, which is not there" for column in columns if column not in there]
    if faults:
        more = f", and {len(header) - _MOST_LISTED:,} more" if len(header) > _MOST_LISTED else ""
        faults.append(f"the columns are {', '.join(header[:_MOST_LISTED])}{more}")
    return faults


def _value(cell: str) -> str | int | float | None:
    """None for an empty cell and for NaN, a number if the cell is one that JSON can hold, else the text."""
    if not cell:
        return None
    match = _NUMBER.fullmatch(cell)
    if match is None:
        return None if cell in _NOT_A_NUMBER else cell
    if match.lastindex is None and len(cell) <= _LONGEST_INTEGER:
        integer = int(cell)
        if integer < 2**64:
            return integer
    number = float(cell)
    return number if math.isfinite(number) else cell


#: fields that may hold a class
_CLASSES: Final = ("prediction", "label")
#: booleans as pandas, SQL and spreadsheets write them
_BOOLEANS: Final = {"True": True, "False": False, "true": True, "false": False, "TRUE": True, "FALSE": False}


def _typed(cell: str) -> str | int | float | bool | None:
    """The value of a feature or class: booleans, and `_value` of the rest; digits with a leading zero stay text."""
    if cell in _BOOLEANS:
        return _BOOLEANS[cell]
    return cell if len(cell) > 1 and cell[0] == "0" and cell.isdecimal() and cell.isascii() else _value(cell)
