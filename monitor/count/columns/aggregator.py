"""From columns to tallies: one pass over a group of rows, for as many panes as they fall into.

Everything is array work over all columns of a model version; a value costs a few nanoseconds. Results do not depend
on how rows are cut into batches: counts are integers, sums are fixed-point.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from monitor.count.columns.block import Block, Flags
from monitor.count.columns.categories import Categories, Entries
from monitor.count.columns.new_slots import NewSlots
from monitor.count.columns.numeric_arrays import NumericArrays
from monitor.count.columns.pair_counter import PairCounter
from monitor.count.columns.pane_rows import Rows
from monitor.count.columns.schema import SchemaCounter
from monitor.count.columns.score_counter import score_counter
from monitor.count.columns.segment_codes import in_order_of_cells
from monitor.count.columns.segment_counter import SegmentCounter
from monitor.decode.columns import ABSENT_BITS, TYPE_BITS, Group, Shape
from monitor.events import ModelKey
from monitor.reference.column import PREDICTION, SCORE, Column
from monitor.reference.monitored import Monitored
from monitor.reference.reference import Reference
from monitor.stats.bins.reference_bins import ABSENT, NUMERIC, QUALITY_COUNTS, TYPE, UNSEEN
from monitor.stats.tallies.tally import Floats, Tally

_ABSENT = np.array(ABSENT_BITS, np.uint64).view(np.float64)


class Aggregator:
    """Counts the rows of one model version by its reference's bins."""

    #: whether rows have to be counted when they come
    at_once = False

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        self._width = reference.width
        self._slots = reference.width + len(QUALITY_COUNTS)
        self.columns = reference.columns
        features = in_order_of_cells(reference)
        self.numeric = [(at, c) for at, c in features if c.bins.kind == NUMERIC]
        self.categorical = [
            (at, Categories(c.bins, self._width, unseen_as=TYPE if c.is_presence else UNSEEN))
            for at, c in features
            if c.bins.kind != NUMERIC
        ]
        self._numeric_at = np.array([at for at, _ in self.numeric], np.int64)
        self._numeric_arrays = NumericArrays.of([c for _, c in self.numeric])
        self.score = _one([(at, c) for at, c in enumerate(reference.columns) if c.role == SCORE])
        self._score_arrays = NumericArrays.of([] if self.score is None else [self.score[1]])
        self.prediction = _one([(at, c) for at, c in enumerate(reference.columns) if c.role == PREDICTION])
        self._prediction_arrays = NumericArrays.of([] if self.prediction is None else [self.prediction[1]])
        prediction_bins = self.prediction[1].bins if self.prediction else None
        self.prediction_categories = Categories(prediction_bins, self._width, none_as=ABSENT)
        relations = reference.relations
        self._pairs = (
            PairCounter(relations, reference.columns, self._width)
            if relations is not None and len(relations.pairs)
            else None
        )
        self._new_slots = NewSlots(reference)
        self._segments = SegmentCounter(reference, dict(self.categorical))
        self.schema = SchemaCounter(reference)
        wanted = [(c.name, c.bins.kind) for _, c in features if not c.parent]
        wanted += [(derived.parent, derived.kind) for derived in reference.derived]
        self._by_score = None if reference.estimate is None else score_counter(reference, self.prediction_categories)
        many = bool(reference.score_classes) and not reference.probability_classes
        confidence = reference.task == "multiclass" and (self._by_score is not None or many or not reference.events)
        self.shape = Shape(
            tuple(wanted),
            reference.positive,
            derived=reference.derived,
            confidence=confidence,
            classes=reference.probability_classes,
            names=reference.feature_order,
            tags=tuple(self._segments.of_text),
        )

    def empty(self) -> Tally:
        return Tally.empty(len(self.columns), self._width)

    def count(self, group: Group, rows: Rows) -> list[Tally]:
        """One tally for each pane."""
        new = self._new_slots.begin(len(rows.starts), partial(self._explained, group, rows), rows)
        segments = self._segments.begin(rows)
        if segments is not None:
            segments.cut_by_tags(group.tags)
        block = Block(rows, len(self.columns), self._width, self._pairs, new, segments)
        with_features, predicting = _not_all(group.has_features[rows.picked]), _not_all(rows.is_prediction)
        if len(self.numeric):
            values = group.numeric if rows.are_all(group.numeric.shape[1]) else group.numeric[:, rows.picked]
            block.numeric(self._numeric_at, self._numeric_arrays, values, rows, with_features)
        for (at, categories), raw in zip(self.categorical, group.categorical, strict=True):
            block.categories(at, categories, rows.of(raw), rows, with_features)
        if self.score is not None:
            score = group.score[rows.picked][None]
            absent_score = np.where(np.isnan(score), _ABSENT, score)
            block.numeric(np.array([self.score[0]]), self._score_arrays, absent_score, rows, predicting)
        predicted = None if self.prediction is None else self._count_prediction(block, group, rows, predicting)
        by_score = None if self._by_score is None else self._by_score.count(group, rows, predicted)
        return block.tallies(rows, self.reference, by_score)

    def _explained(self, group: Group, rows: Rows) -> Floats:
        """The values (n,) of the score, else of a numeric prediction: what the regression explains."""
        return group.score[rows.picked] if self.score is not None else _numbers(rows.of(group.prediction))

    def _count_prediction(self, block: Block, group: Group, rows: Rows, predicting: Flags | None) -> Entries | None:
        """Returns the entry of each predicted class; None of numbers."""
        at, column = self.prediction or (0, self.columns[0])
        values = rows.of(group.prediction)
        if column.bins.kind != NUMERIC:
            return block.categories(at, self.prediction_categories, values, rows, predicting)
        block.numeric(np.array([at]), self._prediction_arrays, _numbers(values)[None], rows, predicting)
        return None


class Aggregators:
    """One aggregator per model version, shared by the tasks: it has no state of its own."""

    def __init__(self) -> None:
        self._made: dict[ModelKey, Aggregator] = {}

    def of(self, monitored: Monitored) -> Aggregator:
        """The aggregator of a model version; created on first use, and again for another reference."""
        known = self._made.get(monitored.key)
        if known is None or known.reference is not monitored.reference:
            known = self._made[monitored.key] = self.make(monitored.reference)
        return known

    def make(self, reference: Reference) -> Aggregator:
        return Aggregator(reference)


def _not_all(rows: Flags) -> Flags | None:
    """The flags (n,), or None where all are set: most batches are spared looking at them again."""
    return None if rows.all() else rows


def _one(found: list[tuple[int, Column]]) -> tuple[int, Column] | None:
    return found[0] if found else None


def _numbers(values: list[object]) -> Floats:
    """Predicted numbers as cells; text and booleans are of the wrong type."""
    if set(map(type, values)) <= {float, int, type(None)}:
        numbers = np.array(values, np.float64)  # None becomes NaN
        return np.where(np.isnan(numbers), _ABSENT, numbers)
    return np.array([_number_bits(value) for value in values], np.uint64).view(np.float64)


def _number_bits(value: object) -> int:
    """A predicted number as the bits of a cell; text and booleans are of the wrong type."""
    if value is None:
        return ABSENT_BITS
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return TYPE_BITS
    return int(np.float64(value).view(np.uint64))
