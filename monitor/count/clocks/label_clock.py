"""When the labels of one topic-partition take effect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.count.clocks.event_clock import NO_CLOCK, EventClock

Ints = NDArray[np.int64]


class LabelClock:
    """The labels' own clock, which one host with a wrong clock does not move.

    A label takes effect at its own time, but not before `us`: the later of that clock and the clock of the events of
    its partition, as they were when a label was read.
    """

    def __init__(self) -> None:
        self.us = NO_CLOCK
        self.clock = EventClock()
        #: monotonic seconds of the last label; not state
        self.last_label_at = 0.0

    def effect_us(self, times_us: Ints, event_clock_us: Ints, now: float) -> Ints:
        """When labels (n,) at `times_us` take effect, read where the events' clock was at `event_clock_us` (n,)."""
        clocks, _ = self.clock.ask(times_us, np.zeros(len(times_us), np.int64))
        reached = np.maximum.accumulate(np.maximum(np.maximum(clocks[:-1], event_clock_us), self.us))
        if len(times_us):
            self.us = max(int(reached[-1]), self.clock.us)
            self.last_label_at = now
        return np.maximum(times_us, reached)

    def to_state(self) -> dict[str, Any]:
        return {"us": self.us, **self.clock.to_state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.us = state["us"]
        self.clock.restore(state)
