"""Numbers to bins, many columns at once: a lookup in a uniform grid, and one comparison.

A cell of the grid holds at most one edge, so the bin of a value is the number of edges before its cell, plus one if it
is above the cell's edge. Cells of edges and values are computed by the same monotonic arithmetic, so the result is
exactly that of a binary search among the edges. A column with two edges in one cell is searched instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

#: cells of each column's grid
CELLS: Final = 1_024

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Binning:
    """The edges of F columns, each rising and within [low, high] of its column."""

    def __init__(self, edges: Sequence[Floats], low: Floats, high: Floats) -> None:
        """`edges` (F) arrays of any length, `low` and `high` (F, 1)."""
        self._edges = edges
        with np.errstate(over="ignore", divide="ignore"):
            steps = (CELLS - 1) / (high - low)
        # a range too narrow or too wide for this arithmetic gets one cell
        usable = np.isfinite(steps) & (steps > 0)
        self._low, self._steps = np.where(usable, low, 0.0), np.where(usable, steps, 0.0)
        widest = max(map(len, edges), default=0)
        #: (F, widest + 1) edges, padded with +inf
        following = np.full((len(edges), widest + 1), np.inf)
        #: (F, CELLS) number of edges before the cell, as an index into the flat `_next`
        before = np.zeros((len(edges), CELLS), np.int32)
        self._searched: list[int] = []
        for row, own in enumerate(edges):
            following[row, : len(own)] = own
            cells = ((own - self._low[row]) * self._steps[row]).astype(np.int64)
            if len(np.unique(cells)) < len(cells):
                self._searched.append(row)
            before[row] = row * (widest + 1) + np.searchsorted(cells, np.arange(CELLS))
        self._before, self._next = before.ravel(), following.ravel()
        self._rows = np.arange(len(edges))[:, None] * CELLS
        self._first = np.arange(len(edges))[:, None] * (widest + 1)

    def codes(self, values: Floats) -> Ints:
        """The bin of each of `values` (F, n), numbers within [low, high]: edges[i-1] < x <= edges[i] is bin i.

        A number outside the range gives an arbitrary bin.
        """
        cells = values - self._low
        cells *= self._steps
        places = cells.astype(np.int64)
        places += self._rows
        found = self._before.take(places, mode="clip")
        found += values > self._next.take(found, mode="clip")
        codes: Ints = found - self._first
        for row in self._searched:
            codes[row] = self._edges[row].searchsorted(values[row])
        return codes
