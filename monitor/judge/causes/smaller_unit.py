"""Detects values inside the range that are the reference's in a larger unit: thousands, euros for cents, s for ms.

Divided by a power of ten the values of a column that has zeros, or values far apart, stay in its range, near 0. The
whole window must then have the mean, the standard deviation and the shares of the bins that the reference's values have
in that unit, and no other common factor may fit as well.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from monitor.judge.causes.unit_change import (
    FACTORS,
    NEAR,
    SAME,
    SHARES_OFF,
    SPREAD_OFF,
    InOtherUnits,
    UnitChange,
    in_other_units,
)
from monitor.judge.windows.all_values import Moments, in_window, moments
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.judge.windows.pyramid import Windows

#: the largest factor that is tried: above it a change of the values themselves looks the same
LARGEST_FACTOR: Final = 0.11
MIN_VALUES: Final = 20
#: tolerance of the mean in the converted reference's standard deviations, beside 3 standard errors
MEAN_OFF: Final = 0.1
#: resolution of a window's mean and standard deviation, in the reference's (fixed-point sums)
MEAN_RESOLUTION: Final = 1e-6
SPREAD_RESOLUTION: Final = 0.03


def smaller_values(prepared: PreparedReference, windows: Windows, window: int, column: int) -> UnitChange | None:
    """The change of unit that explains one window of a numeric column with hardly any values outside, if one does."""
    about, units = prepared.columns[column], in_other_units(prepared, column)
    if units is None or not about.bins.edges or about.center <= 0 or _has_negative(units):
        return None
    seen = moments(about, windows.counts[window, column], windows.sums[window, column], prepared.width)
    low, high = float(windows.lows[window, column]), float(windows.highs[window, column])
    if not seen.whole or seen.values < MIN_VALUES or low < 0 or high <= low or seen.mean <= 0:
        return None
    live = in_window(prepared, windows, window, column)
    shares = np.cumsum(live / live.sum())
    found = [
        factor
        for factor, expected in units.expected
        if factor <= LARGEST_FACTOR
        and _explains(units, seen, high, factor)
        and np.abs(np.cumsum(expected.shares) - shares).max() <= SHARES_OFF + 1 / math.sqrt(seen.values)
    ]
    factor = _clearest(found, seen.mean / about.center, 3 * about.scale / about.center / math.sqrt(seen.values))
    return None if factor is None else UnitChange.by(factor)


def _has_negative(units: InOtherUnits) -> bool:
    return float(units.points.weights[units.points.signs < 0].sum()) > SAME


def _explains(units: InOtherUnits, seen: Moments, high: float, factor: float) -> bool:
    """Whether mean, standard deviation and largest value are those of the reference's values times `factor`."""
    center, scale = units.about.center, units.about.scale
    slack = 1 / math.sqrt(seen.values)
    if abs(seen.mean - factor * center) > factor * scale * (MEAN_OFF + 3 * slack) + MEAN_RESOLUTION * scale:
        return False
    if not factor * (center + scale / 2) <= high <= factor * SPREAD_OFF * units.about.bins.high:
        return False
    spread, unsure = factor * scale, SPREAD_RESOLUTION * scale
    off = SPREAD_OFF * (1 + 2 * slack)
    return spread / off - unsure <= seen.spread <= spread * off + unsure


def _clearest(factors: list[float], ratio: float, error: float) -> float | None:
    """The factor nearest to the `ratio` of the means, if no other is as near within the `error` of its logarithm."""
    if not factors:
        return None
    best = min(factors, key=lambda factor: abs(math.log(ratio / factor)))
    nearest = abs(math.log(ratio / best))
    rivals = [factor for factor in FACTORS if factor <= 1 and abs(math.log(ratio / factor)) - nearest <= error]
    if any(abs(math.log10(rival / best)) > NEAR for rival in rivals):
        return None
    # of two nearly equal factors, 1 / 1,000 and 1 / 1,024, take the power of ten
    return next((factor for factor in rivals if round(math.log10(factor), 9).is_integer()), best)
