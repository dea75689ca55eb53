"""Figures of a classifier from a table of labels by predicted classes, and from scores of positives and negatives.

The numbers may be counts or expected counts. A figure that they do not define is absent.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from monitor.stats.performance.score_grid import Scores, pr_auc, roc_auc

Floats = NDArray[np.float64]


def class_figures(confusion: Floats, positive: int | None) -> dict[str, float]:
    """Figures by name. `confusion` (L, K) of the labels (rows) that each predicted class (columns) has.

    The first K labels are the predicted classes; others are labels that no prediction has. With a `positive` class,
    precision, recall and F1 are its own; else they are means over the classes that were a label or a prediction.
    """
    events = float(confusion.sum())
    if events <= 0:
        return {}
    classes = confusion.shape[1]
    right = confusion.diagonal()
    labelled, predicted = confusion.sum(1), confusion.sum(0)
    found: dict[str, float | None] = {
        "accuracy": float(right.sum()) / events,
        "balanced_accuracy": _mean_share(right, labelled[:classes]),
    }
    if positive is None:
        there = (labelled[:classes] > 0) | (predicted > 0)
        found |= {
            "precision": float(_share_or_0(right, predicted)[there].mean()),
            "recall": float(_share_or_0(right, labelled[:classes])[there].mean()),
            "f1": float(_share_or_0(2 * right, labelled[:classes] + predicted)[there].mean()),
        }
    else:
        hit, is_so, said_so = (float(numbers[positive]) for numbers in (right, labelled, predicted))
        found |= {
            "precision": _ratio(hit, said_so),
            "recall": _ratio(hit, is_so),
            "f1": _ratio(2 * hit, is_so + said_so),
        }
    found["mcc"] = _correlation(confusion)
    return {name: value for name, value in found.items() if value is not None}


def ranking_figures(positives: Floats, negatives: Floats) -> dict[str, float]:
    """The areas under the ROC curve and under precision by recall (average precision), by name.

    Both (B,): of the events in each bin of the score, from low to high; events of one bin are ties.
    """
    scores = Scores(negatives, positives)
    roc, pr = roc_auc(scores), pr_auc(scores)
    return {} if roc is None or pr is None else {"roc_auc": roc.value, "pr_auc": pr.value}


def expected_confusion(counts: Floats, right: Floats, wrong: Floats) -> Floats:
    """(K + 1, K) the labels that predictions of K classes are expected to have, the last for labels of no class.

    `counts` (K, B) of the predictions by class and bin, `right` (K, B) the share of them that is right, `wrong`
    (K, K + 1) the labels of the others.
    """
    hits = (counts * right).sum(1)
    confusion = np.asarray(wrong.T * (counts.sum(1) - hits), np.float64)
    confusion[np.diag_indices(len(hits))] += hits
    return confusion


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def _share_or_0(part: Floats, whole: Floats) -> Floats:
    return np.asarray(np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0), np.float64)


def _mean_share(right: Floats, labelled: Floats) -> float | None:
    """The mean recall of the classes that are a label."""
    there = labelled > 0
    return float((right[there] / labelled[there]).mean()) if there.any() else None


def _correlation(confusion: Floats) -> float | None:
    """Matthews' correlation of label and prediction, for any number of classes."""
    labels, classes = confusion.shape
    events, right = float(confusion.sum()), float(confusion.diagonal().sum())
    labelled, predicted = confusion.sum(1), np.concatenate([confusion.sum(0), np.zeros(labels - classes)])
    spread = math.sqrt(max(0.0, events**2 - float(labelled @ labelled))) * math.sqrt(
        max(0.0, events**2 - float(predicted @ predicted))
    )
    return _ratio(right * events - float(labelled @ predicted), spread)
