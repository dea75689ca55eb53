"""Parameters of numeric columns as arrays, so that all of them are counted at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.count.columns.binning import Binning
from monitor.reference.column import Column
from monitor.stats.tallies.tally import Floats


@dataclass(frozen=True, slots=True)
class NumericArrays:
    """Parameters of numeric columns for counting, as arrays (columns, 1)."""

    binning: Binning
    low: Floats
    high: Floats
    center: Floats
    scale: Floats

    @classmethod
    def of(cls, columns: list[Column]) -> NumericArrays:
        def column(values: list[float]) -> Floats:
            return np.array(values, np.float64)[:, None]

        low, high = column([c.bins.low for c in columns]), column([c.bins.high for c in columns])
        return cls(
            Binning([np.array(c.bins.edges, np.float64) for c in columns], low, high),
            low,
            high,
            column([c.center for c in columns]),
            column([c.scale for c in columns]),
        )
