"""An additive regression: a value as the sum of one effect per column, by which bin the column's value is in.

Ridge regression on the indicators of all bins, from integer counts: how often each bin comes, and how often each pair
of bins comes together. The effects of correlated columns are told apart, which the mean value of a bin does not do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: rows' worth of shrinkage of each effect towards 0
RIDGE: Final = 20.0


class Fit(NamedTuple):
    """Of S slots, side by side: `effects` (S,) of the regression without its mean, `counts` (S,), `sums` (S,) of the
    values less their mean."""

    effects: Floats
    counts: Ints
    sums: Floats


class NormalEquations:
    """Counts of pairs of slots and sums of a value, over rows. `widths` (C,) slots of each column."""

    def __init__(self, widths: Sequence[int]) -> None:
        self.first = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.asarray(widths, np.int64))])
        self.slots = int(self.first[-1])
        #: (S, S) of a column with itself and the columns behind it
        self._together = np.zeros((self.slots, self.slots), np.int64)
        self._sums = np.zeros(self.slots)
        self._total = 0.0
        self.rows = 0

    def add(self, codes: Ints, values: Floats) -> None:
        """Add rows: `codes` (C, n) each column's slot, `values` (n,)."""
        places = codes + self.first[:-1, None]
        for at, own in enumerate(codes):
            begin, end = int(self.first[at]), int(self.first[at + 1])
            size = (end - begin) * self.slots
            pairs = np.bincount((own * self.slots + places[at:]).ravel(), minlength=size)
            self._together[begin:end] += pairs.reshape(end - begin, self.slots)
            self._sums[begin:end] += np.bincount(own, values, minlength=end - begin)
        self._total += float(values.sum())
        self.rows += len(values)

    def solve(self, ridge: float = RIDGE) -> Fit:
        """The effects that predict the value best, with `ridge` rows' worth of shrinkage; at least one row is needed.

        The mean is not shrunk: indicators and values are centred.
        """
        counts = self._together.diagonal().copy()
        together = self._together + self._together.T - np.diag(counts)
        shares = counts / self.rows
        sums = self._sums - counts * (self._total / self.rows)
        matrix = together - self.rows * np.outer(shares, shares)
        matrix[np.diag_indices(self.slots)] += ridge
        return Fit(np.asarray(linalg.solve(matrix, sums, assume_a="pos"), np.float64), counts, sums)
