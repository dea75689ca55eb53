"""Compares the distributions of windows that end at the same moment with the reference, as far as it is needed.

In most evaluations cheap bounds show that nothing is over its threshold, and no comparison is made. Otherwise a column
that may be over is compared alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from monitor.cached import cached_property
from monitor.judge.comparison.columns import EVERY, Compared, Comparison, Flags, Ints
from monitor.judge.windows.prepared_reference import DISTANCE_FACTOR, Floats, PreparedReference
from monitor.judge.windows.pyramid import Windows
from monitor.stats.testing.directional import Expected
from monitor.stats.testing.directions import CUT

#: of more columns it costs less to compare all of them at once
MOST_ALONE: Final = 4
#: a change is ending while the newest panes surely have less than this part of it
LEFT_OF_ENDING: Final = 0.5
#: ... by so many errors of what they have
ERRORS: Final = 2.0


@dataclass(frozen=True)
class LazyComparison:
    """Windows of one side in one evaluation: screened, and compared where that is asked for.

    `counts` (W, C, B), `rates` (W,); `expected` of the windows where that depends on their time.
    """

    side: Compared
    counts: Ints
    rates: Floats
    alpha: float
    expected: Expected | None = None
    _alone: dict[int, Comparison] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def screened(self) -> tuple[Flags, Ints]:
        return self.side.screened(self.counts, self.rates, self.alpha, self.expected)

    @cached_property
    def every(self) -> Comparison:
        """Of all columns."""
        return self.side.compare(self.counts, self.rates, self.alpha, self.expected)

    def of(self, place: int) -> tuple[Comparison, int]:
        """One column's comparison, and its place in that."""
        if place not in self._alone and ("every" in self.__dict__ or len(self._alone) >= MOST_ALONE):
            return self.every, place
        if place not in self._alone:
            own = self.counts[:, place : place + 1]
            expected = self.expected and self.expected.of_column(place)
            self._alone[place] = self.side.alone(place).compare(own, self.rates, self.alpha, expected)
        return self._alone[place], 0


