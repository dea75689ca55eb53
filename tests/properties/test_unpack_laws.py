"""Whatever a partition holds, unpacking gives the records of kafka-python's own poll, and of its decoder where that
raises: values, offsets, times, keys, headers and the place to go on, on every codec and format."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.consumer.fetcher import Fetcher
from kafka.protocol.consumer import IsolationLevel
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.legacy_records import LegacyRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords
from kafka.record.util import calc_crc32c
from kafka.structs import TopicPartition

from monitor.events import Partition
from monitor.kafka.batches import PartitionBatches
from monitor.kafka.fetch_state import FetchState, PollIsFull, Skipped
from monitor.kafka.record_batch import Chunk, chunk_of, record_batch
from monitor.kafka.unpack import Span, unpack

TARGET: Final = TopicPartition("events", 0)
LIMIT: Final = 1 << 24
HEAD: Final = 61
CODECS: Final = range(5)


class Written(NamedTuple):
    """A record as its producer wrote it; `gap` offsets are free in front of it, as after compaction."""

    gap: int
    time_ms: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


@dataclass
class Made:
    """A batch: its records, and what its header says of it."""

    records: list[Written]
    codec: int = 0
    producer: int = -1
    transactional: bool = False
    append_ms: int | None = None
    free_after: int = 0
    magic: int = 2
    control: bool | None = None  # True: the marker of a commit, False: of an abort


@dataclass
class Log:
    """Batches one after the other, as a broker sends them."""

    batches: list[Made]
    data: bytes = b""
    end: int = 0
    begins: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        for one in self.batches:
            self.begins.append(self.end)
            made, self.end = _bytes_of(one, self.end)
            self.data += made


def _bytes_of(made: Made, first: int) -> tuple[bytes, int]:
    if made.control is not None:
        return _marker(made, first), first + 1
    return newest_bytes(made, first) if made.magic == 2 else _legacy(made, first)


def newest_bytes(made: Made, first: int) -> tuple[bytes, int]:
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=made.codec, is_transactional=made.transactional, producer_id=made.producer,
        producer_epoch=0 if made.producer >= 0 else -1, base_sequence=0 if made.producer >= 0 else -1, batch_size=LIMIT,
    )  # fmt: skip
    delta = -1
    for record in made.records:
        delta += 1 + record.gap
        builder.append(delta, record.time_ms, record.key, record.value, record.headers)
    out = bytearray(builder.build())
    last = delta + made.free_after
    out[:8] = struct.pack(">q", first)
    out[23:27] = struct.pack(">i", last)
    if made.append_ms is not None:
        out[22] |= 0x08
        out[35:43] = struct.pack(">q", made.append_ms)
    return signed(out), first + last + 1


def _legacy(made: Made, first: int) -> tuple[bytes, int]:
    builder = LegacyRecordBatchBuilder(magic=made.magic, compression_type=made.codec, batch_size=LIMIT)
    for at, record in enumerate(made.records):
        builder.append(at if made.codec and made.magic else first + at, record.time_ms, record.key, record.value)
    out = bytearray(builder.build())
    if made.codec:
        out[:8] = struct.pack(">q", first + len(made.records) - 1)
    return bytes(out), first + len(made.records)


def _marker(made: Made, first: int) -> bytes:
    key = struct.pack(">hh", 0, int(bool(made.control)))
    body = bytes([0, 0, 0, len(key) * 2]) + key + bytes([0, 0])
    empty, _ = newest_bytes(Made([Written(0, 0, None, b"", [])], producer=made.producer, transactional=True), first)
    out = bytearray(empty[:HEAD] + bytes([len(body) * 2]) + body)
    out[8:12] = struct.pack(">i", len(out) - 12)
    out[22] |= 0x20
    return signed(out)


def signed(out: bytearray) -> bytes:
    out[17:21] = struct.pack(">I", calc_crc32c(bytes(out[21:])))
    return bytes(out)


class Read(NamedTuple):
    """What was read of a partition, and where reading goes on."""

    records: list[tuple[Any, ...]]
    next_offset: int
    skipped: list[Skipped]


class Aborted(NamedTuple):
    first_offset: int
    producer_id: int


def by_us(
    log: Log, begin: int, poll: int, aborted: Sequence[Aborted] = (), *, fast: bool = True, end: int = -1
) -> Read:
    state = FetchState(lambda _: log.end, LIMIT, LIMIT, fast=fast)
    part = PartitionBatches(
        state, begin, TARGET, MemoryRecords(log.data[:end] if end >= 0 else log.data),
        isolation_level=IsolationLevel.READ_COMMITTED, aborted_transactions=aborted,
    )  # fmt: skip
    rows: list[tuple[Any, ...]] = []
    while part:
        try:
            rows += [row for chunk in part.take(poll) for row in rows_of(chunk)]
        except PollIsFull:
            state.new_poll()
    return Read(rows, part.next_fetch_offset, list(state.skipped))


def by_the_library(log: Log, begin: int, poll: int, aborted: Sequence[Aborted] = (), *, end: int = -1) -> Read:
    """Its public way, without any of ours."""
    part = Fetcher.PartitionRecords(
        begin, TARGET, MemoryRecords(log.data[:end] if end >= 0 else log.data),
        isolation_level=IsolationLevel.READ_COMMITTED, aborted_transactions=aborted,
    )  # fmt: skip
    rows: list[tuple[Any, ...]] = []
    while part:
        rows += [
            (one.offset, -1 if one.timestamp is None else one.timestamp, one.key, one.value, tuple(one.headers or ()))
            for one in part.take(poll)
        ]
    return Read(rows, part.next_fetch_offset, [])


def rows_of(chunk: Chunk) -> list[tuple[Any, ...]]:
    return [
        (int(chunk.offsets[at]), int(chunk.times_ms[at]), chunk.envelope(at).key, value, chunk.envelope(at).headers)
        for at, value in enumerate(chunk.values)
    ]


# what producers write

keys = st.none() | st.binary(max_size=90)
#: around the sizes where a varint takes a byte more
values = st.none() | st.binary(max_size=200) | st.sampled_from([63, 64, 8_191, 8_192, 20_000]).map(lambda n: b"v" * n)
header_names = st.text(max_size=5) | st.just("traceparent")
headers = st.lists(st.tuples(header_names, st.none() | st.binary(max_size=70)), max_size=3)
times = st.integers(0, 2_000_000_000_000)
gaps = st.sampled_from([0, 0, 0, 1, 70, 9_000])
written = st.builds(Written, gaps, times, keys, values, headers)
newest = st.builds(
    Made,
    st.lists(written, min_size=1, max_size=12),
    codec=st.sampled_from(CODECS),
    producer=st.sampled_from([-1, 7]),
    append_ms=st.none() | times,
    free_after=gaps,
)
#: without headers, gaps and, with the oldest, times
older = st.builds(
    Made,
    st.lists(st.builds(Written, st.just(0), times, keys, values, st.just([])), min_size=1, max_size=8),
    codec=st.sampled_from([0, 1, 2]),
    magic=st.sampled_from([0, 1]),
)
#: retention by key leaves a batch without records, to keep the number of its producer
emptied = st.builds(Made, st.just([]), free_after=st.integers(1, 50), producer=st.sampled_from([-1, 7]))
logs = st.lists(newest | newest | newest | emptied | older, min_size=1, max_size=6).map(Log)
polls = st.sampled_from([1, 3, 5_000])


@settings(max_examples=150)
@given(logs, polls, st.randoms(use_true_random=False))
def test_records_are_those_of_the_public_poll(log: Log, poll: int, rng: random.Random) -> None:
    begin = rng.choice([0, *log.begins, rng.randrange(log.end)])
    expected = by_the_library(log, begin, poll)
    assert by_us(log, begin, poll) == expected
    assert by_us(log, begin, poll, fast=False) == expected


transactions = st.lists(
    st.builds(
        Made, st.lists(written, min_size=1, max_size=3), codec=st.sampled_from(CODECS),
        producer=st.sampled_from([7, 8]), transactional=st.booleans(),
    )
    | st.builds(Made, st.just([]), producer=st.sampled_from([7, 8]), control=st.booleans()),
    min_size=1,
    max_size=10,
)  # fmt: skip


@settings(max_examples=150)
@given(transactions, polls)
def test_records_of_aborted_transactions_are_those_of_the_public_poll(batches: list[Made], poll: int) -> None:
    log = Log(batches)
    aborted = [
        Aborted(log.begins[at], one.producer)
        for at, one in enumerate(batches)
        if one.transactional and _ends_in_an_abort(batches[at:], one.producer)
    ]
    expected = by_the_library(log, 0, poll, aborted)
    assert by_us(log, 0, poll, aborted) == expected
    assert by_us(log, 0, poll, aborted, fast=False) == expected


def _ends_in_an_abort(rest: Sequence[Made], producer: int) -> bool:
    return next((not one.control for one in rest if one.control is not None and one.producer == producer), False)


@settings(max_examples=100)
@given(logs, polls, st.randoms(use_true_random=False))
def test_a_fetch_that_ends_within_a_batch_gives_the_batches_before_it(log: Log, poll: int, rng: random.Random) -> None:
    end = rng.randrange(len(log.data))
    whole = next(len(part) for part in _prefixes(log) if len(part) <= end)
    if whole == 0:
        return  # a fetch without any whole batch is a fault, and has tests of its own
    expected = by_the_library(log, 0, poll, end=end)
    assert by_us(log, 0, poll, end=end) == expected
    assert by_us(log, 0, poll, fast=False, end=end) == expected


def _prefixes(log: Log) -> list[bytes]:
    return [Log(log.batches[:count]).data for count in range(len(log.batches), -1, -1)]


@settings(max_examples=200)
@given(st.lists(newest, min_size=1, max_size=4), polls, st.data())
def test_what_is_damaged_is_skipped_the_same_way(batches: list[Made], poll: int, data: st.DataObject) -> None:
    """Bytes are changed under a checksum that fits: they were written so. Nobody gives a record that the other does
    not, nor skips one that the other gives."""
    log = Log(batches)
    damaged = bytearray(log.data)
    at = 0
    while at < len(damaged):
        size = 12 + struct.unpack_from(">i", damaged, at + 8)[0]
        for _ in range(data.draw(st.integers(0, 2))):
            place = data.draw(st.integers(at + HEAD, max(at + HEAD, at + size - 1)))
            if place < at + size:
                damaged[place] = data.draw(st.integers(0, 255))
        damaged[at + 17 : at + 21] = struct.pack(">I", calc_crc32c(bytes(damaged[at + 21 : at + size])))
        at += size
    log.data = bytes(damaged)
    assert by_us(log, 0, poll) == by_us(log, 0, poll, fast=False)


@settings(max_examples=100)
@given(st.lists(newest, min_size=1, max_size=3), st.data())
def test_any_flipped_byte_has_the_same_fate_both_ways(batches: list[Made], data: st.DataObject) -> None:
    log = Log(batches)
    at = data.draw(st.integers(0, len(log.data) - 1))
    flipped = bytearray(log.data)
    flipped[at] ^= data.draw(st.integers(1, 255))
    log.data = bytes(flipped)
    assert by_us(log, 0, 5_000) == by_us(log, 0, 5_000, fast=False)


@given(st.binary(max_size=300), st.integers(0, 5))
def test_any_bytes_are_refused_or_read_as_the_library_reads_them(data: bytes, count: int) -> None:
    chunk = unpack([Span(data, 0, len(data), count, 10, 10 + 5 * count, 1_000, None)])
    if chunk is None:
        return
    plain, _ = newest_bytes(Made([]), 10)
    head = bytearray(plain[:HEAD] + data)
    head[8:12] = struct.pack(">i", len(head) - 12)
    head[23:27] = struct.pack(">i", 5 * count)
    head[27:35] = struct.pack(">q", 1_000)
    head[57:61] = struct.pack(">i", count)
    assert rows_of(chunk) == rows_of(chunk_of(list(MemoryRecords(signed(head)).next_batch())))


@settings(max_examples=50)
@given(st.lists(newest, min_size=2, max_size=5), st.integers(0, 60))
def test_chunks_in_one_batch_are_the_records_one_after_the_other(batches: list[Made], since: int) -> None:
    log = Log(batches)
    state = FetchState(lambda _: log.end, LIMIT, LIMIT)
    part = PartitionBatches(state, 0, TARGET, MemoryRecords(log.data))
    chunks: list[Chunk] = []
    while part:
        chunks += part.take(4)
    joined = record_batch(Partition(*TARGET), chunks, log.end, 0)
    found = [(int(joined.offsets[at]), joined.values[at], *joined.envelope(at)) for at in range(len(joined))]
    expected = by_the_library(log, 0, 5_000).records
    assert found == [(offset, value, key, named) for offset, _, key, value, named in expected]
    late = [row for chunk in chunks for row in rows_of(chunk.since(since))]
    assert late == [row for row in expected if row[0] >= since]


@pytest.mark.parametrize("codec", CODECS)
def test_batches_of_usual_records_are_unpacked_together_by_ourselves(codec: int) -> None:
    """Else the laws above would hold of the library alone."""
    records = [Written(0, at, b"k%d" % at, b"v" * at, [("h", b"x")] if at % 3 else []) for at in range(400)]
    log = Log([Made(records, codec)] * 5)
    state = FetchState(lambda _: log.end, LIMIT, LIMIT)
    part = PartitionBatches(state, 0, TARGET, MemoryRecords(log.data))
    assert [len(chunk) for chunk in part.take(5_000)] == [2_000]
    assert part._batch is None


def test_a_time_beyond_64_bits_is_none() -> None:
    log = Log([Made([Written(0, (1 << 63) - 1, None, b"v", [])] * 2)])
    data = bytearray(log.data)
    first, delta = (1 << 63) - 5, 100
    data[27:35] = struct.pack(">q", first)
    record = bytes([0]) + bytes([delta << 1 & 0x7F | 0x80, delta << 1 >> 7]) + bytes([0, 1, 2]) + b"v\0"
    body = bytes([len(record) << 1]) + record
    made = bytearray(data[:HEAD] + body)
    made[8:12] = struct.pack(">i", len(made) - 12)
    made[23:27], made[57:61] = struct.pack(">i", 0), struct.pack(">i", 1)
    log.data, log.end = signed(made), 1
    for fast in (True, False):
        assert by_us(log, 0, 10, fast=fast).records == [(0, -1, None, b"v", ())]
