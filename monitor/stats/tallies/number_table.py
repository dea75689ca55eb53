"""Rows of 64-bit numbers in order of arrival, of which the oldest are dropped: a checkpoint only adds to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.stats.tallies.growing import Growing, Numbers

#: rows of an empty table, and how much larger a full one becomes
_LEAST_ROWS: Final = 1 << 10
_GROWTH: Final = 1.25

Positions = NDArray[np.int64]


class NumberTable:
    """Rows of `width` numbers. A row's position is counted from the first one ever added and never changes."""

    def __init__(self, width: int) -> None:
        self.width = width
        #: the table holds the positions from `first` to before `end`
        self.first = 0
        self.end = 0
        self._rows: Numbers = np.empty((0, width), np.uint64)
        #: where in `_rows` the row at `first` is
        self._start = 0

    def __len__(self) -> int:
        return self.end - self.first

    @property
    def rows(self) -> Numbers:
        """All rows (n, width), as a view."""
        return self._rows[self._start : self._start + len(self)]

    def column(self, at: int) -> Numbers:
        """One column (n,) of all rows, as a view."""
        return self.rows[:, at]

    def signed(self, at: int) -> NDArray[np.int64]:
        """The same as signed numbers."""
        return self.rows.view(np.int64)[:, at]

    def at(self, positions: Positions) -> Numbers:
        """The rows (n, width) at positions, which are held."""
        return self.rows[positions - self.first]

    def add(self, columns: Sequence[NDArray[np.uint64] | NDArray[np.int64] | int]) -> Positions:
        """Add rows by their columns, of which at least one is an array (n,); returns their positions."""
        count = max(len(column) for column in columns if not isinstance(column, int))
        self._make_room(count)
        new = self._rows[self._start + len(self) :][:count]
        for at, column in enumerate(columns):
            new[:, at] = column if isinstance(column, int) else column.view(np.uint64)
        self.end += count
        return np.arange(self.end - count, self.end)

    def _make_room(self, count: int) -> None:
        held = len(self)
        if self._start + held + count <= len(self._rows):
            return
        # never moved within the old array: a checkpoint that is being written reads that one
        room = np.empty((max(_LEAST_ROWS, int(_GROWTH * (held + count))), self.width), np.uint64)
        room[:held] = self.rows
        self._rows, self._start = room, 0

    def drop_before(self, position: int) -> None:
        """Drop the rows before a position."""
        dropped = max(0, min(position, self.end) - self.first)
        self.first += dropped
        self._start += dropped

    def keep(self, kept: NDArray[np.bool_]) -> Positions:
        """Keep only some rows, at new positions; returns those (n,) of all rows, -1 for the others."""
        rows = self.rows[kept]
        positions = np.full(len(kept), -1)
        positions[kept] = self.end + np.arange(len(rows))
        self.first, self.end = self.end, self.end + len(rows)
        self._rows, self._start = rows, 0
        return positions

    def growing(self, name: str) -> Growing:
        """The rows as a part of a state: their numbers row by row."""
        first, flat, width = self.first, self.rows.reshape(-1), self.width

        def between(start: int, end: int) -> Numbers:
            return flat[start - first * width : end - first * width].copy()

        return Growing(name, first * width, self.end * width, between)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take the rows of a state.

        Raises:
            ValueError: the state has no whole rows.
        """
        self._rows, self._start = np.array(state["keys"], np.uint64).reshape(-1, self.width), 0
        self.first = int(state["first"]) // self.width
        self.end = self.first + len(self._rows)
