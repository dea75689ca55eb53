"""Whether a column may have had one value only in the newest events: a bound that a pane costs next to nothing.

It errs to one side: values that are one are in one bin, or in none.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]


class NewestValues:
    """Counts of bins of the newest panes that hold so many events together."""

    def __init__(self, bins: int, least: int) -> None:
        """`bins` are the first of the counts, `least` the events that are asked about."""
        self._bins, self._least = bins, least
        self._panes: deque[tuple[NDArray[Any], int]] = deque()
        self._counts = np.zeros((0, 0), np.int64)
        self._events = 0

    def add(self, counts: NDArray[Any], events: int) -> None:
        """Take a pane with counts (C, bins and more), which must not change any more."""
        if not self._panes or events >= self._least:
            self._panes.clear()
            self._counts, self._events = counts.astype(np.int64), 0
        else:
            self._counts += counts
        self._panes.append((counts, events))
        self._events += events
        while self._events - self._panes[0][1] >= self._least:
            gone, number = self._panes.popleft()
            self._counts -= gone
            self._events -= number

    def may_be_one(self) -> Flags | None:
        """Columns (C,) that may have one value only, or none; None while fewer events are known."""
        if self._events < self._least:
            return None
        return np.asarray((self._counts[:, : self._bins] > 0).sum(1) <= 1, np.bool_)
