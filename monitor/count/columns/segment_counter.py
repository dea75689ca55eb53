"""Counts the same codes once more by segment: the values of some features cut the events of a model version."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from monitor.count.columns.categories import Categories
from monitor.count.columns.pane_rows import Rows
from monitor.reference.reference import Reference
from monitor.reference.segments import SEGMENTS, SEGMENTS_BELOW
from monitor.stats.bins.reference_bins import QUALITY_COUNTS
from monitor.stats.tallies.tally import Ints

Flags = NDArray[np.bool_]


class SegmentCounter:
    """How events are cut: by the entries of some categorical columns; it has no state."""

    def __init__(self, reference: Reference, categories: Mapping[int, Categories]) -> None:
        """`categories` by the place of their column."""
        segments = reference.segments
        self.segments = 0 if segments is None else len(segments.keys)
        self.columns = len(reference.columns)
        self.slots = reference.width + len(QUALITY_COUNTS)
        places = {column.name: at for at, column in enumerate(reference.columns) if at in categories}
        #: {place of a column: (entries + 1,) the segment of each of its entries; the last is for any entry behind}
        self.of_entry: dict[int, Ints] = {}
        first = 0
        for one in () if segments is None else segments.by:
            at = places[one.feature]
            named = {value: first + rank for rank, value in enumerate(one.values)}
            rest = first + len(one.values)
            own = [named.get(value, rest) for value in reference.columns[at].bins.categories]
            self.of_entry[at] = np.array([*[rest] * len(QUALITY_COUNTS), *own, rest], np.int64)
            first = rest + 1

    def begin(self, rows: Rows) -> SegmentCounts | None:
        """Counts of a batch; None without segments."""
        return SegmentCounts(self, rows) if self.segments else None


class SegmentCounts:
    """Counts of P panes: codes are gathered, and counted at the end in one go."""

    def __init__(self, counter: SegmentCounter, rows: Rows) -> None:
        self._counter, self._rows, self._panes = counter, rows, len(rows.starts)
        self._segment_of: list[Ints] = []
        self._codes: list[tuple[Ints, Flags | None]] = []
        self._below: list[tuple[Ints, Ints]] = []
        self._counted: tuple[Ints, Ints] | None = None

    def cut(self, at: int, entries: Ints) -> None:
        """Take the entries (n,) of a categorical column, by which events may be cut."""
        of_entry = self._counter.of_entry.get(at)
        if of_entry is not None:
            self._segment_of.append(of_entry.take(entries, mode="clip"))

    def add(self, flat: Ints, counted: Flags | None) -> None:
        """Take places (..., n) among panes, columns and slots; `counted` None is all rows."""
        self._codes.append((flat, counted))

    def add_below(self, at: Ints, below: Flags) -> None:
        """Take which values (F, n) of columns `at` (F,) lie below the range."""
        columns, rows = np.nonzero(below)
        if len(rows):
            self._below.append((at[columns], rows.astype(np.int64)))

    def of(self, pane: int) -> dict[str, Ints]:
        """The further counts of one pane."""
        if self._counted is None:
            self._counted = self._count()
        counts, below = self._counted
        some = {SEGMENTS_BELOW: below[pane]} if below[pane].any() else {}
        return {SEGMENTS: counts[pane]} | some

    def _count(self) -> tuple[Ints, Ints]:
        """(P, S * C * slots) the codes, and (P, S * C) values below the range."""
        counter, panes = self._counter, self._panes
        size, segments = counter.columns * counter.slots, counter.segments
        counts, below = (
            np.zeros(panes * segments * size, np.int64),
            np.zeros(panes * segments * counter.columns, np.int64),
        )
        for segment in self._segment_of:
            # a place among panes becomes one among panes and their segments
            shift = (self._rows.slots * (segments - 1) + segment) * size
            flat = [
                (codes + shift).ravel() if counted is None else (codes + shift)[..., counted].ravel()
                for codes, counted in self._codes
            ]
            counts += np.bincount(np.concatenate(flat), minlength=len(counts))
            for at, rows in self._below:
                places = (self._rows.slots[rows] * segments + segment[rows]) * counter.columns + at
                below += np.bincount(places, minlength=len(below))
        return counts.reshape(panes, -1), below.reshape(panes, -1)
