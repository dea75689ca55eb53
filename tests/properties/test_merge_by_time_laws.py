"""Merging by time is sorting by time, however the polls cut the partitions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from random import Random
from typing import NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.events import Partition
from monitor.records import Change, Envelope, NewPartition, RecordBatch
from monitor.sources.merge_by_time import MergeByTime
from tests.engine import MemorySource, times_in

PARTITIONS = [Partition("a", 0), Partition("a", 1), Partition("a", 10), Partition("b", 0)]
#: free offsets after each record
GAP = 2


class Record(NamedTuple):
    partition: Partition
    offset: int
    time_ms: int


Readers = Mapping[Partition, list[Record]]


def partition_states(times: st.SearchStrategy[list[int]]) -> st.SearchStrategy[Readers]:
    return st.lists(times, min_size=1, max_size=len(PARTITIONS)).map(
        lambda all_times: {
            partition: [Record(partition, at * (1 + GAP), time) for at, time in enumerate(own)]
            for partition, own in zip(PARTITIONS, all_times, strict=False)
        }
    )


MOMENTS = st.integers(0, 8)
SORTED = st.lists(MOMENTS, max_size=12).map(sorted)
ANY = st.lists(st.integers(-1, 8), max_size=12)


class Cut:
    """Gives 0 to 4 records of each partition that is not paused; the end of one may be known a poll after the last.

    `out` is what the test got of each partition: a partition is asked only when nothing of it is kept.
    """

    def __init__(self, records: Readers, seed: int) -> None:
        self._left = {partition: list(own) for partition, own in records.items()}
        self._random = Random(seed)
        self._ended = {partition for partition, own in records.items() if not own and self._random.random() < 0.5}
        self._given: Counter[Partition] = Counter()
        self.out: Counter[Partition] = Counter()
        self.polled = 0

    def partitions(self) -> list[Partition]:
        return list(self._left)

    def changes(self) -> list[Change]:
        return [NewPartition(PARTITIONS[0])]

    def poll(self, paused: Collection[Partition]) -> list[RecordBatch]:
        self.polled += 1
        asked = [partition for partition in self._left if partition not in paused]
        assert all(self._given[partition] == self.out[partition] for partition in asked)
        batches = [self._cut(partition) for partition in asked]
        return [batch for batch in batches if batch is not None]

    def _cut(self, partition: Partition) -> RecordBatch | None:
        left, size = self._left[partition], self._random.randint(0, 4)
        cut, self._left[partition] = left[:size], left[size:]
        if (not left or self._random.random() < 0.5) and not self._left[partition]:
            self._ended.add(partition)
        self._given[partition] += len(cut)
        if not cut:
            return None
        offsets = [record.offset for record in cut]
        return RecordBatch(
            partition,
            [str(record).encode() for record in cut],
            np.array(offsets, np.int64),
            np.array([record.time_ms for record in cut], np.int64),
            next_offset=offsets[-1] + 1 + GAP,
            now_us=self.polled,
            envelope=lambda index: Envelope(str(offsets[index]).encode(), ()),
        )

    def at_end(self, partition: Partition) -> bool:
        return partition in self._ended

    def ended(self) -> bool:
        return len(self._ended) == len(self._left)


def polled(merged: MergeByTime, source: Cut, paused: Collection[Partition] = ()) -> list[RecordBatch]:
    assert source.polled < 1_000, "it does not come to its end"
    batches = merged.poll(paused)
    for batch in batches:
        source.out[batch.partition] += len(batch)
    return batches


def drained(source: Cut) -> list[RecordBatch]:
    merged, batches, ended = MergeByTime(source), list[RecordBatch](), False
    while not ended:
        ended = merged.ended()
        some = polled(merged, source)
        assert not (ended and some), "nothing comes after the end"
        batches += some
    assert all(merged.at_end(partition) for partition in source.partitions())
    return batches


def records_of(batches: Sequence[RecordBatch]) -> list[Record]:
    return [
        Record(batch.partition, offset, time)
        for batch in batches
        for offset, time in zip(batch.offsets.tolist(), times_in(batch), strict=True)
    ]


@given(records=partition_states(SORTED), seed=st.integers(0, 1 << 30))
def test_any_cut_of_polls_gives_the_records_sorted_by_time_partition_and_offset(records: Readers, seed: int) -> None:
    everything = [record for own in records.values() for record in own]
    expected = sorted(everything, key=lambda record: (record.time_ms, record.partition, record.offset))
    assert records_of(drained(Cut(records, seed))) == expected


@given(records=partition_states(ANY), seed=st.integers(0, 1 << 30))
def test_a_record_that_is_older_than_one_before_it_or_has_no_time_comes_right_after_that_one(
    records: Readers, seed: int
) -> None:
    due = {
        record: (max(one.time_ms for one in own[: at + 1]), record.partition, record.offset)
        for own in records.values()
        for at, record in enumerate(own)
    }
    assert records_of(drained(Cut(records, seed))) == sorted(due, key=due.__getitem__)


@given(records=partition_states(ANY), seed=st.integers(0, 1 << 30))
def test_slices_are_whole_separate_batches(records: Readers, seed: int) -> None:
    batches = drained(Cut(records, seed))
    for batch in batches:
        assert len(batch) == len(batch.offsets) == len(times_in(batch)) > 0
        assert batch.values == [str(record).encode() for record in records_of([batch])]
        keys = [batch.envelope(index).key for index in range(len(batch))]
        assert keys == [str(offset).encode() for offset in batch.offsets.tolist()]
    for partition, own in records.items():
        parts = [batch for batch in batches if batch.partition == partition]
        begins = [int(part.offsets[0]) for part in parts] + [len(own) * (1 + GAP)]
        assert [part.next_offset for part in parts] == begins[1:], "reading goes on where the next slice begins"


def test_without_record_times_the_partitions_come_one_after_the_other() -> None:
    first, second = PARTITIONS[:2]
    merged = MergeByTime(MemorySource({second: [3, 4], first: [1, 2]}, chunk=1))
    values: list[bytes | None] = []
    while not merged.ended():
        values += [value for batch in merged.poll(()) for value in batch.values]
    assert values == [b"1", b"2", b"3", b"4"]


def test_a_paused_partition_is_not_given_out_and_holds_nobody_up() -> None:
    first, second = PARTITIONS[:2]
    source = Cut({first: [Record(first, 0, 5)], second: [Record(second, 0, 7)]}, seed=1)
    merged = MergeByTime(source)
    got: list[Record] = []
    while not merged.at_end(second):
        got += records_of(polled(merged, source, [first]))
    assert got == [Record(second, 0, 7)]
    assert not merged.at_end(first)
    assert not merged.ended()
    while not merged.ended():
        got += records_of(polled(merged, source))
    assert got == [Record(second, 0, 7), Record(first, 0, 5)]


def test_changes_and_partitions_are_those_of_the_source() -> None:
    source = Cut({PARTITIONS[0]: [], PARTITIONS[3]: []}, seed=1)
    merged = MergeByTime(source)
    assert merged.partitions() == [PARTITIONS[0], PARTITIONS[3]]
    assert merged.changes() == [NewPartition(PARTITIONS[0])]
