"""Record batches of any bytes: valid records are read, the rest is skipped and reported once, and reading goes on."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import lz4.frame
import pytest
import snappy
from kafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode
from kafka.protocol.consumer import IsolationLevel
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.legacy_records import LegacyRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords
from kafka.record.util import calc_crc32c
from kafka.structs import TopicPartition

from monitor.kafka import codecs
from monitor.kafka.batch_header import end_of_damaged
from monitor.kafka.batches import PartitionBatches
from monitor.kafka.fetch_state import FetchState, PollIsFull, Skipped
from monitor.kafka.record_batch import Taken

TARGET = TopicPartition("events", 0)
MIB = 1 << 20
ENCODERS: dict[int, Callable[[bytes], bytes]] = {
    codecs.GZIP: gzip_encode,
    codecs.SNAPPY: snappy_encode,
    codecs.LZ4: lz4_encode,
    codecs.ZSTD: zstd_encode,
}


def batch(first: int, values: Sequence[bytes], codec: int = 0, **producer: Any) -> bytes:  # noqa: ANN401
    """A batch of format 2 as a broker keeps it."""
    state = {"is_transactional": False, "producer_id": -1, "producer_epoch": -1, "base_sequence": -1} | producer
    builder = DefaultRecordBatchBuilder(magic=2, compression_type=codec, batch_size=1 << 30, **state)
    for at, value in enumerate(values):
        builder.append(at, timestamp=1_000 + at, key=b"k", value=value, headers=[("h", b"x")])
    return struct.pack(">q", first) + bytes(builder.build())[8:]


def legacy(first: int, values: Sequence[bytes], codec: int = 0) -> bytes:
    builder = LegacyRecordBatchBuilder(magic=1, compression_type=codec, batch_size=1 << 20)
    for at, value in enumerate(values):
        builder.append(at if codec else first + at, timestamp=1_000, key=b"k", value=value)
    made = bytes(builder.build())
    return struct.pack(">q", first + len(values) - 1) + made[8:] if codec else made


def with_checksum(made: bytes) -> bytes:
    """The same batch with a checksum that fits: the bytes were written so, not damaged later."""
    return made[:17] + struct.pack(">I", calc_crc32c(made[21:])) + made[21:]


def written_at(first: int, deltas: Sequence[int]) -> bytes:
    """A whole batch over five offsets whose records say other ones, from -64 to 8,191 behind its first."""
    plain = batch(first, [b"v"] * 5)
    zigzag = [(delta << 1) ^ (delta >> 63) for delta in deltas]
    places = [bytes([n]) if n < 0x80 else bytes([n & 0x7F | 0x80, n >> 7]) for n in zigzag]
    bodies = [b"\0\0" + place + b"\x02k\x02v\0" for place in places]
    records = b"".join(bytes([len(body) << 1]) + body for body in bodies)
    head = plain[:8] + struct.pack(">i", 49 + len(records)) + plain[12:57] + struct.pack(">i", len(deltas))
    return with_checksum(head + records)


@dataclass
class Log:
    """A partition as a broker serves it: a fetch begins with the batch that holds the offset asked for."""

    batches: list[tuple[int, int, bytes]]  # first offset, offset behind, bytes
    most_batch: int = 64 * MIB
    most_poll: int = 64 * MIB
    fetches: int = 0

    def read(self, begin: int = 0, poll: int = 5_000) -> tuple[list[int], list[Skipped]]:
        """Everything from `begin` on: offsets given, and what was passed."""
        end = self.batches[-1][1]
        reading = FetchState(lambda _: end, self.most_batch, self.most_poll)
        given: list[int] = []
        position = begin
        while position < end:
            self.fetches += 1
            assert self.fetches < 200, f"no way past {position}"
            data = b"".join(made for _, behind, made in self.batches if behind > position)
            part = PartitionBatches(reading, position, TARGET, MemoryRecords(data))
            for chunks in taken(reading, part, poll):
                given += offsets_of(chunks)
            position = part.next_fetch_offset
        return given, list(reading.skipped)


def offsets_of(chunks: Taken) -> list[int]:
    return [offset for chunk in chunks for offset in chunk.offsets.tolist()]


def taken(reading: FetchState, part: Any, poll: int) -> Iterator[Taken]:  # noqa: ANN401
    while part:
        try:
            yield part.take(poll)
        except PollIsFull:
            reading.new_poll()


def log_of(*batches: tuple[int, bytes], size: int = 10, **bounds: int) -> Log:
    return Log([(first, first + size, made) for first, made in batches], **bounds)


VALUES = [b"<%d>" % at for at in range(10)]


@pytest.mark.parametrize("codec", [0, *ENCODERS])
@pytest.mark.parametrize("poll", [1, 7, 5_000])
def test_batches_of_every_codec_come_whole_and_in_order(codec: int, poll: int) -> None:
    log = log_of((0, batch(0, VALUES, codec)), (10, batch(10, VALUES, codec)))
    assert log.read(poll=poll) == (list(range(20)), [])
    assert log.read(begin=13, poll=poll) == (list(range(13, 20)), [])


@pytest.mark.parametrize("codec", [0, codecs.GZIP, codecs.SNAPPY, codecs.LZ4])
def test_batches_of_the_format_before_come_too(codec: int) -> None:
    log = log_of((0, legacy(0, VALUES, codec)), (10, batch(10, VALUES)))
    assert log.read() == (list(range(20)), [])


@pytest.mark.parametrize("size", [10, 4_000])
def test_a_damaged_batch_is_skipped_in_one_step_and_reported_once(size: int) -> None:
    broken = bytearray(batch(size, [b"v"] * size))
    broken[-3] ^= 0xFF
    log = log_of((0, batch(0, [b"v"] * size)), (size, bytes(broken)), (2 * size, batch(2 * size, VALUES)), size=size)
    log.batches[-1] = (2 * size, 2 * size + 10, log.batches[-1][2])
    given, skipped = log.read()
    assert skipped == [Skipped(TARGET, size, 2 * size, size, "checksum", bytes(broken))]
    assert given == [*range(size), *range(2 * size, 2 * size + 10)]
    assert log.fetches <= 4, "what was fetched, the batch again, what is behind it"


def test_a_checksum_that_was_broken_in_transfer_loses_nothing() -> None:
    whole = batch(0, VALUES)
    broken = whole[:-1] + bytes([whole[-1] ^ 1])
    reading = FetchState(lambda _: 10, MIB, MIB)
    first = PartitionBatches(reading, 0, TARGET, MemoryRecords(broken))
    assert (len(first.take(100)), first.next_fetch_offset, bool(first)) == (0, 0, False)
    again = PartitionBatches(reading, 0, TARGET, MemoryRecords(whole))
    assert [value for chunk in again.take(100) for value in chunk.values] == VALUES
    assert not reading.skipped


HEADER = 61


@pytest.mark.parametrize("codec", [0, codecs.ZSTD])
def test_with_any_byte_broken_every_offset_is_read_or_reported_and_other_batches_are_read(codec: int) -> None:
    whole = batch(10, VALUES, codec)
    for at in range(len(whole)):
        for flip in (0x01, 0x80, 0xFF):
            broken = whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :]
            log = log_of((0, batch(0, VALUES)), (10, broken), (20, batch(20, VALUES)))
            given, skipped = log.read()
            reported = [offset for one in skipped for offset in range(one.first, one.next)]
            assert sorted(given + reported) == list(range(30)), (at, flip)
            assert set(reported) <= set(range(10, 20)), (at, flip)
            assert sum(one.records for one in skipped) == len(reported)


def test_a_batch_with_a_wrong_place_that_is_served_again_hides_no_other() -> None:
    reading = FetchState(lambda _: 30, MIB, MIB)
    data = batch(65_535, VALUES) + batch(20, VALUES)
    part = PartitionBatches(reading, 20, TARGET, MemoryRecords(data))
    assert offsets_of(part.take(100)) == list(range(20, 30))
    assert not reading.skipped


def test_an_unknown_codec_is_reported_and_skipped() -> None:
    odd = bytearray(batch(10, VALUES))
    odd[22] |= 7
    given, skipped = log_of((0, batch(0, VALUES)), (10, with_checksum(bytes(odd))), (20, batch(20, VALUES))).read()
    assert [(one.first, one.next, one.records, one.reason) for one in skipped] == [(10, 20, 10, "codec")]
    assert given == [*range(10), *range(20, 30)]


def test_a_record_that_nobody_can_read_costs_itself_alone() -> None:
    made = bytearray(batch(0, VALUES))
    at = made.index(b"<4>") + 5  # the name of its header, written by a client that does not ask for UTF-8
    assert made[at : at + 1] == b"h"
    made[at] = 0xFF
    given, skipped = log_of((0, with_checksum(bytes(made))), (10, batch(10, VALUES))).read(poll=3)
    assert given == [0, 1, 2, 3, *range(5, 20)]
    assert [(one.first, one.next, one.records, one.reason) for one in skipped] == [(4, 5, 1, "structure")]
    assert b"<4>" in skipped[0].data


@pytest.mark.parametrize("poll", [1, 5_000])
@pytest.mark.parametrize(
    ("deltas", "good"),
    [
        ([0, 1, 200, 3, 4], [0, 1]),
        ([0, 1, 2, 3, 200], [0, 1, 2, 3]),
        ([0, 1, 1, 3, 4], [0, 1]),
        ([0, 2, 1, 3, 4], [0, 2]),
        ([-3, 1, 2, 3, 4], []),
        ([0, 2, 3, 4], [0, 2, 3, 4]),
    ],
)
def test_offsets_that_a_producer_wrote_wrongly_lead_nowhere(deltas: list[int], good: list[int], poll: int) -> None:
    """The checksum fits and the offsets of the records do not: none is given twice, and nothing behind is passed by."""
    log = log_of((0, batch(0, VALUES)), (10, written_at(10, deltas)), (15, batch(15, VALUES)), size=10)
    log.batches[1] = (10, 15, log.batches[1][2])
    log.batches[2] = (15, 25, log.batches[2][2])
    given, skipped = log.read(poll=poll)
    assert given == [*range(10), *(10 + delta for delta in good), *range(15, 25)]
    first = 10 + (good[-1] + 1 if good else 0)
    assert [(one.first, one.next, one.reason) for one in skipped] == ([(first, 15, "structure")] if first < 15 else [])


def test_torn_records_after_good_ones_are_reported_and_the_next_batch_is_read() -> None:
    made = bytearray(batch(0, VALUES))
    at = made.index(b"<4>") - 7
    made[at] = 0x7F  # its length, now a negative number
    given, skipped = log_of((0, with_checksum(bytes(made))), (10, batch(10, VALUES))).read()
    assert given == [0, 1, 2, 3, *range(10, 20)]
    assert [(one.first, one.next, one.records) for one in skipped] == [(4, 10, 6)]


# what is small on the wire and large unpacked


@pytest.mark.parametrize("codec", ENCODERS)
def test_a_batch_too_large_unpacked_is_passed_and_those_around_it_come(codec: int) -> None:
    log = log_of(
        (0, batch(0, VALUES)), (10, batch(10, [b"0" * MIB] * 10, codec)), (20, batch(20, VALUES)), most_batch=5 * MIB
    )
    given, skipped = log.read()
    assert [(one.first, one.next, one.records, one.reason) for one in skipped] == [(10, 20, 10, "too_large")]
    assert given == [*range(10), *range(20, 30)]


def test_many_large_batches_are_opened_one_after_the_other() -> None:
    large = [(first, batch(first, [b"0" * MIB] * 10, codecs.ZSTD)) for first in range(0, 60, 10)]
    log = log_of(*large, most_poll=15 * MIB)
    reading = FetchState(lambda _: 60, log.most_batch, log.most_poll)
    part = PartitionBatches(reading, 0, TARGET, MemoryRecords(b"".join(made for _, made in large)))
    polls = [len(records) for records in taken(reading, part, 5_000)]
    assert sum(polls) == 60
    assert max(polls) == 20, "two batches of 10 MiB, and no third"


@pytest.mark.parametrize("codec", ENCODERS)
@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_unpacking_is_the_inverse_of_packing_up_to_the_limit(codec: int, size: int) -> None:
    data = random.Random(codec).randbytes(size // 2) + b"0" * (size - size // 2)
    packed = ENCODERS[codec](data)
    assert codecs.decompress(codec, packed, size) == data
    if size:
        with pytest.raises(codecs.TooLarge):
            codecs.decompress(codec, packed, size - 1)


def test_snappy_without_blocks_is_unpacked_and_a_claim_is_not_believed() -> None:
    packed = snappy.compress(b"0" * 100_000)
    assert codecs.decompress(codecs.SNAPPY, packed, 100_000) == b"0" * 100_000
    with pytest.raises(codecs.TooLarge):
        codecs.decompress(codecs.SNAPPY, b"\xff\xff\xff\xff\x0f" + packed[3:], MIB)


def test_gzip_of_several_members_is_unpacked_whole() -> None:
    assert codecs.decompress(codecs.GZIP, gzip_encode(b"one ") + gzip_encode(b"two"), 7) == b"one two"


@pytest.mark.parametrize("codec", ENCODERS)
def test_compressed_bytes_of_any_kind_end_in_an_error_or_within_the_limit(codec: int) -> None:
    packed = ENCODERS[codec](b"some text of a record, " * 400)
    for seed in range(300):
        rng = random.Random(seed)
        spoilt = bytearray(packed[: rng.randrange(1, len(packed) + 1)])
        for _ in range(rng.randrange(4)):
            spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
        out = b""
        with suppress(Exception):  # any error is a batch that is passed
            out = codecs.decompress(codec, bytes(spoilt), MIB)
        assert len(out) <= MIB


def test_a_frame_that_ends_too_early_is_an_error_and_no_endless_wait() -> None:
    for packed, codec in ((gzip_encode(b"x" * 9_000), codecs.GZIP), (lz4.frame.compress(b"x" * 9_000), codecs.LZ4)):
        with pytest.raises(ValueError, match="too early"):
            codecs.decompress(codec, packed[:-9], MIB)


# transactions


@dataclass
class Aborted:
    first_offset: int
    producer_id: int


def control(offset: int, producer: int, *, commit: bool) -> bytes:
    made = bytearray(batch(offset, [b""], is_transactional=True, producer_id=producer, producer_epoch=0))
    key = struct.pack(">hh", 0, int(commit))
    body = bytes([0, 0, 0, len(key) * 2]) + key + bytes([0, 0])
    made = made[:HEADER] + bytes([len(body) * 2]) + body
    made[8:12] = struct.pack(">i", len(made) - 12)
    made[22] |= 0x20
    return with_checksum(bytes(made))


def test_aborted_records_and_control_records_are_passed_without_a_word() -> None:
    inside = {"is_transactional": True, "producer_id": 7, "producer_epoch": 0, "base_sequence": 0}
    data = io.BytesIO()
    data.write(batch(0, VALUES, **inside) + control(10, 7, commit=False))
    data.write(batch(11, VALUES, **inside) + control(21, 7, commit=True) + batch(22, VALUES))
    for level, expected in (
        (IsolationLevel.READ_COMMITTED, [*range(11, 21), *range(22, 32)]),
        (IsolationLevel.READ_UNCOMMITTED, [*range(10), *range(11, 21), *range(22, 32)]),
    ):
        reading = FetchState(lambda _: 32, MIB, MIB)
        records = MemoryRecords(data.getvalue())
        part = PartitionBatches(
            reading, 0, TARGET, records, isolation_level=level, aborted_transactions=[Aborted(0, 7)]
        )
        assert offsets_of(part.take(100)) == expected
        part.take(1)
        assert (part.next_fetch_offset, bool(part), list(reading.skipped)) == (32, False, [])


# how far to go where the header itself cannot be trusted


def head(base: int, delta: int) -> memoryview:
    return memoryview(struct.pack(">qiibIhiqqqhii", base, 49, 0, 2, 0, 0, delta, 0, 0, 0, 0, 0, 1))


@pytest.mark.parametrize(
    ("damaged", "behind", "expected"),
    [
        (head(10, 9), head(20, 9), 20),
        (head(10, 9), None, 20),
        (head(10, 1 << 30), head(20, 9), 20),
        (head(10, 1 << 30), None, 13),
        (head(10, -5), head(20, 9), 20),
        (head(10, 0), head(20, 9), 20),
        (head(10, 9), head(1 << 40, 9), 20),
        (memoryview(b"short"), None, 13),
    ],
)
def test_a_header_is_believed_where_nothing_contradicts_it(
    damaged: memoryview, behind: memoryview | None, expected: int
) -> None:
    assert end_of_damaged(damaged, behind, 12, highwater=100) == expected
