"""Fixed-point sums over labelled predictions: what performance needs beside counts.

Each value is rounded once to a fixed-point integer; sums of integers are exact in any order and can be taken back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.stats.performance.score_grid import CURVE_STEPS, PLACES, curve_step_of, place_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

#: fixed-point steps in one unit: of scores and losses of them; of numbers in units of the reference's standard
#: deviation, of their squares, and of the third powers of errors
SCORE_UNIT: Final = 1 << 40
VALUE_UNIT: Final = 1 << 36
SQUARE_UNIT: Final = 1 << 24
CUBE_UNIT: Final = 1 << 10
#: numbers further out, in standard deviations of the reference, count as so far out: a sum then fits its integers
CLIP_SD: Final = 2.0**14
#: as scikit-learn clips probabilities for the log loss
LOG_CLIP: Final = float(np.finfo(np.float64).eps)

#: of labelled scores: how many; (label - score), its square (the Brier score) and third power; the log loss; and the
#: score by step of the calibration curve
SCORED, RESIDUAL, BRIER, RESIDUAL_CUBES, LOG_LOSS = "scored", "residual", "brier", "residual_cubes", "log_loss"
SCORE_STEPS: Final = tuple(f"score_{step}" for step in range(CURVE_STEPS))
#: of labelled probabilities of every class: how many; their log loss, and the sum of their squared errors over classes
CLASSED, CLASS_LOG_LOSS, CLASS_BRIER = "classed", "class_log_loss", "class_brier"
#: of labelled numbers, in standard deviations: how many; prediction - label, its size, square and third power of its
#: size; the label (from the reference's center) and its square; |error / label| where the label is not 0, and how many
NUMBERS, ERROR, ABSOLUTE, SQUARED, CUBED = "numbers", "error", "absolute", "squared", "cubed"
LABEL, LABEL_SQUARED, RELATIVE, NOT_ZERO = "label", "label_squared", "relative", "not_zero"

UNITS: Final[Mapping[str, int]] = {
    SCORED: 1,
    RESIDUAL: SCORE_UNIT,
    BRIER: SCORE_UNIT,
    RESIDUAL_CUBES: SCORE_UNIT,
    LOG_LOSS: SCORE_UNIT,
    **dict.fromkeys(SCORE_STEPS, SCORE_UNIT),
    CLASSED: 1,
    CLASS_LOG_LOSS: SCORE_UNIT,
    CLASS_BRIER: SCORE_UNIT,
    NUMBERS: 1,
    ERROR: VALUE_UNIT,
    ABSOLUTE: VALUE_UNIT,
    SQUARED: SQUARE_UNIT,
    CUBED: CUBE_UNIT,
    LABEL: VALUE_UNIT,
    LABEL_SQUARED: SQUARE_UNIT,
    RELATIVE: VALUE_UNIT,
    NOT_ZERO: 1,
}

#: integers are added as two halves, each of which a float adds exactly
_HALF: Final = 24


def value(sums: Mapping[str, int], name: str) -> float:
    """One of a tally's sums, in its own unit."""
    return sums.get(name, 0) / UNITS[name]


def of_scores(
    slots: Ints, count: int, scores: Floats, positive: Flags, sign: Ints, *, steps: bool = True
) -> list[dict[str, int]]:
    """Sums of each of `count` slots over n labelled scores from 0 to 1; `sign` (n,) is 1, or -1 to take back.

    `steps`: by step of the calibration curve, too.
    """
    residual = positive - scores
    inside = np.clip(scores, LOG_CLIP, 1 - LOG_CLIP)
    values = {
        SCORED: np.ones(len(scores)),
        RESIDUAL: residual,
        BRIER: residual**2,
        RESIDUAL_CUBES: residual**3,
        LOG_LOSS: -np.log(np.where(positive, inside, 1 - inside)),
    }
    out = _summed(slots, count, values, sign)
    if not steps:
        return out
    of_step = slots * CURVE_STEPS + curve_step_of(scores)
    by_step = _sums(of_step, count * CURVE_STEPS, _fixed(scores, SCORE_UNIT) * sign)
    for at, total in enumerate(by_step):
        if total:
            out[at // CURVE_STEPS][SCORE_STEPS[at % CURVE_STEPS]] = total
    return out


def of_classes(slots: Ints, count: int, probabilities: Floats, label: Ints, sign: Ints) -> list[dict[str, int]]:
    """Sums of each of `count` slots over n labelled `probabilities` (n, K) of all classes; `label` (n,) is a class."""
    own = probabilities[np.arange(len(label)), label]
    others = (probabilities**2).sum(1) - own**2
    values = {
        CLASSED: np.ones(len(label)),
        CLASS_LOG_LOSS: -np.log(np.clip(own, LOG_CLIP, 1 - LOG_CLIP)),
        CLASS_BRIER: np.maximum(others, 0.0) + (1 - own) ** 2,
    }
    return _summed(slots, count, values, sign)


def score_counts(slots: Ints, count: int, scores: Floats, positive: Flags, sign: Ints) -> list[dict[int, int]]:
    """The same slots' counts of scores by place of the grid."""
    out: list[dict[int, int]] = [{} for _ in range(count)]
    used, which = np.unique(slots * (2 * PLACES) + place_of(scores, positive), return_inverse=True)
    totals = np.bincount(which, sign, len(used)).astype(np.int64)
    of_each = (numbers.tolist() for numbers in (*np.divmod(used, 2 * PLACES), totals))
    for slot, place, total in zip(*of_each, strict=True):
        if total:
            out[slot][place] = total
    return out


def of_numbers(
    slots: Ints, count: int, predicted: Floats, labels: Floats, center: float, scale: float, sign: Ints
) -> list[dict[str, int]]:
    """Sums of each of `count` slots over n labelled numbers; `center` and `scale` are the reference's prediction's."""
    error = np.clip((predicted - labels) / scale, -CLIP_SD, CLIP_SD)
    label, size = np.clip((labels - center) / scale, -CLIP_SD, CLIP_SD), np.abs(error)
    not_zero = labels != 0
    relative = np.abs(predicted - labels) / np.where(not_zero, np.abs(labels), 1.0)
    values = {
        NUMBERS: np.ones(len(labels)),
        ERROR: error,
        ABSOLUTE: size,
        SQUARED: error**2,
        CUBED: size**3,
        LABEL: label,
        LABEL_SQUARED: label**2,
        RELATIVE: np.where(not_zero, np.minimum(relative, CLIP_SD), 0.0),
        NOT_ZERO: not_zero.astype(np.float64),
    }
    return _summed(slots, count, values, sign)


def _summed(slots: Ints, count: int, values: Mapping[str, Floats], sign: Ints) -> list[dict[str, int]]:
    out: list[dict[str, int]] = [{} for _ in range(count)]
    for name, own in values.items():
        for slot, total in enumerate(_sums(slots, count, _fixed(own, UNITS[name]) * sign)):
            if total:
                out[slot][name] = total
    return out


def _fixed(values: Floats, unit: int) -> Ints:
    return np.asarray(np.rint(values * unit), np.int64)


def _sums(slots: Ints, count: int, fixed: Ints) -> list[int]:
    """Exact sums by slot: of at most 2^24 values of at most 2^53."""
    high, low = fixed >> _HALF, fixed & ((1 << _HALF) - 1)
    highs, lows = (np.bincount(slots, part.astype(np.float64), count) for part in (high, low))
    return [(int(a) << _HALF) + int(b) for a, b in zip(highs, lows, strict=True)]
