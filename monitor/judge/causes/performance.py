"""Causes `performance`, `calibration` and `cost`: the model is wrong more often, or by more, than in the reference.

Each error is one more column of the page policy (`label_means`). Only worse counts: a model that is right more often is
no finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final, Self

import numpy as np

from monitor.count.labels.cohorts import cohort_us
from monitor.findings import UP, Finding, FindingKey
from monitor.judge.causes.around import ALONE, Around
from monitor.judge.causes.cause import Again, CauseName, SequentialCause
from monitor.judge.causes.errors import PERFORMANCE_NAME
from monitor.judge.causes.label_means import LabelMeans
from monitor.judge.causes.segment_errors import known_errors
from monitor.judge.comparison.means import Side
from monitor.judge.comparison.means_in_segments import MeansInSegments
from monitor.judge.incidents.incident import Floats
from monitor.judge.policy import Policy
from monitor.judge.promise.budget import LABELS
from monitor.judge.windows.label_windows import LabelPyramid, LabelWindow
from monitor.judge.windows.late_cohorts import LateCohorts, MatureCohort
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.judge.words.errors import Change, detail, effect_unit, headline, new_classes, shown
from monitor.reference.performance_part import ReferencePerformance, is_judged
from monitor.stats.performance.figures import BIAS, CALIBRATION_ERROR, COST, MAE, labelled
from monitor.stats.performance.judged_errors import LEAST_EFFECTS, TWO_SIDED, all_moments, judged, other_side
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.tallies.block import Block
from monitor.stats.testing.mean_difference import ROWS, SUM
from monitor.stats.variance.long_run import LEAST_ROWS

#: names of the findings by figure; all others are of `performance`
_CAUSES: Final = {CALIBRATION_ERROR: "calibration", BIAS: "calibration", COST: "cost"}
COST_NAME: Final = CauseName(
    "cost",
    in_alert="cost more",
    on_page="cost",
    sample="label",
    next_step="see which errors became more frequent, and whether the decision's threshold still fits",
)


class ErrorMeans(LabelMeans):
    """The errors of one model version."""

    def __init__(self, prepared: PreparedReference, policy: Policy, around: Around) -> None:
        reference = prepared.reference
        self._reference, self._model = reference, reference.key.model
        self.meaning = replace(reference.meaning, costs=policy.model.cell_costs())
        self._part = part = reference.performance
        self._figures = figures = judged(self.meaning)
        moments = all_moments(LabelTally() if part is None else part.tally, figures, self.meaning)
        sides = () if part is None or not is_judged(part) else tuple(_sides(part, figures, moments))
        segments = MeansInSegments(reference, policy, known_errors(reference, figures, self.meaning), sides)
        windows = LabelPyramid(prepared.longest(), figures, self.meaning)
        late = self._late_cohorts(policy.model.labels.horizon, around.pane_us)
        super().__init__(policy, part, moments, sides, segments, windows, late, partial(around.spend, LABELS))

    def _late_cohorts(self, horizon_us: int, pane_us: int) -> LateCohorts:
        """Cohorts of late labels, for panes of events of that width."""
        part = self._part
        late, known = (0, 0) if part is None else (part.late, labelled(part.tally, self.meaning.task))
        waiting = self._reference.predictions - max(known - late, 0)
        return LateCohorts(
            self.meaning.task,
            cohort_us(horizon_us, pane_us),
            horizon_us,
            None if part is None else part.maturity_us,
            min(late / max(waiting, 1), 1.0),
        )

    def cause(self, side: Side) -> str:
        return _CAUSES.get(side.figure, PERFORMANCE_NAME.name)

    def key(self, side: Side, segment: str) -> FindingKey:
        return FindingKey(self._model, self.cause(side), segment, side.figure)

    def least(self, side: Side) -> float:
        return LEAST_EFFECTS[side.figure].effect

    def scale(self, side: Side, moments: Floats) -> float:
        if not LEAST_EFFECTS[side.figure].relative:
            return 1.0
        own = moments[self._figures.index(MAE if side.figure == BIAS else side.figure)]
        return abs(float(own[SUM] / max(own[ROWS], 1.0)))

    def allowed(self, side: Side) -> float:
        unit = abs(shown(side.figure, 1.0, self.meaning) - shown(side.figure, 0.0, self.meaning))
        return self.policy.tolerated(side.figure) / unit

    def is_upwards(self, finding: Finding) -> bool:
        return finding.key.figure not in TWO_SIDED or finding.direction == UP

    def direction(self, side: Side) -> str:
        return Change(side.figure, 0.0, 0.0, side.upwards).direction

    def shown(self, side: Side, mean: float) -> float:
        return shown(side.figure, mean, self.meaning)

    def effect_unit(self, side: Side) -> str:
        return effect_unit(side.figure)

    def words(self, side: Side, now: float, effect: float, window: LabelWindow, segment: int | None) -> tuple[str, str]:
        assert self._part is not None  # noqa: S101  # there are no sides without it
        change = Change(side.figure, now, side.before if side.upwards else -side.before, side.upwards)
        name, reference, tally = "", self._part.tally, window.of(segment)
        if segment is not None:
            name, reference = self.segments.names[segment], self._part.segments[segment].tally
        rows = labelled(tally, self.meaning.task)
        new = new_classes(tally, self._part.tally)  # a class that a segment never had is none that is new
        said = headline(change, self.meaning, name, new)
        return said, detail(change, tally, reference, rows, self.meaning, new)


def _sides(part: ReferencePerformance, figures: Sequence[str], moments: Floats) -> Iterator[Side]:
    for place, (figure, own) in enumerate(zip(figures, moments, strict=True)):
        variation = part.variation(figure)
        if variation is None or own[ROWS] < LEAST_ROWS:
            continue
        yield Side(place, figure, True, own, variation, part.windows)
        if figure in TWO_SIDED:
            yield Side(place, figure, False, other_side(own, figure), variation, part.windows)


class Performance(SequentialCause):
    """The errors of one model version, by labels that come with their predictions or later."""

    names = (
        PERFORMANCE_NAME,
        CauseName(
            "calibration",
            in_alert="are called with wrong probabilities",
            on_page="calibration",
            sample="label",
            next_step="see whether the shares of the labels changed; then calibrate the scores again or retrain",
        ),
        COST_NAME,
    )
    state_name = "performance"

    def __init__(self, prepared: PreparedReference, policy: Policy, around: Around = ALONE) -> None:
        super().__init__(prepared, policy)
        self.errors = ErrorMeans(prepared, policy, around)
        #: called with the cohorts of late labels that may be judged: others look at their labels too
        self.matured: Callable[[MatureCohort], Iterable[Finding]] = lambda _: ()

    @classmethod
    def of_judge(cls, prepared: PreparedReference, policy: Policy, around: Around) -> Self:
        return cls(prepared, policy, around)

    def tests(self) -> int:
        return self.errors.tests

    def tests_made(self, evaluation: object) -> int:
        """None on windows of events: what is tested on windows of labels is spent there."""
        return 0

    def follow(self, pane: Block, labels: LabelTally) -> Iterator[Finding]:
        """Take the pane's labels; judges the windows that end with them."""
        known = labelled(labels, self.errors.meaning.task)
        self.errors.late.predicted(pane.start_us, max(pane.tally.predictions - known, 0))
        if known:
            cohort = MatureCohort(pane.start_us, pane.end_us, labels)
            yield from self.errors.take(cohort, pane.tally.records)

    def take_late(self, until_us: int) -> Iterator[Finding]:
        """What is found with the cohorts of late labels that may be judged now."""
        for cohort in self.errors.late.mature(until_us):
            yield from self.errors.take(cohort, {})
            yield from self.matured(cohort)

    def judges(self, key: FindingKey) -> bool:
        return self.errors.judges(key)

    def opened(self, finding: Finding) -> Floats:
        """The rise of the error in its window, positive, and whether it is upwards."""
        return np.array([finding.effect, float(self.errors.is_upwards(finding))])

    def again(self, finding: Finding, since_us: int, base_windows: int, then: Floats) -> Again:
        return self.errors.again(finding, since_us, base_windows, then)

    def to_state(self) -> dict[str, Any]:
        return self.errors.to_state()

    def restore(self, state: Mapping[str, Any]) -> None:
        self.errors.restore(state)
