"""Counts values the reference never had, with the scores of their events: outside its range, missing, never seen.

The effect of such a value on the score is not known from the reference, so it is measured where it comes. Events that
are as usual cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.count.columns.pane_rows import Rows
from monitor.reference.column import FEATURE, Column
from monitor.reference.reference import Reference
from monitor.reference.score_effects import ABOVE_RANGE, BELOW_RANGE, BEYOND, NEVER_SEEN, NO_VALUE, standardised
from monitor.stats.bins.reference_bins import NUMERIC
from monitor.stats.tallies.tally import UNIT, Floats, Ints

Flags = NDArray[np.bool_]

#: name of these counts in a tally's `further`: (C, BEYOND, 2) events and sums of scores, in fixed point
NEW_SLOTS: Final = "new_slots"


class NewSlots:
    """The slots of a reference that are counted: `tracked` (C, `BEYOND`)."""

    def __init__(self, reference: Reference) -> None:
        """Nothing is tracked where the reference has no effects of bins on the score."""
        self.tracked = np.zeros((len(reference.columns), BEYOND), np.bool_)
        self.target: Column | None = None
        if reference.effects is not None:
            self.target = reference.columns[reference.effects.target]
            possible = np.array([_possible(column) for column in reference.columns], np.bool_)
            self.tracked = possible & ~reference.effects.known

    def begin(self, panes: int, score: Callable[[], Floats], rows: Rows) -> NewSlotCounts | None:
        """Counts of a batch; `score` gives the (n,) values of the explained column, NaN where there is none."""
        return None if self.target is None else NewSlotCounts(self, self.target, panes, score, rows)


def _possible(column: Column) -> list[bool]:
    """By slot whether a column can have such events that are in no value bin."""
    if column.role != FEATURE:
        return [False] * BEYOND
    numeric = column.bins.kind == NUMERIC
    slots = {NO_VALUE: True, BELOW_RANGE: numeric, ABOVE_RANGE: numeric}
    return [slots.get(slot, not numeric and column.bins.buckets == 0) for slot in range(BEYOND)]


class NewSlotCounts:
    """Events and sums of scores of P panes, made when the first such event comes."""

    def __init__(self, slots: NewSlots, target: Column, panes: int, score: Callable[[], Floats], rows: Rows) -> None:
        self._tracked, self._target, self._panes, self._score, self._rows = slots.tracked, target, panes, score, rows
        self._fixed: Ints | None = None
        self._scored: Flags = np.zeros(0, np.bool_)
        self._counts: NDArray[np.int64] | None = None

    def numeric(self, at: Ints, values: Floats, low: Floats, absent: Flags, outside: Flags) -> None:
        """Columns `at` (F,) of `values` (F, n), which are `absent` or `outside` the range."""
        no_value, beyond = self._tracked[at, NO_VALUE][:, None], self._tracked[at, BELOW_RANGE][:, None]
        places, rows = np.nonzero((absent & no_value) | (outside & beyond))
        if len(rows):
            found, least = values[places, rows], low[places, 0]
            slot = np.where(np.isnan(found), NO_VALUE, np.where(found < least, BELOW_RANGE, ABOVE_RANGE))
            self._add(at[places], slot, rows)

    def categories(self, at: int, no_value: Flags, never_seen: Flags) -> None:
        """One column whose rows (n,) have no value, or one that the reference never had."""
        for slot, where in ((NO_VALUE, no_value), (NEVER_SEEN, never_seen)):
            if self._tracked[at, slot] and where.any():
                rows = np.flatnonzero(where)
                self._add(np.full(len(rows), at), np.full(len(rows), slot), rows)

    def _add(self, at: Ints, slot: Ints, rows: Ints) -> None:
        """Add rows, each for a column and a slot; those without a score are left out."""
        fixed = self._standardised()
        scored = self._scored[rows]
        if not scored.any():
            return
        at, slot, rows = at[scored], slot[scored], rows[scored]
        columns, size = len(self._tracked), self._panes * len(self._tracked) * BEYOND
        flat = (self._rows.slots[rows] * columns + at) * BEYOND + slot
        if self._counts is None:
            self._counts = np.zeros((size, 2), np.int64)
        self._counts[:, 0] += np.bincount(flat, minlength=size)
        # whole numbers below 2^53, so the sum is exact in any order
        self._counts[:, 1] += np.bincount(flat, fixed[rows], minlength=size).astype(np.int64)

    def _standardised(self) -> Ints:
        """Scores in fixed point, cut off at the range as the regression has them; made once."""
        if self._fixed is None:
            score = self._score()
            self._scored = ~np.isnan(score) & self._rows.is_prediction
            of_each = standardised(np.where(self._scored, score, self._target.center), self._target)
            self._fixed = np.rint(of_each * UNIT).astype(np.int64)
        return self._fixed

    def of(self, pane: int) -> dict[str, Ints]:
        """The further counts of one pane; empty where it has none."""
        if self._counts is None:
            return {}
        own = self._counts.reshape(self._panes, -1)[pane]
        return {NEW_SLOTS: own} if own.any() else {}
