"""How far a column may get beyond its range, against the distributions whose quantiles are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from monitor.stats.bins.numeric_bins import numeric_bins
from monitor.stats.bins.reference_bins import ColumnBins
from monitor.stats.bins.tails import farthest

Values = NDArray[np.float64]
ROWS = 2_000
#: what twenty independent rows of a normal column reach on average, and three times that far from the median
SOON_REACHED = 1.87


def of(values: Values) -> tuple[ColumnBins, NDArray[np.int64]]:
    bins = numeric_bins(values)
    places = np.searchsorted(np.array(bins.edges), values, side="right")
    return bins, np.bincount(places, minlength=len(bins.edges) + 1).astype(np.int64)


def quantiles(ppf: Callable[[Values], Values]) -> Values:
    """Values of a distribution as even as can be, up to where a strongly dependent column gets in 2,000 rows."""
    reached = stats.norm.cdf(SOON_REACHED)
    return np.asarray(ppf(np.linspace(1 - reached, reached, ROWS)))


@pytest.mark.parametrize("ppf", [stats.norm().ppf, stats.uniform(-0.5).ppf, stats.logistic(2, 3).ppf, stats.t(9).ppf])
@pytest.mark.parametrize("widths", [(1, 1), (0, 10), (10, 0)])
def test_a_column_with_short_tails_gets_as_far_as_its_range_is_wide(
    ppf: Callable[[Values], Values], widths: tuple[int, int]
) -> None:
    bins, counts = of(quantiles(ppf))
    wide = bins.high - bins.low
    assert farthest(bins, counts, widths) == (bins.low - widths[0] * wide, bins.high + widths[1] * wide)


@pytest.mark.parametrize(
    "tail", [np.exp, lambda z: z**3, lambda z: np.sinh(1.5 * z), lambda z: np.exp(2 * z), lambda z: -np.exp(-z)]
)
def test_behind_a_long_tail_it_gets_as_far_as_on_the_scale_where_it_is_normal(tail: Callable[[Values], Values]) -> None:
    bins, counts = of(tail(quantiles(stats.norm().ppf)))
    low, high = farthest(bins, counts, (1, 1))
    ends = tail(np.array([-2.0, 2.0]) * SOON_REACHED)
    assert low <= ends[0]
    assert high >= ends[1]


@pytest.mark.parametrize("reached", [1.0, 1.5, 2.5])
def test_positive_values_get_as_far_as_their_logarithms_are_wide_long_tail_or_not(reached: float) -> None:
    logs = np.linspace(-reached, reached, ROWS)
    bins, counts = of(np.exp(logs))
    low, high = farthest(bins, counts, (1, 1))
    assert high >= np.exp(reached + 1.8 * reached)  # from the first decile of these on
    assert low <= 0
    assert farthest(bins, counts, (0, 0)) == pytest.approx((bins.low, bins.high))


def test_it_is_mirrored_with_the_column_and_moves_and_stretches_with_it() -> None:
    values = np.exp(quantiles(stats.norm().ppf))
    low, high = farthest(*of(values), (1, 2))
    mirrored = farthest(*of(-values[::-1]), (2, 1))
    stretched = farthest(*of(50 * values - 400), (1, 2))
    # ranges of positive columns have another lower end; it is not what is tested here
    assert mirrored[0] == pytest.approx(-high, rel=0.05)
    assert stretched[1] == pytest.approx(50 * high - 400, rel=0.05)
    assert low < values.min()


@pytest.mark.parametrize(
    "values",
    [
        np.zeros(ROWS),
        np.repeat([0.0, 1.0], ROWS // 2),
        np.concatenate((np.zeros(1_800), np.exp(np.linspace(0, 9, 200)))),
        np.concatenate((np.linspace(0, 1, 1_000), np.full(1_000, -999.0))),
        np.geomspace(1e-300, 1e300, ROWS),
    ],
)
def test_ties_and_extremes_give_ends_at_or_beyond_the_range(values: Values) -> None:
    bins, counts = of(np.sort(values))
    low, high = farthest(bins, counts, (1, 10))
    assert low <= bins.low <= bins.high <= high


def test_a_column_without_values_has_its_range() -> None:
    bins = numeric_bins(np.array([1.0, 2.0, 5.0]))
    assert farthest(bins, np.zeros(len(bins.edges) + 1, np.int64), (0, 0)) == (bins.low, bins.high)
