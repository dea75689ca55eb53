"""Decodes batches of native events to columns.

The fast decoder (compiled by msgspec) decodes most records. Whatever it refuses or might decode differently goes
through the reference decoder, which defines the format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from monitor.clock import LAST_US, MS_US
from monitor.decode.columns import Events, Group, Rules, Shape
from monitor.decode.native.fast_decoder import future, incomplete, times
from monitor.decode.native.gather import CHUNK, CHUNK_BYTES, ColumnsBuilder
from monitor.decode.native.raw_fields import features_of, parsed, raw_fields
from monitor.decode.native.reference_decoder import DecodedRecord, ReferenceDecoder
from monitor.decode.native.rows import AnyRow, Columns, NativeRows, RowCompiler
from monitor.decode.native.versions import Versions
from monitor.decode.raw import RawFields
from monitor.decode.values import NO_TIME
from monitor.errors import RejectedRecord
from monitor.events import ModelKey
from monitor.records import RecordBatch


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
            rows = self._rows_at_once(batch.values, first)
            self._decode_chunk(batch, first, rows, builder)
            first += rows
        events = builder.finish()
        for group in events.groups:
            shape = self._versions.decoder_of(group.key).shape
            if shape is not None and shape.raw:
                group.raw = self._raw_fields(batch, events, group)
        return events

    def _rows_at_once(self, values: Sequence[bytes | None], first: int) -> int:
        """Rows of the chunk that begins there: fewer than CHUNK where vectors or texts make them large."""
        if not self._versions.has_derived:
            return CHUNK
        held = np.cumsum([len(value or b"") for value in values[first : first + CHUNK]])
        return max(1, int(np.searchsorted(held, CHUNK_BYTES)))

    def survey(self, batch: RecordBatch) -> tuple[Events, list[RawFields]]:
        """The same events, and for each of their groups all fields as they came. Never raises either."""
        events = self.decode(batch)
        return events, [self._raw_fields(batch, events, group) for group in events.groups]

    def features(self, batch: RecordBatch, places: Iterable[int]) -> list[Mapping[str, object] | None]:
        """The features of the first event of these records, wanted or not; None where there are none."""
        return [features_of(self._content(batch, place)) for place in places]

    def _raw_fields(self, batch: RecordBatch, events: Events, group: Group) -> RawFields:
        return raw_fields(batch, events, group, lambda place: self._content(batch, place))

    def _content(self, batch: RecordBatch, place: int) -> object:
        """The event, or the list of events, of a record; None if it has none."""
        value = batch.values[place]
        try:
            return None if value is None else parsed(value, self._rules.limits)
        except RejectedRecord:
            return None

    def _decode_chunk(self, batch: RecordBatch, first: int, count: int, builder: ColumnsBuilder) -> None:
        record_us = record_times(batch, first, count)
        offsets = batch.offsets[first : first + count]
        decoded, columns = self._decode_fast(batch, first, count)
        rows, where = _decoded_rows(decoded)
        bad: list[int] = []
        if columns is not None:
            time_us = record_us[where]
            ts, bad = times(columns.ts, time_us, self._rules.zone)
            bad += incomplete(rows, columns) + future(ts, time_us, batch.now_us, self._rules.max_skew_us)
        if bad or len(rows) < len(decoded):
            for place in bad:
                decoded[place if isinstance(where, slice) else where[place]] = None
            rows, where = self._decode_rest(batch, first, decoded, record_us, builder)
            columns = self._versions.columns(rows) if rows else None
            if columns is not None:
                ts, _ = times(columns.ts, record_us[where], self._rules.zone)
        if columns is not None:
            builder.add(rows, columns, ts, offsets[where])

    def _decode_fast(self, batch: RecordBatch, first: int, count: int) -> tuple[list[AnyRow | None], Columns | None]:
        return self._versions.decode(batch.values[first : first + count])

    def _decode_rest(
        self,
        batch: RecordBatch,
        first: int,
        decoded: list[AnyRow | None],
        record_us: NDArray[np.int64],
        builder: ColumnsBuilder,
    ) -> tuple[list[AnyRow], list[int]]:
        """The chunk's rows and their positions in it; the reference decoder reads the values without a row."""
        rows: list[AnyRow] = []
        where: list[int] = []
        for i, row in enumerate(decoded):
            if row is not None:
                rows.append(row)
                where.append(i)
                continue
            value = batch.values[first + i]
            if value is None:
                builder.tombstones += 1
                continue
            record = self._record(batch, first + i, int(record_us[i]))
            builder.left_aside += record.left_aside
            rows += record.rows
            where += [i] * len(record.rows)
            if len(record.rows) == 1:
                self._learn(value, record.rows[0])
            rejected = record.rejected(first + i, int(batch.offsets[first + i]))
            if rejected is not None:
                builder.rejected.append(rejected)
        return rows, where

    def _record(self, batch: RecordBatch, place: int, record_us: int) -> DecodedRecord:
        """All events of a record that has a value, by the definition of the format."""
        return self._reader.record(cast("bytes", batch.values[place]), record_us, batch.now_us)

    def _checked(self, rows: Sequence[AnyRow], record_us: int, now_us: int) -> bool:
        """Whether the fields of rows, which are valid one by one, are valid together and in their record's time."""
        columns, time_us = self._versions.columns(rows), np.full(len(rows), record_us, np.int64)
        ts, bad = times(columns.ts, time_us, self._rules.zone)
        return not (bad or incomplete(rows, columns) or future(ts, time_us, now_us, self._rules.max_skew_us))

    def _learn(self, value: bytes, row: AnyRow) -> None:
        """Remember which decoder fits a value that the reference decoder has read."""
        self._versions.learn(value, row)


def _decoded_rows(decoded: list[AnyRow | None]) -> tuple[Sequence[AnyRow], slice | list[int]]:
    """The rows that were decoded and their positions: a slice if that is all of them, else a list."""
    if all(decoded):
        return cast("list[AnyRow]", decoded), slice(None)
    places = [i for i, row in enumerate(decoded) if row is not None]
    return [row for row in decoded if row is not None], places


def record_times(batch: RecordBatch, first: int = 0, most: int | None = None) -> NDArray[np.int64]:
    """The timestamps of records in microseconds, NO_TIME if there is none or it lies outside of 1970 to 9999."""
    end = len(batch) if most is None else min(first + most, len(batch))
    if batch.times_ms is None:
        return np.full(end - first, NO_TIME, np.int64)
    times_ms = batch.times_ms[first:end]
    usable = (times_ms >= 0) & (times_ms <= LAST_US // MS_US)
    return np.where(usable, np.where(usable, times_ms, 0) * MS_US, NO_TIME)
