"""Learns how much the means of what labels bring vary from window to window, from a reference's cohorts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from monitor.reference.performance_part import BASE_LABELS, ErrorVariation
from monitor.stats.digits import rounded
from monitor.stats.testing.mean_difference import ROWS, SUM
from monitor.stats.variance.number_sums import NumberSums

Floats = NDArray[np.float64]

#: least base windows of a length, side by side, for its largest rise to be known
MIN_WINDOWS: Final = 3


class Mergeable(Protocol):
    """A tally."""

    def merge(self, other: Self) -> None: ...


T = TypeVar("T", bound=Mergeable)


@dataclass(frozen=True, slots=True)
class Counting(Generic[T]):
    """What is counted of a tally: an empty one, its rows, and the moments (F, 4) of its figures."""

    empty: Callable[[], T]
    rows: Callable[[T], int]
    moments: Callable[[T], Floats]


@dataclass(frozen=True, slots=True)
class LearnedMeans:
    """Base windows, how many rows and microseconds each has on average, and how each figure varied."""

    windows: int
    rows: float
    base_us: int
    errors: dict[str, ErrorVariation]


class MeansLearner(Generic[T]):
    """Takes the tallies of a reference's cohorts in time order."""

    def __init__(self, figures: Sequence[str], counting: Counting[T]) -> None:
        self._figures, self._counting = figures, counting
        self._sums = {figure: NumberSums() for figure in figures}
        self.total, self._open = counting.empty(), counting.empty()
        self._began_us: int | None = None
        #: of each base window: the moments (F, 4), and its microseconds
        self._windows: list[Floats] = []
        self._spans: list[int] = []

    def add(self, start_us: int, end_us: int, tally: T) -> None:
        """Add the next cohort, of predictions in [start, end) microseconds."""
        counting = self._counting
        if not self._figures or not counting.rows(tally):
            return
        for figure, moments in zip(self._figures, counting.moments(tally), strict=True):
            self._sums[figure].add_cohort(moments)
        self.total.merge(tally)
        self._open.merge(tally)
        self._began_us = start_us if self._began_us is None else self._began_us
        if counting.rows(self._open) >= BASE_LABELS:
            self._windows.append(counting.moments(self._open))
            self._spans.append(end_us - self._began_us)
            self._open, self._began_us = counting.empty(), None

    def finish(self) -> LearnedMeans | None:
        """None where nothing came."""
        rows = self._counting.rows(self.total)
        if not rows:
            return None
        windows = np.array(self._windows).reshape(len(self._windows), len(self._figures), 4)
        whole = self._counting.moments(self.total)
        errors = {
            figure: ErrorVariation(self._sums[figure].settled().rounded(), *_largest(windows[:, at], whole[at]))
            for at, figure in enumerate(self._figures)
            if whole[at, ROWS] > 0
        }
        mean = rounded(rows / len(windows)) if len(windows) else 0.0
        return LearnedMeans(len(windows), mean, int(np.median(self._spans)) if self._spans else 0, errors)


def _largest(windows: Floats, whole: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """By how much the mean of a window was above, and below, that of the rest, by length; `windows` (W, 4)."""
    rises, falls, length = [], [], 1
    sums = np.concatenate((np.zeros((1, 4)), np.cumsum(windows, axis=0)))
    while len(windows) // length >= MIN_WINDOWS:
        own = sums[length:] - sums[:-length]
        rest = whole - own
        some = (own[:, ROWS] > 0) & (rest[:, ROWS] > 0)
        away = own[some, SUM] / own[some, ROWS] - rest[some, SUM] / rest[some, ROWS]
        rises.append(rounded(away.max(initial=0.0)))
        falls.append(rounded(max(-away.min(initial=0.0), 0.0)))
        length *= 2
    return tuple(rises), tuple(falls)
