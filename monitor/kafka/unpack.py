"""Unpacks record batches of format 2 without an object for each record: the fields of all records at once, in arrays.

Only the lengths of the records form a chain, which is walked one by one. It reads what kafka-python's decoder reads,
and to the same result; batches with anything unusual in them are left to that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from kafka.record.util import decode_varint
from numpy.typing import NDArray

from monitor.kafka.cut_values import Cuts, CutValues
from monitor.kafka.record_batch import Chunk, chunk_of, time_or_none
from monitor.records import Envelope, Ints

Bytes = NDArray[np.uint8]

#: bytes of a varint: of a length or an offset, and of a time
_SHORT: Final = 5
_LONG: Final = 9
_MORE: Final = 0x80
_BITS: Final = 7
#: offsets and times below this can be added without an overflow
_SUMMABLE: Final = 1 << 62
#: records with more headers are left to the library: headers are read in rounds over all records
_MOST_HEADERS: Final = 64
#: a batch of more records is left to the library, which makes them as they are taken: here all are made at once, and
#: one of eight bytes takes some two hundred
_MOST_RECORDS: Final = 100_000
#: header names of more bytes are looked at one by one: else each of their bytes takes several numbers
_MOST_NAMES: Final = 1 << 18


class Span(NamedTuple):
    """The records of one batch: `data[begin:end]` holds as many as `records` says. Offsets lie from `base_offset` to
    `last_offset`. `first_ms` is what their times count from; with `append_ms` they all have this one."""

    data: bytes
    begin: int
    end: int
    records: int
    base_offset: int
    last_offset: int
    first_ms: int
    append_ms: int | None


class _Unusual(Exception):
    """Left to the library's decoder: damaged, or nothing that a producer would write."""


def unpack(spans: Sequence[Span]) -> Chunk | None:
    """The records of all spans, whose order is that of their offsets; None if they are left to the library's decoder.

    Then none of them was read, even if only one is unusual.
    """
    try:
        return _chunk(*_in_one(spans))
    except Exception:  # noqa: BLE001  # damaged bytes raise many kinds, and the library's decoder tells what is wrong
        return None


def _in_one(spans: Sequence[Span]) -> tuple[bytes, Sequence[Span]]:
    """All spans in the same bytes: joined if they are not yet."""
    data = spans[0].data
    if all(span.data is data for span in spans):
        return data, spans
    parts = [span.data[span.begin : span.end] for span in spans]
    joined, moved, at = b"".join(parts), [], 0
    for span, part in zip(spans, parts, strict=True):
        moved.append(span._replace(data=joined, begin=at, end=at + len(part)))
        at += len(part)
    return joined, moved


def _chunk(data: bytes, spans: Sequence[Span]) -> Chunk:
    ats: list[int] = []
    for span in spans:
        if not 0 <= span.records <= _MOST_RECORDS:
            raise _Unusual
        _walk(data, span, ats)
    buffer, counts = np.frombuffer(data, np.uint8), np.array([span.records for span in spans])
    if not ats:
        return chunk_of([])
    lasts = np.cumsum(counts) - 1
    starts = np.array(ats, np.int64)
    ends = np.append(starts[1:], 0)
    used = counts > 0
    ends[lasts[used]] = [span.end for span in spans if span.records]
    _, at = _varints(buffer, starts)
    _, at = _varints(buffer, at)  # attributes, which mean nothing
    delta_ms, at = _varints(buffer, at, _LONG)
    deltas, keys_at = _varints(buffer, at)
    key_sizes, at = _varints(buffer, keys_at)
    sizes, values_at = _varints(buffer, at + np.maximum(key_sizes, 0))
    value_ends = values_at + np.maximum(sizes, 0)
    headers, at = _varints(buffer, value_ends)
    if not np.array_equal(_after_headers(data, buffer, at, headers, ends), ends):
        raise _Unusual
    values = CutValues([Cuts(data, values_at, np.where(sizes < 0, values_at - 1, value_ends))])
    return Chunk(values, _offsets(spans, counts, deltas), _times(spans, counts, delta_ms), _Envelopes(data, keys_at))


