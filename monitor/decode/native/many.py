"""Decodes records that hold many events of a chunk to columns, each record by the decoder of its model version."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from monitor.decode.native.fast_decoder import badly_named
from monitor.decode.native.rows import Columns, Counts, RowDecoder
from monitor.decode.native.versions import Versions


class Many(NamedTuple):
    """The columns of the rows of some records, None without any, and how many each has: 0 if the reference decoder has
    to read it."""

    columns: Columns | None
    counts: Counts


class _Part(NamedTuple):
    """Records at some places that one decoder has read."""

    places: Sequence[int]
    columns: Columns
    counts: Counts


def decode_many(
    versions: Versions, values: Sequence[Any], outside: Mapping[str, Sequence[object]], skipped: Collection[int] = ()
) -> Many:
    """The rows of all values; those at the places `skipped` are left to the reference decoder.

    `outside` are fields that are not in the values, by name with one for each value.
    """
    left = {*skipped}
    chosen: dict[RowDecoder, list[int]] = {}
    for place, value in enumerate(values):
        if value is not None and place not in left:
            chosen.setdefault(versions.likely(value), []).append(place)
    reader = _Reader(versions, values, outside)
    parts = [part for decoder, places in chosen.items() for part in reader.parts(decoder, places)]
    return _merged(parts, len(values))


class _Reader:
    """Reads the records of a chunk; the arguments are those of `decode_many`."""

    def __init__(self, versions: Versions, values: Sequence[Any], outside: Mapping[str, Sequence[object]]) -> None:
        self._versions = versions
        self._values = values
        self._outside = outside

    def parts(self, decoder: RowDecoder, places: Sequence[int]) -> Iterator[_Part]:
        """The records at these places: by this decoder, and again by their own if that is another one."""
        part = self._read(decoder, places)
        if part is None:
            return
        if part.columns.of_one_version():
            right = self._right(part.columns.model[0], part.columns.version[0], part.places[0])
            if right is None:
                return
            self._versions.settle(right)
            if right is decoder or right.shape is None:
                yield part
            elif (again := self._read(right, part.places)) is not None:
                yield again
            return
        yield from self._of_each_version(decoder, part)

    def _of_each_version(self, decoder: RowDecoder, part: _Part) -> Iterator[_Part]:
        """Records of several versions; one that holds several itself is left to the reference decoder."""
        by_right: dict[RowDecoder, list[int]] = {}
        model, version = part.columns.model, part.columns.version
        for at, (end, count) in enumerate(zip(accumulate(part.counts), part.counts, strict=True)):
            first, place = end - count, part.places[at]
            if {*model[first:end]} == {model[first]} and {*version[first:end]} == {version[first]}:
                right = self._right(model[first], version[first], place)
                if right is None:
                    continue
                self._versions.remember(self._values[place], right)
                by_right.setdefault(decoder if right.shape is None else right, []).append(at)
        for right, kept in by_right.items():
            if right is decoder:
                among = {*kept}
                own = part.columns.of_records(part.counts, [at in among for at in range(len(part.counts))])
                if own is not None:
                    yield _Part([part.places[at] for at in kept], own, [part.counts[at] for at in kept])
            elif (again := self._read(right, [part.places[at] for at in kept])) is not None:
                yield again

    def _right(self, model: str, version: str, place: int) -> RowDecoder | None:
        return self._versions.right_for(model, version, self._values[place])

    def _read(self, decoder: RowDecoder, places: Sequence[int]) -> _Part | None:
        """What a decoder makes of the records that it accepts."""
        if decoder.many is None:
            return None
        values = self._values if len(places) == len(self._values) else [self._values[place] for place in places]
        read, doubtful = decoder.many.read(values, self._versions.limits)
        kept, records = places, read
        if None in read:
            kept = [place for place, record in zip(places, read, strict=True) if record is not None]
            records = [record for record in read if record is not None]
        if not kept:
            return None
        outside = self._outside
        if outside and len(kept) < len(self._values):
            outside = {name: [column[place] for place in kept] for name, column in outside.items()}
        columns, counts = decoder.many.columns(records, outside)
        if columns is None:
            return None
        columns = self._versions.finished(columns)
        bad = [*(badly_named(columns) if doubtful else ()), *(() if all(columns.model) else _without_model(columns))]
        most = self._versions.limits.events_per_record
        if not bad and min(counts) and max(counts) <= most:
            return _Part(kept, columns, counts)
        return _without(_Part(kept, columns, counts), bad, most)


def _without_model(columns: Columns) -> list[int]:
    return [at for at, model in enumerate(columns.model) if not model]


def _without(part: _Part, bad: Sequence[int], most: int) -> _Part | None:
    """The records that have events, no bad row, and not too many rows."""
    ends = [*accumulate(part.counts)]
    spoiled = {*bad}
    kept = [
        0 < count <= most and spoiled.isdisjoint(range(end - count, end))
        for end, count in zip(ends, part.counts, strict=True)
    ]
    columns = part.columns.of_records(part.counts, kept)
    if columns is None:
        return None
    return _Part(
        [place for place, keep in zip(part.places, kept, strict=True) if keep],
        columns,
        [count for count, keep in zip(part.counts, kept, strict=True) if keep],
    )


def _merged(parts: Sequence[_Part], count: int) -> Many:
    """All parts as one, in the order of their records."""
    counts = [0] * count
    first_of: dict[int, int] = {}
    first = 0
    for part in parts:
        for place, of_record in zip(part.places, part.counts, strict=True):
            counts[place], first_of[place] = of_record, first
            first += of_record
    if not parts:
        return Many(None, counts)
    if len(parts) == 1:
        return Many(parts[0].columns, counts)
    order = [at for place in sorted(first_of) for at in range(first_of[place], first_of[place] + counts[place])]
    whole = [[value for part in parts for value in part.columns[at]] for at in range(len(Columns._fields))]
    return Many(Columns._make(tuple(map(column.__getitem__, order)) for column in whole), counts)
