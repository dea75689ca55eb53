"""Performance figures from a merged tally of labels, by the names of the interface; what is not defined is left out.

Names and definitions are scikit-learn's. Of more than two classes precision, recall, F1 and the areas under curves are
means over the classes (one against the rest), the Brier score is a sum over them, and the calibration error is that of
the predicted class's probability. Log loss is clipped as there. `mape` leaves labels of 0 out, where scikit-learn
divides by the smallest number there is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np

from monitor.stats.performance import label_sums as sums
from monitor.stats.performance.class_figures import class_figures
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.performance.score_grid import (
    CurvePoint,
    Scores,
    calibration_curve,
    calibration_error,
    pr_auc,
    roc_auc,
)

BINARY, MULTICLASS, REGRESSION = "binary", "multiclass", "regression"

ACCURACY, RECALL, PRECISION, F1, MCC = "accuracy", "recall", "precision", "f1", "mcc"
CALIBRATION_ERROR, MAE, BIAS, COST = "calibration_error", "mae", "bias", "cost_per_thousand"
#: figures in the unit of the target; all others are bounded
#: what the values of 1,000 labels are together
VALUE_FIGURE: Final = "value_per_thousand"
IN_TARGET_UNIT: Final = frozenset({MAE, "rmse", BIAS})
#: figures that are neither a share nor a score
UNBOUNDED: Final = IN_TARGET_UNIT | {COST, "log_loss"}
#: figures that are a share of predictions
SHARES: Final = frozenset({ACCURACY, "balanced_accuracy", PRECISION, RECALL})


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a model's labels mean: its task, the positive class, and center and scale of predicted numbers.

    `costs` of the cells of the confusion matrix, by (label, predicted) being the positive class.
    """

    task: str
    positive: str = "1"
    center: float = 0.0
    scale: float = 1.0
    costs: Mapping[tuple[bool, bool], float] | None = None


@dataclass(frozen=True, slots=True)
class Cells:
    """The confusion matrix of two classes."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @classmethod
    def of(cls, tally: LabelTally, positive: str) -> Cells:
        cells: Counter[tuple[bool, bool]] = Counter()
        for (label, predicted), count in tally.pairs.items():
            cells[label == positive, predicted == positive] += count
        return cls(cells[True, True], cells[False, True], cells[True, False], cells[False, False])

    def cost(self, costs: Mapping[tuple[bool, bool], float]) -> float:
        """What all of them cost together."""
        counts = {
            (True, True): self.true_positive,
            (False, True): self.false_positive,
            (True, False): self.false_negative,
            (False, False): self.true_negative,
        }
        return sum(costs.get(cell, 0.0) * count for cell, count in counts.items())


def labelled(tally: LabelTally, task: str) -> int:
    """Labelled predictions that the figures are of: the sample size to show beside them."""
    if task == REGRESSION:
        return tally.sums.get(sums.NUMBERS, 0)
    return tally.paired or tally.sums.get(sums.SCORED, 0)


def figures(tally: LabelTally, meaning: Meaning) -> dict[str, float]:
    """All figures that are defined, in the order of the interface."""
    if meaning.task == REGRESSION:
        return _of_numbers(tally, meaning)
    if meaning.task == BINARY:
        return _of_two_classes(tally, meaning) | _of_scores(tally)
    return _of_classes(tally) | _of_class_scores(tally) if meaning.task == MULTICLASS else {}


def _known(named: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in named.items() if value is not None}


def _ratio(a: float, b: float) -> float | None:
    return a / b if b > 0 else None


def _of_two_classes(tally: LabelTally, meaning: Meaning) -> dict[str, float]:
    cells = Cells.of(tally, meaning.positive)
    tp, fp, fn, tn = cells.true_positive, cells.false_positive, cells.false_negative, cells.true_negative
    # a wrong pair may name two classes that are both not the positive one
    right = sum(count for (label, predicted), count in tally.pairs.items() if label == predicted)
    recall, specificity = _ratio(tp, tp + fn), _ratio(tn, tn + fp)
    both = None if recall is None or specificity is None else (recall + specificity) / 2
    root = sqrt(float(tp + fp) * float(tp + fn) * float(tn + fp) * float(tn + fn)) if min(tp, fp, fn, tn) >= 0 else 0.0
    cost = None if meaning.costs is None else _ratio(1000 * cells.cost(meaning.costs), tally.paired)
    return _known(
        {
            ACCURACY: _ratio(right, tally.paired),
            "balanced_accuracy": both,
            PRECISION: _ratio(tp, tp + fp),
            RECALL: recall,
            F1: _ratio(2 * tp, 2 * tp + fp + fn),
            MCC: _ratio(tp * tn - fp * fn, root),
            COST: cost,
        }
    )


def _of_classes(tally: LabelTally) -> dict[str, float]:
    names = {name: at for at, name in enumerate(sorted({name for pair in tally.pairs for name in pair}))}
    confusion = np.zeros((len(names), len(names)))
    for (label, predicted), count in tally.pairs.items():
        confusion[names[label], names[predicted]] += count
    return class_figures(confusion, None)


def curve(tally: LabelTally) -> list[CurvePoint]:
    """The calibration curve of the scores of two classes, or of the predicted one of more."""
    steps = np.array([sums.value(tally.sums, name) for name in sums.SCORE_STEPS])
    return calibration_curve(Scores.of(tally.scores), steps)


def with_scores(tally: LabelTally, task: str) -> int:
    """The labels of predictions that had a score, or of more classes the probability of the label's class."""
    return tally.sums.get(sums.CLASSED if task == "multiclass" else sums.SCORED, 0)


