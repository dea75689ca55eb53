"""Reads recorded events for a survey, by the same rules as the decoder that counts them later."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from monitor.decode.decoder import reference_decoder_for
from monitor.decode.native.decoder import record_times
from monitor.decode.native.reference_decoder import ReferenceDecoder, first_elements
from monitor.decode.native.rows import AnyRow, is_given
from monitor.decode.values import category_value, time_of
from monitor.events import ModelKey, Partition
from monitor.records import RecordBatch, Source
from monitor.run.left_out import Others
from monitor.settings.tree import Settings
from monitor.sources.until_offsets import UntilOffsets


class LastEvent(NamedTuple):
    """The last event that becomes part of a reference; `element` is its position in the record's array."""

    partition: Partition
    offset: int
    element: int


class RecordedEvent(NamedTuple):
    """A prediction or features event: its record's position in the batch, its own in the record's array, its time,
    the row that the decoder makes of it, and the event as it came."""

    place: int
    element: int
    ts: int
    row: AnyRow
    event: dict[str, Any]


class _AllFeatures:
    """Cells of every feature: in a survey none is wanted by name yet."""

    def features(self, raw: dict[str, object]) -> dict[str, object]:
        return {name: category_value(value) for name, value in raw.items()}


class EventReader:
    """Reads the events of one model version, by the same rules as the decoder that counts them later."""

    def __init__(self, settings: Settings, key: ModelKey) -> None:
        self._settings = settings
        self._key = key
        self._readers: dict[str, ReferenceDecoder] = {}

    def events(self, batch: RecordBatch, others: Others) -> Iterator[RecordedEvent]:
        """Every prediction or features event that is not rejected; `others` gets what else there is."""
        reader = self._reader(batch.partition.topic)
        for index, (value, record_us) in enumerate(zip(batch.values, record_times(batch).tolist(), strict=True)):
            if value is None:
                continue
            reading = reader.record(value, record_us, batch.now_us)
            bad = reading.rejected(index, batch.offsets[index])
            if bad is not None:
                others.reject(batch.partition, bad)
            for element, row, event in zip(reading.elements(), reading.rows, reading.events, strict=True):
                key = ModelKey(row.model, row.version)
                others.add(key, batch.partition, batch.offsets[index])
                if key == self._key and row.type != "label":
                    ts = time_of(row.ts, reader.zone) if is_given(row.ts) else record_us
                    yield RecordedEvent(index, element, ts, row, event)

    def _reader(self, topic: str) -> ReferenceDecoder:
        if topic not in self._readers:
            cells = _AllFeatures()
            self._readers[topic] = reference_decoder_for(self._settings, topic, lambda _key, _names: cells)
        return self._readers[topic]


class UpToElement(UntilOffsets):
    """Records below `ends`; of the very last one only the first elements of its array."""

    def __init__(self, source: Source, ends: Mapping[Partition, int], last: LastEvent | None) -> None:
        super().__init__(source, ends, {})
        self._last = last

    def poll(self, paused: Collection[Partition]) -> list[RecordBatch]:
        return [self._trimmed(batch) for batch in super().poll(paused)]

    def _trimmed(self, batch: RecordBatch) -> RecordBatch:
        last = self._last
        if last is None or batch.partition != last.partition or batch.offsets[-1] != last.offset:
            return batch
        value = batch.values[-1]
        trimmed = None if value is None else first_elements(value, last.element + 1)
        return replace(batch, values=[*batch.values[:-1], trimmed])
