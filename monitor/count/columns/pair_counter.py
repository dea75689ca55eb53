"""Counts of the reference's watched pairs of columns: 3 x 3 coarse levels a pair and pane, from the bins' codes.

Columns that are watched together are counted in groups of up to four: the levels of four columns are one byte, and one
count of such bytes holds the tables of all their pairs. So an event costs a few bytes a group, not a number a pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.count.columns.pane_rows import Rows
from monitor.reference.column import Column
from monitor.reference.relations import Relations
from monitor.stats.bins.reference_bins import CATEGORICAL, OUTSIDE, QUALITY_COUNTS, UNSEEN
from monitor.stats.pairs.levels import CELLS, LEVELS, NO_LEVEL
from monitor.stats.tallies.tally import Ints

Levels = NDArray[np.uint8]
Flags = NDArray[np.bool_]

#: columns in a group, and values of a byte that holds their levels
GROUP: Final = 4
BYTES: Final = 256


class PairCounter:
    """How the levels of a reference's columns are looked up and counted; it has no state."""

    def __init__(self, relations: Relations, columns: Sequence[Column], width: int) -> None:
        slots = width + len(QUALITY_COUNTS)
        #: (C, slots) the level of each slot of a column's counts
        self._lookup = np.full((len(columns), slots), NO_LEVEL, np.uint8)
        #: (C,) the level of numbers below the range, where the others outside it have the last one
        self.lowest = np.zeros((len(columns), 1), np.uint8)
        for at, (column, levels) in enumerate(zip(columns, relations.levels, strict=True)):
            if levels:
                self._lookup[at, : len(levels)] = levels
                beyond = UNSEEN if column.bins.kind == CATEGORICAL else OUTSIDE
                self._lookup[at, width + beyond] = max(levels)
                self.lowest[at] = levels[0]
        self._flat = self._lookup.ravel()
        self.pairs = relations.pairs
        groups = grouped([(int(a), int(b)) for a, b in relations.pairs])
        self.groups = np.array([[*group, *[group[0]] * (GROUP - len(group))] for group in groups], np.int64)
        self._shifts = np.arange(0, 2 * GROUP, 2, dtype=np.uint8)
        self._cells = _cells(self.pairs, groups)

    def levels(self, slots: Ints) -> Levels:
        """The level of each of `slots`: places in the counts of all columns, column by column."""
        return self._flat.take(slots)

    def tables(self, levels: Levels, rows: Rows) -> Ints:
        """(panes, pairs x 9) counts of the rows with these `levels` (C, n)."""
        panes, size = len(rows.starts), len(self.groups) * BYTES
        packed = levels[self.groups[:, 0]]
        for at in range(1, GROUP):
            packed |= levels[self.groups[:, at]] << self._shifts[at]
        keys = packed.astype(np.int64)
        keys += np.arange(0, size, BYTES)[:, None]
        if panes > 1:
            keys += rows.slots * size
        counts = np.bincount(keys.ravel(), minlength=panes * size)
        # a product of floats adds these integers exactly, and faster than a sum of integers
        tables = counts.reshape(-1, BYTES).astype(np.float64) @ _TABLES
        return tables.reshape(panes, -1)[:, self._cells].astype(np.int64)


def grouped(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Groups of up to four columns, so that every pair lies in one of them; few of them, the same every time."""
    left = set(pairs)
    groups = []
    while left:
        group = list(min(left))
        while len(group) < GROUP:
            inside = set(group)
            gains: dict[int, int] = {}
            for a, b in sorted(left):
                if (a in inside) != (b in inside):
                    gains[b if a in inside else a] = gains.get(b if a in inside else a, 0) + 1
            if not gains:
                break
            group.append(max(gains, key=lambda column: (gains[column], -column)))
        left -= {(a, b) for a, b in left if a in group and b in group}
        groups.append(tuple(group))
    return groups


def _cells(pairs: Ints, groups: Sequence[tuple[int, ...]]) -> Ints:
    """(pairs x 9,) where the cells of each pair's table are among the tables of all groups."""
    found = []
    for a, b in pairs.tolist():
        number = next(number for number, group in enumerate(groups) if a in group and b in group)
        first, second = groups[number].index(a), groups[number].index(b)
        for cell in range(CELLS):
            own = cell if first < second else cell % LEVELS * LEVELS + cell // LEVELS
            table = _WITHIN.index((min(first, second), max(first, second)))
            found.append((number * len(_WITHIN) + table) * CELLS + own)
    return np.array(found, np.int64)


def _tables() -> NDArray[np.float64]:
    """(256, 6 x 9) 1 where a byte counts in a cell of the table of two of its four columns."""
    byte = np.arange(BYTES)
    level = [byte >> (2 * at) & NO_LEVEL for at in range(GROUP)]
    cells = [(level[a] == i) & (level[b] == j) for a, b in _WITHIN for i in range(LEVELS) for j in range(LEVELS)]
    return np.stack(cells, 1).astype(np.float64)


#: the pairs of the places in a group, and how bytes add up to their tables
_WITHIN: Final = list(combinations(range(GROUP), 2))
_TABLES: Final = _tables()
