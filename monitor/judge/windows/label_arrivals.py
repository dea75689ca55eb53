"""How many predictions of each cohort have their label, and how late it came, until nearly no more come.

A cohort is counted when all labels had come in the reference, twice over: one that has fewer by then lacks them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

#: a cohort is waited for so many times as long as any label of the reference took, from its start
TIMES_LONGEST: Final = 2


@dataclass(slots=True)
class _Cohort:
    """Predictions, labels that came with them, labels that came later, those of them that came later than usual, and
    the sum of how long after the end of the cohort they came, microseconds."""

    predictions: int = 0
    inline: int = 0
    came: int = 0
    late: int = 0
    waited_us: int = 0


class CountedCohort(NamedTuple):
    """Predictions of [start, end) microseconds: see `_Cohort`."""

    start_us: int
    end_us: int
    predictions: int
    inline: int
    came: int
    late: int
    waited_us: int

    @property
    def missing(self) -> int:
        """Predictions without a label."""
        return max(self.predictions - self.inline - self.came, 0)


class LabelArrivals:
    """The cohorts that are open, and the labels that came for one that is not."""

    def __init__(self, width_us: int, horizon_us: int, usual_us: int, longest_us: int | None) -> None:
        """Cohorts of `width_us`. In the reference nearly all labels came `usual_us` after the end of their cohort, and
        all `longest_us`; None: no label came later than its prediction."""
        self.width_us = max(width_us, 1)
        self._horizon_us, self._usual_us = horizon_us, usual_us
        waited = 0 if longest_us is None else TIMES_LONGEST * (longest_us + self.width_us)
        #: a cohort is counted so long after its end
        self.waits_us = min(horizon_us, waited)
        self._open: dict[int, _Cohort] = {}
        self._counted: set[int] = set()
        #: by cohort: labels that came after it was counted, and how long they waited
        self._stragglers: dict[int, list[int]] = {}

    def predicted(self, at_us: int, predictions: int, inline: int) -> None:
        """Count predictions of a pane that begins at that time, and the labels that came with them."""
        start_us = at_us // self.width_us * self.width_us
        if start_us not in self._counted:
            known = self._open.setdefault(start_us, _Cohort())
            known.predictions += predictions
            known.inline += inline

    def exclude(self, at_us: int) -> None:
        """Nothing is said of the cohort of that time."""
        start_us = at_us // self.width_us * self.width_us
        self._open.pop(start_us, None)
        self._counted.add(start_us)

    def add(self, start_us: int, labels: int, until_us: int) -> None:
        """Labels of a cohort took effect in the pane that ends at `until_us`; fewer than none were taken back."""
        waited_us = max(until_us - start_us - self.width_us, 0)
        known = self._open.get(start_us)
        if known is not None and waited_us <= self.waits_us:
            known.came += labels
            known.late += labels if waited_us > self._usual_us else 0
            known.waited_us += labels * waited_us
        elif start_us in self._counted and labels > 0:
            of_cohort = self._stragglers.setdefault(start_us, [0, 0])
            of_cohort[0] += labels
            of_cohort[1] += labels * waited_us

    def close(self, until_us: float) -> Iterator[CountedCohort]:
        """The cohorts whose time is over at `until_us`, each once, in time order."""
        for start_us in sorted(self._open):
            end_us = start_us + self.width_us
            if end_us + self.waits_us > until_us:
                break
            of = self._open.pop(start_us)
            self._counted.add(start_us)
            yield CountedCohort(start_us, end_us, of.predictions, of.inline, of.came, of.late, of.waited_us)
        over = until_us - self._horizon_us - 2 * self.width_us
        if self._counted and min(self._counted) < over:
            self._counted = {start for start in self._counted if start >= over}

    def stragglers(self) -> list[CountedCohort]:
        """Labels that came since the last call for cohorts that were counted, by cohort."""
        found = [
            CountedCohort(start, start + self.width_us, 0, 0, labels, labels, waited)
            for start, (labels, waited) in sorted(self._stragglers.items())
        ]
        self._stragglers = {}
        return found

    def to_state(self) -> dict[str, Any]:
        """A tree of plain values."""
        return {
            "open": [
                [start, of.predictions, of.inline, of.came, of.late, of.waited_us]
                for start, of in sorted(self._open.items())
            ],
            "counted": sorted(self._counted),
            "stragglers": [[start, *of] for start, of in sorted(self._stragglers.items())],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Back from `to_state`."""
        self._open = {start: _Cohort(*counts) for start, *counts in state["open"]}
        self._counted = set(state["counted"])
        self._stragglers = {start: [labels, waited] for start, labels, waited in state["stragglers"]}
