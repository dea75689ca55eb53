"""Categories to bins: each known value has a place, and its bin is found from that."""

from __future__ import annotations

import numpy as np

from monitor.decode.columns import ABSENT_VALUE, TYPE_VALUE
from monitor.stats.bins import ABSENT, CATEGORICAL, MISSING, QUALITY_COUNTS, TYPE, UNSEEN, ColumnBins, category_codes
from monitor.stats.tally import Ints


class Categories:
    """What counting a categorical column needs of it.

    A known category has a place of its own, also where it shares a bin with others, so that one single value is told
    from many rare ones; behind the places come the facts.
    """

    def __init__(self, bins: ColumnBins | None, width: int) -> None:
        bins = ColumnBins(CATEGORICAL) if bins is None else bins
        self._places = category_codes(bins)
        self.known = len(bins.categories) + len(bins.rare)
        #: whether a bin holds several categories; without it a place is a bin
        self.pooled = bool(bins.rare)
        own = np.arange(len(bins.categories))
        shared = np.full(len(bins.rare), len(bins.categories))
        #: bin or fact of each place
        self.slots = np.concatenate((own, shared, width + np.arange(len(QUALITY_COUNTS)))).astype(np.int64)

    def places(self, values: list[object]) -> Ints:
        """The place of each value; facts are `known` and what follows."""
        try:
            return np.fromiter(map(self._places.__getitem__, values), np.int64, len(values))  # type: ignore[arg-type]  # a mark is no key of it: KeyError
        except KeyError:
            return np.fromiter(map(self._place, values), np.int64, len(values))

    def _place(self, value: object) -> int:
        if value is None:
            return self.known + MISSING
        if value is ABSENT_VALUE:
            return self.known + ABSENT
        if value is TYPE_VALUE:
            return self.known + TYPE
        return self._places.get(value, self.known + UNSEEN)  # type: ignore[call-overload, no-any-return]  # what is left is text or a number
