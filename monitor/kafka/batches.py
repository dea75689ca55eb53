"""Reads the record batches of a fetch, and skips what cannot be decoded instead of raising.

Replaces kafka-python's `PartitionRecords`. That class raises at a batch it cannot decode. kafka-python 3.0.12 keeps
the error for the next poll, forgets it if the partition is paused meanwhile, and then never returns from a poll again.
It also decompresses a batch whole, without a bound on the size.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice, pairwise
from operator import attrgetter, lt
from typing import Any, Final

from kafka.protocol.consumer import IsolationLevel
from kafka.record.default_records import DefaultRecordBatch
from kafka.structs import TopicPartition

from monitor.kafka import codecs
from monitor.kafka.batch_header import NEWEST_FORMAT, Head, end_of_damaged, first_offset, intact_head, records_lost
from monitor.kafka.fetch_state import CHECKSUM, CODEC, STRUCTURE, TOO_LARGE, TORN, FetchState, PollIsFull, Skipped
from monitor.kafka.library_batch import broken_record, decompress, next_offset, with_valid_checksums
from monitor.kafka.opened_batch import OpenedBatch, hidden_batch, opened_batch
from monitor.kafka.record_batch import Chunk, Taken
from monitor.kafka.unpack import unpack

#: batches are unpacked together up to so many bytes: more of them would not stay in the processor's cache
_TOGETHER_BYTES: Final = 1 << 20
_OFFSET: Final = attrgetter("offset")


class PartitionBatches:
    """The batches of one partition in one fetch. Public names are those that kafka-python uses of its own class."""

    def __init__(
        self,
        state: FetchState,
        fetch_offset: int,
        target: TopicPartition,
        records: Any,  # noqa: ANN401  # of the library, without types
        *,
        isolation_level: Any = None,  # noqa: ANN401
        aborted_transactions: Any = None,  # noqa: ANN401
        metric_aggregator: Any = None,  # noqa: ANN401
        on_drain: Callable[[Any], object] = lambda _: None,
        **_unused: object,
    ) -> None:
        self.topic_partition = target
        self.next_fetch_offset = fetch_offset
        self.leader_epoch = -1
        self.bytes_read = self.records_read = 0
        self._state = state
        self._from = fetch_offset
        self._records = records
        self._torn = not records.has_next() and records.size_in_bytes() > 0
        if self._torn:
            records._next_slice = memoryview(records._buffer)  # else the library raises at every fetch
        self._committed_only = isolation_level == IsolationLevel.READ_COMMITTED
        self._aborted = deque(sorted(aborted_transactions or (), key=lambda one: one.first_offset))
        self._aborted_producers: set[int] = set()
        self._aggregator = metric_aggregator
        self._on_drain = on_drain
        self._open = True
        self._batch: Any = None
        self._iterator: Iterator[Any] = iter(())
        self._raw: memoryview = memoryview(b"")
        self._fetched = bytes(records._buffer)  # the same object, as long as the library gives bytes
        self._unpacked: Chunk | None = None
        #: how many records of it were taken
        self._given = 0
        self._unpacked_to = fetch_offset
        self._one_by_one: deque[OpenedBatch] = deque()

    def __bool__(self) -> bool:
        return self._open

    def drain(self) -> None:
        """End this fetch: drop what was not read of it."""
        if not self._open:
            return
        self._open, self._batch, self._iterator = False, None, iter(())
        self._records, self._raw, self._fetched = None, memoryview(b""), b""
        self._unpacked, self._one_by_one = None, deque()
        if self._aggregator:
            self._aggregator.record(self.topic_partition, self.bytes_read, self.records_read)
        self._on_drain(self)

    def take(self, most: int) -> Taken:
        """Up to `most` records, in order.

        Raises:
            PollIsFull: the limit of bytes was reached since `FetchState.new_poll`, no record was taken, and the
                position has not moved. A moved one has to be returned: the library does not take it over from an error,
                and drops a fetch with another position than its own.
        """
        taken, begun_at = Taken(), self.next_fetch_offset
        while self._open and len(taken) < most:
            left = most - len(taken)
            if self._unpacked is not None:
                taken.add(self._give(self._unpacked, left))
            elif self._batch is not None:
                taken.add_decoded(self._read(left))
            elif self._one_by_one:
                self._unpack([self._one_by_one.popleft()])
            elif self._state.full:
                if taken or self.next_fetch_offset != begun_at:
                    break
                raise PollIsFull
            elif opened := self._open_plain(left):
                self._unpack(opened)
            else:
                self._open_next()
        return taken

    # batches unpacked together

    def _open_plain(self, most: int) -> list[OpenedBatch]:
        """Open the batches that come next, up to one that has to be looked at more closely; none that is not needed."""
        opened: list[OpenedBatch] = []
        records = size = 0
        while self._state.fast and records < most and size < _TOGETHER_BYTES and not self._state.full:
            one = self._open_one_plain(opened[-1] if opened else None)
            if one is None:
                break
            opened.append(one)
            records, size = records + one.head.records_count, size + one.size
            self.bytes_read += len(one.raw)
            self._state.count_bytes(one.size)
        return opened

    def _open_one_plain(self, before: OpenedBatch | None) -> OpenedBatch | None:
        """Open the next batch if nothing is wrong with it; else it stays the next one."""
        records, at = self._records, self.next_fetch_offset if before is None else before.next_offset
        raw, end, left = records._next_slice, records._pos, records._remaining_bytes
        head = None if raw is None or self._torn else intact_head(raw)
        if head is None or (before is not None and before.head.leader_epoch != head.leader_epoch):
            return None
        records._cache_next()
        if head.last_offset >= at and (head.base_offset >= at or at == self._from) and self._fits(head, at):
            try:
                if self._is_hidden(head, raw):
                    return hidden_batch(head, raw, self._fetched)
                return opened_batch(head, raw, self._fetched, end, self._state.most_batch)
            except Exception:  # noqa: BLE001, S110  # it is opened again, by itself, and the fault reported
                pass
        records._next_slice, records._pos, records._remaining_bytes = raw, end, left
        return None

    def _unpack(self, opened: list[OpenedBatch]) -> None:
        """Unpack them together; if one is unusual, one by one; the unusual one is left to the library's decoder."""
        chunk = unpack([one.span() for one in opened])
        if chunk is not None:
            self.leader_epoch = opened[0].head.leader_epoch
            self._unpacked, self._unpacked_to = chunk.since(self._from), opened[-1].next_offset
        elif len(opened) > 1:
            self._one_by_one.extend(opened)
        else:
            self.leader_epoch = opened[0].head.leader_epoch
            self._raw, self._batch = opened[0].raw, opened[0].for_library()
            self._iterator = iter(self._batch)

    def _give(self, chunk: Chunk, most: int) -> Chunk:
        begin, end = self._given, min(self._given + most, len(chunk))
        whole = end == len(chunk)
        given = chunk.part(begin, end) if begin or not whole else chunk
        self._given, self._unpacked = (0, None) if whole else (end, chunk)
        to = self._unpacked_to if whole else int(given.offsets[-1]) + 1
        self.next_fetch_offset = max(self.next_fetch_offset, to)
        self.records_read += len(given)
        return given

    # records of the library's decoder

    def _read(self, most: int) -> list[Any]:
        records: list[Any] = []
        try:
            records.extend(islice(self._iterator, most))  # records before the error are kept
        except Exception:  # noqa: BLE001  # damaged bytes make the library raise anything
            if self._keep(records):
                self._skip_record()
            return records
        done = len(records) < most
        if self._keep(records) and done:
            self._close_batch()
        return records

    def _keep(self, records: list[Any]) -> bool:
        """Keep the new records up to the first offset that does not rise within the batch, skip the rest of the batch.

        Returns False if some were skipped. Producers write the offsets inside a batch, so a wrong one would move the
        position. The first batch may begin before the fetch offset.
        """
        offsets = list(map(_OFFSET, records))
        valid = self._rising(offsets)
        del records[valid:]
        if valid:
            self.next_fetch_offset = max(self.next_fetch_offset, records[-1].offset + 1)
            if records[0].offset < self._from:
                records[:] = [record for record in records if record.offset >= self._from]
        self.records_read += len(records)
        if valid < len(offsets):
            self._skip(STRUCTURE, next_offset(self._batch))
        return valid == len(offsets)

    def _rising(self, offsets: list[int]) -> int:
        """How many offsets, from the first on, rise, lie within the batch and are not below the position."""
        if not offsets:
            return 0
        batch, floor, end = self._batch, self.next_fetch_offset, next_offset(self._batch)
        if floor == self._from:
            floor = batch.base_offset if batch.magic == NEWEST_FORMAT else min(floor, offsets[0])
        if floor <= offsets[0] and offsets[-1] < end and all(map(lt, offsets, islice(offsets, 1, None))):
            return len(offsets)
        for count, (last, offset) in enumerate(pairwise([floor - 1, *offsets])):
            if not last < offset < end:
                return count
        raise AssertionError

    def _close_batch(self) -> None:
        self.next_fetch_offset = max(self.next_fetch_offset, next_offset(self._batch))
        self._batch = None

    def _skip_record(self) -> None:
        """Skip one damaged record of an intact batch by its length field; the whole batch if that is unusable."""
        batch = self._batch
        place = broken_record(batch) if batch.magic == NEWEST_FORMAT else None
        if place is None:
            self._skip(STRUCTURE, next_offset(batch))
            return
        begin, end, offset = place
        if offset >= self.next_fetch_offset:
            data = bytes(batch._buffer[begin:end])
            self._state.skipped.append(Skipped(self.topic_partition, offset, offset + 1, 1, STRUCTURE, data))
            self.next_fetch_offset = offset + 1
        batch._pos = end
        batch._next_record_index += 1

    # batches

    def _open_next(self) -> None:
        if self._records._next_slice is None:
            self.drain()
            return
        self._raw = self._records._next_slice
        self.bytes_read += len(self._raw)
        try:
            batch = None if self._torn else self._records.next_batch()
            intact = batch is not None and 0 <= batch.magic <= NEWEST_FORMAT and batch.validate_crc()
        except Exception:  # noqa: BLE001  # the header may be any bytes
            intact = False
        if not intact or not self._fits(batch, self.next_fetch_offset):
            if intact and self._is_stray():
                return
            self._fetch_again_or_skip(TORN if intact or self._torn else CHECKSUM)
            return
        self._batch = batch
        try:
            self._begin(batch)
        except codecs.TooLarge:
            self._skip(TOO_LARGE, next_offset(batch))
        except codecs.NoCodec:
            self._skip(CODEC, next_offset(batch))
        except Exception:  # noqa: BLE001  # as above
            self._skip(STRUCTURE, next_offset(batch))

    def _fits(self, batch: Any, at: int) -> bool:  # noqa: ANN401
        """Whether the batch's offsets agree with the position `at`, the next batch and the high watermark.

        The checksum does not cover the base offset, and a wrong one would move the position.
        """
        end = self._state.highwater(self.topic_partition)
        following = first_offset(self._records._next_slice)
        if end is not None and next_offset(batch) > end:
            return False
        if next_offset(batch) <= at:
            # wholly before the fetch offset: some brokers begin a little early, but then no gap follows
            return at == self._from and (following is None or following <= at)
        return following is None or following >= next_offset(batch) or batch.base_offset <= at

    def _is_stray(self) -> bool:
        """Whether it is a batch with a wrong base offset that was skipped before: brokers go on to serve it first."""
        following = first_offset(self._records._next_slice)
        return following is not None and following <= self.next_fetch_offset

    def _begin(self, batch: Any) -> None:  # noqa: ANN401
        newest = batch.magic == NEWEST_FORMAT
        if newest:
            self.leader_epoch = batch.leader_epoch
        hidden = newest and self._is_hidden(Head(*batch._header_data), self._raw)
        if next_offset(batch) <= self._from or hidden:
            self._close_batch()
            return
        self._state.count_bytes(decompress(batch, self._raw, self._state.most_batch))
        self._iterator = iter(batch) if newest else with_valid_checksums(batch)

    def _is_hidden(self, head: Head, raw: memoryview) -> bool:
        """Whether the batch is a control batch or belongs to an aborted transaction. Asking again changes nothing."""
        if self._committed_only and head.producer_id >= 0:
            while self._aborted and self._aborted[0].first_offset <= head.last_offset:
                self._aborted_producers.add(self._aborted.popleft().producer_id)
            if head.is_control:
                marker = next(DefaultRecordBatch(raw), None)  # brokers write control batches, and uncompressed
                if marker is not None and marker.abort:
                    self._aborted_producers.discard(head.producer_id)
            elif head.is_transactional and head.producer_id in self._aborted_producers:
                return True
        return head.is_control

    def _fetch_again_or_skip(self, reason: str) -> None:
        """Fetch the damaged batch again; once the fault is lasting, skip the batch (`end_of_damaged`)."""
        at = self.next_fetch_offset
        if self._state.is_lasting(self.topic_partition, at, reason):
            following = None if self._torn else self._records._next_slice
            self._skip(reason, end_of_damaged(self._raw, following, at, self._state.highwater(self.topic_partition)))
        self.drain()  # the start of the next batch is not known

    def _skip(self, reason: str, next_offset: int) -> None:
        first = self.next_fetch_offset
        if next_offset > first:
            records = records_lost(self._raw, first, next_offset)
            skipped = Skipped(self.topic_partition, first, next_offset, records, reason, bytes(self._raw))
            self._state.skipped.append(skipped)
            self.next_fetch_offset = next_offset
        self._batch = None
