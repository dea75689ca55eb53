"""Reads the record batches of a fetch, and passes what cannot be read instead of raising.

It takes the place of the library's `PartitionRecords`. That one raises at a batch it cannot unpack, and the library
then keeps the error for the next poll, forgets it when the partition is paused meanwhile, and never returns from a
poll again (3.0.12). It also unpacks a compressed batch whole, whatever comes of it.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice, pairwise
from operator import attrgetter, lt
from typing import Any, Final, NamedTuple

from kafka.errors import CorruptRecordError
from kafka.protocol.consumer import IsolationLevel
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.legacy_records import LegacyRecordBatch
from kafka.record.util import decode_varint
from kafka.structs import TopicPartition

from monitor.kafka import codecs
from monitor.kafka.batch_header import NEWEST_FORMAT, end_of_damaged, first_offset, records_lost

CHECKSUM, CODEC, STRUCTURE, TOO_LARGE, TORN = "checksum", "codec", "structure", "too_large", "torn"
#: why records cannot be read: the word of series and dead letters, and in words
WORDS: Final = {
    CHECKSUM: "the checksum of their batch does not match: the broker's disk may be damaged",
    CODEC: "their batch is compressed with a codec that is not known here",
    STRUCTURE: "the bytes inside their batch are not what a producer writes",
    TOO_LARGE: "their batch would be too large once unpacked; raise limits.record_bytes if such records are meant",
    TORN: "the header of their batch is wrong: the broker's disk may be damaged",
}

#: how often a fault must show at one place: a broken answer heals when it is asked for again
_SIGHTINGS: Final = {CHECKSUM: 2, TORN: 10}
_LENGTH_OF_ONE: Final = 4
_OFFSET: Final = attrgetter("offset")


class PollIsFull(Exception):
    """Enough was unpacked in this poll; the rest waits for the next one. The library takes it for an error."""


class Passed(NamedTuple):
    """`records` records from `first` to before `next` that cannot be read; `data` is what there is of them."""

    target: TopicPartition
    first: int
    next: int
    records: int
    reason: str
    data: bytes


class Reading:
    """What the batches of all partitions share.

    `most_batch` and `most_poll` are bytes: what one batch may be unpacked, and all that are opened in one poll (the
    last one may go over). `highwater` gives the end of a partition where it is known. `passed` collects what could
    not be read, `refused` the partitions whose broker said that it cannot read them.
    """

    def __init__(self, highwater: Callable[[TopicPartition], int | None], most_batch: int, most_poll: int) -> None:
        self.highwater = highwater
        self.most_batch = most_batch
        self.passed: deque[Passed] = deque()
        self.refused: set[TopicPartition] = set()
        self._most_poll = most_poll
        self._opened = 0
        self._seen: dict[TopicPartition, tuple[int, int]] = {}

    def new_poll(self) -> None:
        self._opened = 0

    def opened(self, size: int) -> None:
        self._opened += size

    @property
    def full(self) -> bool:
        return self._opened >= self._most_poll

    def is_lasting(self, target: TopicPartition, offset: int, reason: str) -> bool:
        """Whether the fault at this place showed often enough to be one of the log and not of an answer."""
        before, times = self._seen.get(target, (offset, 0))
        times = times + 1 if before == offset else 1
        self._seen[target] = offset, times
        return times >= _SIGHTINGS[reason]

    def on_permanent_error(self, fetcher: Any) -> None:  # noqa: ANN401  # of the library
        """Take note of partitions whose broker cannot read its own log: the library raises without their name."""
        parse = fetcher._parse_fetched_data

        def heard(completion: Any) -> Any:  # noqa: ANN401
            if completion.partition_data.error_code == CorruptRecordError.errno:
                self.refused.add(completion.topic_partition)
                return None
            return parse(completion)

        fetcher._parse_fetched_data = heard
        fetcher.PartitionRecords = self.records_of

    def records_of(self, fetch_offset: int, target: TopicPartition, records: Any, **options: Any) -> PartitionBatches:  # noqa: ANN401  # the library's seam
        """In place of the library's class; called with its arguments."""
        return PartitionBatches(self, fetch_offset, target, records, **options)


