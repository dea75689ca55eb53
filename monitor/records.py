"""The source protocol, for Kafka and files alike: batches of raw records, and changes of partitions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from monitor.events import Partition

Ints = NDArray[np.int64]
#: formats the position (partition, offset) of a record for people
PlaceText = Callable[[Partition, int], str]


#: the number of a schema in its registry, or its GUID
SchemaId = int | str


class RegisteredSchema(NamedTuple):
    """A schema of a registry: `kind` is AVRO, PROTOBUF or JSON; `references` are the schemas that it names."""

    kind: str
    text: str
    references: tuple[tuple[str, RegisteredSchema], ...] = ()


#: returns a schema. It raises TransientError while that cannot be had: the registry is down, or does not know it
Schemas = Callable[[SchemaId], RegisteredSchema]


class Envelope(NamedTuple):
    """Key and headers of a record; needed only for dead letters and recordings."""

    key: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


def _no_envelope(_index: int) -> Envelope:
    return Envelope(None, ())


@dataclass(slots=True)
class RecordBatch:
    """Records of one topic-partition: `values` has n, arrays are (n,); offsets rise (gaps are normal: compaction,
    transactions).

    `times_ms` are the record timestamps in milliseconds (-1: none), or None for a source without record times.
    `next_offset` is the offset to read next. `now_us` is the wall time of the read in microseconds. `envelope(i)`
    returns key and headers of the i-th record.
    """

    partition: Partition
    values: Sequence[bytes | None]
    offsets: Ints
    times_ms: Ints | None
    next_offset: int
    now_us: int
    envelope: Callable[[int], Envelope] = field(default=_no_envelope)

    def __len__(self) -> int:
        return len(self.values)

    def letter(self, index: int, reason: str, message: str, indices: tuple[int, ...] = ()) -> DeadLetter:
        """The i-th record as a dead letter."""
        key, headers = self.envelope(index)
        place = self.partition, int(self.offsets[index])
        return DeadLetter(*place, key, headers, self.values[index], reason, message, indices)


class NewPartition(NamedTuple):
    """A partition that was added; it is read from its beginning."""

    partition: Partition


class OffsetGap(NamedTuple):
    """Records that retention removed before they were read: the offsets from `expected` up to, not including, `found`.
    They are counted and logged."""

    partition: Partition
    expected: int
    found: int


class UnreadableRecords(NamedTuple):
    """Records that cannot be decoded: `records` of them at the offsets from `first` up to, not including, `next`.

    They are skipped and counted. `reason` is the label of the series, `message` the text for a person, `value` the raw
    bytes that were fetched of them.
    """

    partition: Partition
    first: int
    next: int
    records: int
    reason: str
    message: str
    value: bytes

    def __str__(self) -> str:
        """For logs: without the bytes."""
        return f"{self.records} records from offset {self.first} to {self.next - 1} cannot be read: {self.message}"


Change = NewPartition | OffsetGap | UnreadableRecords


class Source(Protocol):
    """A source of records. All calls are made by one thread."""

    def partitions(self) -> list[Partition]:
        """Every partition known now."""

    def changes(self) -> list[Change]:
        """Changes of partitions since the last call, oldest first.

        Raises:
            PositionsLost: a topic is gone or was recreated.
        """

    def poll(self, paused: Collection[Partition]) -> list[RecordBatch]:
        """Some records of the partitions that are not paused; empty if none came within a short time-out.

        Raises:
            ExternalError: the source failed and may recover.
        """

    def at_end(self, partition: Partition) -> bool:
        """True when every record of the partition was returned."""

    def ended(self) -> bool:
        """True when no more records will come (the end of a recording)."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record with at least one rejected event, to be sent to the rejects topic.

    Key, headers and value are the record's own. `reason` is a key of `events.REASONS`; `message` explains it without
    quoting the payload. `indices` are the rejected elements if the value is an array, else empty.
    """

    partition: Partition
    offset: int
    key: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    value: bytes | None
    reason: str
    message: str
    indices: tuple[int, ...] = ()
