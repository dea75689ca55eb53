"""One topic-partition as stage 1 sees it: its clock, its memory of ids, and who is let in.

The questions are asked in the contract's order: late, then duplicate. The clock is the largest time of the prediction
and features events that were asked before, so no verdict depends on how polls cut the stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.count.ids import IdMemory
from monitor.events import LABEL, PREDICTION

#: a clock that has not been set: before every event
NO_CLOCK: Final = -(1 << 62)

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What became of the asked events of a batch; masks over all its events.

    `clock_before` (n,) is the lane's clock when each event was read, in microseconds.
    """

    late: Mask
    duplicate: Mask
    clock_before: NDArray[np.int64]


class Lane:
    """State of one topic-partition."""

    def __init__(self, id_memory: int) -> None:
        self.clock_us = NO_CLOCK
        #: the largest time of a label: how far a lane has come that holds labels alone
        self.label_clock_us = NO_CLOCK
        self.next_offset = -1
        #: records were read in this life of the process; not state
        self.has_read = False
        self.ids = IdMemory(id_memory)
        #: monotonic seconds when the clock was last asked to move; not state
        self.moved_at = 0.0

    def ask(
        self,
        asked: Mask,
        kind: NDArray[np.int8],
        ts: NDArray[np.int64],
        id_key: NDArray[np.uint64],
        lateness: NDArray[np.int64],
        labels: Mask,
        now: float,
    ) -> Verdicts:
        """Who of the `asked` prediction and features events is late or a duplicate; moves the clock.

        `labels` are those of known models: they move the clock of labels alone.
        """
        seen = np.maximum.accumulate(np.concatenate(([self.clock_us], np.where(asked, ts, NO_CLOCK))))
        before = seen[:-1]
        self.has_read = True
        if labels.any():
            self.label_clock_us = max(self.label_clock_us, int(ts[labels].max()))
        if asked.any() or (self.clock_us == NO_CLOCK and labels.any()):
            self.moved_at = now
        self.clock_us = int(seen[-1])
        late = asked & (before != NO_CLOCK) & (ts < before - lateness)
        duplicate = np.zeros(len(ts), np.bool_)
        remembered = asked & ~late & (kind == PREDICTION) & (id_key != 0)
        duplicate[remembered] = self.ids.ask(id_key[remembered])
        return Verdicts(late, duplicate, before)

    @property
    def reached_us(self) -> int:
        """How far this lane has come: its clock, or that of its labels where it has held nothing else."""
        return self.clock_us if self.clock_us != NO_CLOCK else self.label_clock_us

    def to_state(self) -> dict[str, Any]:
        return {
            "clock": self.clock_us,
            "label_clock": self.label_clock_us,
            "next_offset": self.next_offset,
            "ids": self.ids.to_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.clock_us = state["clock"]
        self.label_clock_us = state["label_clock"]
        self.next_offset = state["next_offset"]
        self.ids.restore(state["ids"])


def is_asked(kind: NDArray[np.int8], admitted: Mask) -> Mask:
    """Labels are never late and move no clock."""
    return np.asarray(admitted & (kind != LABEL), np.bool_)
