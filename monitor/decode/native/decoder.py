"""Decodes batches of native events to columns.

The fast decoder (compiled by msgspec) decodes most records. Whatever it refuses or might decode differently goes
through the reference decoder, which defines the format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from monitor.clock import LAST_US, MS_US
from monitor.decode.columns import Events, Group, Rules, Shape
from monitor.decode.native.fast_decoder import future, incomplete, times
from monitor.decode.native.gather import CHUNK, CHUNK_BYTES, CHUNK_OF_MANY, ColumnsBuilder
from monitor.decode.native.raw_fields import one_of, parsed, raw_fields
from monitor.decode.native.reference_decoder import DecodedRecord, ReferenceDecoder
from monitor.decode.native.rows import AnyRow, Columns, Counts, Grouped, NativeRows, RowCompiler
from monitor.decode.native.versions import Versions
from monitor.decode.raw import OneEvent, RawFields
from monitor.decode.values import NO_TIME
from monitor.errors import RejectedRecord
from monitor.events import ModelKey
from monitor.records import RecordBatch

#: objects and lists of JSON in the records of a chunk of so many bytes or more: an event is at least one of them
_MOST_OPENED: Final = 8 * CHUNK


class Fast(NamedTuple):
    """What the compiled decoders made of a chunk of records.

    The columns of all rows, None without any; how many rows each record has, 0 if the reference decoder has to read it,
    None if each has one; and the rows themselves, None if they are made of the columns when they are needed.
    """

    columns: Columns | None
    counts: Counts | None
    rows: Sequence[AnyRow] | None = None
    grouped: Grouped | None = None

    @classmethod
    def nothing(cls, count: int) -> Fast:
        """The reference decoder has to read all."""
        return cls(None, (0,) * count)

    @classmethod
    def of(cls, decoded: Sequence[AnyRow | None], columns: Columns | None) -> Fast:
        """Of records with one event each."""
        if all(decoded):
            return cls(columns, None, cast("Sequence[AnyRow]", decoded))
        rows = [row for row in decoded if row is not None]
        return cls(columns, [int(row is not None) for row in decoded], rows)

    @classmethod
    def of_groups(cls, grouped: Grouped, count: int) -> Fast:
        """Of so many records with one event each."""
        counts: Counts | None = None
        if len(grouped.order) < count:
            counts = np.bincount(grouped.order, minlength=count).tolist()
        return cls(grouped.columns, counts, grouped.rows, grouped)

    def where(self) -> slice | NDArray[np.int64]:
        """The record of each row: a slice if each record has one, in order."""
        if self.grouped is not None:
            return np.array(self.grouped.order, np.int64)
        return slice(None) if self.counts is None else np.repeat(np.arange(len(self.counts)), self.counts)

    def by_record(self, bad: Sequence[int], count: int) -> list[Sequence[AnyRow]]:
        """The rows of each record, none for one that has a bad row."""
        rows = self.rows if self.rows is not None else [] if self.columns is None else self.columns.rows()
        spoiled, of = {*bad}, list[Sequence[AnyRow]]()
        if self.grouped is not None:
            of = [()] * count
            for at, (row, place) in enumerate(zip(rows, self.grouped.order, strict=True)):
                of[place] = () if at in spoiled else (row,)
            return of
        counts = self.counts if self.counts is not None else (1,) * count
        for end, number in zip(accumulate(counts), counts, strict=True):
            is_good = spoiled.isdisjoint(range(end - number, end)) if spoiled else True
            of.append(rows[end - number : end] if is_good else ())
        return of


class NativeDecoder:
    """Decodes native events; caches a decoder for each model version.

    `shapes` is called once for a new model version (None: its features are not wanted) and again after `forget`.
    With `compiler` records have another shape than native events. Not thread-safe.
    """

    def __init__(
        self,
        shapes: Callable[[ModelKey], Shape | None],
        rules: Rules,
        compiler: RowCompiler | None = None,
    ) -> None:
        self._rules = rules
        self._versions = Versions(shapes, rules, NativeRows() if compiler is None else compiler)
        self._reader = ReferenceDecoder(rules, self._versions.decoder_of)

    def forget(self, key: ModelKey) -> None:
        """Drop the cached decoder of a model version, so that `shapes` is called again."""
        self._versions.forget(key)

    def decode(self, batch: RecordBatch) -> Events:
        """Every event of the batch, in columns or in `rejected`. Never raises for the content of a record."""
        self._versions.limit_cache()
        builder = ColumnsBuilder(self._versions.decoder_of)
        first = 0
        while first < len(batch):
            values = batch.values[first : first + self._rows_at_once(batch.values, first)]  # cut once, see `CutValues`
            values = values[: _of_few_events(values)]
            self._decode_chunk(batch, first, values, builder)
            first += len(values)
        events = builder.finish()
        for group in events.groups:
            shape = self._versions.decoder_of(group.key).shape
            if shape is not None and shape.raw:
                group.raw = self._raw_fields(batch, events, group)
        return events

    def _rows_at_once(self, values: Sequence[bytes | None], first: int) -> int:
        """Rows of the chunk that begins there: fewer than CHUNK where vectors or texts make them large."""
        if not self._versions.has_derived:
            return CHUNK_OF_MANY if self._versions.are_mixed else CHUNK
        held = np.cumsum([len(value or b"") for value in values[first : first + CHUNK]])
        return max(1, int(np.searchsorted(held, CHUNK_BYTES)))

    def survey(self, batch: RecordBatch) -> tuple[Events, list[RawFields]]:
        """The same events, and for each of their groups all fields as they came. Never raises either."""
        events = self.decode(batch)
        return events, [self._raw_fields(batch, events, group) for group in events.groups]

    def features(self, batch: RecordBatch, places: Iterable[int]) -> list[OneEvent | None]:
        """The features of one event of each of these records, wanted or not; None where it has none."""
        return [one_of(self._content(batch, place), int(batch.offsets[place])) for place in places]

    def _raw_fields(self, batch: RecordBatch, events: Events, group: Group) -> RawFields:
        return raw_fields(batch, events, group, lambda place: self._content(batch, place))

    def _content(self, batch: RecordBatch, place: int) -> object:
        """The event, or the list of events, of a record; None if it has none."""
        value = batch.values[place]
        try:
            return None if value is None else parsed(value, self._rules.limits)
        except RejectedRecord:
            return None

    def _decode_chunk(
        self, batch: RecordBatch, first: int, values: Sequence[bytes | None], builder: ColumnsBuilder
    ) -> None:
        """Decode the batch's `values` from `first` on."""
        record_us = record_times(batch, first, len(values))
        offsets = batch.offsets[first : first + len(values)]
        fast = self._decode_fast(batch, first, values, record_us)
        columns, rows, where, grouped = fast.columns, fast.rows, fast.where(), fast.grouped
        bad: list[int] = []
        if columns is not None:
            time_us = record_us[where]
            ts, bad = times(columns.ts, time_us, self._rules.zone)
            bad += incomplete(rows, columns) + future(ts, time_us, batch.now_us, self._rules.max_skew_us)
        if bad or (fast.counts is not None and not all(fast.counts)):
            decoded = fast.by_record(bad, len(record_us))
            rows, where = self._decode_rest(batch, first, values, decoded, record_us, builder)
            columns, grouped = self._versions.columns(rows) if rows else None, None
            if columns is not None:
                ts, _ = times(columns.ts, record_us[where], self._rules.zone)
        if columns is not None:
            builder.add(rows, columns, ts, offsets[where], grouped)

    def _decode_fast(
        self, _batch: RecordBatch, _first: int, values: Sequence[bytes | None], _record_us: NDArray[np.int64]
    ) -> Fast:
        """The batch's `values` from `first` on, of records with these times, by the compiled decoders."""
        grouped = self._versions.grouped(values)
        return Fast.of(*self._versions.decode(values)) if grouped is None else Fast.of_groups(grouped, len(values))

    def _decode_rest(
        self,
        batch: RecordBatch,
        first: int,
        values: Sequence[bytes | None],
        decoded: Sequence[Sequence[AnyRow]],
        record_us: NDArray[np.int64],
        builder: ColumnsBuilder,
    ) -> tuple[list[AnyRow], NDArray[np.int64]]:
        """The chunk's rows and their records; the reference decoder reads the values without a row."""
        rows: list[AnyRow] = []
        counts = [len(of) for of in decoded]
        for i, of in enumerate(decoded):
            if of:
                rows += of
                continue
            value = values[i]
            if value is None:
                builder.tombstones += 1
                continue
            record = self._record(batch, first + i, int(record_us[i]))
            builder.left_aside += record.left_aside
            rows += record.rows
            counts[i] = len(record.rows)
            if record.rows:
                self._learn(value, record.rows)
            rejected = record.rejected(first + i, int(batch.offsets[first + i]))
            if rejected is not None:
                builder.rejected.append(rejected)
        return rows, np.repeat(np.arange(len(counts)), counts)

    def _record(self, batch: RecordBatch, place: int, record_us: int) -> DecodedRecord:
        """All events of a record that has a value, by the definition of the format."""
        return self._reader.record(cast("bytes", batch.values[place]), record_us, batch.now_us)

    def _learn(self, value: bytes, rows: Sequence[AnyRow]) -> None:
        """Remember which decoder fits a value whose rows the reference decoder has read."""
        if len(rows) == 1:
            self._versions.learn(value, rows[0])


def _of_few_events(values: Sequence[bytes | None]) -> int:
    """How many of the records, at least one, are decoded at once: one may hold thousands of events."""
    if sum(map(len, filter(None, values))) <= CHUNK_BYTES:
        return len(values)
    opened = 0
    for at, value in enumerate(values):
        if value is not None:
            opened += value.count(b"{") + value.count(b"[")
        if opened > _MOST_OPENED:
            return max(1, at)
    return len(values)


def record_times(batch: RecordBatch, first: int = 0, most: int | None = None) -> NDArray[np.int64]:
    """The timestamps of records in microseconds, NO_TIME if there is none or it lies outside of 1970 to 9999."""
    end = len(batch) if most is None else min(first + most, len(batch))
    if batch.times_ms is None:
        return np.full(end - first, NO_TIME, np.int64)
    times_ms = batch.times_ms[first:end]
    usable = (times_ms >= 0) & (times_ms <= LAST_US // MS_US)
    return np.where(usable, np.where(usable, times_ms, 0) * MS_US, NO_TIME)
