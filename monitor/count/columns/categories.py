"""Categories to bins: each distinct value has an entry, with its bin and its flags."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

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

Entries = NDArray[np.int64]


class Categories:
    """Lookup tables for counting one categorical column.

    Entries are the quality counts, then the categories with their own bin, then other values in order of arrival.
    `slots` is the bin (or quality count, after the bins) of each entry, `unseen` whether the reference lacks it,
    `extremes` its hash as a number, to detect a column with one single value.
    """

    def __init__(self, bins: ColumnBins | None, width: int, *, unseen_as: int = UNSEEN, none_as: int = MISSING) -> None:
        """`unseen_as` is the quality count of a value that the reference lacks, `none_as` that of None."""
        bins = ColumnBins(CATEGORICAL) if bins is None else bins
        marks = len(QUALITY_COUNTS)
        #: by value the bytes of its entry: joining those is the fastest way to an array of them
        self._named: dict[object, bytes] = {
            None: _bytes_of(none_as),
            ABSENT_VALUE: _bytes_of(ABSENT),
            TYPE_VALUE: _bytes_of(TYPE),
            **{value: _bytes_of(marks + code) for value, code in category_codes(bins).items()},
        }
        self._known = KnownNames.from_bytes(bins.known)
        self._first_bucket = bins.named if bins.buckets else None
        self._entries = dict(self._named)
        #: whether a bin holds several values
        self.pooled = bins.buckets > 0
        self.slots: Ints = np.concatenate((width + np.arange(marks), np.arange(bins.named))).astype(np.int64)
        self.extremes: Floats = np.concatenate((np.zeros(marks), as_extreme(hashes_of(bins.categories))))
        self.unseen = np.zeros(len(self.slots), np.bool_)
        self._unseen_slot = width + unseen_as
        self._own = len(self.slots)

    def entries(self, values: Sequence[object]) -> Entries:
        """The entry of each value; entries below `len(QUALITY_COUNTS)` are quality counts."""
        try:
            return self._found(values)
        except KeyError:
            self._make_room()
            self._learn(values)
            return self._found(values)

    def _found(self, values: Sequence[object]) -> Entries:
        if len(values) < 2:
            return np.frombuffer(b"".join(map(self._entries.__getitem__, values)), np.int64)
        return np.frombuffer(b"".join(itemgetter(*values)(self._entries)), np.int64)

    def _make_room(self) -> None:
        """Forget the cached values when there are too many: they would get equal entries again."""
        if len(self.slots) > self._own + MAX_ENTRIES:
            self._entries = dict(self._named)
            self.slots, self.extremes = self.slots[: self._own], self.extremes[: self._own]
            self.unseen = self.unseen[: self._own]

    def _learn(self, values: Sequence[object]) -> None:
        new = [value for value in dict.fromkeys(values) if value not in self._entries]
        hashes = hashes_of([canonical(value) for value in new])  # type: ignore[arg-type]  # text or numbers are left
        first = self._first_bucket
        unseen = np.ones(len(new), np.bool_) if first is None else ~self._known.holds(hashes)
        slots = np.full(len(new), self._unseen_slot) if first is None else first + bucket_of(hashes)
        for at, value in enumerate(new, len(self.slots)):
            self._entries[value] = _bytes_of(at)
        self.slots = np.concatenate((self.slots, slots))
        self.extremes = np.concatenate((self.extremes, as_extreme(hashes)))
        self.unseen = np.concatenate((self.unseen, unseen))


def _bytes_of(entry: int) -> bytes:
    return np.int64(entry).tobytes()
