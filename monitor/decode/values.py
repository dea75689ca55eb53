"""Converts and checks single values of the native format: times, numbers, categories, classes, names."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import tzinfo
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.clock import FIRST_US, HOUR_US, LAST_US, parse_rfc3339
from monitor.decode.columns import ABSENT, ABSENT_VALUE, TYPE_NAN, TYPE_VALUE

#: the time of a record without a timestamp
NO_TIME: Final = -(2**63)
#: longest name or id, in characters
NAME_LENGTH: Final = 256

#: a number below these is taken for seconds, milliseconds, microseconds since 1970; above, for nanoseconds
_SECONDS: Final = 10**11
_MILLISECONDS: Final = 10**14
_MICROSECONDS: Final = 10**17
TIMES_END: Final = 2**63

_DATE_AND_TIME: Final = r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?"
_RFC3339: Final = re.compile(_DATE_AND_TIME + r"(?:[Zz]|[+-]\d\d:?\d\d)", re.ASCII)
#: the same without an offset from UTC, as databases and data frames write it
NO_OFFSET: Final = re.compile(_DATE_AND_TIME, re.ASCII)
#: Unicode category Cc (control), and lone surrogates
_BAD_IN_NAMES: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def time_of(value: object, zone: tzinfo | None = None) -> int:
    """The field `ts` in microseconds of Unix time; a time without an offset is in `zone`.

    Raises:
        ValueError, OverflowError: it is not a valid time.
    """
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        us = _time_of_number(value)
    elif type(value) is str and (_RFC3339.fullmatch(value) or (zone is not None and NO_OFFSET.fullmatch(value))):
        us = parse_rfc3339(value, zone)
    else:
        message = "not a time"
        raise ValueError(message)
    if not FIRST_US <= us <= LAST_US:
        message = "outside of the years 1 to 9999"
        raise ValueError(message)
    return us


def _time_of_number(value: float) -> int:
    size = abs(value)
    if size < _SECONDS:
        return round(value * 1_000_000)
    if size < _MILLISECONDS:
        return round(value * 1_000)
    if size < _MICROSECONDS:
        return round(value)
    if size < TIMES_END:
        return math.floor(value / 1_000) if type(value) is float else int(value) // 1_000
    message = "not a time"
    raise ValueError(message)


def times_of_integers(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """`time_of` for a column of integers."""
    size = np.abs(values)
    if size.size and size.min() >= _SECONDS and size.max() < _MILLISECONDS:
        return values * 1_000
    small = np.where(size < _SECONDS, values * 1_000_000, values * 1_000)
    return np.where(size < _MILLISECONDS, small, np.where(size < _MICROSECONDS, values, values // 1_000))


def is_future(ts: int, record_us: int, now_us: int, max_skew_us: int) -> bool:
    """Whether an event is too far ahead of its record's timestamp, or the record more than an hour ahead of the clock.

    All times are in microseconds; a record without a time (NO_TIME) has no event in the future.
    """
    if record_us == NO_TIME:
        return False
    return ts > record_us + max_skew_us or record_us > now_us + HOUR_US


def numeric_value(value: object) -> float | None:
    """The cell of a numeric column: a finite float, None (missing), ABSENT, or TYPE_NAN for a value of the wrong type.

    NaN is missing, `true` and `false` are 1 and 0. Idempotent: a cell is returned unchanged.
    """
    kind = type(value)
    if kind is float:
        if value is ABSENT or value is TYPE_NAN or math.isfinite(value):  # type: ignore[arg-type]  # narrowed by `kind`
            return value  # type: ignore[return-value]  # as above
        return None if math.isnan(value) else TYPE_NAN  # type: ignore[arg-type]  # as above
    if kind is bool or (kind is int and fits_float(value)):  # type: ignore[arg-type]  # as above
        return float(value)  # type: ignore[arg-type]  # as above
    return None if value is None else TYPE_NAN


def category_value(value: object) -> object:
    """The cell of a categorical column: the value, None (missing, also for NaN), ABSENT_VALUE, or TYPE_VALUE for a
    value of the wrong type."""
    if value is None or value is ABSENT_VALUE or is_class(value):
        return value
    return None if is_nan(value) else TYPE_VALUE


def may_hold_odd(column: Sequence[object]) -> bool:
    """Whether categories may hold floats that are not finite, or lone surrogates."""
    if float in set(map(type, column)):
        return True
    try:
        "".join([value for value in column if type(value) is str]).encode()
    except UnicodeEncodeError:
        return True
    return False


def is_nan(value: object) -> bool:
    """True for NaN, which is how pandas and NumPy write a missing value."""
    return type(value) is float and math.isnan(value)


def is_class(value: object) -> bool:
    """True for a valid class or category: a finite number, a boolean, a string without lone surrogates."""
    kind = type(value)
    if kind is str:
        return _SURROGATE.search(value) is None  # type: ignore[call-overload]  # narrowed by `kind`
    if kind is float:
        return math.isfinite(value)  # type: ignore[arg-type]  # narrowed by `kind`
    if kind is int:
        return fits_float(value)  # type: ignore[arg-type]  # narrowed by `kind`
    return kind is bool


def fits_float(value: int) -> bool:
    """True for an integer in the range of a 64-bit float."""
    try:
        float(value)
    except OverflowError:
        return False
    return True


def is_number(value: object) -> bool:
    """True for a finite number, but not for a boolean."""
    return type(value) is not bool and type(value) is not str and is_class(value)


def bad_name(name: str) -> bool:
    """True for a name with a control character or a lone surrogate."""
    return _BAD_IN_NAMES.search(name) is not None


def whole_characters(text: str) -> bool:
    """True for a string without lone surrogates."""
    return _SURROGATE.search(text) is None
