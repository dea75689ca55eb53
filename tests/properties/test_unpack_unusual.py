"""Unusual batches end no poll, take no more memory than their bytes, and are read as the library reads them."""

from __future__ import annotations

import gzip
import struct
import tracemalloc

import pytest
from hypothesis import given
from kafka.record.memory_records import MemoryRecords

from monitor.kafka import unpack as unpack_module
from monitor.kafka.batches import PartitionBatches
from monitor.kafka.fetch_state import FetchState, PollIsFull
from tests.properties.test_unpack_laws import (
    HEAD,
    LIMIT,
    TARGET,
    Aborted,
    Log,
    Made,
    Written,
    by_us,
    logs,
    newest_bytes,
    polls,
    rows_of,
    signed,
)


@pytest.mark.parametrize("what", ["tiny records", "a long header name"])
def test_memory_is_that_of_a_few_times_the_bytes_of_a_batch(what: str) -> None:
    if what == "tiny records":
        body = b"".join(_tiny(at) for at in range(250_000))
        made = _with_body(body, 250_000)
    else:
        made = newest_bytes(Made([Written(0, 0, None, b"{}", [("h" * 3_000_000, b"")])]), 0)[0]
    state = FetchState(lambda _: None, LIMIT, LIMIT)
    part = PartitionBatches(state, 0, TARGET, MemoryRecords(made))
    tracemalloc.start()
    try:
        assert len(part.take(500)) == (500 if what == "tiny records" else 1)
        assert tracemalloc.get_traced_memory()[1] < 4 * len(made)
    finally:
        tracemalloc.stop()


def _tiny(delta: int) -> bytes:
    """A record of nothing but its place."""
    number = bytearray()
    left = delta << 1
    while left > 0x7F:
        number.append(left & 0x7F | 0x80)
        left >>= 7
    record = b"\0\0" + bytes([*number, left]) + b"\1\0\0"
    return bytes([len(record) << 1]) + record


def _with_body(body: bytes, count: int, first: int = 0, last: int | None = None) -> bytes:
    """A batch whose header fits, with any bytes for its records."""
    made = bytearray(newest_bytes(Made([]), first)[0][:HEAD] + body)
    made[8:12] = struct.pack(">i", len(made) - 12)
    made[23:27] = struct.pack(">i", count - 1 if last is None else last)
    made[57:61] = struct.pack(">i", count)
    return signed(made)


@pytest.mark.parametrize("bound", ["_MOST_RECORDS", "_MOST_NAMES"])
@given(log=logs, poll=polls)
def test_batches_beyond_a_bound_give_the_same_records(bound: str, log: Log, poll: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(unpack_module, bound, 3)
        assert by_us(log, 0, poll) == by_us(log, 0, poll, fast=False)


@pytest.mark.parametrize(
    ("count", "body"),
    [
        (-1, b""),
        (-5, _tiny(0)),
        (1, b"\x80" * 11 + b"\x01" + b"x" * 20),
        (1, b"\xff" * 9 + b"\x01" + b"xx"),
        (1 << 30, _tiny(0)),
        (2, _tiny(0)),
        (1, b""),
    ],
)
@pytest.mark.parametrize("codec", [0, 1])
def test_what_no_producer_writes_is_left_to_the_library_and_ends_no_poll(count: int, body: bytes, codec: int) -> None:
    before, after = (newest_bytes(Made([Written(0, 1, None, b"v", [])] * 3), first)[0] for first in (0, 4))
    odd = bytearray(_with_body(gzip.compress(body) if codec else body, count, first=3, last=0))
    odd[22] |= codec
    log = Log([])
    for begin, data, end in ((0, before + signed(odd) + after, 7), (3, signed(odd) + after, 7), (3, signed(odd), 4)):
        log.data, log.end = data, end
        assert by_us(log, begin, 5) == by_us(log, begin, 5, fast=False)


@pytest.mark.parametrize("time_ms", [-(1 << 63), -(1 << 63) + 1, -1, 0, (1 << 63) - 1])
def test_any_time_of_the_broker_is_read_both_ways_alike(time_ms: int) -> None:
    log = Log([Made([Written(0, 5, None, b"v", [])], append_ms=time_ms)])
    assert by_us(log, 0, 5) == by_us(log, 0, 5, fast=False)


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("begin", [0, 3])
def test_a_control_batch_without_a_record_only_moves_the_position(fast: bool, begin: int) -> None:
    """Nothing is damaged about it: compaction leaves such batches."""
    before, after = (newest_bytes(Made([Written(0, 1, None, b"v", [])] * 3), first)[0] for first in (0, 4))
    empty = bytearray(newest_bytes(Made([], producer=7, transactional=True), 3)[0])
    empty[22] |= 0x20
    log = Log([])
    empty[23:27] = struct.pack(">i", 0)
    log.data, log.end = (before if begin == 0 else b"") + signed(empty) + after, 7
    read = by_us(log, begin, 5, [Aborted(4, 7)], fast=fast)
    assert [row[0] for row in read.records] == [at for at in (0, 1, 2, 4, 5, 6) if at >= begin]
    assert (read.next_offset, read.skipped) == (7, [])


@pytest.mark.parametrize("fast", [True, False])
def test_a_poll_that_is_full_of_records_before_the_position_goes_on(fast: bool) -> None:
    """The library takes over the position of what is returned, but not of an error."""
    passed = Made([Written(0, 1, None, b"v" * 100, [])] * 4, free_after=6)
    log = Log([passed, Made([Written(0, 1, None, b"next", [])])])
    state = FetchState(lambda _: log.end, LIMIT, 300, fast=fast)
    part = PartitionBatches(state, 7, TARGET, MemoryRecords(log.data))
    assert len(part.take(5)) == 0
    assert (bool(part), part.next_fetch_offset) == (True, 10)
    with pytest.raises(PollIsFull):
        part.take(5)
    state.new_poll()
    assert [row[0] for chunk in part.take(5) for row in rows_of(chunk)] == [10]