class PartitionBatches:
    """The batches of one partition in one fetch; what the library uses of its own class has its names."""

    def __init__(
        self,
        reading: Reading,
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
        self._reading = reading
        self._from = fetch_offset
        self._records = records
        self._torn = not records.has_next() and records.size_in_bytes() > 0
        if self._torn:
            records._next_slice = memoryview(records._buffer)  # else the library raises, at each fetch anew
        self._committed_only = isolation_level == IsolationLevel.READ_COMMITTED
        self._aborted = deque(sorted(aborted_transactions or (), key=lambda one: one.first_offset))
        self._aborted_producers: set[int] = set()
        self._aggregator = metric_aggregator
        self._on_drain = on_drain
        self._open = True
        self._batch: Any = None
        self._iterator: Iterator[Any] = iter(())
        self._raw: memoryview = memoryview(b"")

    def __bool__(self) -> bool:
        return self._open

    def drain(self) -> None:
        """Nothing more comes of this fetch."""
        if not self._open:
            return
        self._open, self._batch, self._iterator = False, None, iter(())
        self._records, self._raw = None, memoryview(b"")
        if self._aggregator:
            self._aggregator.record(self.topic_partition, self.bytes_read, self.records_read)
        self._on_drain(self)

    def take(self, most: int) -> list[Any]:
        """Up to `most` records, in order.

        Raises:
            PollIsFull: enough was unpacked since `Reading.new_poll`.
        """
        taken: list[Any] = []
        while self._open and len(taken) < most:
            if self._batch is not None:
                self._read(taken, most - len(taken))
            elif not self._reading.full:
                self._open_next()
            elif taken:
                break
            else:
                raise PollIsFull
        return taken

    # records

    def _read(self, taken: list[Any], most: int) -> None:
        before = len(taken)
        try:
            taken.extend(islice(self._iterator, most))  # what came before an error stays
        except Exception:  # noqa: BLE001  # libraries and broken bytes raise whatever they like
            if self._keep(taken, before):
                self._pass_record()
            return
        done = len(taken) - before < most
        if self._keep(taken, before) and done:
            self._close_batch()

    def _keep(self, taken: list[Any], before: int) -> bool:
        """Of the new records those whose offsets rise within the batch; False where one's does not: the rest is passed.

        Producers write the offsets inside a batch, and reading would go on where they point. The first batch may begin
        before the offset that was asked for.
        """
        offsets = list(map(_OFFSET, islice(taken, before, None)))
        sound = self._rising(offsets)
        del taken[before + sound :]
        if sound:
            self.next_fetch_offset = max(self.next_fetch_offset, taken[-1].offset + 1)
            if taken[before].offset < self._from:
                taken[before:] = [record for record in taken[before:] if record.offset >= self._from]
        self.records_read += len(taken) - before
        if sound < len(offsets):
            self._pass(STRUCTURE, _next_offset(self._batch))
        return sound == len(offsets)

    def _rising(self, offsets: list[int]) -> int:
        """How many of the offsets, from the first on, rise within the batch and behind what was read of it."""
        if not offsets:
            return 0
        batch, floor, end = self._batch, self.next_fetch_offset, _next_offset(self._batch)
        if floor == self._from:
            floor = batch.base_offset if batch.magic == NEWEST_FORMAT else min(floor, offsets[0])
        if floor <= offsets[0] and offsets[-1] < end and all(map(lt, offsets, islice(offsets, 1, None))):
            return len(offsets)
        for count, (last, offset) in enumerate(pairwise([floor - 1, *offsets])):
            if not last < offset < end:
                return count
        raise AssertionError

    def _close_batch(self) -> None:
        self.next_fetch_offset = max(self.next_fetch_offset, _next_offset(self._batch))
        self._batch = None

    def _pass_record(self) -> None:
        """The batch is whole, one record in it is not: its length leads to the next one."""
        batch = self._batch
        place = _broken_record(batch) if batch.magic == NEWEST_FORMAT else None
        if place is None:
            self._pass(STRUCTURE, _next_offset(batch))
            return
        begin, end, offset = place
        if offset >= self.next_fetch_offset:
            data = bytes(batch._buffer[begin:end])
            self._reading.passed.append(Passed(self.topic_partition, offset, offset + 1, 1, STRUCTURE, data))
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
            whole = batch is not None and 0 <= batch.magic <= NEWEST_FORMAT and batch.validate_crc()
        except Exception:  # noqa: BLE001  # a header of any bytes
            whole = False
        if not whole or not self._fits(batch):
            if whole and self._is_stray():
                return
            self._doubt(TORN if whole or self._torn else CHECKSUM)
            return
        self._batch = batch
        try:
            self._begin(batch)
        except codecs.TooLarge:
            self._pass(TOO_LARGE, _next_offset(batch))
        except codecs.NoCodec:
            self._pass(CODEC, _next_offset(batch))
        except Exception:  # noqa: BLE001  # as above
            self._pass(STRUCTURE, _next_offset(batch))

    def _fits(self, batch: Any) -> bool:  # noqa: ANN401
        """Whether its offsets can be true: no checksum covers the first of them, and they say where reading goes on."""
        at, end = self.next_fetch_offset, self._reading.highwater(self.topic_partition)
        behind = first_offset(self._records._next_slice)
        if end is not None and _next_offset(batch) > end:
            return False
        if _next_offset(batch) <= at:
            # before the place asked for: some brokers begin a little early, but not with a gap behind it
            return at == self._from and (behind is None or behind <= at)
        return behind is None or behind >= _next_offset(batch) or batch.base_offset <= at

    def _is_stray(self) -> bool:
        """A batch with a wrong first offset was passed; the broker goes on to serve it before the one asked for."""
        behind = first_offset(self._records._next_slice)
        return behind is not None and behind <= self.next_fetch_offset

    def _begin(self, batch: Any) -> None:  # noqa: ANN401
        if _next_offset(batch) <= self._from or self._is_hidden(batch):
            self._close_batch()
            return
        self._reading.opened(_unpack(batch, self._raw, self._reading.most_batch))
        self._iterator = iter(batch) if batch.magic == NEWEST_FORMAT else _with_sound_records(batch)

    def _is_hidden(self, batch: Any) -> bool:  # noqa: ANN401
        """Whether it marks the end of a transaction, or belongs to one that was aborted."""
        if batch.magic != NEWEST_FORMAT:
            return False
        self.leader_epoch = batch.leader_epoch
        if self._committed_only and batch.has_producer_id():
            while self._aborted and self._aborted[0].first_offset <= batch.last_offset:
                self._aborted_producers.add(self._aborted.popleft().producer_id)
            if batch.is_control_batch:
                if next(batch).abort:  # not unpacked first: brokers write these, and plain
                    self._aborted_producers.discard(batch.producer_id)
            elif batch.is_transactional and batch.producer_id in self._aborted_producers:
                return True
        return bool(batch.is_control_batch)

    def _doubt(self, reason: str) -> None:
        """Ask for it again; when it stays so, pass it as far as its own header and what is around it allow."""
        at = self.next_fetch_offset
        if self._reading.is_lasting(self.topic_partition, at, reason):
            behind = None if self._torn else self._records._next_slice
            self._pass(reason, end_of_damaged(self._raw, behind, at, self._reading.highwater(self.topic_partition)))
        self.drain()  # the bytes behind may begin anywhere

    def _pass(self, reason: str, next_offset: int) -> None:
        first = self.next_fetch_offset
        if next_offset > first:
            records = records_lost(self._raw, first, next_offset)
            passed = Passed(self.topic_partition, first, next_offset, records, reason, bytes(self._raw))
            self._reading.passed.append(passed)
            self.next_fetch_offset = next_offset
        self._batch = None


def _next_offset(batch: Any) -> int:  # noqa: ANN401
    """Before format 2 the header holds the offset of the last record."""
    return int(batch.next_offset if batch.magic == NEWEST_FORMAT else batch.base_offset + 1)


def _unpack(batch: Any, raw: memoryview, limit: int) -> int:  # noqa: ANN401
    """Unpack a compressed batch in place, within `limit`; gives the bytes that its records take."""
    codec = batch.compression_type
    if codec == 0:
        return len(raw)
    data = codecs.unpacked(codec, _compressed(batch), limit)
    batch._buffer = bytearray(data) if batch.magic == NEWEST_FORMAT else memoryview(data)
    batch._decompressed = True
    if batch.magic == NEWEST_FORMAT:
        batch._pos = 0
    return len(data)


def _compressed(batch: DefaultRecordBatch | LegacyRecordBatch) -> bytes:
    """The packed bytes of a batch; before format 2 they are the value of a record around the others."""
    if batch.magic == NEWEST_FORMAT:
        return bytes(memoryview(batch._buffer)[batch._pos :])
    if batch.magic == 0 and batch.compression_type == codecs.LZ4:
        message = "lz4 as Kafka 0.8 wrote it"
        raise codecs.NoCodec(message)
    at = batch.KEY_OFFSET_V1 if batch.magic == 1 else batch.KEY_OFFSET_V0
    for field in ("key", "value"):
        (size,) = struct.unpack_from(">i", batch._buffer, at)
        at += _LENGTH_OF_ONE
        if field == "value":
            return bytes(batch._buffer[at : at + size])
        at += max(size, 0)
    raise AssertionError


def _with_sound_records(batch: Any) -> Iterator[Any]:  # noqa: ANN401
    """Before format 2 each record has a checksum of its own."""
    for record in batch:
        if not record.validate_crc():
            message = "a record's checksum does not match"
            raise ValueError(message)
        yield record


def _broken_record(batch: Any) -> tuple[int, int, int] | None:  # noqa: ANN401
    """Of the record at which `batch` raised: where it begins and ends in the bytes, and its offset; None if unknown."""
    try:
        length, begin = decode_varint(batch._buffer, batch._pos)
        _, at = decode_varint(batch._buffer, begin)
        _, at = decode_varint(batch._buffer, at)
        delta, _ = decode_varint(batch._buffer, at)
    except (ValueError, IndexError):
        return None
    end, offset = begin + length, batch.base_offset + delta
    more = batch._next_record_index < batch.records_count
    if not more or length <= 0 or end > len(batch._buffer) or not batch.base_offset <= offset <= batch.last_offset:
        return None
    return begin, end, offset
