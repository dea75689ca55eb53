"""Runs of one and the same value among the rows of a reference, in the order of their time.

Values that come in batches are constant for as long as a batch lasts, and beyond the range for as long, too. How long a
run is to be expected is told by the longest one that was seen: among N runs of a geometric tail one of n values or more
has the chance N^(-n / longest). Batches of clients mostly have a heavier tail than that: then a run that is longer than
the longest one says little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Identities = NDArray[np.uint64]

#: digits kept of a clump: what is stored is what is judged by
DIGITS: Final = 6
#: rows that are worked on at once
PIECE: Final = 1 << 13
#: the longest run is not explained by independent values if so many or fewer runs as long are to be expected of them
EXPLAINED: Final = 1e-4
#: the logarithm of the longest of N geometric runs has about this standard deviation over log N (Gumbel); two of them
#: are allowed, as the longest one may have been short by chance
ERROR_OF_LONGEST: Final = 1.28
ERRORS: Final = 2.0
#: the longest of N geometric runs is their mean length x log N; one that is so many times longer has a heavy tail
HEAVY: Final = 1.5
#: then a run is a page from so many times the longest one on: nothing but that length tells it from another batch
TIMES_LONGEST: Final = 10


@dataclass(frozen=True, slots=True)
class EqualRuns:
    """Of one column: so many `values` in a `number` of runs, and the `longest` of them.

    `clump`: how long the run is that a value lies in on average (sum k^2 / sum k); 1 where no two in a row are equal.
    """

    values: int = 0
    number: int = 0
    longest: int = 0
    clump: float = 1.0

    def to_plain(self) -> dict[str, Any]:
        return {"values": self.values, "number": self.number, "longest": self.longest, "clump": self.clump}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> EqualRuns:
        return cls(int(plain["values"]), int(plain["number"]), int(plain["longest"]), float(plain["clump"]))


class RunLengths:
    """Collects one column's values in order, each as a number that tells it from others; rows without one are left out.

    The result does not depend on the pieces in which the rows come.
    """

    def __init__(self) -> None:
        self._waiting: list[Identities] = []
        self._held = 0
        self._last: np.uint64 | None = None
        self._open = 0
        self._number = 0
        self._longest = 0
        self._squares = 0
        self._values = 0

    def add(self, values: Identities) -> None:
        if len(values):
            self._waiting.append(values)
            self._held += len(values)
            if self._held >= PIECE:
                self._work()

    def finish(self) -> EqualRuns:
        """Of all that was added; nothing more can be."""
        self._work()
        self._close(np.array([self._open] if self._open else [], np.int64))
        clump = round(self._squares / self._values, DIGITS) if self._values else 1.0
        return EqualRuns(self._values, self._number, self._longest, clump)

    def _work(self) -> None:
        if not self._waiting:
            return
        values = np.concatenate(self._waiting)
        self._waiting.clear()
        self._held = 0
        begins = np.flatnonzero(values[1:] != values[:-1]) + 1
        lengths = np.diff(np.concatenate([[0], begins, [len(values)]])).astype(np.int64)
        if self._open and values[0] == self._last:
            lengths[0] += self._open
        elif self._open:
            lengths = np.concatenate([[self._open], lengths])
        self._last, self._open = values[-1], int(lengths[-1])
        self._close(lengths[:-1])

    def _close(self, lengths: Ints) -> None:
        self._number += len(lengths)
        self._longest = max(self._longest, int(lengths.max(initial=0)))
        self._squares += int((lengths * lengths).sum())
        self._values += int(lengths.sum())


@dataclass(frozen=True)
class ExpectedRuns:
    """What the runs of C columns make one expect; arrays (C,).

    `scale` is the length per unit of log chance, NaN where independent values explain the runs; `heavy` where their
    tail is, `surely` from which length on a run is none of theirs all the same.
    """

    scale: Floats
    heavy: Flags
    surely: Floats
    clump: Floats

    @classmethod
    def of(cls, runs: Sequence[EqualRuns], modal: Floats) -> ExpectedRuns:
        """`modal` (C,) the share of the most frequent value."""
        known = np.array([(one.values, one.number, one.longest, one.clump) for one in runs], np.float64)
        values, number, longest, clump = known.reshape(len(runs), 4).T
        p = np.clip(modal, 1e-12, 1 - 1e-12)
        by_chance = values * (1 - p) * p ** np.maximum(longest - 1, 0)
        dependent = (number >= 2) & (by_chance < EXPLAINED)
        logs = np.log(np.maximum(number, 2))
        scale = np.where(dependent, longest * (1 + ERRORS * ERROR_OF_LONGEST / logs) / logs, np.nan)
        heavy = dependent & (longest > HEAVY * values / np.maximum(number, 1) * logs)
        return cls(scale, heavy, np.where(heavy, TIMES_LONGEST * longest, 0.0), clump)

    def log_chance(self, values: Floats) -> Floats:
        """Log of the chance (..., C) of a run of so many values; -inf where independent values explain the runs."""
        explained = np.isnan(self.scale)
        return np.where(explained, -np.inf, -values / np.where(explained, 1.0, self.scale))
