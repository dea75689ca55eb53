"""Where the reading of one partition is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from monitor.kafka.record_batch import Chunk

#: what is kept of a paused partition before librdkafka is told to stop fetching it, which drops all it has fetched
_HELD_RECORDS: Final = 5_000
_HELD_BYTES: Final = 4 << 20
#: seconds in which nothing comes of a partition that has more, until it counts as stuck
_STUCK_S: Final = 3.0
#: seconds that a partition stays with the other client when it has to be given there again and again: first, longest
_PATIENCE_S: Final = (5.0, 60.0)


@dataclass(slots=True)
class Reading:
    """One partition.

    Attributes:
        position: the offset to return next.
        taken: the offset behind all that came of the library; above `position` while records are held.
        active: whether librdkafka fetches it.
        end_seen: the offset at which the library last said that nothing follows.
        since: since when nothing comes though the queue is empty; None if something does.
        handed_at: its position when it was given to the other client; None while librdkafka reads it.
        hand_back: the earliest time to take it back.
    """

    position: int
    taken: int = -1
    active: bool = False
    end_seen: int = -1
    since: float | None = None
    handed_at: int | None = None
    hand_back: float = 0.0
    held: list[Chunk] = field(default_factory=list)
    _patience: float = 0.0

    def __post_init__(self) -> None:
        self.taken = max(self.taken, self.position)

    def move(self, offset: int) -> None:
        """Begin anew at this offset."""
        self.position = self.taken = offset
        self.end_seen, self.since, self.active = -1, None, False
        self.held = []

    def fits(self, chunk: Chunk) -> bool:
        """Whether its offsets rise, behind all that came before."""
        offsets = chunk.offsets
        return bool(offsets[0] >= self.taken) and bool(np.all(offsets[1:] > offsets[:-1]))

    def came(self, chunk: Chunk) -> None:
        self.taken, self.since, self._patience = int(chunk.offsets[-1]) + 1, None, 0.0
        self.held.append(chunk)

    def came_to_end(self, offset: int) -> None:
        """Everything before this offset has come."""
        self.end_seen, self.since = offset, None
        self.taken = max(self.taken, offset)

    @property
    def holds(self) -> bool:
        """Whether something came that was not returned."""
        return self.position != self.taken

    def release(self) -> list[Chunk]:
        """What is held, to be returned."""
        held, self.held = self.held, []
        self.position = self.taken
        return held

    def holds_enough(self) -> bool:
        """Whether fetching should stop while it is paused."""
        if sum(map(len, self.held)) >= _HELD_RECORDS:
            return True
        return sum(len(value or b"") for chunk in self.held for value in chunk.values) >= _HELD_BYTES

    def is_stuck(self, now: float, committed_end: int | None) -> bool:
        """Called while the library's queue is empty."""
        if self.end_seen == self.taken and (committed_end is None or committed_end <= self.taken):
            self.since = None
            return False
        if self.since is None:
            self.since = now
        return now - self.since > _STUCK_S

    def hand_over(self, now: float) -> None:
        """To the other client: for longer when librdkafka returned nothing since the last time."""
        self.hand_back = now + self._patience
        self._patience = min(max(2 * self._patience, _PATIENCE_S[0]), _PATIENCE_S[1])
        self.move(self.position)
        self.handed_at = self.position
