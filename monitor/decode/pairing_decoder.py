"""Decodes formats that write request and response of a call as two records: halves, which wait for each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import numpy as np
from msgspec.structs import replace

from monitor.decode.columns import Events, Rules, Shape
from monitor.decode.encodings.encoding import Encoding, RecordInfo
from monitor.decode.formats.call import WHOLE, Call, Ignored, Read
from monitor.decode.half import CallValue, Half, Pair, events_in
from monitor.decode.layout import LeftAside
from monitor.decode.layout_decoder import LayoutDecoder
from monitor.decode.native.decoder import record_times
from monitor.decode.native.reference_decoder import DecodedRecord, Fault
from monitor.decode.platform import PlatformLayout
from monitor.errors import RejectedRecord
from monitor.events import ModelKey, Partition
from monitor.records import RecordBatch


class PairingDecoder(LayoutDecoder):
    """`decode` gives the events of labels only; halves are taken by `take_halves`, and `decode_pairs` gives events."""

    def __init__(
        self,
        encoding: Encoding,
        layout: PlatformLayout,
        shapes: Callable[[ModelKey], Shape | None],
        rules: Rules,
    ) -> None:
        super().__init__(encoding, layout, shapes, rules)
        self._platform = layout
        self._halves: list[Half] = []
        #: what was read of the records of `_of`, by place
        self._of: RecordBatch | None = None
        self._found: dict[int, Read | RejectedRecord] = {}
        self._times: list[int] = []
        #: the calls that are being decoded, by place
        self._pairs: Sequence[Pair] | None = None

    def take_halves(self) -> list[Half]:
        """The halves of the batches decoded since the last call, in their order."""
        halves, self._halves = self._halves, []
        return halves

    def pieces(self, batch: RecordBatch) -> list[RecordBatch]:
        """The batch cut so that no piece holds both halves and events.

        Halves move the clock of their partition, which events are held against: so the order of records counts.
        """
        self._look_at(batch)
        kinds = [isinstance(self._reading(batch, place), Call) for place in range(len(batch))]
        if len(set(kinds)) < 2:
            return [batch]
        ends = np.cumsum([len(list(run)) for _, run in groupby(kinds)]).tolist()
        return [piece_of(batch, first, end) for first, end in zip([0, *ends], ends, strict=False)]

    def decode_pairs(self, partition: Partition, pairs: Sequence[Pair], now_us: int) -> tuple[RecordBatch, Events]:
        """The events of calls that stand in one partition, by rising offset, and the batch that stands for them."""
        offsets = np.array([pair.at.offset for pair in pairs], np.int64)
        times = np.array([pair.at.time_ms for pair in pairs], np.int64)
        batch = RecordBatch(partition, [b"{}"] * len(pairs), offsets, times, int(offsets[-1]) + 1, now_us)
        self._pairs = pairs
        try:
            return batch, self.decode(batch)
        finally:
            self._pairs = None

    def _read(self, batch: RecordBatch, place: int, record_us: int) -> object:
        if self._pairs is not None:
            call = self._pairs[place].call
            return LeftAside.KIND if call is None else self._platform.events_of(call)
        value = batch.values[place]
        if isinstance(value, CallValue):
            return self._platform.events_of(value.call)
        found = self._reading(batch, place)
        if isinstance(found, RejectedRecord):
            raise found
        return LeftAside.KIND if isinstance(found, Ignored | Call) else found

    def _tree(self, batch: RecordBatch, place: int, record_us: int) -> object:
        if self._pairs is None and isinstance(self._reading(batch, place), Call):
            self._contents[place] = LeftAside.KIND  # `_record` takes the half
            return None
        return super()._tree(batch, place, record_us)

    def _record(self, batch: RecordBatch, place: int, record_us: int) -> DecodedRecord:
        found = None if self._pairs is not None else self._reading(batch, place)
        if not isinstance(found, Call):
            return super()._record(batch, place, record_us)
        try:
            self._halves.append(self._half(batch, place, record_us, found))
        except RejectedRecord as error:
            return DecodedRecord([], events_in(found), Fault.of(error))
        return DecodedRecord([])

    def _half(self, batch: RecordBatch, place: int, record_us: int, call: Call) -> Half:
        """A side with its time. Raises `RejectedRecord` where that is not valid."""
        ts_us = self._reader.time_us({"ts": call.ts}, record_us, batch.now_us)
        time_ms = -1 if batch.times_ms is None else int(batch.times_ms[place])
        offset = int(batch.offsets[place])
        return Half(batch.partition, offset, ts_us, time_ms, self._rules.model or call.model or "", call)

    def _reading(self, batch: RecordBatch, place: int) -> Read | RejectedRecord:
        """What a record says, read once. A call that cannot be paired is whole: what is missing is not waited for."""
        if batch is not self._of:
            self._look_at(batch)
        known = self._found.get(place)
        if known is None:
            known = self._found[place] = self._read_record(batch, place)
        return known

    def _look_at(self, batch: RecordBatch) -> None:
        self._of, self._found, self._times = batch, {}, record_times(batch).tolist()

    def _read_record(self, batch: RecordBatch, place: int) -> Read | RejectedRecord:
        value = batch.values[place]
        if value is None or isinstance(value, CallValue):
            return []
        info = RecordInfo(batch, place, self._times[place])
        try:
            found = self._platform.read(self._encoding.read(value, info), info)
        except RejectedRecord as error:
            return error
        if isinstance(found, Call) and not found.pair:
            return replace(found, side=WHOLE)
        return found


def piece_of(batch: RecordBatch, first: int, end: int) -> RecordBatch:
    """Records of a batch, as a batch of their own."""
    return RecordBatch(
        batch.partition,
        batch.values[first:end],
        batch.offsets[first:end],
        None if batch.times_ms is None else batch.times_ms[first:end],
        batch.next_offset if end == len(batch) else int(batch.offsets[end]),
        batch.now_us,
        lambda place: batch.envelope(first + place),
    )


def in_partitions(pairs: Sequence[Pair]) -> Iterator[tuple[Partition, list[Pair]]]:
    """The calls by the partition that they stand in, by rising offset."""
    ordered = sorted(pairs, key=lambda pair: (pair.at.partition, pair.at.offset))
    for partition, own in groupby(ordered, key=lambda pair: pair.at.partition):
        yield partition, list(own)