def _walk(data: bytes, span: Span, ats: list[int]) -> None:
    """Add where each record begins, by the lengths in front of them."""
    at, note = span.begin, ats.append
    for _ in range(span.records):
        note(at)
        length = data[at]
        at += 1
        if length >= _MORE:
            byte = data[at]
            at += 1
            length += (byte - 1) << _BITS  # without the first byte's mark
            if byte >= _MORE:
                length, at = decode_varint(data, ats[-1])
                length <<= 1
        if length & 1 or length < 0:
            raise _Unusual
        at += length >> 1
    if at != span.end:
        raise _Unusual


def _varints(buffer: Bytes, at: Ints, most: int = _SHORT) -> tuple[Ints, Ints]:
    """The varint at each place, and the places after them.

    A place behind the buffer gives any number: the records' own ends show it later.
    """
    byte = buffer.take(at, mode="clip")
    number = byte.astype(np.int64)
    after = at + 1
    more = np.flatnonzero(byte >= _MORE)
    if more.size:
        number &= _MORE - 1
    shift = _BITS
    while more.size:
        if shift == _BITS * most:
            raise _Unusual
        byte = buffer.take(after[more], mode="clip")
        number[more] |= (byte & np.uint8(_MORE - 1)).astype(np.int64) << shift
        after[more] += 1
        more = more[byte >= _MORE]
        shift += _BITS
    return (number >> 1) ^ -(number & 1), after


def _after_headers(data: bytes, buffer: Bytes, at: Ints, counts: Ints, ends: Ints) -> Ints:
    """The places after the headers. They are checked, as the library does: none is returned before somebody asks."""
    most = int(counts.max(initial=0))
    if counts.min(initial=0) < 0 or most > _MOST_HEADERS:
        raise _Unusual
    for done in range(most):
        left = np.flatnonzero(counts > done)
        size, name_at = _varints(buffer, at[left])
        if size.min() < 0 or (name_at + size > ends[left]).any() or not _are_ascii(data, buffer, name_at, size):
            raise _Unusual
        size, value_at = _varints(buffer, name_at + size)
        at[left] = value_at + np.maximum(size, 0)
    return at


def _are_ascii(data: bytes, buffer: Bytes, at: Ints, sizes: Ints) -> bool:
    """Whether the texts of these sizes at these places are ASCII, and so valid UTF-8."""
    total = int(sizes.sum())
    if total > _MOST_NAMES:
        names = zip(at.tolist(), (at + sizes).tolist(), strict=True)
        return all(data[begin:end].isascii() for begin, end in names)
    before = np.cumsum(sizes) - sizes
    places = np.repeat(at - before, sizes) + np.arange(total)
    return bool((buffer[places] < _MORE).all())


def _offsets(spans: Sequence[Span], counts: Ints, deltas: Ints) -> Ints:
    """Offsets, which have to rise and lie within their batch."""
    if not 0 <= spans[0].base_offset <= spans[-1].last_offset < _SUMMABLE:
        raise _Unusual
    offsets: Ints = deltas + np.repeat([span.base_offset for span in spans], counts)
    if (deltas < 0).any() or (offsets > np.repeat([span.last_offset for span in spans], counts)).any():
        raise _Unusual
    if (offsets[1:] <= offsets[:-1]).any():
        raise _Unusual
    return offsets


def _times(spans: Sequence[Span], counts: Ints, delta_ms: Ints) -> Ints:
    if not all(-_SUMMABLE < span.first_ms < _SUMMABLE for span in spans):
        raise _Unusual
    times: Ints = delta_ms + np.repeat([span.first_ms for span in spans], counts)
    if any(span.append_ms is not None for span in spans):
        own = np.repeat([span.append_ms is None for span in spans], counts)
        return np.where(own, times, np.repeat([time_or_none(span.append_ms) for span in spans], counts))
    return times


class _Envelopes:
    """Keys and headers of unpacked records."""

    def __init__(self, data: bytes, keys_at: Ints) -> None:
        self._data = data
        self._keys_at = keys_at

    def __call__(self, index: int) -> Envelope:
        key, at = self._field(int(self._keys_at[index]))
        size, at = decode_varint(self._data, at)
        count, at = decode_varint(self._data, at + max(size, 0))
        headers: list[tuple[str, bytes | None]] = []
        for _ in range(count):
            name, at = self._field(at)
            value, at = self._field(at)
            headers.append(((name or b"").decode(), value))
        return Envelope(key, tuple(headers))

    def _field(self, at: int) -> tuple[bytes | None, int]:
        size: Any
        size, at = decode_varint(self._data, at)
        return (None, at) if size < 0 else (self._data[at : at + size], at + size)
