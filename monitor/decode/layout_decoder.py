"""Makes a decoder of any encoding and any layout: the events that they give go through the native rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from monitor.decode.columns import Events, Rules, Shape
from monitor.decode.encodings.encoding import Bodies, Encoding, RecordInfo
from monitor.decode.fields.compiled import CompiledFields
from monitor.decode.layout import Layout, LeftAside
from monitor.decode.native.decoder import Fast, NativeDecoder, record_times
from monitor.decode.native.gather import CHUNK_BYTES
from monitor.decode.native.many import Many, decode_many
from monitor.decode.native.reference_decoder import DecodedRecord, Fault
from monitor.decode.native.rows import AnyRow, NativeRows
from monitor.decode.native.trees import TreeRows
from monitor.errors import RejectedRecord
from monitor.events import ModelKey
from monitor.records import RecordBatch

#: a row of a record is so many times the objects that an event is, which have to fit the processor's cache too
_OBJECTS: Final = 2
_NAMED_FIELD: Final = re.compile("`([a-z]+)`")


class LayoutDecoder(NativeDecoder):
    """Decodes the records of one topic by an encoding and a layout; the arguments are those of `NativeDecoder`."""

    def __init__(
        self,
        encoding: Encoding,
        layout: Layout,
        shapes: Callable[[ModelKey], Shape | None],
        rules: Rules,
        compiler: CompiledFields | NativeRows | None = None,
    ) -> None:
        """`compiler`: most records, of an encoding with JSON (`Bodies`), are decoded by what it compiles."""
        super().__init__(shapes, rules, TreeRows() if compiler is None else compiler)
        self._bodies = cast("Bodies", encoding) if compiler is not None else None
        fields = compiler if isinstance(compiler, CompiledFields) else None
        self._fans_out = fields is not None and fields.fans_out
        self._outside = fields.outside if fields is not None else None
        self._encoding = encoding
        self._layout = layout
        self._batch: RecordBatch | None = None
        #: what the layout gave for the records of `_batch`, lately, and the bytes of their values
        self._contents: dict[int, object] = {}
        self._held_bytes = 0
        #: events in a record, lately
        self._events_in_record = 1

    def decode(self, batch: RecordBatch) -> Events:
        self._begin(batch)
        return super().decode(batch)

    def _begin(self, batch: RecordBatch) -> None:
        self._batch, self._contents, self._held_bytes = batch, {}, 0

    def _rows_at_once(self, values: Sequence[bytes | None], first: int) -> int:
        if self._held_bytes > CHUNK_BYTES and self._batch is not None:
            self._begin(self._batch)
        records = super()._rows_at_once(values, first)
        if self._events_in_record == 1:
            return records
        return max(1, records // (_OBJECTS * self._events_in_record))

    def _decode_fast(
        self, batch: RecordBatch, first: int, values: Sequence[bytes | None], record_us: NDArray[np.int64]
    ) -> Fast:
        count = len(record_us)
        if self._bodies is None:
            trees = [self._tree(batch, first + i, time) for i, time in enumerate(record_us.tolist())]
            return self._fast_of(decode_many(self._versions, trees, {}))
        values, doubtful = self._bodies.bodies(batch, first, count)
        outside: Mapping[str, Sequence[object]] = {}
        if self._outside:
            outside, more = self._outside.columns([*map(batch.envelope, range(first, first + count))])
            doubtful = {*doubtful, *more}
        if self._fans_out:
            return self._fast_of(decode_many(self._versions, values, outside, doubtful))
        return Fast.of(*self._versions.decode(values, outside, doubtful))

    def _fast_of(self, many: Many) -> Fast:
        events, records = sum(many.counts), len(many.counts) - many.counts.count(0)
        if records:
            self._events_in_record = max(1, events // records)
        return Fast(many.columns, many.counts)

    def _tree(self, batch: RecordBatch, place: int, record_us: int) -> object:
        """The events of a record as the layout gives them; None if `_record` has to say what it holds."""
        self._held_bytes += len(batch.values[place] or b"")
        try:
            content = self._read(batch, place, record_us)
        except RejectedRecord as error:
            self._contents[place] = Fault.of(error)
            return None
        self._contents[place] = content
        return content

    def _learn(self, value: bytes, rows: Sequence[AnyRow]) -> None:
        if self._bodies is not None:
            self._versions.learn(value, rows[0])

    def _record(self, batch: RecordBatch, place: int, record_us: int) -> DecodedRecord:
        if place not in self._contents:
            self._tree(batch, place, record_us)
        content = self._contents[place]
        if isinstance(content, Fault):
            return DecodedRecord([], 1, content)
        if isinstance(content, LeftAside):
            return DecodedRecord([], left_aside=True)
        record = self._reader.content(content, record_us, batch.now_us)
        return record if record.fault is None else replace(record, fault=self._located(record.fault))

    def _read(self, batch: RecordBatch, place: int, record_us: int) -> object:
        value = batch.values[place]
        if value is None:
            return None
        info = RecordInfo(batch, place, record_us)
        return self._layout.events(self._encoding.read(value, info), info)

    def _content(self, batch: RecordBatch, place: int) -> object:
        if batch is not self._batch or self._held_bytes > CHUNK_BYTES:
            self._begin(batch)
        if place not in self._contents:
            self._tree(batch, place, int(record_times(batch, place, 1)[0]))
        content = self._contents[place]
        return None if isinstance(content, Fault) else content

    def _located(self, fault: Fault) -> Fault:
        """The fault with the place of the field that its message names first."""
        named = _NAMED_FIELD.search(fault.message)
        if named is None or named[1] not in self._layout.places:
            return fault
        return fault._replace(message=f"{fault.message} (`{named[1]}` is read from {self._layout.places[named[1]]})")
