"""What a reference learns of its segments: their counts, and how far their windows lie from the other events'."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.reference.column import Column
from monitor.reference.learn.season import MIN_WINDOWS_LEARNED
from monitor.reference.segments import SegmentedBy, Segments, below_name, counts_name
from monitor.stats.bins.reference_bins import CATEGORICAL, NUMERIC, OUTSIDE, QUALITY_COUNTS, width_of
from monitor.stats.tallies.tally import BELOW, Tally, narrow
from monitor.stats.testing.directions import Directions

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: significant digits of a distance
DIGITS: Final = 6
#: a window in which a segment, or the rest, has fewer values says nothing of how far windows lie apart
LEAST_VALUES: Final = 20


class SegmentLearner:
    """Takes base windows in time order. Their counts by segment are kept in the smallest type that holds them."""

    def __init__(self, by: Sequence[SegmentedBy], columns: Sequence[Column]) -> None:
        self._by, self._columns = tuple(by), columns
        self._segments = sum(len(one.values) + 1 for one in by)
        self._width = width_of([column.bins for column in columns])
        shape = (self._segments, len(columns), self._width + len(QUALITY_COUNTS))
        self._counts, self._below = np.zeros(shape, np.int64), np.zeros(shape[:2], np.int64)
        #: (S, C, B) by window all values of each segment, and (C, B) of all events
        self._values: list[Ints] = []
        self._whole: list[Ints] = []

    def take(self, tally: Tally, *, is_window: bool) -> None:
        """Take the counts by segment out of the next base window, or out of the events behind the last one."""
        if not self._segments:
            return
        counts, below = self._counted(tally)
        self._counts += counts
        self._below += below
        if is_window:
            self._values.append(narrow(_all_values(counts, below, self._columns)))
            self._whole.append(_all_values(tally.counts[None], tally.sums[None, :, BELOW], self._columns)[0])

    def _counted(self, tally: Tally) -> tuple[Ints, Ints]:
        counts, below = np.zeros_like(self._counts), np.zeros_like(self._below)
        for segment in range(self._segments):
            for name, into in ((counts_name(segment), counts), (below_name(segment), below)):
                if name in tally.further:
                    into[segment] = tally.further.pop(name).reshape(into.shape[1:])
        return counts, below

    def finish(self) -> Segments | None:
        """The segments; None without any."""
        if not self._segments:
            return None
        levels = max(1, len(self._values).bit_length())
        largest = np.full((self._segments, len(self._columns), levels), np.nan)
        whole = np.array(self._whole, np.int64).reshape(-1, len(self._columns), self._width)
        for segment in range(self._segments):
            own = np.array([values[segment] for values in self._values], np.int64).reshape(whole.shape)
            largest[segment] = _largest(self._columns, own, whole, levels)
        return Segments(self._by, self._counts, self._below, np.round(largest, DIGITS))


def _all_values(counts: Ints, below: Ints, columns: Sequence[Column]) -> Ints:
    """(S, C, B) values of `counts` (S, C, B + Q), numbers outside the range in the first or the last bin."""
    width = counts.shape[2] - len(QUALITY_COUNTS)
    values = counts[..., :width].copy()
    for at, column in enumerate(columns):
        if column.bins.kind == NUMERIC:
            values[:, at, 0] += below[:, at]
            values[:, at, column.bins.bins - 1] += counts[:, at, width + OUTSIDE] - below[:, at]
    return values


def _largest(columns: Sequence[Column], own: Ints, whole: Ints, levels: int) -> Floats:
    """(C, K) of one segment with values (W, C, B) by window, of `whole` (W, C, B)."""
    out = np.full((len(columns), levels), np.nan)
    for kind in (NUMERIC, CATEGORICAL):
        here = np.flatnonzero([column.bins.kind == kind for column in columns])
        if not len(here):
            continue
        directions = Directions.of([columns[at].directions() for at in here.tolist()], own.shape[2])
        for level in range(levels):
            if len(own) >> level >= MIN_WINDOWS_LEARNED:
                out[here, level] = _of_length(directions, own[:, here], whole[:, here], 1 << level)
    return out


def _of_length(directions: Directions, own: Ints, whole: Ints, length: int) -> Floats:
    """(C,) the largest change of a share beyond the other events' change, in windows that overlap by half.

    NaN where no window has enough values on both sides.
    """
    half = max(length // 2, 1)
    starts = range(0, len(own) - length + 1, half)
    segment = np.array([own[at : at + length].sum(0) for at in starts])
    every = np.array([whole[at : at + length].sum(0) for at in starts])
    all_own, rest = own.sum(0), every - segment
    all_rest = whole.sum(0) - all_own
    usual = directions.shares(all_own[None]) - directions.shares(all_rest[None])
    apart = np.abs(directions.shares(segment) - directions.shares(rest) - usual).max(2, initial=0.0)
    enough = (segment.sum(2) >= LEAST_VALUES) & (rest.sum(2) >= LEAST_VALUES)
    return np.where(enough.any(0), np.where(enough, apart, 0.0).max(0), np.nan)
