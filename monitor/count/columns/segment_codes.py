"""The segments of predictions, as numbers that are small enough to wait for labels beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from monitor.count.columns.pane_rows import Rows
from monitor.decode.columns import ABSENT_VALUE, TYPE_VALUE, Group
from monitor.events import canonical
from monitor.reference.column import FEATURE, Column
from monitor.reference.reference import Reference
from monitor.reference.segments import SegmentedBy
from monitor.stats.bins.reference_bins import NUMERIC

Ints = NDArray[np.int64]
_T = TypeVar("_T")

#: bits of a segment among those of its feature, in what is kept of a prediction: 0 where it is not known, else 1 more
BITS: Final = 5
#: a prediction or label whose segment is not known
UNKNOWN: Final = -1
#: values of a feature whose segment is remembered
_REMEMBERED: Final = 4_096
_NO_VALUE: Final = (None, ABSENT_VALUE, TYPE_VALUE)


class SegmentCodes:
    """By what the labels and outcomes of one model version are cut: F features and tags, S segments."""

    def __init__(self, reference: Reference, *, cut: bool = True) -> None:
        """`cut`: False for none, whatever the reference has."""
        segments = reference.segments
        cut = cut and (reference.cuts_performance or reference.cuts_outcomes)
        by = segments.by if segments is not None and cut else ()
        self._each = [_Values(one) for one in by]
        sizes = [len(one.values) + 1 for one in by]
        #: (F,) the number of each one's first segment, and S
        self._first = np.cumsum([0, *sizes[:-1]]) if sizes else np.zeros(0, np.int64)
        self.segments = sum(sizes)
        cells = [column for _, column in in_order_of_cells(reference) if column.bins.kind != NUMERIC]
        names = [column.name for column in cells]
        tags = [one.feature for one in (() if segments is None else segments.by) if one.is_tag]
        #: for each of them whether it is a tag, and its place among the group's tags or categorical columns
        self._places = [
            (True, tags.index(one.feature)) if one.is_tag else (False, names.index(one.feature)) for one in by
        ]

    def of(self, group: Group, rows: Rows) -> Ints:
        """(F, n) the number of the segment of each row."""
        out = np.empty((len(self._each), len(rows.picked)), np.int64)
        for at, (each, (is_tag, place)) in enumerate(zip(self._each, self._places, strict=True)):
            values = rows.of(group.tags[place] if is_tag else group.categorical[place])
            out[at] = self._first[at] + each.places(values)
        return out

    def by_slot(self, counted: Mapping[int, _T]) -> Iterator[tuple[int, int, _T]]:
        """(slot, segment, what is counted) of what is `counted` by slot * S + segment."""
        for place, found in counted.items():
            yield *divmod(place, self.segments), found

    def packed(self, segments: Ints) -> Ints:
        """(n,) those of each row as one number, of 40 bits at the most."""
        out = np.zeros(segments.shape[1], np.int64)
        for at, of in enumerate(segments):
            out |= np.where(of == UNKNOWN, 0, of - self._first[at] + 1) << BITS * at
        return out

    def unpacked(self, packed: Ints) -> Ints:
        """Back from `packed`: (F, n)."""
        out = np.empty((len(self._each), len(packed)), np.int64)
        for at, first in enumerate(self._first.tolist()):
            place = packed >> BITS * at & (1 << BITS) - 1
            out[at] = np.where(place == 0, UNKNOWN, first + place - 1)
        return out


class _Values:
    """The place of a value among the segments of its feature; the last one is that of all others."""

    def __init__(self, one: SegmentedBy) -> None:
        self._named = {value: place for place, value in enumerate(one.values)}
        self._rest = len(one.values)
        self._known: dict[object, int] = {}

    def places(self, values: Sequence[object]) -> Ints:
        try:
            return np.fromiter(map(self._known.__getitem__, values), np.int64, len(values))
        except KeyError:
            self._learn(values)
            return np.fromiter(map(self._known.__getitem__, values), np.int64, len(values))

    def _learn(self, values: Sequence[object]) -> None:
        if len(self._known) > _REMEMBERED:
            self._known = {}
        for value in set(values) - self._known.keys():
            text = None if value in _NO_VALUE else canonical(value)  # type: ignore[arg-type]  # text, a number or a boolean
            self._known[value] = self._rest if text is None else self._named.get(text, self._rest)


def in_order_of_cells(reference: Reference) -> list[tuple[int, Column]]:
    """The features in the order in which a `Group` has them: those that are not derived first."""
    places = {column.name: at for at, column in enumerate(reference.columns) if column.role == FEATURE}
    names = [name for name, at in places.items() if not reference.columns[at].parent]
    names += [name for derived in reference.derived for name in (*derived.numeric, *derived.categorical)]
    return [(places[name], reference.columns[places[name]]) for name in names]
