"""Cohorts of labels that come later than their predictions, until enough of each have come for a verdict.

Early labels are no sample of all: what is decided soon differs from what takes long. So a cohort is judged once, when
the time in which nearly all labels come has passed since its last prediction.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from monitor.stats.label_tally import LabelTally


class MatureCohort(NamedTuple):
    """Labels of predictions of [start, end) microseconds."""

    start_us: int
    end_us: int
    tally: LabelTally


class LateCohorts:
    """The cohorts of one model version that are waited for; changes of those that were judged are left out."""

    def __init__(self, maturity_us: int) -> None:
        """`maturity_us` after the end of a cohort it is judged."""
        self.maturity_us = maturity_us
        self._waiting: dict[int, MatureCohort] = {}
        #: cohorts that begin before it were judged
        self._judged_us = 0

    def add(self, start_us: int, end_us: int, change: LabelTally) -> None:
        """Add labels, and take back those that were replaced or retracted."""
        if start_us < self._judged_us:
            return
        known = self._waiting.get(start_us)
        if known is None:
            self._waiting[start_us] = MatureCohort(start_us, end_us, change.copy())
        else:
            known.tally.merge(change)

    def mature(self, until_us: int) -> Iterator[MatureCohort]:
        """The cohorts that may be judged at a time, in their order, each once."""
        for start_us in sorted(self._waiting):
            if self._waiting[start_us].end_us + self.maturity_us > until_us:
                return
            self._judged_us = start_us + 1
            yield self._waiting.pop(start_us)

    @property
    def came(self) -> bool:
        """Whether labels came late at all."""
        return bool(self._waiting) or self._judged_us > 0

    def to_state(self) -> dict[str, Any]:
        """A tree of plain values."""
        waiting = [[one.start_us, one.end_us, one.tally.to_state()] for _, one in sorted(self._waiting.items())]
        return {"judged": self._judged_us, "waiting": waiting}

    def restore(self, state: dict[str, Any]) -> None:
        """Back from `to_state`."""
        self._judged_us = state["judged"]
        self._waiting = {
            start: MatureCohort(start, end, LabelTally.from_state(tally)) for start, end, tally in state["waiting"]
        }
