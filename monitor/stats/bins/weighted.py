"""Bins from a summary of values instead of the values: a weighted sample (a sketch), or shares up to some points.

A histogram of another system says what share of the values lies up to each of its bucket's ends. Its own ends are the
edges here, so that its counts hold exactly for the bins; ends with too little between them are joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.stats.bins.numeric_bins import numeric_bins, range_of
from monitor.stats.bins.reference_bins import NUMERIC, QUANTILE_BINS, ColumnBins

Floats = NDArray[np.float64]

#: least share of the values in a bin
LEAST_SHARE: Final = 0.6 / QUANTILE_BINS
#: values that a weighted sample is written out as, and that stand for each stretch between two points
DRAWN: Final = 20_000
WITHIN: Final = 20


@dataclass(frozen=True, slots=True)
class Shares:
    """How values are distributed: `below[i]` of them are at most `points[i]`; all lie from `low` to `high`.

    `points` rise and lie in [low, high); `below` rises, in [0, 1].
    """

    low: float
    high: float
    points: Floats
    below: Floats

    def share_up_to(self, values: Floats) -> Floats:
        """The share at most each value, evenly spread between the points."""
        at = np.concatenate(([self.low], self.points, [self.high]))
        share = np.concatenate(([0.0], self.below, [1.0]))
        keep = np.append(at[1:] > at[:-1], True)  # of equal points the last one
        inside = np.interp(values, at[keep], share[keep])
        return np.where(values >= self.high, 1.0, np.where(values < self.low, 0.0, inside))

    def bins(self, *, has_unit: bool = True) -> tuple[ColumnBins, Floats]:
        """Bins that end at the points, and the share of each."""
        edges: list[float] = []
        shares: list[float] = []
        before = 0.0
        for point, below in zip(self.points.tolist(), self.below.tolist(), strict=True):
            if below - before >= LEAST_SHARE and 1 - below >= LEAST_SHARE / 2 and (not edges or point > edges[-1]):
                edges.append(point)
                shares.append(below - before)
                before = below
        low, high = range_of(self.low, self.high, has_unit=has_unit)
        return ColumnBins(NUMERIC, tuple(edges), low=low, high=high), np.array([*shares, 1 - before])

    def spread_out(self) -> Floats:
        """Values that are distributed so, each with the same weight: a few hundred."""
        at = np.concatenate(([self.low], self.points, [self.high]))
        share = np.concatenate(([0.0], self.below, [1.0]))
        within = (np.arange(WITHIN) + 0.5) / WITHIN
        values = (at[:-1, None] + np.diff(at)[:, None] * within).ravel()
        weights = np.repeat(np.diff(share) / WITHIN, WITHIN)
        return written_out(values, weights, len(values) * 5)


def written_out(values: Floats, weights: Floats, most: int = DRAWN) -> Floats:
    """A weighted sample as at most about `most` values of one weight: those at evenly spaced parts of its weight."""
    order = np.argsort(values, kind="stable")
    reach = np.cumsum(weights[order])
    total = float(reach[-1])
    count = int(total) if total <= most and np.all(weights == np.rint(weights)) else most
    places = (np.arange(count) + 0.5) * (total / count)
    return np.asarray(values[order][np.searchsorted(reach, places)], np.float64)


def sample_bins(values: Floats, weights: Floats, low: float, high: float) -> tuple[ColumnBins, Floats]:
    """Bins of a weighted sample of values from `low` to `high`, and the share of each."""
    drawn = written_out(values, weights)
    planned = numeric_bins(drawn)
    inside = range_of(min(low, float(drawn[0])), max(high, float(drawn[-1])))
    bins = ColumnBins(NUMERIC, planned.edges, low=inside[0], high=inside[1])
    codes = np.searchsorted(np.array(bins.edges, np.float64), values)
    mass = np.bincount(codes, weights, minlength=bins.bins)
    return bins, np.asarray(mass / mass.sum(), np.float64)


def as_counts(shares: Floats | Sequence[float], total: int) -> NDArray[np.int64]:
    """Whole counts that add up to `total`, each within 1 of its share."""
    reach = np.rint(np.cumsum(np.asarray(shares, np.float64)) * total).astype(np.int64)
    reach[-1] = total
    return np.diff(np.concatenate(([0], np.minimum(reach, total))))
