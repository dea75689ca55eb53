"""What the batches of all partitions share: the limits of a poll, and what could not be decoded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from kafka.structs import TopicPartition

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
    could not be decoded, `corrupt` the partitions that their broker answered with CORRUPT_MESSAGE. Without `fast` the
    library decodes all records.
    """

    def __init__(
        self,
        highwater: Callable[[TopicPartition], int | None],
        most_batch: int,
        most_poll: int,
        *,
        fast: bool = True,
    ) -> None:
        self.highwater = highwater
        self.fast = fast
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
