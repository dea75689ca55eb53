"""What reads the records of assigned partitions: a protocol, and kafka-python's consumer behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from kafka.structs import TopicPartition

from monitor.kafka.connect import translating_errors
from monitor.kafka.fetch_state import FetchState
from monitor.kafka.reading_path import ReadingPath
from monitor.kafka.record_batch import Chunk

#: how long a poll waits for records
POLL_MS: Final = 200


class Reader(Protocol):
    """Reads assigned partitions, each from its position. One thread makes all calls.

    `slow_because` is why record batches are not unpacked fast, "" if they are.
    """

    slow_because: str

    def assign(self, positions: Mapping[TopicPartition, int]) -> None:
        """Read these partitions, and no other, from these offsets."""

    def seek(self, target: TopicPartition, offset: int) -> None:
        """Go on reading a partition at this offset, also if that was returned before."""

    def pause(self, wanted: set[TopicPartition]) -> None:
        """Return no records of these partitions, and those of all others, from now on."""

    def fetch(self) -> dict[TopicPartition, list[Chunk]]:
        """Some records, in the order of their offsets; empty if none came within POLL_MS.

        Raises:
            KafkaError, PollIsFull: as kafka-python's consumer does.
        """

    def position(self, target: TopicPartition) -> int:
        """The offset to read next, behind control records and compacted offsets as far as the reader knows of them."""

    def highwater(self, target: TopicPartition) -> int | None:
        """The partition's end as the last fetch said it; None before the first one."""

    def close(self, timeout_s: float) -> None: ...


class LibraryReader:
    """A `Reader` over kafka-python's consumer. What cannot be decoded is left in `state`."""

    def __init__(self, consumer: Any, state: FetchState, *, wanted: bool) -> None:  # noqa: ANN401  # of the library
        """`wanted`: whether record batches are unpacked by ourselves."""
        self._consumer = consumer
        self._path = ReadingPath(consumer, state, wanted=wanted)
        self.slow_because = self._path.reason
        self.assigned: frozenset[TopicPartition] = frozenset()
        self._paused: set[TopicPartition] = set()

    def assign(self, positions: Mapping[TopicPartition, int]) -> None:
        self._consumer.assign(list(positions))
        self.assigned = frozenset(positions)
        for target, offset in positions.items():
            self._consumer.seek(target, offset)
        self._paused &= self._consumer.paused()

    def seek(self, target: TopicPartition, offset: int) -> None:
        self._consumer.seek(target, offset)

    def pause(self, wanted: set[TopicPartition]) -> None:
        wanted = wanted & self.assigned
        if wanted == self._paused:
            return
        self._consumer.pause(*(wanted - self._paused))
        self._consumer.resume(*(self._paused - wanted))
        self._paused = wanted

    def fetch(self, wait_ms: int = POLL_MS) -> dict[TopicPartition, list[Chunk]]:
        self._path.before_poll()
        fetched: dict[TopicPartition, list[Any]] = self._consumer.poll(timeout_ms=wait_ms)
        return {target: self._path.chunks(records) for target, records in fetched.items()}

    def position(self, target: TopicPartition) -> int:
        """The library's own position.

        Raises:
            LogTruncationError: the library has found the log truncated.
        """
        with translating_errors("read a position"):
            return self._consumer.position(target, timeout_ms=0) or 0

    def highwater(self, target: TopicPartition) -> int | None:
        known: int | None = self._consumer.highwater(target)
        return known

    def close(self, timeout_s: float) -> None:
        self._consumer.close(autocommit=False, timeout_ms=round(timeout_s * 1000))
