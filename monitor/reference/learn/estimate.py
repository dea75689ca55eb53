"""Learns from a reference's labelled rows how often, or by how much, the model is wrong.

Memory is bounded: of many labelled rows an even part is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.reference.column import FEATURE, PREDICTION, Column
from monitor.reference.estimate import ClassEstimate, ErrorEstimate, Estimate, score_of
from monitor.reference.score_effects import ABOVE_RANGE, BELOW_RANGE, BEYOND, NO_VALUE
from monitor.stats.additive import NormalEquations
from monitor.stats.bins.name_bins import hash_of
from monitor.stats.bins.reference_bins import NUMERIC, width_of
from monitor.stats.digits import all_rounded, rounded
from monitor.stats.isotonic import isotonic
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.performance.score_grid import EDGES, Scores
from monitor.stats.tallies.thinning import Thinning

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Codes = NDArray[np.uint8]

#: labelled rows that are kept at the most; of more every second, fourth, ... is
MOST_ROWS: Final = 1 << 18
#: labelled rows below which nothing is learned
LEAST_ROWS: Final = 200
#: classes of a model at the most; each of them is counted by bin of the score
MOST_CLASSES: Final = 32
#: bins of the score, of two classes and of more
BINS: Final = 32
BINS_OF_MANY: Final = 16
#: with more bins of features and prediction there is no regression of the error: it would take minutes
MOST_SLOTS: Final = 3_000
#: a bin with fewer rows has no effect of its own
LEAST_IN_BIN: Final = 5
#: significant digits, rounded before use so that the file and the memory agree
DIGITS: Final = 8
#: of a label that is a class: no label
NO_LABEL: Final = 0


class _Rows(NamedTuple):
    """Rows (n,) in order; `codes` (C, n)."""

    codes: Codes
    score: Floats
    predicted: Hashes
    labels: Hashes

    def part(self, picked: slice) -> _Rows:
        """Some of them, without the memory of the others."""
        codes, score, predicted, labels = self
        return _Rows(codes[:, picked].copy(), score[picked].copy(), predicted[picked].copy(), labels[picked].copy())


def _joined(parts: Sequence[_Rows]) -> _Rows:
    return _Rows(*(np.concatenate(of_each, axis=-1) for of_each in zip(*parts, strict=True)))


class LabelledRows:
    """Keeps the labelled predictions of a reference, as far as their errors can be estimated later."""

    def __init__(self, columns: Sequence[Column], task: str, positive: str, no_value: int) -> None:
        """`no_value` is the code of a row without a value."""
        self._columns, self._task, self._positive, self._no_value = columns, task, positive, no_value
        self._score = score_of(columns)
        self._prediction = next((at for at, column in enumerate(columns) if column.role == PREDICTION), None)
        self._used = [at for at, column in enumerate(columns) if column.role in {FEATURE, PREDICTION}]
        self._widths = [columns[at].bins.bins + 1 for at in self._used]
        self._thinning = Thinning(MOST_ROWS)
        self._kept: list[_Rows] = []
        #: labelled predictions, of which some may not be kept
        self.rows = 0

    @property
    def _learns(self) -> bool:
        if self._task == "binary":
            return self._score is not None
        if self._task == "multiclass":
            return self._prediction is not None
        return self._task == "regression" and self._prediction is not None and sum(self._widths) <= MOST_SLOTS

    def add(self, codes: Codes, values: Hashes, labels: Hashes, confidence: Floats) -> None:
        """Add the next rows: `codes` and `values` (C, n) as `RowStatistics.add` has them, `labels` (n,).

        A label is the hash of its class (`NO_LABEL` without one), for a regression the bits of its number (NaN without
        one). `confidence` (n,) is the score of the predicted class of more than two, NaN without one.
        """
        if not self._learns:
            return
        if self._task == "regression":
            used = ~np.isnan(labels.view(np.float64)) & (codes[self._prediction] != self._no_value)
            kept, score = codes[self._used][:, used], np.zeros(int(used.sum()))
        else:
            score = confidence if self._score is None or self._task == "multiclass" else self._scores(codes, values)
            used = (labels != NO_LABEL) & ~np.isnan(score)
            kept, score = codes[:0, used], score[used]
        if not used.any():
            return
        predicted = values[self._prediction] if self._prediction is not None else np.zeros(len(labels), np.uint64)
        self._keep(_Rows(kept, score, predicted[used], labels[used]))

    def _scores(self, codes: Codes, values: Hashes) -> Floats:
        return np.where(codes[self._score] == self._no_value, np.nan, values[self._score or 0].view(np.float64))

    def _keep(self, rows: _Rows) -> None:
        self.rows += len(rows.labels)
        for picked, is_full in self._thinning.take(len(rows.labels)):
            self._kept.append(rows.part(picked))
            if is_full:
                self._kept = [_joined(self._kept).part(slice(None, None, 2))]

    def finish(self) -> Estimate | None:
        """What was learned; None where it is too little."""
        if self.rows < LEAST_ROWS:
            return None
        codes, score, predicted, labels = _joined(self._kept)
        if self._task == "binary":
            return self._of_two(score, predicted, labels)
        if self._task == "multiclass":
            return self._of_many(score, predicted, labels)
        error = predicted.view(np.float64) - labels.view(np.float64)
        return self._of_errors(codes, error)

    def _of_two(self, score: Floats, predicted: Hashes, labels: Hashes) -> ClassEstimate | None:
        """The positive class and the other: one calibration of the score for both."""
        is_positive = labels == hash_of(self._positive)
        if is_positive.all() or not is_positive.any():
            return None
        edges = _edges(score, BINS)
        calibrated = _calibrated(np.searchsorted(edges, score), is_positive, len(edges) + 1)
        return self._calibrated_two(edges, calibrated, len(score))

    def _calibrated_two(self, edges: Floats, calibrated: Floats, rows: int) -> ClassEstimate:
        others = self._names() - {self._positive}
        other = min(others) if len(others) == 1 else _unlike("(other)", self._positive)
        swapped = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
        right = np.stack([1 - calibrated, calibrated])
        return ClassEstimate((other, self._positive), tuple(edges.tolist()), right, swapped, 1, rows)

    def of_counts(self, tally: LabelTally) -> ClassEstimate | None:
        """The same of two classes from counted labels, which may have come late; None where they are too few."""
        scores = Scores.of(tally.scores)
        events = scores.positive + scores.negative
        is_enough = events.sum() >= LEAST_ROWS and scores.positive.any() and scores.negative.any()
        if self._task != "binary" or self._score is None or not is_enough:
            return None
        # an edge is the upper end of the step of the grid in which a quantile lies
        ends = np.searchsorted(np.cumsum(events), np.linspace(0, 1, BINS + 1)[1:-1] * events.sum())
        last = int(np.flatnonzero(events)[-1])
        edges = EDGES[np.unique(ends[ends < last])]
        bins = np.repeat(np.searchsorted(edges, np.append(EDGES, np.inf)), 2)
        counts = np.stack([scores.negative, scores.positive], 1).ravel()
        hits = np.bincount(bins, counts * np.tile([0.0, 1.0], len(events)), minlength=len(edges) + 1)
        labelled = np.bincount(bins, counts, minlength=len(edges) + 1)
        calibrated = _cut(isotonic(hits.astype(np.float64), labelled.astype(np.float64)))
        return self._calibrated_two(edges, calibrated, int(events.sum()))

    def _of_many(self, score: Floats, predicted: Hashes, labels: Hashes) -> ClassEstimate | None:
        """A calibration of the confidence for each predicted class, and which class it is where that is wrong."""
        names = sorted(self._names())
        if not 1 < len(names) <= MOST_CLASSES:
            return None
        hashes = np.array([hash_of(name) for name in names], np.uint64)
        edges, classes = _edges(score, BINS_OF_MANY), len(names)
        bins, overall = np.searchsorted(edges, score), predicted == labels
        usual = _calibrated(bins, overall, len(edges) + 1)
        right, wrong = np.empty((classes, len(edges) + 1)), np.zeros((classes, classes + 1))
        for at, own in enumerate(hashes.tolist()):
            here = predicted == own
            enough = int(here.sum()) >= LEAST_ROWS
            right[at] = _calibrated(bins[here], overall[here], len(edges) + 1) if enough else usual
            mistaken = labels[here & ~overall]
            shares = np.array([*((mistaken == one).sum() for one in hashes.tolist()), 0.0], np.float64)
            shares[-1] = len(mistaken) - shares.sum()
            wrong[at] = _cut(shares / len(mistaken)) if len(mistaken) else np.append(np.zeros(classes), 1.0)
        return ClassEstimate(tuple(names), tuple(edges.tolist()), right, wrong, None, len(score))

    def _names(self) -> set[str]:
        return set() if self._prediction is None else set(self._columns[self._prediction].bins.categories)

    def _of_errors(self, codes: Codes, error: Floats) -> ErrorEstimate:
        """Regressions of the absolute and of the squared error on all bins."""
        last = np.array(self._widths, np.int64)[:, None] - 1
        coded = np.where(codes == self._no_value, last, codes.astype(np.int64))
        mean_absolute, absolute = self._effects(coded, np.abs(error))
        mean_squared, squared = self._effects(coded, error**2)
        used = tuple(at in set(self._used) for at in range(len(self._columns)))
        return ErrorEstimate(mean_absolute, mean_squared, absolute, squared, used, len(error))

    def _effects(self, coded: Ints, size: Floats) -> tuple[float, Floats]:
        """The mean of a size (n,) of errors, and its effects (C, S), each column's 0 on average."""
        equations = NormalEquations(self._widths)
        equations.add(coded, size)
        fit, width = equations.solve(), width_of([column.bins for column in self._columns])
        out = np.zeros((len(self._columns), width + BEYOND))
        for feature, at in enumerate(self._used):
            here = slice(int(equations.first[feature]), int(equations.first[feature + 1]))
            counts, bins = fit.counts[here], self._columns[at].bins.bins
            own = np.where(counts >= LEAST_IN_BIN, fit.effects[here], 0.0)
            own = np.where(counts >= LEAST_IN_BIN, own - (own * counts).sum() / counts.sum(), 0.0)
            out[at, [*range(bins), width + NO_VALUE]] = own
            if self._columns[at].bins.kind == NUMERIC:
                out[at, width + BELOW_RANGE], out[at, width + ABOVE_RANGE] = own[0], own[bins - 1]
        return rounded(size.mean(), DIGITS), _cut(out)


def _edges(score: Floats, bins: int) -> Floats:
    """Rising edges of so many bins, or fewer, of about as many rows each."""
    edges = np.unique(np.quantile(score, np.linspace(0, 1, bins + 1)[1:-1], method="inverted_cdf"))
    return np.asarray(edges[edges < score.max()], np.float64)


def _calibrated(bins: NDArray[np.intp], hits: NDArray[np.bool_], number: int) -> Floats:
    """(number,) the share of hits in each bin, rising with the bin."""
    events = np.bincount(bins, minlength=number).astype(np.float64)
    return _cut(isotonic(np.bincount(bins, hits, minlength=number).astype(np.float64), events))


def _cut(values: Floats) -> Floats:
    return all_rounded(values, DIGITS)


def _unlike(word: str, taken: str) -> str:
    return f"({word})" if word == taken else word
