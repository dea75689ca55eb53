"""From columns to tallies: one pass over a group of rows, for as many panes as they fall into.

Everything is array work over all columns of a model version; a value costs a few nanoseconds. Results do not depend
on how rows are cut into batches: counts are integers, sums are fixed-point.
"""

from __future__ import annotations

from collections import Counter
from functools import partial

import numpy as np
from numpy.typing import NDArray

from monitor.count.columns.by_partition import scores_of
from monitor.count.columns.categories import Categories
from monitor.count.columns.new_slots import NewSlotCounts, NewSlots
from monitor.count.columns.numeric_arrays import NumericArrays
from monitor.count.columns.pair_counter import PairCounter
from monitor.count.columns.pane_rows import Rows
from monitor.count.columns.schema import SchemaCounter
from monitor.count.columns.score_counter import score_counter
from monitor.count.columns.segment_codes import in_order_of_cells
from monitor.count.columns.segment_counter import SegmentCounter, SegmentCounts
from monitor.decode.columns import ABSENT_BITS, ABSENT_VALUE, TYPE_BITS, Group, Shape
from monitor.events import ModelKey, canonical
from monitor.reference.column import PREDICTION, SCORE, Column
from monitor.reference.estimate import BY_SCORE
from monitor.reference.monitored import Monitored
from monitor.reference.reference import Reference
from monitor.reference.relations import PAIR_COUNTS
from monitor.stats.bins.reference_bins import ABSENT, MISSING, NUMERIC, OUTSIDE, QUALITY_COUNTS, TYPE, UNSEEN
from monitor.stats.pairs.levels import NO_LEVEL
from monitor.stats.tallies import names
from monitor.stats.tallies.tally import (
    BELOW,
    CLIP_SD,
    FAR_COUNT,
    FAR_SD,
    FAR_SQUARE_UNIT,
    FAR_SQUARES,
    FAR_SUM,
    FAR_UNIT,
    OUTSIDE_COUNT,
    OUTSIDE_LOG,
    OUTSIDE_LOG_SQUARES,
    SQUARE_UNIT,
    SQUARES,
    SUM,
    SUMS,
    UNIT,
    Floats,
    Ints,
    Tally,
)

_ABSENT = np.array(ABSENT_BITS, np.uint64).view(np.float64)


class Aggregator:
    """Counts the rows of one model version by its reference's bins."""

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
        self.prediction_categories = Categories(self.prediction[1].bins if self.prediction else None, self._width)
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
        block = _Block(rows, len(self.columns), self._width, self._pairs, new, segments)
        with_features = group.has_features[rows.picked]
        if len(self.numeric):
            values = group.numeric if rows.are_all(group.numeric.shape[1]) else group.numeric[:, rows.picked]
            block.numeric(self._numeric_at, self._numeric_arrays, values, rows, with_features)
        for (at, categories), raw in zip(self.categorical, group.categorical, strict=True):
            block.categories(at, categories, rows.of(raw), rows, with_features)
        if self.score is not None:
            score = group.score[rows.picked][None]
            absent_score = np.where(np.isnan(score), _ABSENT, score)
            block.numeric(np.array([self.score[0]]), self._score_arrays, absent_score, rows, rows.is_prediction)
        predicted = None if self.prediction is None else self._count_prediction(block, group, rows)
        by_score = None if self._by_score is None else self._by_score.count(group, rows, predicted)
        return block.tallies(rows, self.reference, by_score)

    def _explained(self, group: Group, rows: Rows) -> Floats:
        """The values (n,) of the score, else of a numeric prediction: what the regression explains."""
        return group.score[rows.picked] if self.score is not None else _numbers(rows.of(group.prediction))

    def _count_prediction(self, block: _Block, group: Group, rows: Rows) -> Ints | None:
        """Returns the entry of each predicted class; None of numbers."""
        at, column = self.prediction or (0, self.columns[0])
        values = rows.of(group.prediction)
        if column.bins.kind != NUMERIC:
            if values.count(None):
                values = [ABSENT_VALUE if value is None else value for value in values]
            return block.categories(at, self.prediction_categories, values, rows, rows.is_prediction)
        block.numeric(np.array([at]), self._prediction_arrays, _numbers(values)[None], rows, rows.is_prediction)
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


