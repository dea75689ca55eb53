"""Cohorts of labels that come later than their predictions, until enough of each have come for a verdict.

Early labels are no sample of all: what is decided soon differs from what takes long. So a cohort is judged once, when
the time has passed in which nearly all labels came in the reference, and nearly as many of its predictions have their
label as there. One that has too few by then waits until no more of its labels are waited for, and is then judged, or
never, if there are still too few.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from monitor.stats.performance.figures import labelled
from monitor.stats.performance.label_tally import LabelTally

#: of the labels that the reference's predictions got, the part that a cohort needs for a verdict
ENOUGH: Final = 0.8


class MatureCohort(NamedTuple):
    """Labels of predictions of [start, end) microseconds."""

    start_us: int
    end_us: int
    tally: LabelTally


class LateCohorts:
    """The cohorts of one model version that are waited for; changes of those that were judged are left out."""

    def __init__(self, task: str, width_us: int, horizon_us: int, maturity_us: int | None, coverage: float) -> None:
        """Cohorts of `width_us`, judged from `maturity_us` after their end on (None: `horizon_us`, when no more labels
        come); `coverage` is the share that got a late label of the reference's predictions without a label of their
        own."""
        self._task = task
        self._width_us = max(width_us, 1)
        self._horizon_us = horizon_us
        self.maturity_us = horizon_us if maturity_us is None else min(maturity_us, horizon_us)
        self._coverage = coverage
        self._waiting: dict[int, LabelTally] = {}
        #: predictions of each cohort that wait for a label; cohorts that were judged, until no more labels come
        self._predictions: dict[int, int] = {}
        self._judged: set[int] = set()
        #: whether any label came late
        self.came = False

    def predicted(self, at_us: int, predictions: int) -> None:
        """Count predictions of a pane that begins at that time, without those that came with their label."""
        start_us = at_us // self._width_us * self._width_us
        known = self._predictions.get(start_us)
        self._predictions[start_us] = predictions if known is None else known + predictions
        if known is None:  # what is too old for it is left out; they are in time order, as panes are
            oldest = start_us - self._horizon_us - 2 * self._width_us
            while (first := next(iter(self._predictions))) < oldest:
                del self._predictions[first]

    def add(self, start_us: int, change: LabelTally) -> None:
        """Add labels of a cohort, and take back those that were replaced or retracted."""
        self.came = True
        if start_us not in self._judged:
            self._merge(self._waiting.setdefault(start_us, LabelTally()), change)

    def _merge(self, waiting: LabelTally, change: LabelTally) -> None:
        """Add what is judged of a change."""
        waiting.merge(change)

    def end_us(self, start_us: int) -> int:
        """The end of a cohort."""
        return start_us + self._width_us

    def mature(self, until_us: int) -> Iterator[MatureCohort]:
        """The cohorts that are judged now, each once; labels that took effect before `until_us` were added."""
        for start_us in sorted(self._waiting):
            end_us = self.end_us(start_us)
            if end_us + self.maturity_us > until_us:
                break
            closed = end_us + self._horizon_us <= until_us
            enough = self._has_enough(start_us)
            if enough or closed:
                self._judged.add(start_us)
                tally = self._waiting.pop(start_us)
                if enough:
                    yield MatureCohort(start_us, end_us, tally)
        over = until_us - self._horizon_us - 2 * self._width_us
        self._judged = {start for start in self._judged if start >= over}

    def _has_enough(self, start_us: int) -> bool:
        """Not for a cohort whose predictions were not seen: they came while nothing was judged."""
        predictions = self._predictions.get(start_us, 0)
        return predictions > 0 and self._suffice(self._rows(self._waiting[start_us]), self._coverage * predictions)

    def _rows(self, tally: LabelTally) -> int:
        """What came for a cohort."""
        return labelled(tally, self._task)

    def _suffice(self, labels: int, expected: float) -> bool:
        """Whether so many are enough where so many are expected."""
        return labels >= ENOUGH * expected

    def to_state(self) -> dict[str, Any]:
        """A tree of plain values."""
        return {
            "came": self.came,
            "judged": sorted(self._judged),
            "predictions": [list(one) for one in sorted(self._predictions.items())],
            "waiting": [[start, tally.to_state()] for start, tally in sorted(self._waiting.items())],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Back from `to_state`."""
        self.came, self._judged = state["came"], set(state["judged"])
        self._predictions = dict(state["predictions"])
        self._waiting = {start: LabelTally.from_state(tally) for start, tally in state["waiting"]}
