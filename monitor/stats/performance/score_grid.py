"""Scores of labelled predictions on a fixed grid: areas under curves and calibration from counts that can be merged.

The grid is the same for every model, so that counts of any cohorts can be added: steps of 1/1000, and below 1/40 of
either end 32 steps per factor of two, down to 2^-20, as the scores of rare classes lie there. Scores in one step are
taken as equal. What that can change of an area is known from the counts alone, and stated beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_STEPS: Final = 1_000
_FINE_BELOW: Final = 1 / 40
_SMALLEST: Final = 2.0**-20
_PER_DOUBLING: Final = 32
#: steps of the calibration curve
CURVE_STEPS: Final = 10


def _edges() -> Floats:
    fine = _SMALLEST * 2.0 ** (np.arange(20 * _PER_DOUBLING) / _PER_DOUBLING)
    fine = fine[fine < _FINE_BELOW * (1 - 1e-9)]
    middle = np.arange(_STEPS * _FINE_BELOW, _STEPS * (1 - _FINE_BELOW) + 0.5) / _STEPS
    return np.concatenate((fine, middle, 1 - fine[::-1]))


#: a score equal to an edge is in the step below it
EDGES: Final = _edges()
PLACES: Final = len(EDGES) + 1
#: the step of the calibration curve that each place of the grid lies in
_CURVE: Final = np.searchsorted(np.arange(1, CURVE_STEPS) / CURVE_STEPS, np.append(EDGES, 1.0) - 1e-9)


def place_of(scores: Floats, positive: NDArray[np.bool_]) -> Ints:
    """The place (n,) of scores in a tally's `scores`: twice the step of the grid, and 1 more for a positive label."""
    return np.asarray(2 * np.searchsorted(EDGES, scores) + positive, np.int64)


class Scores(NamedTuple):
    """Counts by step of the grid, each (PLACES,): of labels that are not the positive class, and of those that are."""

    negative: Floats
    positive: Floats

    @classmethod
    def of(cls, counts: Mapping[int, int]) -> Scores:
        """From a tally's `scores`."""
        both = np.zeros(2 * PLACES)
        if counts:
            both[list(counts)] = list(counts.values())
        return cls(both[0::2], both[1::2])


class Area(NamedTuple):
    """An area under a curve, and by how much that of the scores themselves may differ."""

    value: float
    error: float


def roc_auc(scores: Scores) -> Area | None:
    """Area under the ROC curve; None unless both kinds of labels came."""
    negative, positive = scores
    pairs = float(negative.sum() * positive.sum())
    if not pairs > 0:
        return None
    below = np.cumsum(negative) - negative
    equal = float((positive * negative).sum()) / 2
    return Area((float((positive * below).sum()) + equal) / pairs, equal / pairs)


def pr_auc(scores: Scores) -> Area | None:
    """Average precision, as scikit-learn sums it; None without a positive label."""
    negative, positive = scores.negative[::-1], scores.positive[::-1]
    total = float(positive.sum())
    if not total > 0:
        return None
    hits, alarms = np.cumsum(positive), np.cumsum(negative)
    some = positive > 0
    hits, alarms, own, others = hits[some], alarms[some], positive[some], negative[some]
    precision = hits / (hits + alarms)
    best = hits / (hits + alarms - others)  # all positives of the step come before its negatives
    worst = (hits - own + 1) / (hits - own + 1 + alarms)
    error = np.maximum(best - precision, precision - np.minimum(worst, precision))
    weight = own / total
    return Area(float((weight * precision).sum()), float((weight * error).sum()))


class CurvePoint(NamedTuple):
    """One step of the calibration curve: predictions, their mean score, and the share of positive labels among them."""

    predictions: int
    score: float
    positives: float


def calibration_curve(scores: Scores, score_sums: Floats) -> list[CurvePoint]:
    """The steps of the curve that hold predictions; `score_sums` (CURVE_STEPS,) sums of the scores in each."""
    positive = np.bincount(_CURVE, scores.positive, CURVE_STEPS)
    every = positive + np.bincount(_CURVE, scores.negative, CURVE_STEPS)
    return [
        CurvePoint(int(n), float(total / n), float(hits / n))
        for n, total, hits in zip(every, score_sums, positive, strict=True)
        if n > 0
    ]


def curve_step_of(scores: Floats) -> Ints:
    """The step (n,) of the calibration curve that scores lie in."""
    return np.asarray(_CURVE[np.searchsorted(EDGES, scores)], np.int64)


def calibration_error(curve: list[CurvePoint]) -> float | None:
    """Expected calibration error: the mean distance of score and share of positives, weighted by predictions."""
    total = sum(point.predictions for point in curve)
    if not total:
        return None
    return sum(point.predictions * abs(point.score - point.positives) for point in curve) / total
