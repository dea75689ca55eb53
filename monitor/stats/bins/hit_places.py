"""Where the quality counts of each column occurred in the newest base windows: the number of events their hits span.

For each base window the events before the pane of the first hit, before that of the last, and to its end are kept: they
give the span of hits over any number of base windows. The position of a hit inside its pane is not known.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.stats.bins.reference_bins import QUALITY_COUNTS
from monitor.stats.tallies.later import Later

Ints = NDArray[np.int64]

#: base windows kept; in longer windows only these are searched for hits
KEPT: Final = 64
NONE: Final = -1


class HitPlaces:
    """Of C columns; arrays are (C, quality counts)."""

    def __init__(self, columns: int) -> None:
        self._shape = (columns, len(QUALITY_COUNTS))
        #: per base window, newest last: events, and per quality count the events before the first pane with a hit,
        #: before the last one, and to the end of that
        self._windows: list[tuple[int, Ints, Ints, Ints]] = []
        self._begin()

    def _begin(self) -> None:
        self._events = 0
        self._first = np.full(self._shape, NONE)
        self._last = np.full(self._shape, NONE)
        self._end = np.full(self._shape, NONE)

    def add(self, hits: Ints, events: int) -> None:
        """Add a pane's quality counts (C, Q) and its number of events."""
        if hits.any():
            hit = hits > 0
            self._first[hit & (self._first == NONE)] = self._events
            self._last[hit] = self._events
            self._end[hit] = self._events + events
        self._events += events

    def close_window(self) -> None:
        """End a base window: it consists of the panes since the last call."""
        self._windows = [*self._windows[1 - KEPT :], (self._events, self._first, self._last, self._end)]
        self._begin()

    def span(self, base_windows: int, column: int, slot: int) -> int:
        """Events from the first pane with a hit to the last, both included, in the newest `base_windows`.

        0 where fewer than two panes have a hit.
        """
        before, first, last, end = 0, NONE, NONE, NONE
        for events, firsts, lasts, ends in self._windows[-base_windows:]:
            if firsts[column, slot] != NONE:
                first = before + int(firsts[column, slot]) if first == NONE else first
                last, end = before + int(lasts[column, slot]), before + int(ends[column, slot])
            before += events
        return end - first if last > first else 0

    def to_state(self) -> dict[str, Any]:
        return {
            "columns": self._shape[0],
            "events": [window[0] for window in self._windows],
            "places": Later(partial(self._places, tuple(self._windows))),
            "open": [self._events, self._first.copy(), self._last.copy(), self._end.copy()],
        }

    def _places(self, windows: tuple[tuple[int, Ints, Ints, Ints], ...]) -> Ints:
        """(windows, 3 C Q) the places in windows that are closed."""
        columns, slots = self._shape
        return np.array([window[1:] for window in windows], np.int64).reshape(len(windows), 3 * columns * slots)

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> HitPlaces:
        one = cls(state["columns"])
        places = np.array(state["places"], np.int64).reshape(len(state["events"]), 3, *one._shape)
        one._windows = [(int(n), *three.copy()) for n, three in zip(state["events"], places, strict=True)]
        events, *open_places = state["open"]
        one._events = int(events)
        one._first, one._last, one._end = (np.array(place, np.int64) for place in open_places)
        return one
