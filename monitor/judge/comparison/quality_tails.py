"""p-values of the quality counts of windows, by the two tests of cause `quality`.

In most evaluations cheap bounds show that nothing is over its threshold, and no tail is summed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.cached import cached_property
from monitor.judge.comparison.near_range import NearRange
from monitor.judge.windows.prepared_reference import Floats, PreparedReference
from monitor.judge.windows.pyramid import Windows
from monitor.stats.bins.reference_bins import UNSEEN
from monitor.stats.testing.screening import SLACK, tail_may_be_below
from monitor.stats.variance.quality_dispersion import effective, excess_tail, windows_asked, windows_tail

Ints = NDArray[np.int64]


def base_windows_asked(windows: Windows) -> list[int]:
    """Per window, its number of base windows if those with a hit are tested, else 0."""
    lengths = zip(windows.lengths, windows.parts, strict=True)
    return [length if 2 <= length == len(parts) else 0 for length, parts in lengths]


@dataclass(frozen=True)
class QualityTails:
    """Arrays (W, C, quality counts) of one evaluation; `carried` (W, C) events that carried each column.

    `reference` (C, quality counts) is the share there. `unseen_error` (C,): never-seen values are known from windows
    left out of the reference, the less well, the more alike they come.
    """

    prepared: PreparedReference
    windows: Windows
    carried: Ints
    #: (W, C, quality counts) as the reference has it
    usual_overdispersion: Floats
    unseen_error: Floats
    near_range: NearRange
    alpha: float

    @cached_property
    def hits(self) -> Floats:
        return self.windows.counts[..., self.prepared.width :].astype(np.float64)

    @cached_property
    def events(self) -> Floats:
        return self.carried.astype(np.float64)

    @cached_property
    def share(self) -> Floats:
        return self.hits / np.maximum(self.events, 1)[..., None]

    @cached_property
    def excess(self) -> Floats:
        return self.share - self.prepared.quality_shares

    @cached_property
    def overdispersion(self) -> Floats:
        """The larger of the usual one and, for values just outside the range, how many of them come together."""
        own = self.usual_overdispersion.copy()
        if len(self._at[0]):
            together = self.near_range.clump(self.windows, self._at, self.share[self._at])
            own[self._at] = np.maximum(own[self._at], together)
        return own

    @cached_property
    def exceedance(self) -> Floats:
        """log p / log alpha."""
        return np.asarray(np.log(np.maximum(self.p, 1e-300)) / np.log(self.alpha), np.float64)

    @cached_property
    def p(self) -> Floats:
        """Tail probability of every window, column and quality count."""
        p = np.ones(self.hits.shape)
        if len(self._at[0]):  # few: most windows are well
            p[self._at] = excess_tail(*self._sides)
        return np.minimum(p, self.in_windows)

    @cached_property
    def in_windows(self) -> Floats:
        """p-values of the numbers of base windows with a hit; 1 if not tested."""
        chance = np.ones(self.hits.shape)
        if len(self._at[0]):
            chance[self._at] = self._windows_tail()
        return chance

    @cached_property
    def quiet(self) -> bool:
        """True only if bounds show that no `p` is below alpha; False says nothing."""
        window, column, slot = self._at
        if self.alpha > 1:  # every chance is below that
            return False
        if not len(window):
            return True
        reference, total = self.prepared.quality_windows[column, slot], float(self.prepared.reference.base_windows)
        length = np.array(base_windows_asked(self.windows), np.int64)[window]
        asked = np.flatnonzero(windows_asked(length, reference, total))
        if self._events_may_be_over():
            return False
        if not len(asked):
            return True
        # no more base windows have a hit than there are hits
        with_hit, length, reference = np.minimum(length, self.hits[self._at])[asked], length[asked], reference[asked]
        every = np.full(len(asked), total)
        return not tail_may_be_below(self.alpha, with_hit, length.astype(np.float64), reference, every).any()

    def _events_may_be_over(self) -> bool:
        """False only if no share of the events is too large.

        Rounding to effective counts makes no share larger than it is and none of the reference's smaller: of a share
        that is not above the reference's, no tail is below 1.
        """
        window, column, slot = self._at
        hits, n = self.hits[self._at], self.events[window, column]
        reference, m = self.prepared.quality_counts[column, slot], self.prepared.events[column]
        more = np.flatnonzero(hits * m >= (1 - SLACK) * reference * n)
        if not len(more):
            return False
        return bool(tail_may_be_below(self.alpha, *effective(*(side[more] for side in self._sides))).any())

    @cached_property
    def _at(self) -> tuple[Ints, Ints, Ints]:
        """(window, column, quality count) of what occurs at all."""
        window, column, slot = np.nonzero(self.hits * self.prepared.tested_quality)
        return window, column, slot

    @cached_property
    def _sides(self) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
        """Of these: hits and events, the reference's, and both dispersions."""
        window, column, slot = self._at
        own = self.overdispersion[self._at]
        known = np.where(slot == UNSEEN, np.maximum(own, self.unseen_error[column]), own)
        reference, m = self.prepared.quality_counts[column, slot], self.prepared.events[column]
        return self.hits[self._at], self.events[window, column], reference, m, own, known

    def _windows_tail(self) -> Floats:
        window, column, slot = self._at
        asked = base_windows_asked(self.windows)
        length = np.array(asked, np.int64)[window]
        longest = self.windows.parts[int(np.argmax(asked))] if any(asked) else ()
        # windows end together: the parts of a shorter one are the newest of the longest
        place = column * self.windows.counts.shape[2] + self.prepared.width + slot
        hits = [part.tally.counts.take(place) > 0 for part in longest[::-1]]
        so_far = np.cumsum([np.zeros(len(window), np.bool_), *hits], axis=0)
        with_hit = so_far[length, np.arange(len(window))]
        reference, total = self.prepared.quality_windows[column, slot], float(self.prepared.reference.base_windows)
        every = np.full(len(window), total)
        return windows_tail(with_hit.astype(np.float64), length.astype(np.float64), reference, every)
