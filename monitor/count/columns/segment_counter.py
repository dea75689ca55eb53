"""Counts the same codes once more by segment: the values of features and tags cut the events of a model version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.count.columns.categories import Categories, Entries
from monitor.count.columns.pane_rows import Rows
from monitor.reference.reference import Reference
from monitor.reference.segments import below_name, counts_name
from monitor.stats.bins.reference_bins import QUALITY_COUNTS
from monitor.stats.tallies.tally import Ints, narrow

Flags = NDArray[np.bool_]

#: counts in one go: 8 MB
PART_COUNTS: Final = 1 << 20


class SegmentCounter:
    """How events are cut: by the entries of some categorical columns, and by the texts of tags; it has no state."""

    def __init__(self, reference: Reference, categories: Mapping[int, Categories]) -> None:
        """`categories` by the place of their column."""
        segments = reference.segments
        self.segments = 0 if segments is None else len(segments.keys)
        self.columns = len(reference.columns)
        self.slots = reference.width + len(QUALITY_COUNTS)
        places = {column.name: at for at, column in enumerate(reference.columns) if at in categories}
        #: {place of a column: (entries + 1,) the segment of each of its entries; the last is for any entry behind}
        self.of_entry: dict[int, Ints] = {}
        #: by tag the segment of each of its texts, and that of all others
        self.of_text: dict[str, tuple[dict[object, int], int]] = {}
        first = 0
        for one in () if segments is None else segments.by:
            named: dict[object, int] = {value: first + rank for rank, value in enumerate(one.values)}
            rest = first + len(one.values)
            first = rest + 1
            if one.is_tag:
                self.of_text[one.feature] = named, rest
                continue
            at = places[one.feature]
            own = [named.get(value, rest) for value in reference.columns[at].bins.categories]
            self.of_entry[at] = np.array([*[rest] * len(QUALITY_COUNTS), *own, rest], np.int64)

    def begin(self, rows: Rows) -> SegmentCounts | None:
        """Counts of a batch; None without segments."""
        return SegmentCounts(self, rows) if self.segments else None


class SegmentCounts:
    """Counts of P panes: codes are gathered, and counted at the end.

    A pane has counts of the segments alone that it has events of: with many panes most have few events each.
    """

    def __init__(self, counter: SegmentCounter, rows: Rows) -> None:
        self._counter, self._rows, self._panes = counter, rows, len(rows.starts)
        self._segment_of: list[Ints] = []
        self._codes: list[tuple[Ints, Flags | None]] = []
        self._below: list[tuple[Ints, Ints]] = []
        self._counted: list[dict[str, Ints]] | None = None

    def cut(self, at: int, entries: Entries) -> None:
        """Take the entries (n,) of a categorical column, by which events may be cut."""
        of_entry = self._counter.of_entry.get(at)
        if of_entry is not None:
            self._segment_of.append(of_entry.take(entries, mode="clip"))

    def cut_by_tags(self, tags: Sequence[list[object]]) -> None:
        """Take the texts of the group's tags, each (of all its rows)."""
        for (named, rest), texts in zip(self._counter.of_text.values(), tags, strict=True):
            known = [named.get(text, rest) for text in self._rows.of(texts)]
            self._segment_of.append(np.array(known, np.int64))

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
            self._counted = [{} for _ in range(self._panes)]
            for segment in self._segment_of:
                for first, end in self._parts():
                    self._count(segment, first, end, self._counted)
                self._count_below(segment, self._counted)
        return self._counted[pane]

    def _parts(self) -> Iterator[tuple[int, int]]:
        """Rows of some panes [first, end), whose counts fit in `PART_COUNTS`, or of a single pane."""
        starts = np.append(self._rows.starts, len(self._rows.picked))
        most = np.minimum(np.diff(starts), self._counter.segments) * self._counter.columns * self._counter.slots
        part = np.cumsum(most) // PART_COUNTS
        firsts = np.flatnonzero(np.diff(part, prepend=-1))
        return pairwise([*starts[firsts].tolist(), int(starts[-1])])

    def _count(self, segment: Ints, first: int, end: int, into: list[dict[str, Ints]]) -> None:
        """Count the rows from `first` to `end`, of whole panes, by pane and segment."""
        size = self._counter.columns * self._counter.slots
        panes = self._rows.slots[first:end]
        keys = (panes - panes[0]) * self._counter.segments + segment[first:end]
        present = np.bincount(keys) > 0
        found, places = np.flatnonzero(present), (np.cumsum(present) - 1)[keys]
        counts = np.zeros(len(found) * size, np.int64)
        # a place among panes becomes one among the pairs of pane and segment that have events
        shift = (places - panes) * size
        for codes, counted in self._codes:
            flat = codes[..., first:end] + shift
            flat = flat.ravel() if counted is None else flat[..., counted[first:end]].ravel()
            counts += np.bincount(flat, minlength=len(counts))
        found += int(panes[0]) * self._counter.segments
        for key, own in zip(found.tolist(), narrow(counts).reshape(-1, size), strict=True):
            pane, which = divmod(key, self._counter.segments)
            into[pane][counts_name(which)] = own

    def _count_below(self, segment: Ints, into: list[dict[str, Ints]]) -> None:
        columns = self._counter.columns
        if not self._below:
            return
        at, rows = (np.concatenate(of) for of in zip(*self._below, strict=True))
        found, places = np.unique(self._rows.slots[rows] * self._counter.segments + segment[rows], return_inverse=True)
        counts = np.bincount(places * columns + at, minlength=len(found) * columns)
        for key, own in zip(found.tolist(), narrow(counts).reshape(-1, columns), strict=True):
            pane, which = divmod(key, self._counter.segments)
            into[pane][below_name(which)] = own
