"""Finds partitions whose position does not move though they hold more records, from positions and end offsets."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from monitor.events import Partition

#: seconds that a position may stay unchanged
PATIENCE: Final = 60.0


class Place(NamedTuple):
    """A partition's position, log end offset and last stable offset (`committed_end`, None if not known)."""

    position: int
    end: int
    committed_end: int | None = None


class Stall(NamedTuple):
    """A stalled partition, and the sentence to log."""

    partition: Partition
    why: str


@dataclass(slots=True)
class _Unmoved:
    position: int
    since: float


class Stalls:
    """Remembers since when each position is unchanged; `check` is called every few seconds with all places."""

    def __init__(self) -> None:
        self._unmoved: dict[Partition, _Unmoved] = {}
        self._moved_at = float("-inf")

    def reset(self) -> None:
        """Start the time of all partitions again: nothing is read now, for a reason that is reported elsewhere."""
        self._unmoved.clear()

    def check(
        self,
        now: float,
        places: Mapping[Partition, Place],
        waiting: Collection[Partition],
        corrupt: Collection[Partition] = (),
        stopped: Collection[Partition] = (),
    ) -> list[Stall]:
        """The partitions that have stalled for longer than PATIENCE, in order.

        `now` is in monotonic seconds. `waiting` are partitions that are paused so that others catch up: they count
        only if no other one moves. `corrupt` are those whose broker answered CORRUPT_MESSAGE; `stopped` are not read
        for a reason that is reported elsewhere, and never count.
        """
        for partition, place in places.items():
            self._update(now, partition, place)
        for partition in self._unmoved.keys() - places.keys():
            del self._unmoved[partition]
        others_move = now - self._moved_at <= PATIENCE
        return [
            Stall(partition, f"{_where(partition, place)}: {_why(partition, place, waiting, corrupt)}")
            for partition, place in sorted(places.items())
            if now - self._unmoved[partition].since > PATIENCE
            and partition not in stopped
            and not (others_move and partition in waiting)
        ]

    def _update(self, now: float, partition: Partition, place: Place) -> None:
        unmoved = self._unmoved.get(partition)
        if unmoved is None or place.end <= place.position:
            self._unmoved[partition] = _Unmoved(place.position, now)
        elif unmoved.position != place.position:
            unmoved.position, unmoved.since = place.position, now
            self._moved_at = now


def _where(partition: Partition, place: Place) -> str:
    return f"{partition} stands still at offset {place.position} while its end is at {place.end}"


def _why(partition: Partition, place: Place, waiting: Collection[Partition], corrupt: Collection[Partition]) -> str:
    if partition in corrupt:
        return "its broker cannot read its own log there (CORRUPT_MESSAGE); let another replica lead, or restore it"
    if partition in waiting:
        return "it waits for partitions that are further behind in time, and these do not move"
    find = f"kafka-transactions.sh find-hanging --topic {partition.topic} --partition {partition.number}"
    if place.committed_end is None:
        return f"an open transaction? `{find}` shows it"
    if place.committed_end < place.end and place.committed_end <= place.position:
        return f"an open transaction holds it back; `{find}` names its producer, `abort` ends it"
    return "its leader gives nothing; see the broker's log and `kafka-topics.sh --describe`"
