"""New columns: fields of `features` that the reference does not have, counted in a sample of the records.

Decoding reads wanted features only, so a sample is read once more, as a whole. Which records are in it depends on their
offsets alone: a replay has the same sample however it is polled.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.count.columns.categories import Categories
from monitor.decode.columns import TYPE_VALUE
from monitor.decode.values import category_value, numeric_value
from monitor.reference.column import FEATURE, Column
from monitor.reference.reference import Reference
from monitor.stats.bins.reference_bins import MISSING, NUMERIC, OUTSIDE, QUALITY_COUNTS, TYPE
from monitor.stats.tallies import names
from monitor.stats.tallies.further import NEW, NEW_FIELDS, SAMPLED, VALUES

#: one record in so many is read again
EVERY: Final = 32
#: new columns of one event, and columns that are not there, that are counted
MOST_NEW: Final = 8
MOST_GONE: Final = 4

_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)

Ints = NDArray[np.int64]


def sampled(offsets: Ints) -> Ints:
    """The places of the records that are in the sample; the offsets (n,) of a batch."""
    mixed = offsets.astype(np.uint64) * _MULTIPLIER
    return np.flatnonzero(mixed >> np.uint64(32) < np.uint64((1 << 32) // EVERY))


class SchemaCounter:
    """Counts the names of one event's features against a reference's."""

    def __init__(self, reference: Reference) -> None:
        self._width = reference.width
        features = [(at, column) for at, column in enumerate(reference.columns) if column.role == FEATURE]
        #: those that are fields of an event; others are derived from one
        self._features = [(at, column) for at, column in features if not column.parent]
        self._known = {column.parent or column.name for _, column in features}
        self._known |= {name for name, _ in reference.ignored} | {derived.parent for derived in reference.derived}
        self._categories = {
            at: Categories(column.bins, self._width) for at, column in self._features if column.bins.kind != NUMERIC
        }

    def knows(self, features: Mapping[str, object]) -> bool:
        """Whether the event has no new column: then SAMPLED is all that `of` counts."""
        return self._known.issuperset(features)

    def of(self, features: Mapping[str, object]) -> dict[str, Ints]:
        """The counts of one event."""
        counts = {SAMPLED: np.ones(1, np.int64)}
        new = [name for name in features if name not in self._known]
        if new:
            counts[NEW_FIELDS] = np.full(1, len(new), np.int64)
            gone = [(at, column) for at, column in self._features if column.name not in features][:MOST_GONE]
            for name in sorted(names.smallest(new, MOST_NEW)):
                counts[NEW + name] = np.ones(1, np.int64)
                for at, column in gone:
                    counts[f"{VALUES}{at}:{name}"] = self._values(at, column, features[name])
        return counts

    def _values(self, at: int, column: Column, value: object) -> Ints:
        """(B + Q,) one value by a column's bins."""
        counts = np.zeros(self._width + len(QUALITY_COUNTS), np.int64)
        counts[self._numeric(column, value) if column.bins.kind == NUMERIC else self._category(at, value)] = 1
        return counts

    def _numeric(self, column: Column, value: object) -> int:
        cell = numeric_value(value)
        if cell is None or math.isnan(cell):
            return self._width + (MISSING if value is None else TYPE)
        if not column.bins.low <= cell <= column.bins.high:
            return self._width + OUTSIDE
        return int(np.searchsorted(np.array(column.bins.edges), cell))

    def _category(self, at: int, value: object) -> int:
        cell = category_value(value)
        if cell is TYPE_VALUE:
            return self._width + TYPE
        categories = self._categories[at]
        entry = int(categories.entries([cell])[0])  # a new value gets a new slot
        return int(categories.slots[entry])
