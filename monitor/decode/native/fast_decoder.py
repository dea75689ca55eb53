"""The fast path: compiled decoders for a chunk of records, and which records need the reference decoder instead."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Sequence
from datetime import tzinfo
from functools import partial
from itertools import accumulate
from typing import Final, NamedTuple, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.clock import FIRST_US, HOUR_US, LAST_US
from monitor.decode.columns import Limits
from monitor.decode.native.reference_decoder import MAX_DEPTH
from monitor.decode.native.rows import AnyRow, Columns, Decode, InSteps, has_result, is_given, kind_of
from monitor.decode.native.wrapping import UTF8_MARK
from monitor.decode.values import NO_TIME, bad_name, time_of, times_of_integers

#: least bytes of a level of nesting: it opens and ends
_LEVEL_BYTES: Final = 2
#: least bytes of a feature: "":0,
_FEATURE_BYTES: Final = 5

#: values of so many bytes are looked at one by one
_LARGE_BYTES: Final = 1 << 16
#: bytes that open an object, or a list without the bit that tells them apart, and the one after a key
_BRACE, _CASE, _COLON = np.uint8(ord("{")), np.uint8(ord("{") ^ ord("[")), np.uint8(ord(":"))
#: both are the same in bytes that open something, in colons, and in few others
_ANY_MASK, _ANY = np.uint8(0b00011110), np.uint8(ord("{") & 0b00011110)
#: values are counted together that have on average this part less than the limit
_SPARE: Final = 4

#: escapes of control characters; escaped lone surrogates are refused by the compiled decoder
_ESCAPE: Final = rb"\\(?:[bfnrt]|u00(?:[0189]|7[fF]))"
_CONTROL_ESCAPE: Final = re.compile(_ESCAPE)
_CONTROL_BYTES: Final = re.compile(rb"\xc2[\x80-\x9f]")
#: the rest of a JSON string from such an escape on, and the colon as a group if the string is a key; it ends at the end
#: of a line, because a JSON string cannot hold a newline
_REST_OF_STRING: Final = re.compile(_ESCAPE + rb'(?:[^"\\\n]++|\\[^\n])*+"?+[ \t\r\n]*+(:)?')
#: infinities as Python's json writes them, and their replacement: a list, which has the wrong type for every field, and
#: makes the JSON invalid if the word was in a string or a key
_INFINITE: Final = (b"-Infinity", b"Infinity")
_INFINITE_STAND_IN: Final = b'["N"]'
#: the same for NaN; a value that already holds the replacement's word is not repaired
_NAN: Final = b"NaN"
_NAN_WORD: Final = b"~nan~"
_NAN_STAND_IN: Final = b'["~nan~"]'
_NAN_DECODED: Final = ["~nan~"]
#: bytes that are searched for many times as fast as the words that hold them
_IN_INFINITE: Final = b"I"
_IN_NAN_WORD: Final = b"~"

#: what a compiled decoder raises for a value that the reference decoder has to read
REFUSED: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Unsafe(NamedTuple):
    """The values of a chunk on which a compiled decoder might not agree with the reference decoder.

    `places` are positions of values for the reference decoder. If `names` is true, some of the others may have a
    control character in the model, version or id: see `badly_named`.
    """

    places: list[int]
    names: bool


def unsafe_values(values: Sequence[bytes | None], limits: Limits) -> Unsafe:
    """Find the values of a chunk that the compiled decoders may not read."""
    escapes = True
    if all(values):
        joined = b"\n".join(values)  # type: ignore[arg-type]  # there is no None among them
        longest = max(map(len, values))  # type: ignore[arg-type]  # as above
        escapes = _holds_escapes(joined)
        safe = longest <= _harmless_bytes(limits) and _is_utf8(joined) and not _holds_controls(joined)
        if safe and not (escapes and _in_a_key(joined)):
            return Unsafe([], escapes)
    given = [value or b"" for value in values]
    too_much = {*exceeding(given, limits)}
    bad = (not value or i in too_much or is_unsafe_text(value, limits) for i, value in enumerate(given))
    return Unsafe([i for i, is_bad in enumerate(bad) if is_bad], escapes)


def _harmless_bytes(limits: Limits, above: int = 0) -> int:
    """A value of so many bytes, `above` levels deep in a record, cannot exceed the limits on depth, features and
    size."""
    return min(_LEVEL_BYTES * (MAX_DEPTH - above), _FEATURE_BYTES * limits.features, limits.record_bytes)


def exceeding(values: Sequence[bytes], limits: Limits) -> list[int]:
    """Positions of values that may be nested too deeply, or may hold an event with too many features."""
    harmless = _harmless_bytes(limits)
    places = [i for i, value in enumerate(values) if harmless < len(value) <= _LARGE_BYTES]
    bad = [i for i, value in enumerate(values) if len(value) > _LARGE_BYTES and _may_exceed(value, limits)]
    if not places:
        return bad
    text = np.frombuffer(b"".join([values[i] for i in places]), np.uint8)
    ends = [0, *accumulate(len(values[i]) for i in places)]
    # most values have few of all these bytes together
    doubtful = {*_over((text & _ANY_MASK) == _ANY, ends, min(MAX_DEPTH, limits.features))}
    if doubtful:
        deep, wide = _over((text | _CASE) == _BRACE, ends, MAX_DEPTH), _over(text == _COLON, ends, limits.features)
        doubtful &= {*deep, *wide}
    return [*bad, *(places[at] for at in doubtful if _may_exceed(values[places[at]], limits))]


def _over(found: NDArray[np.bool_], ends: Sequence[int], most: int) -> Iterator[int]:
    """Values, between `ends`, that may have more than so many: they are counted in groups, in few calls."""
    count = len(ends) - 1
    together = max(1, (most - most // _SPARE) * count // max(1, int(np.count_nonzero(found))))
    for first in range(0, count, together):
        last = min(first + together, count)
        if np.count_nonzero(found[ends[first] : ends[last]]) > most:
            yield from range(first, last)


def _may_exceed(text: bytes, limits: Limits, above: int = 0) -> bool:
    """`exceeding` for one value, or for a part of one that has so many levels above it."""
    return len(text) > _harmless_bytes(limits, above) and (
        _opened(text) > MAX_DEPTH - above or text.count(b":") > limits.features
    )


def _opened(text: bytes) -> int:
    return text.count(b"[") + text.count(b"{")


def unsafe_texts(values: Sequence[bytes], limits: Limits) -> Unsafe:
    """The values on whose text a compiled decoder might not agree with the reference decoder."""
    joined = b"\n".join(values)
    escapes = _holds_escapes(joined)
    longest = max(map(len, values), default=0)
    if longest <= limits.record_bytes and joined.isascii() and b"\x7f" not in joined and not escapes:
        return Unsafe([], names=False)
    return Unsafe([i for i, value in enumerate(values) if is_unsafe_text(value, limits)], escapes)


def is_unsafe_text(value: bytes, limits: Limits) -> bool:
    """True for a value on whose text a compiled decoder might not agree with the reference decoder."""
    if len(value) > limits.record_bytes or not _is_utf8(value) or _holds_controls(value):
        return True
    return _holds_escapes(value) and _in_a_key(value)


def may_exceed_with_rows(value: bytes, rows: Sequence[msgspec.Raw], above: int, limits: Limits) -> bool:
    """True if one of the rows in a value, or what stands around them, may be nested too deeply or hold too much.

    `above` are the levels that every row lies in: they count, because the depth is that of the whole value.
    """
    sizes = [*map(len, rows)]
    if len(value) - sum(sizes) > _harmless_bytes(limits):
        within = b"".join(rows)  # what separates many rows is long, but opens nothing
        if _opened(value) - _opened(within) > MAX_DEPTH or value.count(b":") - within.count(b":") > limits.features:
            return True
    harmless = _harmless_bytes(limits, above)
    return any(_may_exceed(bytes(row), limits, above) for row, size in zip(rows, sizes, strict=True) if size > harmless)


def _holds_escapes(text: bytes) -> bool:
    """True if a string may hold an escaped control character."""
    return b"\\" in text and _CONTROL_ESCAPE.search(text) is not None


def _holds_controls(text: bytes) -> bool:
    """True if the text holds a control character that is not escaped (DEL, or U+0080 to U+009F)."""
    return b"\x7f" in text or (not text.isascii() and _CONTROL_BYTES.search(text) is not None)


def _in_a_key(text: bytes) -> bool:
    """True if one of the escapes is in a key of an object, which may be the name of a feature or tag."""
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
    ends = (columns.model[:1], columns.version[:1]) if columns.of_one_version() else named[:2]
    if not any(_holds_bad(column) for column in (*ends, columns.id)):
        return []
    return [i for i, names in enumerate(zip(*named, strict=True)) if _holds_bad(names)]


def _holds_bad(names: Sequence[object]) -> bool:
    try:
        text = "".join(cast("Sequence[str]", names))
    except TypeError:  # an id is an integer or missing
        text = "".join([name for name in names if type(name) is str])
    return bad_name(text)


def decode_all(decode: Decode, values: Sequence[bytes]) -> list[AnyRow | None]:
    """The row of each value, None if the decoder refused it."""
    many = decode.many if isinstance(decode, InSteps) else partial(map, decode)
    rows: list[AnyRow | None] = []
    rest = iter(values)
    while len(rows) < len(values):
        try:
            rows.extend(many(rest))  # the rows before an error are kept
        except REFUSED:
            rows.append(_decode_repaired(decode, values[len(rows)]))
    return rows


def decode_one(decode: Decode | None, value: bytes) -> AnyRow | None:
    """The row of one value, None if the decoder refused it or there is no decoder."""
    if decode is None:
        return None
    try:
        return decode(value)
    except REFUSED:
        return _decode_repaired(decode, value)


def _decode_repaired(decode: Decode, value: bytes) -> AnyRow | None:
    """The row of a value that is valid JSON except for a byte order mark, NaN or infinities; None if it cannot be
    repaired without a change of meaning."""
    repaired = value.removeprefix(UTF8_MARK)
    if _IN_INFINITE in repaired:
        for word in _INFINITE:
            repaired = repaired.replace(word, _INFINITE_STAND_IN)
    without_nan = repaired.replace(_NAN, _NAN_STAND_IN)
    holds_nan = len(without_nan) != len(repaired)
    if holds_nan:
        if (_IN_NAN_WORD in repaired and _NAN_WORD in repaired) or b"\\" in repaired:
            return None
        repaired = without_nan
    if len(repaired) == len(value):
        return None
    try:
        row = decode(repaired)
    except REFUSED:
        return None
    if holds_nan and is_given(row.features):
        _make_missing(cast("msgspec.Struct", row.features))
    return row


def _make_missing(features: msgspec.Struct) -> None:
    """Replace what stands for NaN among the features; as a number it is packed faster than None."""
    cells, names = msgspec.structs.astuple(features), features.__struct_fields__
    after = 0
    for _ in range(cells.count(_NAN_DECODED)):
        after = cells.index(_NAN_DECODED, after) + 1
        setattr(features, names[after - 1], math.nan)


def incomplete(rows: Sequence[AnyRow] | None, columns: Columns) -> list[int]:
    """Positions of rows (None: those of the columns) that lack a field which their type requires."""
    bad = [] if all(columns.model) else [i for i, model in enumerate(columns.model) if not model]
    if not columns.are_predictions() and not columns.are_plain_labels():
        bad += [i for i, row in enumerate(columns.rows() if rows is None else rows) if not _is_complete(row)]
    return bad


def _is_complete(row: AnyRow) -> bool:
    kind = kind_of(row)
    if kind == "label":
        return is_given(row.id) and has_result(row)
    return kind == "prediction" or is_given(row.features)


def times(
    column: Sequence[object], record_us: NDArray[np.int64], zone: tzinfo | None
) -> tuple[NDArray[np.int64], list[int]]:
    """The rows' times in microseconds (the record's timestamp for an event without `ts`), and the positions of rows
    without a valid time."""
    if set(map(type, column)) == {int}:
        ts = times_of_integers(np.frombuffer(struct.pack(f"={len(column)}q", *column), np.int64))
        return ts, np.flatnonzero((ts < FIRST_US) | (ts > LAST_US)).tolist()
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
    positions: list[int] = np.flatnonzero(ahead & (record_us != NO_TIME)).tolist()
    return positions
