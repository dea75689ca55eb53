"""Counts, sums and extremes of the rows of a group, for as many panes as they fall into.

Everything is array work over many columns. Most columns of most batches hold numbers within the range alone: the
extremes say so, and only the other columns are looked at value by value.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.count.columns.by_partition import scores_of
from monitor.count.columns.categories import Categories, Entries
from monitor.count.columns.new_slots import NewSlotCounts
from monitor.count.columns.numeric_arrays import NumericArrays
from monitor.count.columns.pair_counter import PairCounter
from monitor.count.columns.pane_rows import Rows
from monitor.count.columns.segment_counter import SegmentCounts
from monitor.decode.columns import ABSENT_BITS, TYPE_BITS
from monitor.events import canonical
from monitor.reference.estimate import BY_SCORE
from monitor.reference.reference import Reference
from monitor.reference.relations import PAIR_COUNTS
from monitor.stats.bins.reference_bins import ABSENT, MISSING, OUTSIDE, QUALITY_COUNTS, TYPE, UNSEEN
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

Flags = NDArray[np.bool_]

#: so many of the largest terms of a sum, 2^32, add up below 2^53: floats add such integers exactly, in any order
EXACT: Final = 1 << 20


class _Column(NamedTuple):
    """A column of categories: its place, and entries and `values` (n,) that are counted where `counted` says."""

    at: int
    categories: Categories
    entries: Entries
    values: list[object]
    counted: Flags | None


class Block:
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
        #: (n,) where the counts of each row's pane begin; None where that is 0
        self._begins = rows.slots * (columns * self._slots) if panes > 1 else None
        #: (columns, rows) coarse levels of the values, for the tables of pairs
        self._levels = np.full((columns, len(rows.picked) if pairs is not None else 0), NO_LEVEL, np.uint8)
        #: places among the counts of all panes, each (any,), which are counted at the end
        self._flat: list[Ints] = []
        #: columns of categories of which it is not known yet whether they hold values without their own bin
        self._unlooked: list[_Column] = []
        self.sums = np.zeros((panes, columns, SUMS), np.int64)
        self.lows = np.full((panes, columns), np.inf)
        self.highs = np.full((panes, columns), -np.inf)
        self.unseen: list[names.Names] = [{} for _ in range(panes)]

    def categories(
        self, at: int, categories: Categories, values: list[object], rows: Rows, counted: Flags | None
    ) -> Entries:
        """Count one column's `values` (n,) where `counted` (None: everywhere); returns their entries."""
        entries = categories.entries(values)
        flat = categories.slots.take(entries)
        flat += at * self._slots
        if self._pairs is not None:
            levels = self._pairs.levels(flat)
            self._levels[at] = levels if counted is None else np.where(counted, levels, np.uint8(NO_LEVEL))
        if self._begins is not None:
            flat += self._begins
        self._flat.append(flat if counted is None else flat[counted])
        if self._segments is not None:
            self._segments.cut(at, entries)
            self._segments.add(flat, counted)
        column = _Column(at, categories, entries, values, counted)
        if categories.pooled:
            self._unusual(column, rows)
        else:
            self._unlooked.append(column)
        return entries

    def _unusual(self, column: _Column, rows: Rows) -> None:
        """What is kept of values without their own bin."""
        at, categories, entries, values, counted = column
        never_seen, is_value = categories.unseen.take(entries), entries >= len(QUALITY_COUNTS)
        no_value = ~is_value
        if counted is not None:
            never_seen, is_value, no_value = never_seen & counted, is_value & counted, no_value & counted
        if self._new is not None:
            self._new.categories(at, no_value, never_seen)
        if categories.pooled:
            extremes = categories.extremes.take(entries)
            self.lows[:, at] = np.minimum.reduceat(np.where(is_value, extremes, np.inf), rows.starts)
            self.highs[:, at] = np.maximum.reduceat(np.where(is_value, extremes, -np.inf), rows.starts)
        if never_seen.any():
            rows_of = np.flatnonzero(never_seen)
            if categories.pooled:  # else it was counted as unseen only
                self._flat.append((rows.slots[rows_of] * self._columns + at) * self._slots + self._width + UNSEEN)
            self._name(at, values, rows_of, rows)

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

    def numeric(self, at: Ints, arrays: NumericArrays, values: Floats, rows: Rows, counted: Flags | None) -> None:
        """Count numeric columns `at` (F,) with `values` (F, n) where `counted` (n,); None is everywhere."""
        lows = np.minimum.reduceat(values, rows.starts, axis=1)
        highs = np.maximum.reduceat(values, rows.starts, axis=1)
        # a NaN is in both extremes, and is not within the range
        within = ((lows >= arrays.low) & (highs <= arrays.high)).all(1)
        odd = np.arange(len(at)) if counted is not None else np.flatnonzero(~within)
        usable, slots, below = values, None, None
        if len(odd):
            every = len(odd) == len(at)
            part = arrays if every else arrays.of_rows(odd)
            own = values if every else values[odd]
            usual, slots, below = self._odd(at[odd], part, own, rows, counted)
            if every:
                usable = usual
            else:
                usable = values.copy()
                usable[odd] = usual
            lows[odd], highs[odd] = self._extremes(own, rows, counted)
        codes = arrays.binning.codes(usable)
        if slots is not None:
            codes[odd] = np.where(slots >= 0, slots, codes[odd])
        codes += at[:, None] * self._slots
        if self._pairs is not None:
            self._note_levels(self._pairs, at, codes, odd, below, counted)
        if self._begins is not None:
            codes += self._begins
        self._flat.append(codes.ravel() if counted is None else codes[:, counted].ravel())
        if self._segments is not None:
            self._segments.add(codes, counted)
            if below is not None:
                self._segments.add_below(at[odd], below if counted is None else below & counted)
        self._sum(at, arrays, usable, rows)
        # + 0.0 turns -0.0 into 0.0: extremes must not depend on the order of rows
        self.lows[:, at], self.highs[:, at] = lows.T + 0.0, highs.T + 0.0

    def _extremes(self, values: Floats, rows: Rows, counted: Flags | None) -> tuple[Floats, Floats]:
        """The extremes (F, P) of the numbers among values; values outside the range are in them."""
        hidden = np.isnan(values) if counted is None else np.isnan(values) | ~counted
        lowest, highest = np.where(hidden, np.inf, values), np.where(hidden, -np.inf, values)
        return (
            np.minimum.reduceat(lowest, rows.starts, axis=1),
            np.maximum.reduceat(highest, rows.starts, axis=1),
        )

    def _odd(
        self, at: Ints, arrays: NumericArrays, values: Floats, rows: Rows, counted: Flags | None
    ) -> tuple[Floats, Ints, Flags | None]:
        """Columns with values that are missing, of a wrong type or outside the range: in no bin, and in no sum.

        Returns numbers for bins and sums, the slots of the quality counts of the others (-1: it has a bin), and which
        values are below the range; None where nothing is outside.
        """
        absent = np.isnan(values)
        outside = (values < arrays.low) | (values > arrays.high)
        hidden = absent | outside
        slots = np.full(values.shape, -1, np.int64)
        if counted is not None:
            hidden |= ~counted
        if self._new is not None:
            gone, far = (absent, outside) if counted is None else (absent & counted, outside & counted)
            self._new.numeric(at, values, arrays.low, gone, far)
        if absent.any():
            bits = values[absent].view(np.uint64)
            quality_counts = np.where(bits == ABSENT_BITS, ABSENT, np.where(bits == TYPE_BITS, TYPE, MISSING))
            slots[absent] = self._width + quality_counts
        below = None
        if outside.any():
            slots[outside] = self._width + OUTSIDE
            # columns without such values have no such sums
            where = outside if counted is None else outside & counted
            some = np.flatnonzero(where.any(1))
            of_some = np.where(where[some], values[some], np.nan)
            self._sum_outside(at[some], arrays.of_rows(some), of_some, rows)
            below = np.asarray(values < arrays.low, np.bool_)
        return np.where(hidden, arrays.center, values), slots, below

    def _note_levels(
        self, pairs: PairCounter, at: Ints, slots: Ints, odd: Ints, below: Flags | None, counted: Flags | None
    ) -> None:
        """Keep the levels of numeric columns; `counted` None is all rows, `below` the range are values of `odd`."""
        levels = pairs.levels(slots)
        if below is not None:
            levels[odd] = np.where(below, pairs.lowest[at[odd]], levels[odd])
        if counted is not None:
            levels[:, ~counted] = NO_LEVEL
        self._levels[at] = levels

    def _sum(self, at: Ints, arrays: NumericArrays, values: Floats, rows: Rows) -> None:
        """Sums of standardised values and their squares; in place, as these are the largest arrays of all."""
        z = values - arrays.center
        z /= arrays.scale
        if arrays.clips:
            np.clip(z, -CLIP_SD, CLIP_SD, out=z)
        fixed = z * UNIT
        self.sums[:, at, SUM] = _total(np.rint(fixed, out=fixed), rows.starts)
        z *= z
        z *= SQUARE_UNIT
        self.sums[:, at, SQUARES] = _total(np.rint(z, out=z), rows.starts)

    def _sum_outside(self, at: Ints, arrays: NumericArrays, values: Floats, rows: Rows) -> None:
        """Sums of the values outside; `values` are NaN everywhere else."""

        def add(into: int, of_each: Floats | Flags) -> None:
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
        size = self._panes * self._columns * self._slots
        flat = np.concatenate(self._flat) if self._flat else np.zeros(0, np.int64)
        counts = np.bincount(flat, minlength=size).reshape(self._panes, self._columns, self._slots)
        unusual = counts[:, :, self._width :].sum(axis=(0, 2)).tolist()
        for column in self._unlooked:
            if unusual[column.at]:
                self._unusual(column, rows)
        sizes = np.diff(rows.starts, append=len(rows.picked))
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


def _total(fixed: Floats, starts: Ints) -> NDArray[np.int64]:
    """(P, F) sums of numbers (F, n) that are whole, exactly."""
    if fixed.shape[1] > EXACT:
        return np.add.reduceat(fixed.astype(np.int64), starts, axis=1).T
    return np.add.reduceat(fixed, starts, axis=1).T.astype(np.int64)
