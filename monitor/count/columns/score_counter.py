"""Counts predictions by class and score, from which a classifier's performance is estimated before labels come."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.count.columns.categories import Categories, Entries
from monitor.count.columns.pane_rows import Rows
from monitor.decode.columns import Group
from monitor.events import canonical
from monitor.reference.column import PREDICTION
from monitor.reference.estimate import ClassEstimate
from monitor.reference.reference import Reference
from monitor.stats.bins.reference_bins import QUALITY_COUNTS
from monitor.stats.tallies.tally import Floats, Ints


class ScoreCounter:
    """How predictions are counted by the classes and bins of an estimate; it has no state."""

    def __init__(self, estimate: ClassEstimate, reference: Reference, categories: Categories) -> None:
        """`categories` are those of the predictions."""
        self._estimate = estimate
        self._edges = np.array(estimate.edges, np.float64)
        self._size = estimate.shape[0] * estimate.shape[1]
        #: (entries + 1,) where the counts of each entry's class begin; the last is for any entry behind
        self._begins = np.full(len(categories.slots) + 1, len(estimate.classes) * estimate.bins, np.int64)
        for at, category in enumerate(_categories(reference), len(QUALITY_COUNTS)):
            self._begins[at] = _class_of(category, estimate) * estimate.bins

    def count(self, group: Group, rows: Rows, predicted: Entries | None) -> Ints:
        """(panes, classes + 1, bins) the predictions with a score, flat; `predicted` (n,) the entries of the classes.

        The last class is of predictions without a class that the reference had.
        """
        score = self._scores(group)
        score = score if rows.are_all(len(score)) else score[rows.picked]
        places = self._edges.searchsorted(score)
        if predicted is None:
            places += self._begins[-1]
        else:
            places += self._begins.take(predicted, mode="clip")
            if self._estimate.positive is not None and (new := predicted >= len(self._begins) - 1).any():
                places[new] += self._of_new(rows.of(group.prediction), new)
        panes = len(rows.starts)
        if panes > 1:
            places += rows.slots * self._size
        scored = ~np.isnan(score)
        if not scored.all():
            places = places[scored]
        return np.bincount(places, minlength=panes * self._size).reshape(panes, self._size)

    def _of_new(self, values: list[object], new: NDArray[np.bool_]) -> Ints:
        """How far the counts of two classes lie from the last ones, for predictions that the reference never had."""
        estimate = self._estimate
        classes = [_class_of(canonical(values[at]), estimate) for at in np.flatnonzero(new).tolist()]  # type: ignore[arg-type]  # text, a number or a boolean
        return (np.array(classes, np.int64) - len(estimate.classes)) * estimate.bins

    def _scores(self, group: Group) -> Floats:
        """The probability of the positive class, or of the predicted one of more than two."""
        if self._estimate.positive is not None:
            return group.score
        return np.full(len(group.score), np.nan) if group.confidence is None else group.confidence


def score_counter(reference: Reference, categories: Categories) -> ScoreCounter | None:
    """What an estimate has counted beside the columns; None where it needs no more than those."""
    estimate = reference.estimate
    return ScoreCounter(estimate, reference, categories) if isinstance(estimate, ClassEstimate) else None


def _categories(reference: Reference) -> tuple[str, ...]:
    found = (column.bins.categories for column in reference.columns if column.role == PREDICTION)
    return next(found, ())


def _class_of(category: str, estimate: ClassEstimate) -> int:
    """The place of a predicted class; of two classes any that is not positive is the other."""
    if estimate.positive is not None:
        return estimate.positive if category == estimate.classes[estimate.positive] else 1 - estimate.positive
    return estimate.classes.index(category) if category in estimate.classes else len(estimate.classes)
