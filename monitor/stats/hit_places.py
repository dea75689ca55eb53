"""Where in the newest base windows the quality counts of each column occurred: how many events their hits span.

Of each base window the events before the pane of the first hit and before that of the last are kept, and nothing of
panes in between: the span of hits over any number of base windows follows from that.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.stats.bins import QUALITY_COUNTS

Ints = NDArray[np.int64]

#: base windows that are remembered; hits of longer windows are looked for in the newest of them
KEPT: Final = 64
NONE: Final = -1


class HitPlaces:
    """Of C columns; arrays are (C, quality counts)."""

    def __init__(self, columns: int) -> None:
        self._shape = (columns, len(QUALITY_COUNTS))
        #: of each base window, newest last: events, and events before the first and the last pane with a hit
        self._windows: list[tuple[int, Ints, Ints]] = []
        self._begin()

    def _begin(self) -> None:
        self._events = 0
        self._first = np.full(self._shape, NONE)
        self._last = np.full(self._shape, NONE)

    def add(self, hits: Ints, events: int) -> None:
        """Take a pane's quality counts (C, Q) and its number of events."""
        if hits.any():
            hit = hits > 0
            self._first[hit & (self._first == NONE)] = self._events
            self._last[hit] = self._events
        self._events += events

    def close_window(self) -> None:
        """The panes since the last call are a base window."""
        self._windows = [*self._windows[1 - KEPT :], (self._events, self._first, self._last)]
        self._begin()

    def span(self, base_windows: int, column: int, slot: int) -> int:
        """Events between the first and the last pane with a hit in the newest so many base windows; 0 without two."""
        before, first, last = 0, NONE, NONE
        for events, firsts, lasts in self._windows[-base_windows:]:
            if firsts[column, slot] != NONE:
                first = before + int(firsts[column, slot]) if first == NONE else first
                last = before + int(lasts[column, slot])
            before += events
        return last - first

    def to_state(self) -> dict[str, Any]:
        columns, slots = self._shape
        return {
            "columns": columns,
            "events": [events for events, _, _ in self._windows],
            "first": np.array([first for _, first, _ in self._windows], np.int64).reshape(-1, columns * slots),
            "last": np.array([last for _, _, last in self._windows], np.int64).reshape(-1, columns * slots),
            "open": [self._events, self._first, self._last],
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> HitPlaces:
        one = cls(state["columns"])
        first, last = (np.array(state[name], np.int64).reshape(-1, *one._shape) for name in ("first", "last"))
        one._windows = [(int(n), a.copy(), b.copy()) for n, a, b in zip(state["events"], first, last, strict=True)]
        events, first, last = state["open"]
        one._events = int(events)
        one._first, one._last = np.array(first, np.int64), np.array(last, np.int64)
        return one
