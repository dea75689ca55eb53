"""The decoder of native events: batches of raw records to columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import tzinfo
from typing import cast

import numpy as np
from numpy.typing import NDArray

from monitor.clock import LAST_US, MS_US
from monitor.decode.columns import Events, Limits, Shape
from monitor.decode.native.fast_decoder import future, incomplete, times
from monitor.decode.native.gather import CHUNK, Gathering
from monitor.decode.native.reference_decoder import Reader
from monitor.decode.native.rows import AnyRow, Columns
from monitor.decode.native.versions import Versions
from monitor.decode.values import NO_TIME
from monitor.events import ModelKey
from monitor.records import RecordBatch


class NativeDecoder:
    """Decodes native events; keeps what it learned about model versions from batch to batch.

    `shapes` is asked once per new model version (None: its features are not wanted) and again after `forget`.
    `model` and `version` are the input's settings and win over the payload. Events that are later than their record
    by more than `max_skew_us` are rejected. Times without an offset are those of the `zone`, where one is given. For
    one thread only.
    """

    def __init__(
        self,
        shapes: Callable[[ModelKey], Shape | None],
        limits: Limits,
        max_skew_us: int,
        model: str | None = None,
        version: str | None = None,
        zone: tzinfo | None = None,
    ) -> None:
        self._max_skew_us = max_skew_us
        self._zone = zone
        self._versions = Versions(shapes, limits, model, version)
        self._reader = Reader(limits, max_skew_us, self._versions.decoder_of, model, version, zone)

    def forget(self, key: ModelKey) -> None:
        """Ask `shapes` again when the model version comes next."""
        self._versions.forget(key)

    def decode(self, batch: RecordBatch) -> Events:
        """Every event of the batch: in columns, or in `rejected`. Raises nothing for what a record holds."""
        self._versions.keep_bounds()
        gathering = Gathering(self._versions.decoder_of)
        for first in range(0, len(batch), CHUNK):
            self._decode_chunk(batch, first, gathering)
        return gathering.finish()

    def _decode_chunk(self, batch: RecordBatch, first: int, gathering: Gathering) -> None:
        record_us = record_times(batch, first, CHUNK)
        offsets = np.array(batch.offsets[first : first + CHUNK], np.int64)
        decoded, columns = self._strict(batch.values[first : first + CHUNK])
        rows, where = _made(decoded)
        bad: list[int] = []
        if columns is not None:
            time_us = record_us[where]
            ts, bad = times(columns.ts, time_us, self._zone)
            bad += incomplete(rows, columns) + future(ts, time_us, batch.now_us, self._max_skew_us)
        if bad or len(rows) < len(decoded):
            for place in bad:
                decoded[place if isinstance(where, slice) else where[place]] = None
            rows, where = self._fill(batch, first, decoded, record_us, gathering)
            columns = self._versions.columns(rows) if rows else None
            if columns is not None:
                ts, _ = times(columns.ts, record_us[where], self._zone)
        if columns is not None:
            gathering.add(rows, columns, ts, offsets[where])

    def _strict(self, values: Sequence[bytes | None]) -> tuple[list[AnyRow | None], Columns | None]:
        return self._versions.decode(values)

    def _fill(
        self,
        batch: RecordBatch,
        first: int,
        decoded: list[AnyRow | None],
        record_us: NDArray[np.int64],
        gathering: Gathering,
    ) -> tuple[list[AnyRow], list[int]]:
        """The chunk's rows and their positions in it; where there is no row, the definition decides."""
        rows: list[AnyRow] = []
        where: list[int] = []
        for i, row in enumerate(decoded):
            if row is not None:
                rows.append(row)
                where.append(i)
                continue
            value = batch.values[first + i]
            if value is None:
                gathering.tombstones += 1
                continue
            reading = self._reader.record(value, int(record_us[i]), batch.now_us)
            rows += reading.rows
            where += [i] * len(reading.rows)
            if len(reading.rows) == 1:
                self._versions.learn(value, reading.rows[0])
            bad = reading.rejected(first + i, batch.offsets[first + i])
            if bad is not None:
                gathering.rejected.append(bad)
        return rows, where


def _made(decoded: list[AnyRow | None]) -> tuple[Sequence[AnyRow], slice | list[int]]:
    """The rows that were decoded and where they stand: all of them, or a list of positions."""
    if all(decoded):
        return cast("list[AnyRow]", decoded), slice(None)
    places = [i for i, row in enumerate(decoded) if row is not None]
    return [row for row in decoded if row is not None], places


def record_times(batch: RecordBatch, first: int = 0, most: int | None = None) -> NDArray[np.int64]:
    """The times of records in microseconds, NO_TIME where there is none that can be written as a date."""
    past = len(batch) if most is None else min(first + most, len(batch))
    if batch.times_ms is None:
        return np.full(past - first, NO_TIME, np.int64)
    times_ms = np.array(batch.times_ms[first:past])
    usable = (times_ms >= 0) & (times_ms <= LAST_US // MS_US)
    return np.where(usable, np.where(usable, times_ms, 0).astype(np.int64) * MS_US, NO_TIME)
