"""The errors that are judged, each the mean of a number for each row, and their moments from a tally of labels.

The higher, the worse: a share of predictions that are wrong, a share of positives that were missed, a mean cost, the
mean size of an error. Of two of them both ways are worse: the calibration residual (label less score; of more than
two classes whether the predicted one is right, less its probability), and the bias.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.stats.performance import label_sums as sums
from monitor.stats.performance.figures import (
    ACCURACY,
    BIAS,
    BINARY,
    CALIBRATION_ERROR,
    COST,
    MAE,
    MULTICLASS,
    PRECISION,
    RECALL,
    REGRESSION,
    Cells,
    Meaning,
)
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.testing.mean_difference import CUBES, SUM

Floats = NDArray[np.float64]

#: of all predictions, those in one cell of the confusion matrix: from how these vary it is known how costs do
FALSE_POSITIVE, FALSE_NEGATIVE, TRUE_POSITIVE, TRUE_NEGATIVE = (
    "false_positive",
    "false_negative",
    "true_positive",
    "true_negative",
)
CELLS: Final = (FALSE_POSITIVE, FALSE_NEGATIVE, TRUE_POSITIVE, TRUE_NEGATIVE)
#: {task: the errors whose variation a reference has}, by the names of the figures that they change
LEARNED: Final[Mapping[str, tuple[str, ...]]] = {
    BINARY: (ACCURACY, RECALL, PRECISION, CALIBRATION_ERROR, *CELLS),
    MULTICLASS: (ACCURACY, CALIBRATION_ERROR),
    REGRESSION: (MAE, BIAS),
}
#: ... of which both ways are worse
TWO_SIDED: Final = frozenset({CALIBRATION_ERROR, BIAS})


class Least(NamedTuple):
    """The smallest change of an error that pages unless settings say otherwise; `relative` to the reference's."""

    effect: float
    relative: bool = False


#: {figure: its least effect}: 30 of 1,000 predictions more are wrong, one positive in ten more is missed, ...
LEAST_EFFECTS: Final[Mapping[str, Least]] = {
    ACCURACY: Least(0.03),
    RECALL: Least(0.1),
    PRECISION: Least(0.1),
    CALIBRATION_ERROR: Least(0.03),
    MAE: Least(0.1, relative=True),
    BIAS: Least(0.1, relative=True),
    COST: Least(0.1, relative=True),
}


def judged(meaning: Meaning) -> tuple[str, ...]:
    """The figures that are judged of a task, if their labels come."""
    named = tuple(name for name in LEARNED.get(meaning.task, ()) if name not in CELLS)
    return (*named, COST) if meaning.costs and meaning.task == BINARY else named


def moments(tally: LabelTally, figure: str, meaning: Meaning) -> Floats:
    """(4,) rows, and sums of the first three powers of the error of each: see `stats.mean_difference`."""
    if figure in {CALIBRATION_ERROR, BIAS, MAE}:
        return _of_sums(tally, figure)
    cells = Cells.of(tally, meaning.positive)
    tp, fp, fn, tn = cells.true_positive, cells.false_positive, cells.false_negative, cells.true_negative
    if figure == COST:
        costs = [(meaning.costs or {}).get(cell, 0.0) for cell in ((True, True), (False, True), (True, False))]
        costs.append((meaning.costs or {}).get((False, False), 0.0))
        powers = [sum(n * cost**power for n, cost in zip((tp, fp, fn, tn), costs, strict=True)) for power in (1, 2, 3)]
        return np.array([tally.paired, *powers], np.float64)
    hits, rows = {
        ACCURACY: (tally.errors, tally.paired),
        RECALL: (fn, tp + fn),
        PRECISION: (fp, tp + fp),
        FALSE_POSITIVE: (fp, tally.paired),
        FALSE_NEGATIVE: (fn, tally.paired),
        TRUE_POSITIVE: (tp, tally.paired),
        TRUE_NEGATIVE: (tn, tally.paired),
    }[figure]
    return np.array([rows, hits, hits, hits], np.float64)


def _of_sums(tally: LabelTally, figure: str) -> Floats:
    names = {
        CALIBRATION_ERROR: (sums.SCORED, sums.RESIDUAL, sums.BRIER, sums.RESIDUAL_CUBES),
        MAE: (sums.NUMBERS, sums.ABSOLUTE, sums.SQUARED, sums.CUBED),
        # the cubes of the sizes: taken to be skewed to either side
        BIAS: (sums.NUMBERS, sums.ERROR, sums.SQUARED, sums.CUBED),
    }[figure]
    return np.array([sums.value(tally.sums, name) for name in names])


def all_moments(tally: LabelTally, figures: Sequence[str], meaning: Meaning) -> Floats:
    """(F, 4) of several figures."""
    return np.array([moments(tally, figure, meaning) for figure in figures]).reshape(len(figures), 4)


def other_side(moments_of: Floats, figure: str) -> Floats:
    """The moments (..., 4) of the same error with the other sign, of a figure of which both ways are worse."""
    out = moments_of.copy()
    out[..., SUM] *= -1
    if figure != BIAS:
        out[..., CUBES] *= -1
    return out
