"""What a source of records gives, whether it is Kafka or a file: batches of raw bytes, and news about partitions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from monitor.events import Partition


class Envelope(NamedTuple):
    """What surrounds a record's value; needed only for dead letters and recordings."""

    key: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


def _no_envelope(_index: int) -> Envelope:
    return Envelope(None, ())


@dataclass(slots=True)
class RecordBatch:
    """Records of one topic-partition, offsets rising (gaps are normal: compaction, transactions).

    `times_ms` are the records' own timestamps in milliseconds (-1: none), or None for a source that has no record
    time. `next_offset` is where reading goes on. `now_us` is the wall clock when the batch was read.
    `envelope(i)` gives key and headers of the i-th record.
    """

    partition: Partition
    values: list[bytes | None]
    offsets: list[int]
    times_ms: list[int] | None
    next_offset: int
    now_us: int
    envelope: Callable[[int], Envelope] = field(default=_no_envelope)

    def __len__(self) -> int:
        return len(self.values)

    def letter(self, index: int, reason: str, message: str, indices: tuple[int, ...] = ()) -> DeadLetter:
        """The i-th record as a dead letter."""
        key, headers = self.envelope(index)
        place = self.partition, self.offsets[index]
        return DeadLetter(*place, key, headers, self.values[index], reason, message, indices)


class NewPartition(NamedTuple):
    """A partition that was not there before: it is read from its beginning."""

    partition: Partition


class OffsetGap(NamedTuple):
    """Records that are gone before they were read (retention): counted, announced, never silent."""

    partition: Partition
    expected: int
    found: int


class UnreadableRecords(NamedTuple):
    """`records` records at the offsets from `first` to before `next` that nobody can unpack: passed and counted.

    `reason` is one word, `message` says it in words; `value` are the bytes there are of them.
    """

    partition: Partition
    first: int
    next: int
    records: int
    reason: str
    message: str
    value: bytes

    def __str__(self) -> str:
        """Without the bytes."""
        return f"{self.records} records from offset {self.first} to {self.next - 1} cannot be read: {self.message}"


Change = NewPartition | OffsetGap | UnreadableRecords


class Source(Protocol):
    """Where records come from. All calls are made by one thread."""

    def partitions(self) -> list[Partition]:
        """Every partition known now."""

    def changes(self) -> list[Change]:
        """What happened to partitions since the last call, oldest first.

        Raises:
            PositionsLost: a topic is gone or was made again.
        """

    def poll(self, paused: Collection[Partition]) -> list[RecordBatch]:
        """Some records of the partitions that are not paused; empty when none came within a short time-out.

        Raises:
            ExternalError: the source failed in a way that may heal.
        """

    def at_end(self, partition: Partition) -> bool:
        """True when everything the partition holds was given out."""

    def ended(self) -> bool:
        """True when nothing will ever come again (the end of a recording)."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record with at least one event that was rejected, on its way to the rejects topic.

    Key, headers and value are the record's own. `reason` is one word of `events.REASONS`, `message` says more in
    words without the payload. `indices` are the rejected elements where the value is an array, else empty.
    """

    partition: Partition
    offset: int
    key: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    value: bytes | None
    reason: str
    message: str
    indices: tuple[int, ...] = ()