@dataclass(frozen=True)
class Measured:
    """Of numbers and of categories what is compared in W windows; arrays (W, C) are of all columns.

    The comparisons are made on demand: `may_be_over` and the number of tests need none.
    """

    comparisons: tuple[LazyComparison, ...]
    #: (side, place in it) of each column
    place: Mapping[int, tuple[int, int]]
    prepared: PreparedReference
    #: events that each window counts for where the largest distances of the reference are asked for
    sizes: Sequence[float]

    @cached_property
    def sides(self) -> tuple[Comparison, ...]:
        return tuple(one.every for one in self.comparisons)

    @cached_property
    def may_be_over(self) -> Flags:
        """Windows and columns; all others are not over."""
        over = np.zeros((len(self.sizes), len(self.prepared.columns)), np.bool_)
        for one in self.comparisons:
            over[:, one.side.places] = one.screened[0]
        return over

    @cached_property
    def tests(self) -> int:
        return sum(int(one.screened[1].sum()) for one in self.comparisons)

    @cached_property
    def allowed(self) -> Floats:
        """The distance allowed, NaN where it was not learned."""
        return DISTANCE_FACTOR * self.prepared.variability(self.sizes).max_reference_distance

    @cached_property
    def exceedance(self) -> Floats:
        """How far over the threshold: evidence, and the distance where the column is held to it."""
        exceedance = np.zeros((len(self.sizes), len(self.prepared.columns)))
        for lazy, one in zip(self.comparisons, self.sides, strict=True):
            places = lazy.side.places
            exceedance[:, places] = _exceedance(one, EVERY, self.allowed[:, places], lazy.side.free)
        return exceedance

    def of(self, column: int) -> tuple[Comparison, int]:
        """The comparison that has a column, and the column's place in it."""
        s, place = self.place[column]
        return self.comparisons[s].of(place)

    def direction_of(self, window: int, column: int) -> int:
        """The worst direction of a column in one window."""
        one, at = self.of(column)
        return int(one.at[window, at])

    def kind_of(self, window: int, column: int) -> int:
        """What the worst direction is: a cut, a bin, the outer bins, a category or some buckets."""
        (s, place), direction = self.place[column], self.direction_of(window, column)
        kinds = self.comparisons[s].side.reference.directions.kind[place]
        return int(kinds[direction]) if len(kinds) else CUT

    def effect_of(self, window: int, column: int) -> float:
        """The share that moved: in the worst direction, or of categories in all of them together."""
        one, place = self.of(column)
        if not one.moved.shape[2]:
            return 0.0
        moved = abs(float(one.moved[window, place, one.at[window, place]]))
        return max(moved, float(one.spread[window, place]))

    def is_ending(self, window: int, column: int, recent: Windows | None) -> bool:
        """Whether a window's change is over: newer events in it, or the `recent` panes, surely have little of it.

        Or because a shorter window's change is over, without which little of this one's is left.
        """
        (one, at), shorter = self.of(column), range(window)
        direction = self.direction_of(window, column)
        moved = one.moved[:, at, direction] if one.moved.shape[2] else np.zeros(len(self.sizes))
        if not moved[window] or abs(moved[window]) < one.spread[window, at] - 1e-12:
            return False  # categories changed in several directions
        if self._is_over_in_newer(window, column, recent):
            return True
        values, exceedance = self._values_of(column), self.exceedance_of(column)
        before = moved[window] * values[window] - moved[:window] * values[:window]
        left = before / np.maximum(values[window] - values[:window], 1) / moved[window]
        return any(
            left[newer] <= LEFT_OF_ENDING and exceedance[newer] > 1 and self._is_over_in_newer(newer, column, recent)
            for newer in shorter
        )

    def _is_over_in_newer(self, window: int, column: int, recent: Windows | None) -> bool:
        """Whether less than `LEFT_OF_ENDING` is left in shorter windows or the newest panes, with two errors of theirs.

        These are as much larger than the window's error as they hold fewer values.
        """
        (s, place), (one, at) = self.place[column], self.of(column)
        side, direction, values = self.comparisons[s].side, self.direction_of(window, column), self._values_of(column)
        moved, newer = one.moved[: window + 1, at, direction], values[:window].astype(np.float64)
        left = moved[:window] / moved[window] if moved[window] else np.ones(window)
        if recent is not None and moved[window]:
            change, of_recent = side.share_change(recent, 0, place)
            of_bins = np.zeros((1, 1, self.comparisons[s].counts.shape[2]))
            of_bins[0, 0, : len(change)] = change
            now = side.reference.of_column(place).directions.hits(of_bins)[0, 0, direction]
            left, newer = np.append(left, now / moved[window]), np.append(newer, of_recent)
        with np.errstate(divide="ignore"):
            errors = float(one.error[window, at]) * np.sqrt(values[window] / newer) / max(abs(moved[window]), 1e-300)
        return bool((left + ERRORS * errors <= LEFT_OF_ENDING).any())

    def _values_of(self, column: int) -> Ints:
        """(W,) values of a column."""
        s, place = self.place[column]
        return np.asarray(self.comparisons[s].counts[:, place].sum(1), np.int64)

    def exceedance_of(self, column: int) -> Floats:
        """The exceedance (W,) of a column, compared alone where not all are compared."""
        (s, place), (one, at) = self.place[column], self.of(column)
        free = self.comparisons[s].side.free[place : place + 1]
        return _exceedance(one, slice(at, at + 1), self.allowed[:, column, None], free)[:, 0]


def _exceedance(one: Comparison, columns: slice, allowed: Floats, free: Flags) -> Floats:
    """(W, C) of some columns of a comparison."""
    ratio = np.full(allowed.shape, np.inf)
    held = ~free & (allowed > 0)
    np.divide(np.maximum(one.distance, one.spread)[:, columns], allowed, out=ratio, where=held)
    return np.asarray(np.minimum(one.evidence[:, columns], ratio), np.float64)
