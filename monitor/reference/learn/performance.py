"""Learns from a reference's labelled predictions how much their errors vary from window to window."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.reference.performance_part import ErrorVariation, ReferencePerformance
from monitor.stats.performance.figures import Meaning, labelled
from monitor.stats.performance.judged_errors import LEARNED, all_moments
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.testing.mean_test import ROWS, SUM
from monitor.stats.variance.long_run import LongRun
from monitor.stats.variance.number_sums import NumberSums

Floats = NDArray[np.float64]

#: least labelled predictions of a base window
BASE_LABELS: Final = 250
#: least base windows of a length, side by side, for its largest rise to be known
MIN_WINDOWS: Final = 3
#: significant digits of what was measured, rounded before use so that the file and the memory agree
DIGITS: Final = 6


class PerformanceLearner:
    """Takes the labels of a reference's cohorts in time order."""

    def __init__(self, task: str, positive: str) -> None:
        self._meaning = Meaning(task, positive)
        self._figures = LEARNED.get(task, ())
        self._sums = {figure: NumberSums() for figure in self._figures}
        self._total = LabelTally()
        self._open = LabelTally()
        self._began_us: int | None = None
        #: of each base window: the moments (F, 4), and its microseconds
        self._windows: list[Floats] = []
        self._spans: list[int] = []

    def add(self, start_us: int, end_us: int, tally: LabelTally) -> None:
        """Add the next cohort, of predictions in [start, end) microseconds."""
        if not self._figures or not labelled(tally, self._meaning.task):
            return
        own = all_moments(tally, self._figures, self._meaning)
        for figure, moments in zip(self._figures, own, strict=True):
            self._sums[figure].add_cohort(moments)
        self._total.merge(tally)
        self._open.merge(tally)
        self._began_us = start_us if self._began_us is None else self._began_us
        if labelled(self._open, self._meaning.task) >= BASE_LABELS:
            self._windows.append(all_moments(self._open, self._figures, self._meaning))
            self._spans.append(end_us - self._began_us)
            self._open, self._began_us = LabelTally(), None

    def finish(self, came: tuple[tuple[int, float], ...] = (), late: int = 0) -> ReferencePerformance | None:
        """None where no label came beside what was predicted; `came` and `late` as the reference keeps them."""
        rows = labelled(self._total, self._meaning.task)
        if not rows:
            return None
        windows = np.array(self._windows).reshape(len(self._windows), len(self._figures), 4)
        whole = all_moments(self._total, self._figures, self._meaning)
        errors = {
            figure: ErrorVariation(_rounded(self._sums[figure].settled()), *_largest(windows[:, at], whole[at]))
            for at, figure in enumerate(self._figures)
            if whole[at, ROWS] > 0
        }
        mean = float(f"{rows / len(windows):.{DIGITS}g}") if len(windows) else 0.0
        base_us = int(np.median(self._spans)) if self._spans else 0
        return ReferencePerformance(self._total, len(windows), mean, base_us, errors, came, late)


def _rounded(run: LongRun) -> LongRun:
    def cut(values: Floats) -> Floats:
        return np.array([float(f"{value:.{DIGITS}g}") for value in values.ravel()]).reshape(values.shape)

    return replace(run, variance=cut(run.variance), freedom=cut(run.freedom), by_rows=cut(run.by_rows))


def _largest(windows: Floats, whole: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """By how much the mean of a window was above, and below, that of the rest, by length; `windows` (W, 4)."""
    rises, falls, length = [], [], 1
    sums = np.concatenate((np.zeros((1, 4)), np.cumsum(windows, axis=0)))
    while len(windows) // length >= MIN_WINDOWS:
        own = sums[length:] - sums[:-length]
        rest = whole - own
        some = (own[:, ROWS] > 0) & (rest[:, ROWS] > 0)
        away = own[some, SUM] / own[some, ROWS] - rest[some, SUM] / rest[some, ROWS]
        rises.append(float(f"{away.max(initial=0.0):.{DIGITS}g}"))
        falls.append(float(f"{max(-away.min(initial=0.0), 0.0):.{DIGITS}g}"))
        length *= 2
    return tuple(rises), tuple(falls)
