"""Values outside the reference's range, but near it: autocorrelated columns have such values without any change.

The range comes from the reference's rows. If these are correlated, few of them are independent, and values leave the
range in clusters. No such column goes farther outside than the range is wide (on the scale of its tails,
`stats/bins/tails.py`). One that drifts in its reference goes farther in time: at most a width beyond where its base
windows have been, so that a jump is told from it at any distance. Where it jumped to and stays is where it has been.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from monitor.judge.windows.all_values import mean_outside
from monitor.judge.windows.prepared_reference import Floats, PreparedReference
from monitor.judge.windows.pyramid import Windows
from monitor.reference.column import DRIFT_WIDTHS, OUTSIDE_PARTS, Column
from monitor.stats.bins.reference_bins import OUTSIDE
from monitor.stats.bins.tails import farthest
from monitor.stats.tallies.block import Block
from monitor.stats.tallies.tally import FAR_COUNT
from monitor.stats.variance.quality_dispersion import HALF

Ints = NDArray[np.int64]

#: share of the events outside from which on a slow column is outside as a whole
NEARLY_ALL: Final = 0.95
#: a variance that does not settle is a lower bound: the true one is taken as up to this multiple of it, and values as
#: similar for up to 1 / PART of the reference
MORE: Final = 8
PART: Final = 4
#: base windows in a row beyond where a column may get, after which it has been there
LASTING: Final = 64
#: a column that is farther away is not followed
MOST_WIDTHS: Final = 1 << 20
#: ends of ranges that are kept
MOST_KEPT: Final = 1 << 12
#: the state of columns that have not got farther than they had at first
NOWHERE: Final[dict[str, Any]] = {"columns": [], "widths": [], "beyond": []}


class NearRange:
    """Of the columns of one reference."""

    def __init__(self, prepared: PreparedReference) -> None:
        runs = prepared.reference.variability.long_runs
        self._prepared = prepared
        self._wanders = [_widths(column) for column in prepared.columns]
        self._settled = [run.settled for run in runs]
        self._ends: dict[tuple[int, int, int], tuple[float, float]] = {}
        self._equal = prepared.expected_runs.clump
        self._variance = np.array([run.variance.max(initial=1.0) for run in runs])
        #: {(column, part of its `ticket_only`): widths of the range that it may get below and above}, where that grows
        self._drifted = {
            (at, part): widths
            for at, parts in enumerate(self._wanders)
            for part, widths in enumerate(parts)
            if DRIFT_WIDTHS in widths
        }
        #: {the same: base windows in a row that were beyond that}
        self._beyond: dict[tuple[int, int], int] = {}
        #: (C,) number of consecutive events whose values are similar, if the column's variance does not settle
        self._alike = np.maximum(self._variance, np.minimum(prepared.events / PART, MORE * self._variance))

    def clump(self, windows: Windows, at: tuple[Ints, ...], share: Floats) -> Floats:
        """How many values come together, (N,), at some (window, column, quality count)s with that share of the events.

        1 of other quality counts, and of what is far from the range. Equal values in a row leave it together, and
        values that depend on each other do, too; but these are not half of the events while nothing has changed.
        """
        _, column, slot = at
        together = np.where(share < HALF, np.maximum(self._equal, self._variance)[column], self._equal[column])
        asked = np.flatnonzero((slot == OUTSIDE) & (together > 1))
        near = np.zeros(len(slot), np.bool_)
        near[asked] = [self._lies_near(windows, int(at[0][one]), int(column[one])) for one in asked.tolist()]
        return np.where(near, together, 1.0)

    def is_excursion(self, windows: Windows, at: tuple[int, int, int], share: float, *, restless: bool = False) -> bool:
        """Whether a column that wanders so by itself is outside, but no farther than it may get.

        It drifts, or stays at its outermost values; or the reference is too short for how slowly it varies, and so for
        its range, as live traffic tells where it is `restless`. Such a column is outside with all of its values only
        for as long as they are alike.
        """
        window, column, slot = at
        if slot != OUTSIDE:
            return False
        if any(self._lies_near(windows, window, column, *widths) for widths in self._ways(column)):
            return True
        if (self._settled[column] and not restless) or not self._lies_near(windows, window, column):
            return False
        if self._wanders[column]:  # how it moves is known, and half of the events are more than that
            return share < HALF
        return share < NEARLY_ALL or windows.spans[window].events < self._alike[column]

    def follow(self, base: Block) -> None:
        """A base window ended: a column that drifts may get a width farther than most of its values are now.

        What it may do follows it by one width at a time; a jump beyond that is followed once it has lasted.
        """
        for key in self._drifted:
            column = key[0]
            counts, first = base.tally.counts[column], self._wanders[column][key[1]]
            outside = int(counts[self._prepared.width + OUTSIDE])
            mean = self._mean_outside(counts, base.tally.sums[column], column)
            if mean is None:
                continue
            if outside < HALF * (outside + int(counts[: self._prepared.width].sum())):
                mean = np.nan  # it is in its range
            now = self._drifted[key]
            wanted = [max(at, self._reached(column, side, mean) + 1 if at else 0) for side, at in enumerate(first)]
            jumped = any(at > before + 1 for at, before in zip(wanted, now, strict=True))
            self._beyond[key] = self._beyond.get(key, 0) + 1 if jumped else 0
            if not jumped or self._beyond[key] >= LASTING:
                moved = (at if jumped else max(at, before - 1) for at, before in zip(wanted, now, strict=True))
                self._drifted[key], self._beyond[key] = cast("tuple[int, int]", tuple(moved)), 0

    def _reached(self, column: int, side: int, mean: float) -> int:
        """Widths of the range, rounded up, from its end on one side to this value; 0 inside and on the other side."""

        def holds(widths: int) -> bool:
            low, high = self._farthest(column, widths, widths)
            return not (mean < low if side == 0 else mean > high)  # also NaN

        if holds(0):
            return 0
        most = 1
        while not holds(most) and most < MOST_WIDTHS:
            most *= 2
        return bisect_left(range(most), x=True, key=holds)

    def to_state(self) -> dict[str, Any]:
        """The columns that have got farther than they had at first, or are beyond that."""
        moved = [
            key
            for key, widths in self._drifted.items()
            if widths != self._wanders[key[0]][key[1]] or self._beyond.get(key)
        ]
        return {
            "columns": [list(key) for key in moved],
            "widths": [list(self._drifted[key]) for key in moved],
            "beyond": [self._beyond.get(key, 0) for key in moved],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `to_state` of the same reference."""
        for place, (below, above), beyond in zip(state["columns"], state["widths"], state["beyond"], strict=True):
            key = int(place[0]), int(place[1])
            if key in self._drifted:
                self._drifted[key], self._beyond[key] = (int(below), int(above)), int(beyond)

    def _ways(self, column: int) -> list[tuple[int, int]]:
        """How far the column may get now, by each part of its `ticket_only`."""
        return [self._drifted.get((column, part), widths) for part, widths in enumerate(self._wanders[column])]

    def _lies_near(self, windows: Windows, window: int, column: int, below: int = 1, above: int = 1) -> bool:
        """Whether the values outside lie, on average, at most so many widths of the range below and above it."""
        mean = self._mean_outside(windows.counts[window, column], windows.sums[window, column], column)
        if mean is None:
            return False
        low, high = self._farthest(column, below, above)
        return low <= mean <= high

    def _mean_outside(self, counts: Ints, sums: Ints, column: int) -> float | None:
        """Mean of the values outside, NaN without any; None where most lie too far out to be summed."""
        if 2 * int(sums[FAR_COUNT]) < int(counts[self._prepared.width + OUTSIDE]):
            return None
        return mean_outside(self._prepared.columns[column], sums)

    def _farthest(self, column: int, below: int, above: int) -> tuple[float, float]:
        key = (column, below, above)
        if len(self._ends) >= MOST_KEPT:
            self._ends.clear()
        if key not in self._ends:
            bins = self._prepared.columns[column].bins
            self._ends[key] = farthest(bins, self._prepared.bins[column], (below, above))
        return self._ends[key]


def _widths(column: Column) -> list[tuple[int, int]]:
    """How far below and above its range a column may get by itself, in widths of the range; none if it may not."""
    return [OUTSIDE_PARTS[part] for part, _ in column.ticket_only if part in OUTSIDE_PARTS]
