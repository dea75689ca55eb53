"""The never-seen names to expect, estimated from the reference.

Long-tailed columns keep bringing new names. Their number in a window of live traffic is estimated by leave-one-out over
the reference's base windows: the events of a window whose name occurs in no other window. Windows are left out, not
single rows, because equal events come in runs. A column without such names has a closed set of names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]

#: with fewer left-out events a jackknife is noise, and the exact test's own error is larger
FEWEST_HITS: Final = 5


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Result of leaving out each of W base windows.

    `hits` (W,) events of names that no other window has, `events` (W,) events with a value. `clump` is the mean number
    of events per such name in its window, weighted by events: a lower bound of the hits' dispersion. `error` (at least
    1) is the variance of the expected share relative to independent hits: the reference's side of the exact test is
    divided by the larger of it and the dispersion.
    """

    hits: Ints
    events: Ints
    clump: float
    error: float

    @property
    def total(self) -> int:
        return int(self.hits.sum())


@dataclass(slots=True)
class NamesByWindow:
    """Collects the distinct names of a column, one base window after the other."""

    _names: list[Hashes] = field(default_factory=list)
    _counts: list[Ints] = field(default_factory=list)
    _events: list[int] = field(default_factory=list)

    def add(self, hashes: Hashes) -> None:
        """Add the hashes of a base window's values."""
        names, counts = np.unique(hashes, return_counts=True)
        self._names.append(names)
        self._counts.append(counts.astype(np.int64))
        self._events.append(len(hashes))

    def left_out(self) -> LeftOut:
        windows = np.repeat(np.arange(len(self._names)), [len(names) for names in self._names])
        names = np.concatenate([np.zeros(0, np.uint64), *self._names])
        counts = np.concatenate([np.zeros(0, np.int64), *self._counts])
        return left_out(names, windows, counts, np.array(self._events, np.int64))

    def known(self) -> tuple[Hashes, Ints]:
        """All distinct names and how often each occurred."""
        names, at = np.unique(np.concatenate([np.zeros(0, np.uint64), *self._names]), return_inverse=True)
        weights = np.concatenate([np.zeros(0, np.int64), *self._counts])
        return names, np.bincount(at, weights=weights, minlength=len(names)).astype(np.int64)


def left_out(names: Hashes, windows: Ints, counts: Ints, events: Ints) -> LeftOut:
    """From (name, window) pairs, each once: `names`, `windows` and `counts` (N,); `events` (W,) of each window."""
    order = np.lexsort((windows, names))
    names, windows, counts = names[order], windows[order], counts[order]
    first = np.flatnonzero(np.concatenate([[True], names[1:] != names[:-1]])) if len(names) else np.zeros(0, np.int64)
    spread = np.diff(np.append(first, len(names)))  # windows in which each name occurs
    alone, paired = first[spread == 1], first[spread == 2]
    hits = _sums(windows[alone], counts[alone], len(events))
    freed = _sums(windows[paired], counts[paired + 1], len(events))
    freed += _sums(windows[paired + 1], counts[paired], len(events))
    squares = float((counts[alone].astype(np.float64) ** 2).sum())
    return LeftOut(hits, events, squares / max(int(hits.sum()), 1), _error(hits, freed, events))


def _sums(windows: Ints, counts: Ints, number: int) -> Ints:
    return np.bincount(windows, weights=counts, minlength=number).astype(np.int64)


def _error(hits: Ints, freed: Ints, events: Ints) -> float:
    """Jackknife variance of the left-out share relative to as many independent hits; 1 below `FEWEST_HITS`.

    `freed` (W,): events whose name occurs in that window and in exactly one other.
    """
    total, m, windows = int(hits.sum()), int(events.sum()), len(events)
    if total < FEWEST_HITS or windows < 2:
        return 1.0
    rate = (total - hits + freed) / np.maximum(m - events, 1)
    spread = (windows - 1) / windows * float(((rate - rate.mean()) ** 2).sum())
    return max(1.0, spread * m**2 / total)
