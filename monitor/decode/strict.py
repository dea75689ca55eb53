"""The fast path: a chunk of records through compiled decoders, and which of them have to go to the definition."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from monitor.clock import FIRST_US, HOUR_US, LAST_US
from monitor.decode.columns import Limits
from monitor.decode.lenient import MAX_DEPTH
from monitor.decode.rows import AnyRow, Columns, kind_of
from monitor.decode.values import NO_TIME, time_of, times_of_integers

#: a value nested too deeply has at least two bytes a level
_SHALLOW_BYTES: Final = 2 * MAX_DEPTH
#: a feature has at least five bytes: "":0,
_FEATURE_BYTES: Final = 5

#: escapes of control characters; halves of surrogate pairs the compiled decoder refuses by itself
_CONTROL_ESCAPE: Final = re.compile(rb"\\(?:[bfnrt]|u00(?:[0189]|7[fF]))")
_CONTROL_BYTES: Final = re.compile(rb"\xc2[\x80-\x9f]")
#: what Python's writer makes of floats that are not finite
_NOT_FINITE: Final = (b"-Infinity", b"Infinity", b"NaN")
#: what stands in for them: a value of the wrong type everywhere, and no JSON within a string or as a key
_STAND_IN: Final = b'["N"]'

_REFUSED: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

Decode = Callable[[bytes], AnyRow]


def doubtful(values: Sequence[bytes | None], limits: Limits) -> list[int]:
    """Positions of the values on which the compiled decoders might not agree with the definition."""
    if all(values):
        joined = b"\n".join(values)  # type: ignore[arg-type]  # there is no None among them
        longest = max(map(len, values))  # type: ignore[arg-type]  # as above
        if not _hides(joined) and longest <= _harmless_bytes(limits):
            return []
    return [i for i, value in enumerate(values) if not value or _is_doubtful(value, limits)]


def _harmless_bytes(limits: Limits) -> int:
    return min(_SHALLOW_BYTES, _FEATURE_BYTES * limits.features, limits.record_bytes)


def _is_doubtful(value: bytes, limits: Limits) -> bool:
    if len(value) > _harmless_bytes(limits) and (
        len(value) > limits.record_bytes
        or value.count(b"[") + value.count(b"{") > MAX_DEPTH
        or value.count(b":") > limits.features
    ):
        return True
    return _hides(value)


def _hides(text: bytes) -> bool:
    """True where a control character may stand in a name, or the bytes are no UTF-8."""
    if b"\x7f" in text or (b"\\" in text and _CONTROL_ESCAPE.search(text)):
        return True
    if text.isascii():
        return False
    try:
        text.decode()
    except UnicodeDecodeError:
        return True
    return _CONTROL_BYTES.search(text) is not None


def decode_all(decode: Decode, values: Sequence[bytes]) -> list[AnyRow | None]:
    """A row for each value, None where the decoder refused it."""
    rows: list[AnyRow | None] = []
    rest = iter(values)
    while len(rows) < len(values):
        try:
            rows.extend(map(decode, rest))  # keeps what came before an error
        except _REFUSED:
            rows.append(_decode_not_finite(decode, values[len(rows)]))
    return rows


def decode_one(decode: Decode | None, value: bytes) -> AnyRow | None:
    """The row of one value, None where the decoder refused it or there is no decoder."""
    if decode is None:
        return None
    try:
        return decode(value)
    except _REFUSED:
        return _decode_not_finite(decode, value)


def _decode_not_finite(decode: Decode, value: bytes) -> AnyRow | None:
    """The row of a value that is JSON but for NaN and infinities in places that do not matter; else None."""
    mended = value
    for word in _NOT_FINITE:
        mended = mended.replace(word, _STAND_IN)
    if len(mended) == len(value):
        return None
    try:
        return decode(mended)
    except _REFUSED:
        return None


def incomplete(rows: Sequence[AnyRow], columns: Columns) -> list[int]:
    """Positions of rows without a field that their type needs."""
    bad = [] if all(columns.model) else [i for i, model in enumerate(columns.model) if not model]
    if set(columns.type) != {"prediction"}:
        bad += [i for i, row in enumerate(rows) if not _is_complete(row)]
    return bad


def _is_complete(row: AnyRow) -> bool:
    kind = kind_of(row)
    if kind == "label":
        return row.id is not UNSET and row.label is not UNSET
    return kind == "prediction" or row.features is not UNSET


def times(column: Sequence[object], record_us: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[int]]:
    """The rows' times in microseconds (the record's own where an event has none), and where there is no time."""
    if set(map(type, column)) == {int}:
        found = times_of_integers(np.array(column, np.int64))
        return found, np.flatnonzero((found < FIRST_US) | (found > LAST_US)).tolist()
    out = record_us.copy()
    bad = []
    for i, value in enumerate(column):
        if value is not UNSET:
            try:
                out[i] = time_of(value)
            except (ValueError, OverflowError):
                bad.append(i)
        elif out[i] == NO_TIME:
            bad.append(i)
    return out, bad


def future(ts: NDArray[np.int64], record_us: NDArray[np.int64], now_us: int, max_skew_us: int) -> list[int]:
    """Positions whose time is too far ahead: `values.is_future` for columns."""
    ahead = (ts > record_us + max_skew_us) | (record_us > now_us + HOUR_US)
    if not ahead.any():
        return []
    found: list[int] = np.flatnonzero(ahead & (record_us != NO_TIME)).tolist()
    return found
