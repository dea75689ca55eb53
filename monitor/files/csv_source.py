"""Rows of a CSV file as native JSON events, by a mapping of columns to fields."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from monitor.errors import UsageError
from monitor.files.streams import Stream

#: fields of a native event that are text whatever the cell looks like
_TEXTS: Final = ("type", "id", "model", "version")
_VALUES: Final = ("ts", "prediction", "score", "label", "value")
_TAG: Final = "tags."
_LEFT_OUT: Final = "-"
_UNDERSTOOD: Final = ", ".join((*_TEXTS, *_VALUES, "tags.NAME, or - to leave the column out"))

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(\.[0-9]*)?|(\.[0-9]+))([eE][+-]?[0-9]+)?")
_LONGEST_INTEGER: Final = 20


def mapping_faults(csv_map: Mapping[str, str]) -> list[str]:
    """What is wrong with a mapping whatever the file: unknown fields, fields given twice, no time."""
    faults: list[str] = []
    column_of: dict[str, str] = {}
    for column, field in csv_map.items():
        is_tag = field.startswith(_TAG) and len(field) > len(_TAG)
        if field == _LEFT_OUT:
            continue
        if not is_tag and field not in _TEXTS and field not in _VALUES:
            faults.append(f"--map {column}={field}: there is no field {field!r}; write one of {_UNDERSTOOD}")
        elif field in column_of:
            faults.append(f"--map {column}={field}: {column_of[field]!r} is mapped to {field} already")
        column_of[field] = column
    if "ts" not in column_of:
        faults.append("--map: no column is mapped to ts; rows of a .csv file have no other time")
    return faults


class CsvRows:
    """The rows of one open file; each becomes the bytes of one native event.

    Mapped columns are the event's fields, all others features. An empty cell is null in a feature and in the label of
    a row whose type is `label`; in every other field it is as if the field was not there. What reads as a decimal
    number is a number (but `007`, a code), but for `type`, `id`, `model`, `version` and tags; all else is text.
    """

    def __init__(self, stream: Stream, csv_map: Mapping[str, str]) -> None:
        """Read the header line.

        Raises:
            UsageError: all that is wrong with the header, or between it and the mapping.
        """
        self._stream = stream
        self._rows = csv.reader(_text_lines(stream), strict=True)
        header = self._next_row()
        if header is None:
            raise UsageError(f"{stream.path}:1: no header line")
        faults = _header_faults(header, csv_map)
        if faults:
            raise UsageError(f"{stream.path}:1: {fault}" for fault in faults)
        self._width = len(header)
        fields = [csv_map.get(column, "") for column in header]
        self._texts = [(i, field) for i, field in enumerate(fields) if field in _TEXTS]
        self._values = [(i, field) for i, field in enumerate(fields) if field in _VALUES]
        self._tags = [(i, field.removeprefix(_TAG)) for i, field in enumerate(fields) if field.startswith(_TAG)]
        self._features = [(i, column) for i, column in enumerate(header) if column not in csv_map]

    def events(self) -> Iterator[tuple[int, bytes]]:
        """(row number from 0 after the header, JSON of its event); blank lines are counted and give nothing.

        Raises:
            UsageError: file and line of a row that is damaged or has too few or too many cells.
        """
        number = -1
        while (row := self._next_row()) is not None:
            number += 1
            if not row:
                continue
            if len(row) != self._width:
                raise UsageError(
                    f"{self._stream.path}:{self._rows.line_num}: {len(row)} cells where the header has {self._width}"
                )
            yield number, msgspec.json.encode(self._event(row))

    def _next_row(self) -> list[str] | None:
        try:
            return next(self._rows, None)
        except csv.Error as error:
            raise self._stream.damage(self._rows.line_num, error) from error

    def _event(self, row: Sequence[str]) -> dict[str, Any]:
        event: dict[str, Any] = {field: row[i] for i, field in self._texts if row[i]}
        takes_back = event.get("type") == "label"
        for i, field in self._values:
            if row[i] or (takes_back and field == "label"):
                event[field] = _typed(row[i]) if field in _CLASSES else _value(row[i])
        tags = {name: row[i] for i, name in self._tags if row[i]}
        if tags:
            event["tags"] = tags
        if self._features:
            event["features"] = {column: _typed(row[i]) for i, column in self._features}
        return event


def _text_lines(stream: Stream) -> Iterator[str]:
    for number, line in stream.lines():
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            raise stream.damage(number, error) from error
        yield text.removeprefix("\ufeff") if number == 1 else text


def _header_faults(header: Sequence[str], csv_map: Mapping[str, str]) -> list[str]:
    faults = [f"column {name!r} stands there twice" for name in sorted(set(header)) if header.count(name) > 1]
    if "" in header and "" not in csv_map:
        faults.append("a column has no name; name it, or leave it out with --map =-")
    missing = [column for column in csv_map if column not in header]
    if missing:
        faults += [f"--map names the column {column!r}, which is not there" for column in missing]
        faults.append(f"the columns are {', '.join(header)}")
    return faults


def _value(cell: str) -> str | int | float | None:
    """None of an empty cell, the number of one that reads as a number JSON can carry, else the text."""
    if not cell:
        return None
    match = _NUMBER.fullmatch(cell)
    if match is None:
        return cell
    if match.lastindex is None and len(cell) <= _LONGEST_INTEGER:
        integer = int(cell)
        if integer < 2**64:
            return integer
    number = float(cell)
    return number if math.isfinite(number) else cell


#: fields that may hold a class
_CLASSES: Final = ("prediction", "label")
#: as pandas, SQL and spreadsheets write them
_TRUTHS: Final = {"True": True, "False": False, "true": True, "false": False, "TRUE": True, "FALSE": False}


def _typed(cell: str) -> str | int | float | bool | None:
    """A cell as events have it: True and False are booleans, digits with a leading zero a code, which is text."""
    if cell in _TRUTHS:
        return _TRUTHS[cell]
    return cell if len(cell) > 1 and cell[0] == "0" and cell.isdecimal() and cell.isascii() else _value(cell)
