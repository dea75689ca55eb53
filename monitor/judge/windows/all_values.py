"""All non-null values of a column, inside and outside the range: counts, distances, mean and standard deviation.

Tests treat the bins and the values outside separately; figures for people cover all of them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.judge.windows.pyramid import Windows
from monitor.reference.column import Column
from monitor.stats.bins.reference_bins import OUTSIDE
from monitor.stats.distances import DISTANCES, ORDERED_ONLY
from monitor.stats.tallies.tally import (
    BELOW,
    FAR_COUNT,
    FAR_SQUARE_UNIT,
    FAR_SQUARES,
    FAR_SUM,
    FAR_UNIT,
    SQUARE_UNIT,
    SQUARES,
    SUM,
    UNIT,
)

Ints = NDArray[np.int64]


def in_reference(prepared: PreparedReference, column: int) -> Ints:
    """Counts of the reference's values of a column, as `ColumnBins.everywhere` orders them."""
    return prepared.columns[column].bins.everywhere(prepared.reference.counts[column], 0)


def in_window(prepared: PreparedReference, windows: Windows, window: int, column: int) -> Ints:
    """Counts of one window's values, in the same order."""
    below = int(windows.sums[window, column, BELOW])
    return prepared.columns[column].bins.everywhere(windows.counts[window, column], below)


def distances(prepared: PreparedReference, windows: Windows, window: int) -> list[dict[str, float]]:
    """By column every distance of a window from the reference, NaN where one of them is empty.

    Columns that have as many bins are measured together: one by one takes ten times as long.
    """
    sides = [
        (in_reference(prepared, at), in_window(prepared, windows, window, at)) for at in range(len(prepared.columns))
    ]
    found: list[dict[str, float]] = [{} for _ in sides]
    alike: dict[tuple[bool, int], list[int]] = {}
    for at, (reference, _) in enumerate(sides):
        alike.setdefault((bool(prepared.ordered[at]), len(reference)), []).append(at)
    for (ordered, _), places in alike.items():
        reference, live = (np.stack([sides[at][side] for at in places]) for side in (0, 1))
        for name, distance in DISTANCES.items():
            if ordered or name not in ORDERED_ONLY:
                for at, value in zip(places, distance(reference, live).tolist(), strict=True):
                    found[at][name] = value
    return found


def mean_outside(column: Column, sums: Ints) -> float:
    """Mean of the numbers outside the range that could be summed, `sums` (SUMS,); NaN without any."""
    summed = int(sums[FAR_COUNT])
    return column.center + column.scale * int(sums[FAR_SUM]) / FAR_UNIT / summed if summed else math.nan


class Moments(NamedTuple):
    """Mean and standard deviation of `values` numbers; `whole` if these are all values, outside the range included."""

    values: int
    mean: float
    spread: float
    whole: bool


def moments(column: Column, counts: Ints, sums: Ints, width: int) -> Moments:
    """Moments of a numeric column in one window; of values inside the range only if others are too large to be summed.

    `counts` (B + facts,), `sums` (SUMS,); NaN without values.
    """
    inside, outside = int(counts[:width].sum()), int(counts[width + OUTSIDE])
    whole = int(sums[FAR_COUNT]) == outside
    values = inside + (outside if whole else 0)
    if values == 0:
        return Moments(0, math.nan, math.nan, whole)
    z, squares = int(sums[SUM]) / UNIT, int(sums[SQUARES]) / SQUARE_UNIT
    if whole:
        z += int(sums[FAR_SUM]) / FAR_UNIT
        squares += int(sums[FAR_SQUARES]) / FAR_SQUARE_UNIT
    mean = z / values
    spread = math.sqrt(max(squares / values - mean * mean, 0.0))
    return Moments(values, column.center + column.scale * mean, column.scale * spread, whole)
