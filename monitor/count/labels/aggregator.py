"""Counts labels beside what was predicted into tallies: classes, scores and errors of numbers."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from monitor.count.columns.segment_codes import SegmentCodes
from monitor.count.labels.rows import LabelRows, Probabilities
from monitor.events import ModelKey, canonical
from monitor.reference.column import PREDICTION
from monitor.reference.monitored import Monitored
from monitor.reference.reference import Reference
from monitor.stats.bins.reference_bins import NUMERIC
from monitor.stats.performance import class_scores, label_sums
from monitor.stats.performance.label_tally import LabelTally

#: counts labels of unknown classes; in more brackets if a class has this name
OTHER_CLASS = "(other)"
#: a label of no known class beside a prediction of no known class may still be wrong
ANOTHER_CLASS = "(another)"

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class LabelAggregator:
    """Counts the labels of one model version by the classes of its reference."""

    def __init__(self, reference: Reference, *, cut: bool = True) -> None:
        """`cut`: labels and outcomes are counted by segment too, labels also beside probabilities of many classes."""
        self.reference = reference
        self.segments = SegmentCodes(reference, cut=cut)
        self._cuts, self.cuts_outcomes = cut and reference.cuts_performance, cut and reference.cuts_outcomes
        self._classifies = reference.task in {"binary", "multiclass"}
        self._scores = reference.task == "binary"
        self._has_probabilities = reference.task == "multiclass" and cut
        #: classes of which all probabilities are known
        self._probable = reference.probability_classes
        self._classes = reference.classes
        #: center and scale of predicted numbers
        self._numbers: tuple[float, float] | None = None
        for column in reference.columns:
            if column.role == PREDICTION and column.bins.kind == NUMERIC and not self._classifies:
                self._numbers = column.center, column.scale
        self._other, self._another = _unlike(OTHER_CLASS, self._classes), _unlike(ANOTHER_CLASS, self._classes)

    def count(self, rows: LabelRows) -> dict[int, LabelTally]:
        """One tally for each slot of the rows; signed rows make it a change of such a tally."""
        tallies = self._counted(rows)
        if self._cuts:
            own = self._counted(rows.in_segments(self.segments.segments), grids=False)
            for slot, segment, tally in self.segments.by_slot(own):
                if not tally.is_empty:
                    tallies[slot].segments[segment] = tally
        return tallies

    def _counted(self, rows: LabelRows, *, grids: bool = True) -> dict[int, LabelTally]:
        """`grids`: scores are counted by place, too; these are as many numbers as all others together."""
        used, slots = np.unique(rows.slots, return_inverse=True)
        tallies = [LabelTally() for _ in used]
        if self._classifies:
            self._count_classes(tallies, slots, rows)
        else:
            for tally, total in zip(tallies, np.bincount(slots, rows.sign, len(used)).tolist(), strict=True):
                tally.labels = int(total)
        if self._scores:
            self._count_scores(tallies, slots, rows, grids=grids)
        elif self._has_probabilities and rows.probabilities is not None:
            self._count_probabilities(tallies, slots, rows, rows.probabilities, grids=grids)
        if self._numbers is not None:
            self._count_numbers(tallies, slots, rows)
        return dict(zip(used.tolist(), tallies, strict=True))

    def _count_classes(self, tallies: list[LabelTally], slots: Ints, rows: LabelRows) -> None:
        # classes are few: all that is done for each row is counting
        columns = (slots.tolist(), rows.label, rows.prediction, rows.sign.tolist())
        for (slot, label, prediction, sign), count in Counter(zip(*columns, strict=True)).items():
            if prediction is None:
                tallies[slot].labels += sign * count
            else:
                tallies[slot].add_pair(self._pair(label, prediction), sign * count)

    def _count_scores(self, tallies: list[LabelTally], slots: Ints, rows: LabelRows, *, grids: bool) -> None:
        """Scores that are probabilities; labels that are not the positive class are the other one."""
        if not ((rows.score >= 0) & (rows.score <= 1)).any():
            return
        known = {label: canonical(label) == self.reference.positive for label in set(rows.label)}  # type: ignore[arg-type]  # the decoder gives text, numbers and booleans
        positive = np.fromiter((known[label] for label in rows.label), np.bool_, len(rows.label))
        _add_scores(tallies, slots, rows.score, positive, rows.sign, grids=grids)

    def _count_probabilities(
        self, tallies: list[LabelTally], slots: Ints, rows: LabelRows, probabilities: Probabilities, *, grids: bool
    ) -> None:
        """The probability of the predicted class, and those of every class beside labels that are one of these."""
        label, predicted = _canonical(rows.label), _canonical(rows.prediction)
        right = np.array([one == other for one, other in zip(label, predicted, strict=True)], np.bool_)
        if not self._probable:
            _add_scores(tallies, slots, probabilities[:, 0].astype(np.float64), right, rows.sign, grids=grids)
            return
        # the join keeps as many as the widest version had so far
        of_class = np.full((len(right), len(self._probable)), np.nan)
        width = min(of_class.shape[1], probabilities.shape[1])
        of_class[:, :width] = probabilities[:, :width]
        places = dict[str | None, int](zip(self._probable, range(len(self._probable)), strict=True))
        true, said = (np.array([places.get(one, -1) for one in of], np.int64) for of in (label, predicted))
        confidence = np.where(said >= 0, of_class[np.arange(len(said)), said], np.nan)
        _add_scores(tallies, slots, confidence, right, rows.sign, grids=grids)
        at = np.flatnonzero((true >= 0) & ~np.isnan(of_class).any(axis=1))
        if not len(at):
            return
        slots, of_class, true, sign = slots[at], of_class[at], true[at], rows.sign[at]
        sums = label_sums.of_classes(slots, len(tallies), of_class, true, sign)
        for tally, summed in zip(tallies, sums, strict=True):
            tally.sums = tally.sums | summed
        if grids:
            counts = class_scores.counted(slots, len(tallies), of_class, true, self._probable, sign)
            for tally, counted in zip(tallies, counts, strict=True):
                tally.class_scores = counted

    def _count_numbers(self, tallies: list[LabelTally], slots: Ints, rows: LabelRows) -> None:
        predicted, truth = _as_numbers(rows.prediction), _as_numbers(rows.label)
        at = np.flatnonzero(np.isfinite(predicted) & np.isfinite(truth))
        if len(at) and self._numbers is not None:
            values = predicted[at], truth[at], *self._numbers
            summed = label_sums.of_numbers(slots[at], len(tallies), *values, rows.sign[at])
            for tally, sums in zip(tallies, summed, strict=True):
                tally.sums = sums

    def _pair(self, label: object, prediction: object) -> tuple[str, str]:
        """Two classes by name, unknown ones under one word, so that the pairs kept are few; wrong stays wrong."""
        label_text, prediction_text = canonical(label), canonical(prediction)  # type: ignore[arg-type]  # the decoder gives text, numbers and booleans
        known = label_text if label_text in self._classes else self._other
        predicted = prediction_text if prediction_text in self._classes else self._other
        if known == predicted == self._other and label_text != prediction_text:
            return known, self._another
        return known, predicted


class LabelAggregators:
    """One aggregator for each model version; it keeps nothing of what it counted."""

    def __init__(self) -> None:
        self._made: dict[ModelKey, LabelAggregator] = {}

    def of(self, monitored: Monitored) -> LabelAggregator:
        """Created on first use, and again when the reference is replaced."""
        known = self._made.get(monitored.key)
        if known is None or known.reference is not monitored.reference:
            # which predictions are read before a warm-up ends depends on polls: neither their segments are known nor
            # the probabilities of their classes
            known = self._made[monitored.key] = LabelAggregator(monitored.reference, cut=not monitored.warmed_up)
        return known


def _add_scores(
    tallies: list[LabelTally], slots: Ints, scores: Floats, positive: NDArray[np.bool_], sign: Ints, *, grids: bool
) -> None:
    """Count the scores (n,) that are probabilities."""
    at = np.flatnonzero((scores >= 0) & (scores <= 1))
    if not len(at):
        return
    of_scores = slots[at], len(tallies), scores[at], positive[at], sign[at]
    for tally, summed in zip(tallies, label_sums.of_scores(*of_scores, steps=grids), strict=True):
        tally.sums = summed
    if grids:
        for tally, counted in zip(tallies, label_sums.score_counts(*of_scores), strict=True):
            tally.scores = counted


def _canonical(values: list[object]) -> list[str | None]:
    """Classes as text, None without one; classes are few."""
    known = {one: None if one is None else canonical(one) for one in set(values)}  # type: ignore[arg-type]  # the decoder gives text, numbers and booleans
    return [known[one] for one in values]


def _as_numbers(values: list[object]) -> Floats:
    """Numbers, NaN for everything else."""
    kinds = set(map(type, values))
    if kinds <= {float, int}:
        return np.array(values, np.float64)
    return np.array(
        [float(v) if isinstance(v, (int, float)) and not isinstance(v, bool) else np.nan for v in values], np.float64
    )


def _unlike(word: str, taken: frozenset[str]) -> str:
    while word in taken:
        word = f"({word})"
    return word
