"""How much a number for each row varies from cohort to cohort, where only sums of cohorts are known.

The rows of a cohort are made up so that their sums are the cohort's, in an order that means nothing: dependence within
a cohort shows in blocks as long as a cohort, as errors that come in runs show in blocks as long as the runs. Blocks
that are longer than the longest dependence give the long-run variance (`stats.long_run`). A few large cohorts tell
nothing of that.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.stats.testing.mean_difference import ROWS, SQUARES, SUM
from monitor.stats.variance.long_run import PIECE, TOO_SHORT, BlockSums, LongRun, settle_alone

Floats = NDArray[np.float64]

_SEED: Final = 20
#: p-value below which a longer block contradicts that rows are independent: 5 % of independent references of 10,000
#: rows are called dependent by it, where 0.05 would call 18 % so, and each of those pages late
CHANCE: Final = 0.01
#: cohorts of several rows from which on the variance is known well enough for pages
LEAST_COHORTS: Final = 32
_ONE_NUMBER: Final = np.ones((1, 1))


class NumberSums(BlockSums):
    """Collects cohorts in time order."""

    def __init__(self) -> None:
        super().__init__(_ONE_NUMBER)
        self._rng = np.random.default_rng(_SEED)
        self._numbers: list[Floats] = []
        self._moments = np.zeros(4)
        self._cohorts = 0

    def add_cohort(self, moments: Floats) -> None:
        """Add a cohort by its moments (4,)."""
        rows = int(moments[ROWS])
        if rows <= 0:
            return
        self._moments += moments
        self._cohorts += 1
        self._numbers.append(_rows_like(moments, rows, self._rng))
        self._held += rows
        while self._held >= PIECE:
            numbers = np.concatenate(self._numbers)
            self._take_parts(numbers[None, :PIECE])
            self._numbers = [numbers[PIECE:]]
            self._held -= PIECE

    def settled(self) -> LongRun:
        """The long-run variance of the cohorts added; none may be added after it."""
        if self._held:
            self._take_parts(np.concatenate(self._numbers)[None])
            self._numbers, self._held = [], 0
        rows = max(float(self._moments[ROWS]), 1.0)
        mean = self._moments[SUM] / rows
        self._spread = np.array([max(self._moments[SQUARES] / rows - mean**2, 0.0)])
        found = settle_alone(self.finish(), CHANCE)
        if self._cohorts < min(LEAST_COHORTS, rows):
            return replace(found, settled=False, reason=TOO_SHORT)
        return found


def _rows_like(moments: Floats, rows: int, rng: np.random.Generator) -> Floats:
    """Numbers (rows,) with the first two moments of a cohort."""
    mean = moments[SUM] / rows
    if moments[SQUARES] == moments[SUM]:  # hits
        numbers = np.zeros(rows)
        numbers[: round(float(moments[SUM]))] = 1.0
    else:
        away = np.sqrt(max(moments[SQUARES] / rows - mean**2, 0.0))
        half = rows // 2
        signs = np.zeros(rows)
        signs[:half], signs[rows - half :] = 1.0, -1.0
        numbers = mean + signs * (away * np.sqrt(rows / max(2 * half, 1)))
    return np.asarray(rng.permutation(numbers), np.float64)
