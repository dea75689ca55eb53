"""Does a column outside its range look like the same values in another unit?"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.reference.reference import Column
from monitor.stats.tally import OUTSIDE_COUNT, OUTSIDE_LOG, OUTSIDE_LOG_SQUARES, SQUARE_UNIT, UNIT

#: the outside values must be spread, in decades, between these multiples of the reference's spread
SPREAD_RANGE: Final = (0.4, 1.6)
MIN_VALUES: Final = 3
FEW_VALUES: Final = 20
#: factors that are said as such; any other is said with two digits
USUAL: Final = (10.0, 60.0, 100.0, 1000.0, 3600.0, 86_400.0, 1e6, 1e9)
ALL_USUAL: Final = (*USUAL, *(1 / usual for usual in USUAL))
#: how near an estimate is to one of them, in decades
NEAR: Final = 0.13
#: beyond so many decades it is no number that can be written, and no unit
MOST_DECADES: Final = 300.0


def unit_factor(column: Column, sums: NDArray[np.int64]) -> float | None:
    """The factor between the outside values and the reference's, None where they do not look alike.

    `sums` (SUMS,) fixed-point sums of the window. Compares means and spreads of log10 |x|: a changed unit shifts the
    logarithms and leaves their spread.
    """
    count = int(sums[OUTSIDE_COUNT])
    if count < MIN_VALUES or math.isnan(column.log_center):
        return None
    mean = int(sums[OUTSIDE_LOG]) / UNIT / count
    variance = int(sums[OUTSIDE_LOG_SQUARES]) / SQUARE_UNIT / count - mean * mean
    spread = math.sqrt(max(variance, 0.0))
    low, high = SPREAD_RANGE
    if count < FEW_VALUES:  # their spread says little: only a usual factor is believed
        low = 0.0
    if not low * column.log_spread - 0.01 <= spread <= high * column.log_spread + 0.01:
        return None
    return _named(mean - column.log_center, count, column.log_spread / math.sqrt(count))


def _named(decades: float, count: int, error: float) -> float | None:
    """The factor of an estimate in decades and its standard error.

    A usual one that is near, and nearer than any other by more than the error: minutes (60) and cents (100) lie close
    together. A factor that is no usual one is believed of many values alone.
    """
    distances = sorted((abs(decades - math.log10(usual)), usual) for usual in ALL_USUAL)
    (nearest, usual), (second, _) = distances[:2]
    if nearest < NEAR:
        return usual if second - nearest > error else None
    if count < FEW_VALUES or abs(decades) > MOST_DECADES:
        return None
    return float(f"{math.pow(10.0, decades):.2g}")
