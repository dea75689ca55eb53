"""Columns of Arrow as the values that JSON has, column by column."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.types as kinds
from numpy.typing import NDArray

from monitor.decode.encodings.plain import plain
from monitor.decode.values import times_of_integers

#: how the text of an infinite number begins: a number of the wrong type everywhere, as in JSON events
_INFINITE: Final = {float("inf"): "Infinity", float("-inf"): "-Infinity"}
#: an integer between these is taken for microseconds of Unix time: from 1973 to 5138
_MICROSECONDS: Final = 10**14
_NANOSECONDS: Final = 10**17
Column = Any  # an array of pyarrow, which ships no types


def cells_of(column: Column) -> list[object]:
    """The values of an array of n as n of str, int, float, bool, None, list or dict.

    null and NaN are None, infinite numbers their text. Timestamps are RFC 3339 text in UTC to the microsecond, without
    an offset where the column has no time zone; dates and times of day their ISO text, durations seconds, decimals the
    nearest float or an integer, binary values text (base64 where they are not UTF-8). Structs and maps are objects.
    """
    for is_kind, convert in _CONVERSIONS:
        if is_kind(column.type):
            return convert(column)
    return [plain(value) for value in column.to_pylist()]


def _floats(column: Column) -> list[object]:
    numbers = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    cells: list[object] = numbers.tolist()
    for at in np.flatnonzero(~np.isfinite(numbers)).tolist():
        cells[at] = _INFINITE.get(cells[at])  # type: ignore[call-overload]  # a float; None for NaN, and so for null
    return cells


def _integers(column: Column) -> list[object]:
    return _with_nulls(column, column.fill_null(0).to_numpy(zero_copy_only=False).tolist())


def _booleans(column: Column) -> list[object]:
    return _with_nulls(column, column.fill_null(pa.scalar(False)).to_numpy(zero_copy_only=False).tolist())


def _with_nulls(column: Column, cells: list[object]) -> list[object]:
    if column.null_count:
        for at in np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False)).tolist():
            cells[at] = None
    return cells


def _texts(column: Column) -> list[object]:
    cells: list[object] = column.cast(pa.large_string()).to_numpy(zero_copy_only=False).tolist()
    return cells


def _dictionary(column: Column) -> list[object]:
    values, places = cells_of(column.dictionary), _integers(column.indices)
    return [None if place is None else values[place] for place in places]  # type: ignore[call-overload]  # integers


def _timestamps(column: Column) -> list[object]:
    moments = column.to_numpy(zero_copy_only=False).astype("datetime64[us]")
    texts: list[object] = np.datetime_as_string(moments).tolist()
    if column.type.tz is not None:
        texts = [f"{text}Z" for text in texts]
    return _with_nulls(column, texts)


def times_of(column: Column) -> list[object]:
    """The values of a column of times: microseconds where that can be told from other units, else as `cells_of`."""
    moments = _moments(column)
    if moments is None:
        return cells_of(column)
    times: list[object] = moments.tolist()
    return times


def event_times(column: Column) -> NDArray[np.int64] | None:
    """The event times (n,) in microseconds that the decoder reads in a column of times; None where only it can tell."""
    if kinds.is_signed_integer(column.type) and not column.null_count:
        return times_of_integers(column.to_numpy(zero_copy_only=False).astype(np.int64))
    return _moments(column)


def _moments(column: Column) -> NDArray[np.int64] | None:
    if not kinds.is_timestamp(column.type) or column.type.tz is None or column.null_count or not len(column):
        return None
    moments = column.to_numpy(zero_copy_only=False).astype("datetime64[us]").astype(np.int64)
    return moments if moments.min() >= _MICROSECONDS and moments.max() < _NANOSECONDS else None


def _structs(column: Column) -> list[object]:
    names = [field.name for field in column.type]
    fields = [cells_of(below) for below in column.flatten()]
    rows = zip(*fields, strict=True) if fields else ((),) * len(column)
    return _with_nulls(column, [dict(zip(names, row, strict=True)) for row in rows])


def _lists(column: Column) -> list[object]:
    values, at = cells_of(column.flatten()), 0
    lists: list[object] = []
    for length in column.value_lengths().to_pylist():
        lists.append(None if length is None else values[at : at + length])
        at += length or 0
    return lists


def _fixed_lists(column: Column) -> list[object]:
    return _lists(column.cast(pa.large_list(column.type.value_type)))


def _maps(column: Column) -> list[object]:
    pairs = column.to_pylist()
    return [None if one is None else {str(plain(key)): plain(value) for key, value in one} for one in pairs]


def _binary(column: Column) -> list[object]:
    return [None if value is None else _text_of(value) for value in column.to_pylist()]


def _text_of(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()


def _extension(column: Column) -> list[object]:
    return cells_of(column.storage)


_CONVERSIONS: Final[tuple[tuple[Callable[[Any], bool], Callable[[Column], list[object]]], ...]] = (
    (kinds.is_floating, _floats),
    (kinds.is_integer, _integers),
    (kinds.is_boolean, _booleans),
    (lambda kind: kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind), _texts),
    (kinds.is_dictionary, _dictionary),
    (kinds.is_timestamp, _timestamps),
    (kinds.is_struct, _structs),
    (kinds.is_map, _maps),
    (kinds.is_fixed_size_list, _fixed_lists),
    (lambda kind: kinds.is_list(kind) or kinds.is_large_list(kind), _lists),
    (lambda kind: kinds.is_binary(kind) or kinds.is_large_binary(kind) or kinds.is_fixed_size_binary(kind), _binary),
    (lambda kind: isinstance(kind, pa.BaseExtensionType), _extension),
)
