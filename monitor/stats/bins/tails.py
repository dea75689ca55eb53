"""How far a column may get beyond its range by chance: values that depend on each other leave the range of few of them.

A column with short tails goes no farther outside than its range is wide. Behind a long tail that is soon: there, the
width is taken on the scale asinh(distance from the median / distance of the seventh decile), which is linear for the
bulk of the values and logarithmic for its tail. A few dozen independent values do not always show a long tail; of
positive values the width of the logarithms, from the far decile on, is possible in any case.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.stats.bins.reference_bins import ColumnBins

#: a tail is long where the ninth decile is so many times as far from the median as the seventh (normal 2.4, Laplace
#: 3.1, lognormal 3.7) ...
LONG_TAIL: Final = 3.0
#: ... or the end of the range so many times as far as the ninth decile (2,000 independent normal values: 3.1)
FAR_END: Final = 4.0
#: a share of the values below an edge is that of a decile up to this difference
SAME_SHARE: Final = 0.02
#: beyond this, the inverse of asinh and of the logarithm exceeds the largest number
LARGEST_LOG: Final = 700.0


def farthest(bins: ColumnBins, counts: NDArray[np.int64], widths: tuple[int, int]) -> tuple[float, float]:
    """Lowest and highest value that lie so many widths of the range below and above it.

    Args:
        bins: of a numeric column.
        counts: (B,) reference values in each bin.
        widths: below and above.
    """
    wide = bins.high - bins.low
    low, high = bins.low - widths[0] * wide, bins.high + widths[1] * wide
    below = np.cumsum(counts)[: len(bins.edges)] / max(int(counts.sum()), 1)
    decile = {tenth: _edge_at(bins, below, tenth / 10) for tenth in (1, 3, 5, 7, 9)}
    median = decile[5]
    low = min(low, median - _long_tail(median - decile[3], median - decile[1], median - bins.low, widths[0]))
    high = max(high, median + _long_tail(decile[7] - median, decile[9] - median, bins.high - median, widths[1]))
    if bins.low > 0:
        low = min(low, _ratio_beyond(bins.low, decile[9], widths[0]))
        high = max(high, _ratio_beyond(bins.high, decile[1], widths[1]))
    return low, high


def _ratio_beyond(end: float, other: float, widths: int) -> float:
    """So many times the ratio of a positive `end` to a value on the other side beyond the end; the end of NaN."""
    if not other > 0:
        return end
    width = np.log(end) - np.log(other)
    return float(np.exp(np.clip(np.log(end) + widths * width, -LARGEST_LOG, LARGEST_LOG)))


def _edge_at(bins: ColumnBins, below: NDArray[np.float64], share: float) -> float:
    """The edge with this share of the values below it; NaN where none has."""
    if not len(below):
        return np.nan
    nearest = int(np.argmin(np.abs(below - share)))
    return bins.edges[nearest] if abs(below[nearest] - share) <= SAME_SHARE else np.nan


def _long_tail(inner: float, outer: float, end: float, widths: int) -> float:
    """Distance from the median, of a tail whose deciles and end are so far from it; 0 where the tail is not long."""
    if not 0 < inner <= outer <= end or (outer < LONG_TAIL * inner and end < FAR_END * outer):  # NaN: no tail
        return 0.0
    # the width of a range of two such tails is twice one of them
    return inner * float(np.sinh(min((1 + 2 * widths) * np.arcsinh(end / inner), LARGEST_LOG)))
