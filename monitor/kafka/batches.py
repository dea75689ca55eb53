"""Reads the record batches of a fetch, and skips what cannot be decoded instead of raising.

Replaces kafka-python's `PartitionRecords`. That class raises at a batch it cannot decode. kafka-python 3.0.12 keeps
the error for the next poll, forgets it if the partition is paused meanwhile, and then never returns from a poll again.
It also decompresses a batch whole, without a bound on the size.
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
#: why records cannot be read: the reason in series and dead letters, and its message
MESSAGES: Final = {
    CHECKSUM: "the checksum of their batch does not match: the broker's disk may be damaged",
    CODEC: "their batch is compressed with a codec that is not known here",
    STRUCTURE: "the bytes inside their batch are not what a producer writes",
    TOO_LARGE: "their batch would be too large once unpacked; raise limits.record_bytes if such records are meant",
    TORN: "the header of their batch is wrong: the broker's disk may be damaged",
}

#: fetches in a row that must show a fault at one offset before it is skipped: a fetch damaged on its way is whole when
#: it is repeated
_FETCHES_TO_CONFIRM: Final = {CHECKSUM: 2, TORN: 10}
#: bytes of a length field
_LENGTH_BYTES: Final = 4
_OFFSET: Final = attrgetter("offset")


class PollIsFull(Exception):
    """This poll has decompressed its limit of bytes; the rest waits for the next poll. kafka-python treats it as an
    error."""


class Skipped(NamedTuple):
    """Records that cannot be read: `records` of them at the offsets from `first` up to, not including, `next`.

    `data` are the raw bytes that were fetched of them.
    """

    target: TopicPartition
    first: int
    next: int
    records: int
    reason: str
    data: bytes


class FetchState:
    """What the batches of all partitions share.

    `most_batch` and `most_poll` are decompressed bytes: of one batch, and of all batches of one poll (the last one may
    go over). `highwater` returns the high watermark of a partition, None if it is not known. `skipped` collects what
    could not be decoded, `corrupt` the partitions that their broker answered with CORRUPT_MESSAGE.
    """

    def __init__(self, highwater: Callable[[TopicPartition], int | None], most_batch: int, most_poll: int) -> None:
        self.highwater = highwater
        self.most_batch = most_batch
        self.skipped: deque[Skipped] = deque()
        self.corrupt: set[TopicPartition] = set()
        self._most_poll = most_poll
        self._poll_bytes = 0
        self._faults: dict[TopicPartition, tuple[int, int]] = {}

    def new_poll(self) -> None:
        self._poll_bytes = 0

    def count_bytes(self, size: int) -> None:
        self._poll_bytes += size

    @property
    def full(self) -> bool:
        return self._poll_bytes >= self._most_poll

    def is_lasting(self, target: TopicPartition, offset: int, reason: str) -> bool:
        """Count a fault at an offset; returns whether enough fetches showed it to be damage of the log itself."""
        before, times = self._faults.get(target, (offset, 0))
        times = times + 1 if before == offset else 1
        self._faults[target] = offset, times
        return times >= _FETCHES_TO_CONFIRM[reason]

    def install(self, fetcher: Any) -> None:  # noqa: ANN401  # of the library
        """Make the library's fetcher use `PartitionBatches`, and note CORRUPT_MESSAGE by partition.

        The library raises for such an answer without naming the partition.
        """
        parse = fetcher._parse_fetched_data

        def parse_unless_corrupt(completion: Any) -> Any:  # noqa: ANN401
            if completion.partition_data.error_code == CorruptRecordError.errno:
                self.corrupt.add(completion.topic_partition)
                return None
            return parse(completion)

        fetcher._parse_fetched_data = parse_unless_corrupt
        fetcher.PartitionRecords = self.records_of

    def records_of(self, fetch_offset: int, target: TopicPartition, records: Any, **options: Any) -> PartitionBatches:  # noqa: ANN401  # called by the library
        """Called by the library with the arguments of its own class."""
        return PartitionBatches(self, fetch_offset, target, records, **options)


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

    def __bool__(self) -> bool:
        return self._open

    def drain(self) -> None:
        """End this fetch: drop what was not read of it."""
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
            PollIsFull: the limit of bytes was reached since `FetchState.new_poll`, and no record was taken.
        """
        taken: list[Any] = []
        while self._open and len(taken) < most:
            if self._batch is not None:
                self._read(taken, most - len(taken))
            elif not self._state.full:
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
            taken.extend(islice(self._iterator, most))  # records before the error are kept
        except Exception:  # noqa: BLE001  # damaged bytes make the library raise anything
            if self._keep(taken, before):
                self._skip_record()
            return
        done = len(taken) - before < most
        if self._keep(taken, before) and done:
            self._close_batch()

    def _keep(self, taken: list[Any], before: int) -> bool:
        """Keep the new records up to the first offset that does not rise within the batch, skip the rest of the batch.

        Returns False if some were skipped. Producers write the offsets inside a batch, so a wrong one would move the
        position. The first batch may begin before the fetch offset.
        """
        offsets = list(map(_OFFSET, islice(taken, before, None)))
        valid = self._rising(offsets)
        del taken[before + valid :]
        if valid:
            self.next_fetch_offset = max(self.next_fetch_offset, taken[-1].offset + 1)
            if taken[before].offset < self._from:
                taken[before:] = [record for record in taken[before:] if record.offset >= self._from]
        self.records_read += len(taken) - before
        if valid < len(offsets):
            self._skip(STRUCTURE, _next_offset(self._batch))
        return valid == len(offsets)

    def _rising(self, offsets: list[int]) -> int:
        """How many offsets, from the first on, rise, lie within the batch and are not below the position."""
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

    def _skip_record(self) -> None:
        """Skip one damaged record of an intact batch by its length field; the whole batch if that is unusable."""
        batch = self._batch
        place = _broken_record(batch) if batch.magic == NEWEST_FORMAT else None
        if place is None:
            self._skip(STRUCTURE, _next_offset(batch))
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
        if not intact or not self._fits(batch):
            if intact and self._is_stray():
                return
            self._fetch_again_or_skip(TORN if intact or self._torn else CHECKSUM)
            return
        self._batch = batch
        try:
            self._begin(batch)
        except codecs.TooLarge:
            self._skip(TOO_LARGE, _next_offset(batch))
        except codecs.NoCodec:
            self._skip(CODEC, _next_offset(batch))
        except Exception:  # noqa: BLE001  # as above
            self._skip(STRUCTURE, _next_offset(batch))

    def _fits(self, batch: Any) -> bool:  # noqa: ANN401
        """Whether the batch's offsets agree with the position, the next batch and the high watermark.

        The checksum does not cover the base offset, and a wrong one would move the position.
        """
        at, end = self.next_fetch_offset, self._state.highwater(self.topic_partition)
        following = first_offset(self._records._next_slice)
        if end is not None and _next_offset(batch) > end:
            return False
        if _next_offset(batch) <= at:
            # wholly before the fetch offset: some brokers begin a little early, but then no gap follows
            return at == self._from and (following is None or following <= at)
        return following is None or following >= _next_offset(batch) or batch.base_offset <= at

    def _is_stray(self) -> bool:
        """Whether it is a batch with a wrong base offset that was skipped before: brokers go on to serve it first."""
        following = first_offset(self._records._next_slice)
        return following is not None and following <= self.next_fetch_offset

    def _begin(self, batch: Any) -> None:  # noqa: ANN401
        if _next_offset(batch) <= self._from or self._is_hidden(batch):
            self._close_batch()
            return
        self._state.count_bytes(_decompress(batch, self._raw, self._state.most_batch))
        self._iterator = iter(batch) if batch.magic == NEWEST_FORMAT else _with_valid_checksums(batch)

    def _is_hidden(self, batch: Any) -> bool:  # noqa: ANN401
        """Whether the batch is a control batch or belongs to an aborted transaction."""
        if batch.magic != NEWEST_FORMAT:
            return False
        self.leader_epoch = batch.leader_epoch
        if self._committed_only and batch.has_producer_id():
            while self._aborted and self._aborted[0].first_offset <= batch.last_offset:
                self._aborted_producers.add(self._aborted.popleft().producer_id)
            if batch.is_control_batch:
                if next(batch).abort:  # brokers write control batches, and uncompressed
                    self._aborted_producers.discard(batch.producer_id)
            elif batch.is_transactional and batch.producer_id in self._aborted_producers:
                return True
        return bool(batch.is_control_batch)

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


