"""One topic-partition as stage 1 sees it: its clock, its memory of ids, and who is let in.

The questions are asked in the contract's order: late, then duplicate. The clock follows the prediction and features
events that were asked before, so no verdict depends on how polls cut the stream.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.count.event_clock import NO_CLOCK, EventClock
from monitor.count.event_ids import EventIds
from monitor.count.task_state import SavedPartition
from monitor.events import LABEL, PREDICTION, Partition

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What became of the asked events of a batch; masks over all its events.

    `behind_us` (n,) is how far a late event lies behind the clock, 0 where it is not late.
    `effect_from` (n,) is the time before which a label that is read there takes no effect, in microseconds: the lane's
    clock, or the newest label before it.
    """

    late: Mask
    behind_us: NDArray[np.int64]
    duplicate: Mask
    effect_from: NDArray[np.int64]


class PartitionState:
    """State of one topic-partition."""

    def __init__(self, partition: Partition, id_memory: int) -> None:
        self.partition = partition
        self.clock = EventClock()
        #: the largest time of a label: labels that come out of order take effect at it, too
        self.label_clock_us = NO_CLOCK
        #: the largest time of an event of any model, known or not: how far reading has come
        self.read_clock_us = NO_CLOCK
        self.next_offset = -1
        #: records were read, and the lane was at its end, in this life of the process; not state
        self.has_read = False
        self.was_at_end = False
        self.ids = EventIds(id_memory)
        #: monotonic seconds when the clock was last asked to move; not state
        self.last_event_at = 0.0

    def ask(
        self,
        asked: Mask,
        kind: NDArray[np.int8],
        ts: NDArray[np.int64],
        id_key: NDArray[np.uint64],
        lateness: NDArray[np.int64],
        now: float,
    ) -> Verdicts:
        """Who of the `asked` prediction and features events is late or a duplicate; moves the clocks."""
        clocks, held_against = self.clock.ask(ts[asked], lateness[asked])
        before = np.full(len(ts), NO_CLOCK)
        before[asked] = held_against
        self.has_read = True
        is_label = kind == LABEL
        labels = np.maximum.accumulate(np.concatenate(([self.label_clock_us], np.where(is_label, ts, NO_CLOCK))))
        self.label_clock_us = int(labels[-1])
        self.read_clock_us = max(self.read_clock_us, int(np.where(is_label, NO_CLOCK, ts).max(initial=NO_CLOCK)))
        if asked.any():
            self.last_event_at = now
        late = (before != NO_CLOCK) & (ts < before - lateness)
        duplicate = np.zeros(len(ts), np.bool_)
        remembered = asked & ~late & (kind == PREDICTION) & (id_key != 0)
        duplicate[remembered] = self.ids.ask(id_key[remembered])
        effect_from = np.maximum(clocks[np.cumsum(asked) - asked], labels[:-1])
        return Verdicts(late, np.where(late, before - ts, 0), duplicate, effect_from)

    @property
    def reached_us(self) -> int:
        """How far this lane has come: its clock; where no event of a known model came yet, the newest of any model.

        Labels tell nothing of it: theirs may be the times of predictions of long ago.
        """
        return self.clock_us if self.clock_us != NO_CLOCK else self.read_clock_us

    @property
    def clock_us(self) -> int:
        """The contract's clock, microseconds; `NO_CLOCK` before the first event."""
        return self.clock.us

    def to_state(self) -> SavedPartition:
        ids = self.ids.to_state(str(self.partition))
        return SavedPartition(self.next_offset, self.label_clock_us, self.read_clock_us, self.clock.to_state(), ids)

    def restore(self, state: SavedPartition) -> None:
        self.clock.restore(state.clock)
        self.label_clock_us = state.label_clock_us
        self.read_clock_us = state.read_clock_us
        self.next_offset = state.next_offset
        self.ids.restore(state.ids)


def is_asked(kind: NDArray[np.int8], admitted: Mask) -> Mask:
    """Labels are never late and move no clock."""
    return np.asarray(admitted & (kind != LABEL), np.bool_)
