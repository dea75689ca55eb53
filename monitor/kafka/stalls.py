"""Which partitions stand still though there is more in them: pure book-keeping over positions and ends."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from monitor.events import Partition

#: how long a position may stand still, in seconds
PATIENCE: Final = 60.0


class Place(NamedTuple):
    """Where reading is in a partition, and where the partition ends; `committed_end` is what may be read of it, None
    where that is not known. All are offsets."""

    position: int
    end: int
    committed_end: int | None = None


class Stall(NamedTuple):
    """A partition that stands still, and the sentence that says so."""

    partition: Partition
    why: str


@dataclass(slots=True)
class _Stand:
    position: int
    since: float


class Stalls:
    """`look` is called now and then with all places; what stands still for longer than PATIENCE is told."""

    def __init__(self) -> None:
        self._stands: dict[Partition, _Stand] = {}
        self._moved_at = float("-inf")

    def forget(self) -> None:
        """Nothing is read now, for a reason that is told elsewhere: nobody can be said to stand still."""
        self._stands.clear()

    def check(
        self,
        now: float,
        places: Mapping[Partition, Place],
        waiting: Collection[Partition],
        refused: Collection[Partition] = (),
        stopped: Collection[Partition] = (),
    ) -> list[Stall]:
        """`now` in seconds; `waiting` are partitions that are not read so that others catch up: they are told only
        where none of the others moves. `refused` are those that their broker says it cannot read, `stopped` those that
        are not read on for a reason that is told elsewhere."""
        for partition, place in places.items():
            self._note(now, partition, place)
        for partition in self._stands.keys() - places.keys():
            del self._stands[partition]
        others_move = now - self._moved_at <= PATIENCE
        return [
            Stall(partition, f"{_where(partition, place)}: {_why(partition, place, waiting, refused)}")
            for partition, place in sorted(places.items())
            if now - self._stands[partition].since > PATIENCE
            and partition not in stopped
            and not (others_move and partition in waiting)
        ]

    def _note(self, now: float, partition: Partition, place: Place) -> None:
        stand = self._stands.get(partition)
        if stand is None or place.end <= place.position:
            self._stands[partition] = _Stand(place.position, now)
        elif stand.position != place.position:
            stand.position, stand.since = place.position, now
            self._moved_at = now


def _where(partition: Partition, place: Place) -> str:
    return f"{partition} stands still at offset {place.position} while its end is at {place.end}"


def _why(partition: Partition, place: Place, waiting: Collection[Partition], refused: Collection[Partition]) -> str:
    if partition in refused:
        return "its broker cannot read its own log there (CORRUPT_MESSAGE); let another replica lead, or restore it"
    if partition in waiting:
        return "it waits for partitions that are further behind in time, and these do not move"
    find = f"kafka-transactions.sh find-hanging --topic {partition.topic} --partition {partition.number}"
    if place.committed_end is None:
        return f"an open transaction? `{find}` tells"
    if place.committed_end < place.end and place.committed_end <= place.position:
        return f"an open transaction holds it back; `{find}` names its producer, `abort` ends it"
    return "its leader gives nothing; see the broker's log and `kafka-topics.sh --describe`"
