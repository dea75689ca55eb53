"""Makes a decoder of any encoding and any layout: the events that they give go through the native rules."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from monitor.decode.columns import Events, Rules, Shape
from monitor.decode.encodings.encoding import Encoding, RecordInfo
from monitor.decode.fields.compiled import CompiledFields
from monitor.decode.layout import Layout, LeftAside
from monitor.decode.native.decoder import NativeDecoder, record_times
from monitor.decode.native.reference_decoder import DecodedRecord, Fault
from monitor.decode.native.rows import AnyRow, Columns
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
        rules: Rules,
        compiler: CompiledFields | None = None,
    ) -> None:
        """`compiler`: most records, of the encoding JSON, are decoded by what it compiles."""
        super().__init__(shapes, rules, compiler)
        self._compiled = compiler is not None and not compiler.fans_out
        self._fans_out = compiler is not None and compiler.fans_out
        self._outside = compiler.outside if compiler is not None else None
        self._encoding = encoding
        self._layout = layout
        self._batch: RecordBatch | None = None
        #: what the layout gave for the records of `_batch`
        self._contents: dict[int, object] = {}

    def decode(self, batch: RecordBatch) -> Events:
        self._batch, self._contents = batch, {}
        return super().decode(batch)

    def _decode_fast(self, batch: RecordBatch, first: int, count: int) -> tuple[list[AnyRow | None], Columns | None]:
        values = batch.values[first : first + count]
        if not self._compiled:
            return [None] * len(values), None
        if not self._outside:
            return super()._decode_fast(batch, first, count)
        return self._versions.decode(
            values, *self._outside.columns([*map(batch.envelope, range(first, first + len(values)))])
        )

    def _learn(self, value: bytes, row: AnyRow) -> None:
        if self._compiled:
            super()._learn(value, row)

    def _record(self, batch: RecordBatch, place: int, record_us: int) -> DecodedRecord:
        if self._fans_out and (rows := self._rows(batch, place, record_us)) is not None:
            return DecodedRecord(rows)
        try:
            content = self._read(batch, place, record_us)
        except RejectedRecord as error:
            return DecodedRecord([], 1, Fault.of(error))
        self._contents[place] = content
        if isinstance(content, LeftAside):
            return DecodedRecord([], left_aside=True)
        record = self._reader.content(content, record_us, batch.now_us)
        return record if record.fault is None else replace(record, fault=self._located(record.fault))

    def _rows(self, batch: RecordBatch, place: int, record_us: int) -> list[AnyRow] | None:
        """The events of a record with rows by the compiled decoder; None if it needs the definition."""
        outside: dict[str, object] = {}
        if self._outside:
            columns, doubtful = self._outside.columns([batch.envelope(place)])
            if doubtful:
                return None
            outside = {name: value for name, (value,) in columns.items()}
        rows = self._versions.decode_rows(batch.values[place] or b"", outside)
        if rows is None or len(rows) > self._rules.limits.events_per_record:
            return None
        return rows if self._checked(rows, record_us, batch.now_us) else None

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
