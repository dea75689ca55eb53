"""When the labels of one topic-partition take effect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.count.clocks.event_clock import ENOUGH, NO_CLOCK, EventClock

Ints = NDArray[np.int64]


class LabelClock:
    """The labels' own clock, which one host with a wrong clock does not move: see `EventClock`.

    A label takes effect at its own time, but not before the later of that clock and the clock of the events of its
    partition, as they were when it was read.
    """

    def __init__(self) -> None:
        self.clock = EventClock()
        #: the newest time of both clocks at which a label was read: none takes effect later but by its own time
        self.read_us = NO_CLOCK
        #: monotonic seconds of the last label; not state
        self.last_label_at = 0.0

    @property
    def us(self) -> int:
        return self.clock.us

    @property
    def reached_us(self) -> int:
        """How far labels have come. The first ones may have a wrong time, and the clock fall back behind them."""
        recent = self.clock.recent
        return min(recent) if 0 < len(recent) < ENOUGH else self.clock.us

    def effect_us(self, times_us: Ints, event_clock_us: Ints, now: float) -> Ints:
        """When labels (n,) at `times_us` take effect, read where the events' clock was at `event_clock_us` (n,)."""
        _, own_clock_us = self.clock.ask(times_us, np.zeros(len(times_us), np.int64))
        reached_us = np.maximum(own_clock_us, event_clock_us)
        if len(times_us):
            self.read_us = max(self.read_us, int(reached_us.max()))
            self.last_label_at = now
        return np.maximum(times_us, reached_us)

    def to_state(self) -> dict[str, Any]:
        """`us` is the newest of both clocks, as versions before this one kept it: with the labels' own after the last
        label."""
        return {"us": max(self.read_us, self.us), "read": self.read_us, **self.clock.to_state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take a state. One of an earlier version does not tell at which clock labels were read: no later than where
        their own has come to, or the join would run ahead."""
        self.clock.restore(state)
        self.read_us = state.get("read", min(state["us"], self.us))
