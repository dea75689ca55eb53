"""Categories to bins: each distinct value has an entry, with its bin and its flags."""

from __future__ import annotations

import numpy as np

from monitor.decode.columns import ABSENT_VALUE, TYPE_VALUE
from monitor.events import canonical
from monitor.stats.bins.name_bins import KnownNames, as_extreme, bucket_of, hashes_of
from monitor.stats.bins.reference_bins import (
    ABSENT,
    CATEGORICAL,
    MISSING,
    QUALITY_COUNTS,
    TYPE,
    UNSEEN,
    ColumnBins,
    category_codes,
)
from monitor.stats.tallies.tally import Floats, Ints

#: entries kept between batches for values without their own bin
MAX_ENTRIES = 4_096


class Categories:
    """Lookup tables for counting one categorical column.

    Entries are the quality counts, then the categories with their own bin, then other values in order of arrival.
    `slots` is the bin (or quality count, after the bins) of each entry, `unseen` whether the reference lacks it,
    `extremes` its hash as a number, to detect a column with one single value.
    """

    def __init__(self, bins: ColumnBins | None, width: int, *, unseen_as: int = UNSEEN) -> None:
        """`unseen_as` is the quality count of a value that the reference lacks."""
        bins = ColumnBins(CATEGORICAL) if bins is None else bins
        marks = len(QUALITY_COUNTS)
        self._named = {value: marks + code for value, code in category_codes(bins).items()}
        self._known = KnownNames.from_bytes(bins.known)
        self._first_bucket = bins.named if bins.buckets else None
        self._entries: dict[str | float, int] = dict(self._named)
        #: whether a bin holds several values
        self.pooled = bins.buckets > 0
        self.slots: Ints = np.concatenate((width + np.arange(marks), np.arange(bins.named))).astype(np.int64)
        self.extremes: Floats = np.concatenate((np.zeros(marks), as_extreme(hashes_of(bins.categories))))
        self.unseen = np.zeros(len(self.slots), np.bool_)
        self._unseen_slot = width + unseen_as
        self._own = len(self.slots)

    def entries(self, values: list[object]) -> Ints:
        """The entry of each value; entries below `len(QUALITY_COUNTS)` are quality counts."""
        try:
            return np.fromiter(map(self._entries.__getitem__, values), np.int64, len(values))  # type: ignore[arg-type]  # a marker is not a key: KeyError
        except KeyError:
            self._make_room()
            self._learn(values)
            return np.fromiter(map(self._entry, values), np.int64, len(values))

    def _entry(self, value: object) -> int:
        if value is None:
            return MISSING
        if value is ABSENT_VALUE:
            return ABSENT
        if value is TYPE_VALUE:
            return TYPE
        return self._entries[value]  # type: ignore[index]  # what is left is text or a number

    def _make_room(self) -> None:
        """Forget the cached values when there are too many: they would get equal entries again."""
        if len(self.slots) > self._own + MAX_ENTRIES:
            self._entries = dict(self._named)
            self.slots, self.extremes = self.slots[: self._own], self.extremes[: self._own]
            self.unseen = self.unseen[: self._own]

    def _learn(self, values: list[object]) -> None:
        marks = (None, ABSENT_VALUE, TYPE_VALUE)
        new = [v for v in dict.fromkeys(values) if v not in marks and v not in self._entries]
        if not new:
            return
        hashes = hashes_of([canonical(value) for value in new])  # type: ignore[arg-type]  # as above
        first = self._first_bucket
        unseen = np.ones(len(new), np.bool_) if first is None else ~self._known.holds(hashes)
        slots = np.full(len(new), self._unseen_slot) if first is None else first + bucket_of(hashes)
        for at, value in enumerate(new, len(self.slots)):
            self._entries[value] = at  # type: ignore[index]  # as above
        self.slots = np.concatenate((self.slots, slots))
        self.extremes = np.concatenate((self.extremes, as_extreme(hashes)))
        self.unseen = np.concatenate((self.unseen, unseen))
