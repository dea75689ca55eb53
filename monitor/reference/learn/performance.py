"""Learns from a reference's labelled predictions how much their errors vary from window to window."""

from __future__ import annotations

from functools import partial

from monitor.reference.learn.means import Counting, MeansLearner
from monitor.reference.performance_part import ReferencePerformance
from monitor.stats.performance.figures import Meaning, labelled
from monitor.stats.performance.judged_errors import LEARNED, all_moments
from monitor.stats.performance.label_tally import LabelTally


class PerformanceLearner:
    """Takes the labels of a reference's cohorts in time order."""

    def __init__(self, task: str, positive: str) -> None:
        meaning, figures = Meaning(task, positive), LEARNED.get(task, ())
        counting = Counting(
            LabelTally, lambda tally: labelled(tally, task), lambda tally: all_moments(tally, figures, meaning)
        )
        self._means = MeansLearner(figures, counting)
        self._new = partial(PerformanceLearner, task, positive)
        #: by segment
        self._segments: dict[int, PerformanceLearner] = {}

    def add(self, start_us: int, end_us: int, tally: LabelTally) -> None:
        """Add the next cohort, of predictions in [start, end) microseconds."""
        labels = tally.of_labels()
        if labels is None:
            return
        self._means.add(start_us, end_us, labels.without_segments())
        for segment, own in labels.segments.items():
            if segment not in self._segments:
                self._segments[segment] = self._new()
            self._segments[segment].add(start_us, end_us, own)

    def finish(
        self, came: tuple[tuple[int, float], ...] = (), late: int = 0, settled_us: int = 0
    ) -> ReferencePerformance | None:
        """None where no label came beside what was predicted; the others are as the reference keeps them."""
        learned = self._means.finish()
        if learned is None:
            return None
        segments = {at: known for at, one in sorted(self._segments.items()) if (known := one.finish()) is not None}
        means = self._means.total, learned.windows, learned.rows, learned.base_us, learned.errors
        return ReferencePerformance(*means, came, late, segments, settled_us)
