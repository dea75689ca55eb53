"""How much a reference's own rows and windows vary."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monitor.reference.column import Column
from monitor.stats.bins.reference_bins import QUALITY_COUNTS
from monitor.stats.variance.equal_runs import EqualRuns
from monitor.stats.variance.long_run import LongRun


@dataclass(frozen=True, slots=True)
class Level:
    """A window length inside the reference, in base windows, and its events on average.

    `learned`: the reference has at least three windows of it side by side, so its largest distance is known.
    """

    base_windows: int
    events: float
    windows: int
    learned: bool


@dataclass(frozen=True)
class ReferenceVariability:
    """Variability of a reference's rows and windows. Shapes: C columns, Q quality counts, K levels.

    `long_runs` (C) of each column's directions. `overdispersion` (C, K) of the value bins, `quality_overdispersion`
    (C, Q, K) of each quality count, `quality_windows` (C, Q) base windows where it is not 0. `unseen_expected` (C,)
    never-seen values expected among as many events, `unseen_error` (C,) by how much the error of that is larger than
    from independent events. `max_reference_distance` (C, K): largest change of a direction's share in a window against
    the rest (NaN: not learned). `kappa` (C,) how much more similar near events are than far ones (NaN: not known).
    `equal_runs` (C) runs of one value; empty in older files. `clump`: events per cluster, 1 for independent ones.
    """

    long_runs: tuple[LongRun, ...]
    overdispersion: NDArray[np.float64]
    quality_overdispersion: NDArray[np.float64]
    quality_windows: NDArray[np.int64]
    unseen_expected: NDArray[np.int64]
    unseen_error: NDArray[np.float64]
    max_reference_distance: NDArray[np.float64]
    kappa: NDArray[np.float64]
    equal_runs: tuple[EqualRuns, ...]
    clump: float = 1.0

    def of(self, columns: list[int]) -> ReferenceVariability:
        """The variability of some columns, by their indexes."""
        return replace(
            self,
            long_runs=tuple(self.long_runs[at] for at in columns),
            overdispersion=self.overdispersion[columns],
            quality_overdispersion=self.quality_overdispersion[columns],
            quality_windows=self.quality_windows[columns],
            unseen_expected=self.unseen_expected[columns],
            unseen_error=self.unseen_error[columns],
            max_reference_distance=self.max_reference_distance[columns],
            kappa=self.kappa[columns],
            equal_runs=tuple(self.equal_runs[at] for at in columns),
        )

    @classmethod
    def unknown(cls, columns: tuple[Column, ...], levels: int = 0) -> ReferenceVariability:
        """For columns with no counts yet: independent events, nothing learned."""
        n, q = len(columns), len(QUALITY_COUNTS)
        return cls(
            long_runs=tuple(LongRun.independent(column.directions().count) for column in columns),
            overdispersion=np.ones((n, levels)),
            quality_overdispersion=np.ones((n, q, levels)),
            quality_windows=np.zeros((n, q), np.int64),
            unseen_expected=np.zeros(n, np.int64),
            unseen_error=np.ones(n),
            max_reference_distance=np.full((n, levels), np.nan),
            kappa=np.full(n, np.nan),
            equal_runs=(EqualRuns(),) * n,
        )