class _Block:
    """Counts, sums and extremes of P panes."""

    def __init__(
        self,
        rows: Rows,
        columns: int,
        width: int,
        pairs: PairCounter | None,
        new: NewSlotCounts | None,
        segments: SegmentCounts | None,
    ) -> None:
        panes = len(rows.starts)
        self._panes, self._columns, self._width = panes, columns, width
        self._new, self._segments = new, segments
        self._slots = width + len(QUALITY_COUNTS)
        self._pairs = pairs
        #: (columns, rows) coarse levels of the values, for the tables of pairs
        self._levels = np.full((columns, len(rows.picked) if pairs is not None else 0), NO_LEVEL, np.uint8)
        self.counts = np.zeros(panes * columns * self._slots, np.int64)
        self.sums = np.zeros((panes, columns, SUMS), np.int64)
        self.lows = np.full((panes, columns), np.inf)
        self.highs = np.full((panes, columns), -np.inf)
        self.unseen: list[names.Names] = [{} for _ in range(panes)]

    def categories(
        self, at: int, categories: Categories, values: list[object], rows: Rows, counted: NDArray[np.bool_]
    ) -> Ints:
        """Count one column's `values` (n,) where `counted`; returns their entries."""
        entries = categories.entries(values)
        flat = categories.slots.take(entries)
        flat += at * self._slots
        if self._pairs is not None:
            self._levels[at] = np.where(counted, self._pairs.levels(flat), np.uint8(NO_LEVEL))
        flat += rows.slots * (self._columns * self._slots)
        usual = bool(counted.all())
        self._add_flat(flat if usual else flat[counted])
        if self._segments is not None:
            self._segments.cut(at, entries)
            self._segments.add(flat, None if usual else counted)
        never_seen = counted & categories.unseen.take(entries)
        if self._new is not None:
            self._new.categories(at, counted & (entries < len(QUALITY_COUNTS)), never_seen)
        if categories.pooled:
            is_value, extremes = counted & (entries >= len(QUALITY_COUNTS)), categories.extremes.take(entries)
            self.lows[:, at] = np.minimum.reduceat(np.where(is_value, extremes, np.inf), rows.starts)
            self.highs[:, at] = np.maximum.reduceat(np.where(is_value, extremes, -np.inf), rows.starts)
        if never_seen.any():
            rows_of = np.flatnonzero(never_seen)
            if categories.pooled:  # else it was counted as unseen only
                self._add_flat((rows.slots[rows_of] * self._columns + at) * self._slots + self._width + UNSEEN)
            self._name(at, values, rows_of, rows)
        return entries

    def _name(self, at: int, values: list[object], never_seen: Ints, rows: Rows) -> None:
        """Keep names of never-seen values of one column."""
        for (slot, value), count in Counter(
            zip(rows.slots[never_seen].tolist(), map(values.__getitem__, never_seen.tolist()), strict=True)
        ).items():
            name = names.shortened(canonical(value))  # type: ignore[arg-type]  # a new value is text or a number
            self.unseen[slot].setdefault(at, Counter())[name] += count
        for named in self.unseen:
            if at in named:
                named[at] = names.kept(named[at])

    def numeric(self, at: Ints, arrays: NumericArrays, values: Floats, rows: Rows, counted: NDArray[np.bool_]) -> None:
        """Count numeric columns `at` (F,) with `values` (F, n) where `counted` (n,)."""
        # values outside the range are in the extremes but not in bins and sums; absent ones are in none
        inside = (values >= arrays.low) & (values <= arrays.high)
        usual = bool(inside.all() and counted.all())
        lowest = highest = usable = values
        if not usual:
            usable = np.where(inside & counted, values, arrays.center)
        codes = arrays.binning.codes(usable)
        below = None
        if not usual:
            absent = np.isnan(values)
            below = self._count_odd(at, arrays, codes, values, absent, ~(inside | absent), rows, counted)
            hidden = absent | ~counted
            lowest, highest = np.where(hidden, np.inf, values), np.where(hidden, -np.inf, values)
        codes += at[:, None] * self._slots
        if self._pairs is not None:
            self._note_levels(self._pairs, at, codes, below, None if usual else counted)
        codes += rows.slots * (self._columns * self._slots)
        self._add_flat(codes if usual else codes[:, counted])
        if self._segments is not None:
            self._segments.add(codes, None if usual else counted)
            if below is not None:
                self._segments.add_below(at, below & counted)
        self._sum(at, arrays, usable, rows)
        # + 0.0 turns -0.0 into 0.0: extremes must not depend on the order of rows
        self.lows[:, at] = np.minimum.reduceat(lowest, rows.starts, axis=1).T + 0.0
        self.highs[:, at] = np.maximum.reduceat(highest, rows.starts, axis=1).T + 0.0

    def _count_odd(
        self,
        at: Ints,
        arrays: NumericArrays,
        codes: Ints,
        values: Floats,
        absent: NDArray[np.bool_],
        outside: NDArray[np.bool_],
        rows: Rows,
        counted: NDArray[np.bool_],
    ) -> NDArray[np.bool_] | None:
        """Count quality counts instead of bins, for values that are missing, of a wrong type or outside.

        Returns which values are below the range; None where nothing is outside.
        """
        if self._new is not None:
            self._new.numeric(at, values, arrays.low, absent & counted, outside & counted)
        if absent.any():
            bits = values[absent].view(np.uint64)
            quality_counts = np.where(bits == ABSENT_BITS, ABSENT, np.where(bits == TYPE_BITS, TYPE, MISSING))
            codes[absent] = self._width + quality_counts
        if not outside.any():
            return None
        codes[outside] = self._width + OUTSIDE
        self._sum_outside(at, arrays, np.where(outside & counted, values, np.nan), rows)
        return np.asarray(values < arrays.low, np.bool_)

    def _note_levels(
        self,
        pairs: PairCounter,
        at: Ints,
        slots: Ints,
        below: NDArray[np.bool_] | None,
        counted: NDArray[np.bool_] | None,
    ) -> None:
        """Keep the levels of numeric columns; `counted` None is all rows, `below` the range None is no value."""
        levels = pairs.levels(slots)
        if below is not None:
            levels = np.where(below, pairs.lowest[at], levels)
        if counted is not None:
            levels[:, ~counted] = NO_LEVEL
        self._levels[at] = levels

    def _add_flat(self, flat: Ints) -> None:
        self.counts += np.bincount(flat.ravel(), minlength=len(self.counts))

    def _sum(self, at: Ints, arrays: NumericArrays, values: Floats, rows: Rows) -> None:
        """Sums of standardised values and their squares; in place, as these are the largest arrays of all."""
        z = values - arrays.center
        z /= arrays.scale
        np.clip(z, -CLIP_SD, CLIP_SD, out=z)
        fixed = z * UNIT
        self.sums[:, at, SUM] = np.add.reduceat(np.rint(fixed, out=fixed).astype(np.int64), rows.starts, axis=1).T
        z *= z
        z *= SQUARE_UNIT
        self.sums[:, at, SQUARES] = np.add.reduceat(np.rint(z, out=z).astype(np.int64), rows.starts, axis=1).T

    def _sum_outside(self, at: Ints, arrays: NumericArrays, values: Floats, rows: Rows) -> None:
        """Sums of the values outside; `values` are NaN everywhere else."""

        def add(into: int, of_each: Floats | NDArray[np.bool_]) -> None:
            self.sums[:, at, into] = np.add.reduceat(
                np.rint(of_each.astype(np.float64)).astype(np.int64), rows.starts, axis=1
            ).T

        some = ~np.isnan(values) & (values != 0)
        logs = np.log10(np.abs(np.where(some, values, 1.0)))
        add(OUTSIDE_COUNT, some)
        add(OUTSIDE_LOG, logs * UNIT)
        add(OUTSIDE_LOG_SQUARES, logs * logs * SQUARE_UNIT)
        add(BELOW, values < arrays.low)
        with np.errstate(over="ignore"):
            z = (values - arrays.center) / arrays.scale
        near = np.abs(z) <= FAR_SD
        z = np.where(near, z, 0.0)
        add(FAR_COUNT, near)
        add(FAR_SUM, z * FAR_UNIT)
        add(FAR_SQUARES, z * z * FAR_SQUARE_UNIT)

    def tallies(self, rows: Rows, reference: Reference, by_score: Ints | None) -> list[Tally]:
        counts = self.counts.reshape(self._panes, self._columns, self._slots)
        sizes = np.diff(np.append(rows.starts, len(rows.picked)))
        first = np.minimum.reduceat(rows.ts, rows.starts).tolist()
        last = np.maximum.reduceat(rows.ts, rows.starts).tolist()
        predictions = np.add.reduceat(rows.is_prediction.astype(np.int64), rows.starts)
        tables = None if self._pairs is None else self._pairs.tables(self._levels, rows)
        return [
            Tally(
                counts[pane],
                self.sums[pane],
                self.lows[pane],
                self.highs[pane],
                predictions=int(predictions[pane]),
                feature_events=int(sizes[pane] - predictions[pane]),
                unseen=self.unseen[pane],
                further=({} if tables is None else {PAIR_COUNTS: tables[pane]})
                | ({} if self._new is None else self._new.of(pane))
                | ({} if self._segments is None else self._segments.of(pane))
                | ({} if by_score is None else {BY_SCORE: by_score[pane]})
                | scores_of(rows.partition, reference, counts[pane], self.sums[pane]),
                first_us=first[pane],
                last_us=last[pane],
            )
            for pane in range(self._panes)
        ]
