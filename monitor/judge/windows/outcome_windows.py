"""Windows of one named outcome's values, and its cohorts that are waited for: as those of labels, by its own values."""

from __future__ import annotations

import math

from monitor.judge.incidents.incident import Floats
from monitor.judge.windows.label_windows import LabelPyramid
from monitor.judge.windows.late_cohorts import ENOUGH, LateCohorts
from monitor.reference.outcome_part import ReferenceOutcome
from monitor.stats.performance.figures import Meaning
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.performance.outcome_tally import OutcomeTally

#: standard deviations by which fewer values may have come than is usual: an outcome may be that of one prediction in
#: many, so that chance alone decides how many a cohort has
_ERRORS_BELOW = 3.0
_NOTHING = OutcomeTally()


class OutcomePyramid(LabelPyramid):
    """Windows of an outcome's values; the tallies hold that outcome alone."""

    def __init__(self, longest: int, name: str, outcome: ReferenceOutcome) -> None:
        super().__init__(longest, outcome.figures, Meaning("none", ""))
        self._name, self._outcome = name, outcome

    def _rows(self, tally: LabelTally) -> int:
        return self._outcome.counted(tally.outcomes.get(self._name, _NOTHING))

    def _moments(self, tally: LabelTally) -> Floats:
        return self._outcome.moments(tally.outcomes.get(self._name, _NOTHING))


class OutcomeCohorts(LateCohorts):
    """Cohorts of an outcome's values; the tallies that wait hold that outcome alone, whatever is in those added."""

    def __init__(self, width_us: int, horizon_us: int, name: str, outcome: ReferenceOutcome, predictions: int) -> None:
        """`predictions` of the reference."""
        coverage = min(outcome.counted(outcome.tally) / max(predictions, 1), 1.0)
        super().__init__("none", width_us, horizon_us, outcome.maturity_us, coverage)
        self._name, self._outcome = name, outcome

    def _merge(self, waiting: LabelTally, change: LabelTally) -> None:
        waiting.merge_outcome(self._name, change)

    def _rows(self, tally: LabelTally) -> int:
        return self._outcome.counted(tally.outcomes.get(self._name, _NOTHING))

    def _suffice(self, labels: int, expected: float) -> bool:
        return labels >= ENOUGH * expected - _ERRORS_BELOW * math.sqrt(expected)
