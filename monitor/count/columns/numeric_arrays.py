"""Parameters of numeric columns as arrays, so that all of them are counted at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.count.columns.binning import Binning
from monitor.reference.column import Column
from monitor.stats.tallies.tally import CLIP_SD, Floats, Ints


@dataclass(frozen=True, slots=True)
class NumericArrays:
    """Parameters of numeric columns for counting, as arrays (columns, 1)."""

    binning: Binning
    low: Floats
    high: Floats
    center: Floats
    scale: Floats
    #: whether a value inside the range may be beyond what sums hold
    clips: bool

    @classmethod
    def of(cls, columns: list[Column]) -> NumericArrays:
        def column(values: list[float]) -> Floats:
            return np.array(values, np.float64)[:, None]

        low, high = column([c.bins.low for c in columns]), column([c.bins.high for c in columns])
        center, scale = column([c.center for c in columns]), column([c.scale for c in columns])
        with np.errstate(all="ignore"):
            ends = np.abs(np.concatenate(((low - center) / scale, (high - center) / scale)))
        return cls(
            Binning([np.array(c.bins.edges, np.float64) for c in columns], low, high),
            low,
            high,
            center,
            scale,
            clips=not bool((ends <= CLIP_SD).all()),
        )

    def of_rows(self, rows: Ints) -> NumericArrays:
        """Those of some columns, by the binning of all."""
        low, high, center, scale = self.low[rows], self.high[rows], self.center[rows], self.scale[rows]
        return NumericArrays(self.binning, low, high, center, scale, self.clips)
