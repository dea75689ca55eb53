"""An index of 64-bit ids by position, made of sorted runs that are merged as they grow."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: a run of so many ids is not merged any more: it is dropped as a whole once its positions are
MOST_IN_RUN: Final = 1 << 18

Ids = NDArray[np.uint64]
Positions = NDArray[np.int64]


class _Run(NamedTuple):
    ids: Ids
    #: positions less `base`
    places: NDArray[np.uint32]
    base: int
    last: int


class Pairs(NamedTuple):
    """Matches (m,): the index of the id that was looked up, and the position of one that is equal."""

    asked: Positions
    position: Positions


class IdRuns:
    """Ids by position. A position is in it until all of its run are before `drop_before`."""

    def __init__(self) -> None:
        self._runs: list[_Run] = []

    def add(self, ids: Ids, positions: Positions) -> None:
        """Add ids (n,) at `positions`, in any order."""
        if not len(ids):
            return
        base = int(positions.min())
        order = np.argsort(ids, kind="stable")
        self._runs.append(_Run(ids[order], (positions[order] - base).astype(np.uint32), base, int(positions.max())))
        while len(self._runs) > 1 and self._should_merge(*self._runs[-2:]):
            later, earlier = self._runs.pop(), self._runs.pop()
            self._runs.append(_merged(earlier, later))

    @staticmethod
    def _should_merge(earlier: _Run, later: _Run) -> bool:
        span = max(earlier.last, later.last) - min(earlier.base, later.base)
        return len(earlier.ids) <= 2 * len(later.ids) < MOST_IN_RUN and span < 1 << 32

    def drop_before(self, position: int) -> None:
        """Forget runs that hold earlier positions only."""
        self._runs = [run for run in self._runs if run.last >= position]

    def find(self, ids: Ids) -> Pairs:
        """All positions of each of `ids` (n,)."""
        order = np.argsort(ids)
        wanted = ids[order]
        asked, positions = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for run in self._runs:
            left = run.ids.searchsorted(wanted)
            left[left == len(run.ids)] = 0
            hit = np.flatnonzero(run.ids[left] == wanted)
            if not len(hit):
                continue
            left = left[hit]
            counts = run.ids.searchsorted(wanted[hit], "right") - left
            each = np.repeat(np.arange(len(hit)), counts)
            within = np.arange(len(each)) - np.repeat(np.cumsum(counts) - counts, counts)
            asked.append(order[hit][each])
            positions.append(run.places[left[each] + within].astype(np.int64) + run.base)
        return Pairs(np.concatenate(asked), np.concatenate(positions))


def _merged(earlier: _Run, later: _Run) -> _Run:
    base = min(earlier.base, later.base)
    ids = np.concatenate((earlier.ids, later.ids))
    shifted = [run.places + np.uint32(run.base - base) for run in (earlier, later)]
    order = np.argsort(ids, kind="stable")
    return _Run(ids[order], np.concatenate(shifted)[order], base, max(earlier.last, later.last))