def _of_scores(tally: LabelTally) -> dict[str, float]:
    n = tally.sums.get(sums.SCORED, 0)
    if n <= 0:
        return {}
    scores = Scores.of(tally.scores)
    roc, pr = roc_auc(scores), pr_auc(scores)
    return _known(
        {
            "log_loss": sums.value(tally.sums, sums.LOG_LOSS) / n,
            "brier": sums.value(tally.sums, sums.BRIER) / n,
            "roc_auc": None if roc is None else roc.value,
            "pr_auc": None if pr is None else pr.value,
            CALIBRATION_ERROR: calibration_error(curve(tally)),
        }
    )


def _of_class_scores(tally: LabelTally) -> dict[str, float]:
    n = tally.sums.get(sums.CLASSED, 0)
    roc, pr = (tally.class_scores.mean_area(area) for area in (roc_auc, pr_auc))
    of_classes = {
        "log_loss": _ratio(sums.value(tally.sums, sums.CLASS_LOG_LOSS), n),
        "brier": _ratio(sums.value(tally.sums, sums.CLASS_BRIER), n),
        "roc_auc": None if roc is None else roc.value,
        "pr_auc": None if pr is None else pr.value,
    }
    return _known(of_classes | {CALIBRATION_ERROR: calibration_error(curve(tally))})


def _of_numbers(tally: LabelTally, meaning: Meaning) -> dict[str, float]:
    n = tally.sums.get(sums.NUMBERS, 0)
    if n <= 0:
        return {}

    def mean(name: str) -> float:
        return sums.value(tally.sums, name) / n

    not_zero = tally.sums.get(sums.NOT_ZERO, 0)
    spread = mean(sums.LABEL_SQUARED) - mean(sums.LABEL) ** 2
    return _known(
        {
            MAE: mean(sums.ABSOLUTE) * meaning.scale,
            "rmse": sqrt(max(mean(sums.SQUARED), 0.0)) * meaning.scale,
            "mape": _ratio(sums.value(tally.sums, sums.RELATIVE), not_zero),
            "r2": None if spread <= 0 else 1 - mean(sums.SQUARED) / spread,
            BIAS: mean(sums.ERROR) * meaning.scale,
        }
    )
