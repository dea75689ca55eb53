"""The fast path: a chunk of records through compiled decoders, and which of them have to go to the definition."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import tzinfo
from typing import Final, NamedTuple, cast

import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from monitor.clock import FIRST_US, HOUR_US, LAST_US
from monitor.decode.columns import Limits
from monitor.decode.native.reference_decoder import MAX_DEPTH
from monitor.decode.native.rows import AnyRow, Columns, is_given, kind_of
from monitor.decode.native.wrapping import UTF8_MARK
from monitor.decode.values import NO_TIME, bad_name, time_of, times_of_integers

#: a value nested too deeply has at least two bytes a level
_SHALLOW_BYTES: Final = 2 * MAX_DEPTH
#: a feature has at least five bytes: "":0,
_FEATURE_BYTES: Final = 5

#: escapes of control characters; halves of surrogate pairs the compiled decoder refuses by itself
_ESCAPE: Final = rb"\\(?:[bfnrt]|u00(?:[0189]|7[fF]))"
_CONTROL_ESCAPE: Final = re.compile(_ESCAPE)
_CONTROL_BYTES: Final = re.compile(rb"\xc2[\x80-\x9f]")
#: the rest of a string from such an escape on, at most to the end of its line, which no string of JSON passes; the
#: group is there where the string is a key
_REST_OF_STRING: Final = re.compile(_ESCAPE + rb'(?:[^"\\\n]++|\\[^\n])*+"?+[ \t\r\n]*+(:)?')
#: what Python's writer makes of infinities, and what stands in for them: a value of the wrong type everywhere, and no
#: JSON within a string or as a key
_INFINITE: Final = (b"-Infinity", b"Infinity")
_INFINITE_STAND_IN: Final = b'["N"]'
#: the same for NaN; no value that holds the word by itself is mended
_NAN: Final = b"NaN"
_NAN_WORD: Final = b"-nan-"
_NAN_STAND_IN: Final = b'["-nan-"]'
_NAN_DECODED: Final = ["-nan-"]

_REFUSED: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

Decode = Callable[[bytes], AnyRow]


class Doubt(NamedTuple):
    """On which values of a chunk the compiled decoders might not agree with the definition.

    `places` are values to be read by the definition. Of the others some may hold a control character in a model,
    version or id where `names` is true: see `badly_named`.
    """

    places: list[int]
    names: bool


def doubtful(values: Sequence[bytes | None], limits: Limits) -> Doubt:
    """What to look at again of a chunk."""
    escapes = True
    if all(values):
        joined = b"\n".join(values)  # type: ignore[arg-type]  # there is no None among them
        longest = max(map(len, values))  # type: ignore[arg-type]  # as above
        escapes = _holds_escapes(joined)
        clear = longest <= _harmless_bytes(limits) and _is_utf8(joined) and not _holds_controls(joined)
        if clear and not (escapes and _in_a_key(joined)):
            return Doubt([], escapes)
    return Doubt([i for i, value in enumerate(values) if not value or _is_doubtful(value, limits)], escapes)


def _harmless_bytes(limits: Limits) -> int:
    return min(_SHALLOW_BYTES, _FEATURE_BYTES * limits.features, limits.record_bytes)


def _is_doubtful(value: bytes, limits: Limits) -> bool:
    if len(value) > _harmless_bytes(limits) and (
        len(value) > limits.record_bytes
        or value.count(b"[") + value.count(b"{") > MAX_DEPTH
        or value.count(b":") > limits.features
    ):
        return True
    if not _is_utf8(value) or _holds_controls(value):
        return True
    return _holds_escapes(value) and _in_a_key(value)


def _holds_escapes(text: bytes) -> bool:
    """True where a control character may stand in a string as an escape."""
    return b"\\" in text and _CONTROL_ESCAPE.search(text) is not None


def _holds_controls(text: bytes) -> bool:
    """True where a control character stands in the text by itself."""
    return b"\x7f" in text or (not text.isascii() and _CONTROL_BYTES.search(text) is not None)


def _in_a_key(text: bytes) -> bool:
    """True where one of the escapes stands in a key of an object, which may be a name."""
    return any(rest[1] is not None for rest in _REST_OF_STRING.finditer(text))


def _is_utf8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def badly_named(columns: Columns) -> list[int]:
    """Positions of rows whose model, version or id holds a control character."""
    named = (columns.model, columns.version, columns.id)
    if not any(_holds_bad(column) for column in named):
        return []
    return [i for i, names in enumerate(zip(*named, strict=True)) if _holds_bad(names)]


def _holds_bad(names: Iterable[object]) -> bool:
    return bad_name("".join([name for name in names if type(name) is str]))


def decode_all(decode: Decode, values: Sequence[bytes]) -> list[AnyRow | None]:
    """A row for each value, None where the decoder refused it."""
    rows: list[AnyRow | None] = []
    rest = iter(values)
    while len(rows) < len(values):
        try:
            rows.extend(map(decode, rest))  # keeps what came before an error
        except _REFUSED:
            rows.append(_decode_repaired(decode, values[len(rows)]))
    return rows


def decode_one(decode: Decode | None, value: bytes) -> AnyRow | None:
    """The row of one value, None where the decoder refused it or there is no decoder."""
    if decode is None:
        return None
    try:
        return decode(value)
    except _REFUSED:
        return _decode_repaired(decode, value)


def _decode_repaired(decode: Decode, value: bytes) -> AnyRow | None:
    """The row of a value that is JSON but for a byte order mark, or NaN and infinities in places where they do not
    matter; else None."""
    repaired = value.removeprefix(UTF8_MARK)
    holds_nan = _NAN in repaired
    for word in _INFINITE:
        repaired = repaired.replace(word, _INFINITE_STAND_IN)
    if holds_nan:
        if _NAN_WORD in repaired or b"\\" in repaired:
            return None
        repaired = repaired.replace(_NAN, _NAN_STAND_IN)
    if len(repaired) == len(value):
        return None
    try:
        row = decode(repaired)
    except _REFUSED:
        return None
    if holds_nan and is_given(row.features):
        _make_missing(cast("msgspec.Struct", row.features))
    return row


def _make_missing(features: msgspec.Struct) -> None:
    """NaN is missing as null is."""
    for name in features.__struct_fields__:
        if getattr(features, name) == _NAN_DECODED:
            setattr(features, name, None)


def incomplete(rows: Sequence[AnyRow], columns: Columns) -> list[int]:
    """Positions of rows without a field that their type needs."""
    bad = [] if all(columns.model) else [i for i, model in enumerate(columns.model) if not model]
    if set(columns.type) != {"prediction"}:
        bad += [i for i, row in enumerate(rows) if not _is_complete(row)]
    return bad


def _is_complete(row: AnyRow) -> bool:
    kind = kind_of(row)
    if kind == "label":
        return is_given(row.id) and row.label is not UNSET
    return kind == "prediction" or is_given(row.features)


def times(
    column: Sequence[object], record_us: NDArray[np.int64], zone: tzinfo | None
) -> tuple[NDArray[np.int64], list[int]]:
    """The rows' times in microseconds (the record's own where an event has none), and where there is no time."""
    if set(map(type, column)) == {int}:
        found = times_of_integers(np.array(column, np.int64))
        return found, np.flatnonzero((found < FIRST_US) | (found > LAST_US)).tolist()
    out = record_us.copy()
    bad = []
    for i, value in enumerate(column):
        if is_given(value):
            try:
                out[i] = time_of(value, zone)
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
