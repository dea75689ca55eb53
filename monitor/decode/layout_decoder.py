"""Makes a decoder of any encoding and any layout: the events that they give go through the native rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import tzinfo
from typing import Final

from monitor.decode.columns import Events, Limits, Shape
from monitor.decode.encodings.encoding import Encoding, RecordInfo
from monitor.decode.layout import Layout, LeftAside
from monitor.decode.native.decoder import NativeDecoder, record_times
from monitor.decode.native.reference_decoder import DecodedRecord, Fault
from monitor.decode.native.rows import AnyRow, Columns, RowCompiler
from monitor.errors import RejectedRecord
from monitor.events import ModelKey
from monitor.records import RecordBatch

_NAMED_FIELD: Final = re.compile("`([a-z]+)`")


class LayoutDecoder(NativeDecoder):
    """Decodes the records of one topic by an encoding and a layout; the arguments are those of `NativeDecoder`."""

    def __init__(
        self,
        encoding: Encoding,
        layout: Layout,
        shapes: Callable[[ModelKey], Shape | None],
        limits: Limits,
        max_skew_us: int,
        model: str | None = None,
        version: str | None = None,
        zone: tzinfo | None = None,
        compiler: RowCompiler | None = None,
    ) -> None:
        """`compiler`: most records, of the encoding JSON, are decoded by what it compiles."""
        super().__init__(shapes, limits, max_skew_us, model, version, zone, compiler)
        self._compiled = compiler is not None
        self._encoding = encoding
        self._layout = layout
        self._batch: RecordBatch | None = None
        #: what the layout gave for the records of `_batch`
        self._contents: dict[int, object] = {}

    def decode(self, batch: RecordBatch) -> Events:
        self._batch, self._contents = batch, {}
        return super().decode(batch)

    def _decode_fast(self, values: Sequence[bytes | None]) -> tuple[list[AnyRow | None], Columns | None]:
        return super()._decode_fast(values) if self._compiled else ([None] * len(values), None)

    def _learn(self, value: bytes, row: AnyRow) -> None:
        if self._compiled:
            super()._learn(value, row)

    def _record(self, batch: RecordBatch, place: int, record_us: int) -> DecodedRecord:
        try:
            content = self._read(batch, place, record_us)
        except RejectedRecord as error:
            return DecodedRecord([], 1, Fault.of(error))
        self._contents[place] = content
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
        if batch is not self._batch:
            self._batch, self._contents = batch, {}
        if place not in self._contents:
            try:
                self._contents[place] = self._read(batch, place, int(record_times(batch, place, 1)[0]))
            except RejectedRecord:
                self._contents[place] = None
        return self._contents[place]

    def _located(self, fault: Fault) -> Fault:
        """The fault with the place of the field that its message names first."""
        named = _NAMED_FIELD.search(fault.message)
        if named is None or named[1] not in self._layout.places:
            return fault
        return fault._replace(message=f"{fault.message} (`{named[1]}` is read from {self._layout.places[named[1]]})")