def _next_offset(batch: Any) -> int:  # noqa: ANN401
    """The offset after the batch; before format 2 the header holds the offset of its last record."""
    return int(batch.next_offset if batch.magic == NEWEST_FORMAT else batch.base_offset + 1)


def _decompress(batch: Any, raw: memoryview, limit: int) -> int:  # noqa: ANN401
    """Decompress a batch in place, to `limit` bytes at most; returns the bytes of its records."""
    codec = batch.compression_type
    if codec == 0:
        return len(raw)
    data = codecs.decompress(codec, _compressed(batch), limit)
    batch._buffer = bytearray(data) if batch.magic == NEWEST_FORMAT else memoryview(data)
    batch._decompressed = True
    if batch.magic == NEWEST_FORMAT:
        batch._pos = 0
    return len(data)


def _compressed(batch: DefaultRecordBatch | LegacyRecordBatch) -> bytes:
    """The compressed bytes of a batch; before format 2 they are the value of a wrapper record."""
    if batch.magic == NEWEST_FORMAT:
        return bytes(memoryview(batch._buffer)[batch._pos :])
    if batch.magic == 0 and batch.compression_type == codecs.LZ4:
        message = "lz4 as Kafka 0.8 wrote it"
        raise codecs.NoCodec(message)
    at = batch.KEY_OFFSET_V1 if batch.magic == 1 else batch.KEY_OFFSET_V0
    for field in ("key", "value"):
        (size,) = struct.unpack_from(">i", batch._buffer, at)
        at += _LENGTH_BYTES
        if field == "value":
            return bytes(batch._buffer[at : at + size])
        at += max(size, 0)
    raise AssertionError


def _with_valid_checksums(batch: Any) -> Iterator[Any]:  # noqa: ANN401
    """The records of a batch before format 2, which each have a checksum.

    Raises:
        ValueError: a checksum does not match.
    """
    for record in batch:
        if not record.validate_crc():
            message = "a record's checksum does not match"
            raise ValueError(message)
        yield record


def _broken_record(batch: Any) -> tuple[int, int, int] | None:  # noqa: ANN401
    """The begin and end byte and the offset of the record at which `batch` raised; None if they cannot be read."""
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
