"""Values of typed encodings as the plain ones of JSON."""

from __future__ import annotations

import base64
import datetime
import decimal
import uuid
from typing import Final

#: digits of an integer that a float can hold
_DIGITS: Final = 300


def plain(value: object) -> object:
    """A tree as dict, list, str, int, float, bool, None.

    A time with an offset becomes RFC 3339 text in UTC, to the microsecond; a decimal the nearest float, or an integer;
    bytes become base64 text.
    """
    kind = type(value)
    if kind in {str, float, int, bool, type(None)}:
        return value
    if isinstance(value, dict):
        return {str(key): plain(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return list(map(plain, value))
    return _scalar(value)


def _scalar(value: object) -> object:
    if isinstance(value, decimal.Decimal):
        is_whole = value.is_finite() and value.adjusted() < _DIGITS and value == value.to_integral_value()
        return int(value) if is_whole else float(value)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode()
    return str(value) if isinstance(value, uuid.UUID) else repr(type(value).__name__)
