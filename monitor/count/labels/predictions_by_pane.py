"""How many predictions wait, by pane of their time: above a limit the oldest panes are let go.

Which ones are is a matter of event time alone: at the end of a pane, the newest panes whose predictions together are no
more than the limit are kept.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.count.clocks.event_clock import NO_CLOCK

Ints = NDArray[np.int64]


class PredictionsByPane:
    """Counts by pane; `gone` predictions were let go before their horizon was over."""

    def __init__(self, pane_us: int, limit: int) -> None:
        self._pane_us, self._limit = pane_us, limit
        self.counts: dict[int, int] = {}
        self.total = 0
        #: predictions before it are let go
        self.first_us = NO_CLOCK
        self.gone = 0

    def add(self, times_us: Ints) -> None:
        panes, counts = np.unique(times_us // self._pane_us, return_counts=True)
        for pane, count in zip(panes.tolist(), counts.tolist(), strict=True):
            self.counts[pane] = self.counts.get(pane, 0) + count
        self.total += len(times_us)

    def kept_from(self, times_us: Ints) -> Ints:
        """The time (n,) from which on predictions are kept, as it was in the panes of `times_us` (n,)."""
        if self.total <= self._limit or not len(times_us):
            return np.full(len(times_us), self.first_us)
        panes = np.array(sorted(self.counts), np.int64)
        counted = np.cumsum([self.counts[pane] for pane in panes.tolist()])
        now = times_us // self._pane_us
        at = np.searchsorted(panes, now, "right") - 1
        until = np.where(at >= 0, counted[at], 0)
        first = np.searchsorted(counted, until - self._limit) + 1
        kept = np.where(until > self._limit, panes[np.minimum(first, np.maximum(at, 0))], now)
        kept = np.where(until > self._limit, kept * self._pane_us, NO_CLOCK)
        return np.maximum(kept, self.first_us)

    def let_go(self, until_us: int, expired_us: int) -> None:
        """Let go what is over the limit at `until_us`, and panes that end before `expired_us`."""
        over_us = int(self.kept_from(np.array([until_us - 1]))[0])
        for pane in [pane for pane in self.counts if (pane + 1) * self._pane_us <= max(over_us, expired_us)]:
            count = self.counts.pop(pane)
            self.total -= count
            if (pane + 1) * self._pane_us > expired_us:
                self.gone += count
        expired_us = expired_us // self._pane_us * self._pane_us
        self.first_us = max(self.first_us, over_us, expired_us)

    def drop_oldest(self, times_us: Ints) -> None:
        """Predictions at these times (n,) are let go, whatever others are kept."""
        times_us = times_us[times_us >= self.first_us]
        panes, counts = np.unique(times_us // self._pane_us, return_counts=True)
        for pane, count in zip(panes.tolist(), counts.tolist(), strict=True):
            left = self.counts.get(pane, 0) - count
            if left > 0:
                self.counts[pane] = left
            else:
                self.counts.pop(pane, None)
        self.total = sum(self.counts.values())
        self.gone += len(times_us)
