"""Causes `performance`, `calibration` and `cost`: the model is wrong more often, or by more, than in the reference.

The error is one more column of the page policy: windows of 1, 2, 4, ... base windows of labelled predictions, by the
time of the predictions; evidence from the error's own variation in the reference, with a share of the page budget; and
a least effect. Only worse counts: a model that is right more often is no finding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from monitor.clock import SECOND_US
from monitor.count.labels.cohorts import cohort_us
from monitor.findings import Finding, FindingKey
from monitor.judge.causes.cause import CauseName, SequentialCause
from monitor.judge.causes.errors import PERFORMANCE_NAME
from monitor.judge.causes.segment_errors import SegmentErrors
from monitor.judge.comparison.means import Bounds, Measured, Side, measured, worst_windows
from monitor.judge.comparison.segment_means import InSegment
from monitor.judge.incidents.incident import Floats
from monitor.judge.policy import Policy
from monitor.judge.windows.label_windows import LabelPyramid, LabelWindow
from monitor.judge.windows.late_cohorts import LateCohorts, MatureCohort
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.judge.windows.pyramid import Records
from monitor.judge.words.errors import Change, detail, effect_unit, headline, new_classes, shown
from monitor.reference.performance_part import is_judged
from monitor.stats.performance.figures import BIAS, CALIBRATION_ERROR, COST, MAE, labelled
from monitor.stats.performance.judged_errors import LEAST_EFFECTS, TWO_SIDED, all_moments, judged, other_side
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.tallies.block import Block
from monitor.stats.testing.ending import left_of
from monitor.stats.testing.mean_difference import ROWS, chance
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
#: what a test may spend where no page budget was given
NO_BUDGET: Final = 1e-7

#: gives the alpha of each test of an evaluation: (start and end of its shortest window, number of tests)
Spend = Callable[[int, int, int], float]


class Performance(SequentialCause):
    """The errors of one model version. Nothing is judged where the reference has too few labels."""

    names = (
        PERFORMANCE_NAME,
        CauseName(
            "calibration",
            in_alert="are called with wrong probabilities",
            on_page="calibration",
            sample="label",
            next_step="see whether the share of positives changed; then calibrate the scores again or retrain",
        ),
        COST_NAME,
    )
    state_name = "performance"

    def __init__(self, prepared: PreparedReference, policy: Policy) -> None:
        super().__init__(prepared, policy)
        self.spend: Spend = lambda _start, _end, _tests: NO_BUDGET
        self._model = prepared.reference.key.model
        self._meaning = replace(prepared.reference.meaning, costs=policy.model.cell_costs())
        self._part = prepared.reference.performance
        figures = judged(self._meaning)
        self._sides = tuple(self._all_sides(figures))
        self.segments = SegmentErrors(prepared.reference, policy, figures, self._sides, self._meaning)
        self.windows = LabelPyramid(prepared.longest(), figures, self._meaning)
        self.late = self.late_cohorts(10 * SECOND_US)
        #: called with the cohorts of late labels that may be judged: others look at their labels too
        self.matured: Callable[[MatureCohort], Iterable[Finding]] = lambda _: ()
        #: the alpha of the last evaluation, which rechecks for the end of findings use too
        self._alpha = 0.0

    def late_cohorts(self, pane_us: int) -> LateCohorts:
        """Cohorts of late labels, for panes of events of that width."""
        part, reference, horizon_us = self._part, self.prepared.reference, self.policy.model.labels.horizon
        late, known = (0, 0) if part is None else (part.late, labelled(part.tally, self._meaning.task))
        waiting = reference.predictions - max(known - late, 0)
        return LateCohorts(
            self._meaning.task,
            cohort_us(horizon_us, pane_us),
            horizon_us,
            None if part is None else part.maturity_us,
            min(late / max(waiting, 1), 1.0),
        )

    def _all_sides(self, figures: Sequence[str]) -> Iterator[Side]:
        part = self._part
        if part is None or not is_judged(part):
            return
        own_of = zip(figures, all_moments(part.tally, figures, self._meaning), strict=True)
        for place, (figure, own) in enumerate(own_of):
            variation = part.variation(figure)
            if variation is None or own[ROWS] < LEAST_ROWS:
                continue
            yield Side(place, figure, True, own, variation, part.windows)
            if figure in TWO_SIDED:
                yield Side(place, figure, False, other_side(own, figure), variation, part.windows)

    def tests(self) -> int:
        """One for each side of each error; those of a feature's segments count as much together."""
        return len(self._sides) + math.ceil(self.segments.tests)

    def tests_made(self, evaluation: object) -> int:
        """None on windows of events: what is tested on windows of labels is spent there."""
        return 0

    # windows

    def follow(self, pane: Block, labels: LabelTally) -> Iterator[Finding]:
        """Take the pane's labels; judges the windows that end with them."""
        waiting = pane.tally.predictions - labelled(labels, self._meaning.task)
        self.late.predicted(pane.start_us, max(waiting, 0))
        yield from self._take(pane.start_us, pane.end_us, labels, pane.tally.records)

    def take_late(self, until_us: int) -> Iterator[Finding]:
        """What is found with the cohorts of late labels that may be judged now."""
        for cohort in self.late.mature(until_us):
            yield from self._take(*cohort, {})
            yield from self.matured(cohort)

    def _take(self, start_us: int, end_us: int, labels: LabelTally, records: Records) -> Iterator[Finding]:
        windows = self.windows.add(start_us, end_us, labels, records)
        if windows and self._sides:
            shortest = windows[0].span
            self._alpha = self.spend(shortest.start_us, shortest.end_us, self.tests() * len(windows))
            if self._alpha > 0:
                yield from self._judge(windows)

    def _judge(self, windows: Sequence[LabelWindow]) -> Iterator[Finding]:
        for side, one, at, since_us in worst_windows(self._sides, self._measure, windows):
            yield replace(self._finding(side, one, at, windows[at]), since_us=since_us)
        assert self._part is not None  # noqa: S101  # there are no sides without it
        for inside, one, at, since_us in self.segments.over(self.windows, windows, self._part, self._bounds_in):
            yield replace(self._finding(inside.side, one, at, windows[at], inside.segment), since_us=since_us)

    def _bounds_in(self, inside: InSegment) -> Bounds:
        return self._bounds(inside.side, self._tally(inside.segment))

    def _bounds(self, side: Side, reference: LabelTally) -> Bounds:
        allowed = side.room + self.policy.tolerated(side.figure) / self._unit(side.figure)
        return Bounds(self._alpha, allowed, self._least(side, reference))

    def _measure(self, side: Side, moments: Floats, windows: Sequence[LabelWindow]) -> Measured:
        part = self._part
        assert part is not None  # noqa: S101  # there are no sides without it
        return measured(side, moments, windows, part, self._bounds(side, part.tally))

    def latest(self, at_us: int) -> LabelWindow | None:
        """The newest labelled predictions, about 1,000 of them; None where labels stopped coming before `at_us`."""
        usual_us = 0 if self._part is None else self._part.base_us
        return self.windows.latest(at_us, usual_us, self.late.maturity_us if self.late.came else 0)

    @property
    def is_judged(self) -> bool:
        """Whether errors are compared with the reference's."""
        return bool(self._sides)

    # sizes

    def _unit(self, figure: str) -> float:
        """One unit of the interface in units of the error."""
        return abs(shown(figure, 1.0, self._meaning) - shown(figure, 0.0, self._meaning))

    def _tally(self, segment: int | None) -> LabelTally:
        """The reference's labels, or those of a segment."""
        if segment is not None:
            return self.segments.tally(segment)
        return LabelTally() if self._part is None else self._part.tally

    def _scale(self, side: Side, reference: LabelTally) -> float:
        """The rise of an error that is an effect of 1."""
        if not LEAST_EFFECTS[side.figure].relative:
            return 1.0
        of = MAE if side.figure == BIAS else side.figure
        rows, total, *_ = all_moments(reference, (of,), self._meaning)[0]
        return max(abs(float(total / max(rows, 1.0))), 1e-12)

    def _least(self, side: Side, reference: LabelTally) -> float:
        """The least rise of an error that pages."""
        cause = _CAUSES.get(side.figure, PERFORMANCE_NAME.name)
        return self.policy.least_effect(cause, "", LEAST_EFFECTS[side.figure].effect) * self._scale(side, reference)

    # findings

    def _finding(
        self, side: Side, found: Measured, at: int, window: LabelWindow, segment: int | None = None
    ) -> Finding:
        own, sign = found.difference, 1.0 if side.upwards else -1.0
        now, before = sign * float(own.mean[at]), sign * side.before
        limit = sign * (side.before + float(found.limit[at]))
        change, span, reference = (
            Change(side.figure, now, before, limit, side.upwards),
            window.span,
            self._tally(segment),
        )
        tally = window.tally if segment is None else window.tally.segments[segment]
        name = "" if segment is None else self.segments.names[segment]
        effect, error = float(own.higher[at]) / self._scale(side, reference), max(float(own.error[at]), 1e-150)
        cause, run = _CAUSES.get(side.figure, PERFORMANCE_NAME.name), side.variation.long_run
        return Finding(
            key=FindingKey(self._model, cause, name, side.figure),
            severity=self.policy.severity(cause, "", math.inf, 0.0, may_page=bool(found.large[at])),
            window=span,
            base_windows=window.length,
            statistic="mean",
            value=shown(side.figure, now, self._meaning),
            threshold=shown(side.figure, limit, self._meaning),
            p=chance(float(own.higher[at] - side.room) / error, float(own.skew[at]), float(run.freedom[0])),
            effect=effect,
            effect_unit=effect_unit(side.figure),
            exceedance=float(found.over[at]),
            direction=change.direction,
            detail=detail(change, tally, reference, labelled(tally, self._meaning.task), self._meaning),
            headline=headline(change, self._meaning, name, new_classes(tally, reference)),
            ticket_reason=found.ticket_reason(at),
            records=window.records(),
        )

    # how a finding goes on

    def judges(self, key: FindingKey) -> bool:
        if key.segment:
            return self._inside(key, upwards=True) is not None
        return self._side_of(key) is not None

    def _inside(self, key: FindingKey, *, upwards: bool) -> InSegment | None:
        known = FindingKey(self._model, _CAUSES.get(key.figure, PERFORMANCE_NAME.name), key.segment, key.figure)
        return self.segments.side_of(key.segment, key.figure, upwards=upwards) if key == known else None

    def _side_of(self, key: FindingKey, *, upwards: bool = True) -> Side | None:
        named = (side for side in self._sides if side.figure == key.figure and side.upwards == upwards)
        side = next(named, None)
        wanted = FindingKey(self._model, _CAUSES.get(key.figure, PERFORMANCE_NAME.name), figure=key.figure)
        return side if key == wanted else None

    def opened(self, finding: Finding) -> Floats:
        """The rise of the error in its window, positive, and whether it is upwards."""
        upwards = self._is_upwards(finding)
        return np.array([finding.effect, float(upwards)])

    def _is_upwards(self, finding: Finding) -> bool:
        return finding.key.figure not in TWO_SIDED or finding.direction == "up"

    def again(
        self, finding: Finding, since_us: int, base_windows: int, then: Floats
    ) -> tuple[float, float, float] | None:
        window = self.windows.trailing(base_windows)
        if window is None or window.span.start_us < since_us or self._alpha <= 0 or self._part is None:
            return None
        upwards = self._is_upwards(finding)
        inside = self._inside(finding.key, upwards=upwards)
        side = self._side_of(finding.key, upwards=upwards) if inside is None else inside.side
        if side is None:
            return None
        if inside is None:
            one, reference = self._measure(side, window.moments[None], (window,)), self._part.tally
        else:
            one = self.segments.again(self.windows, window, self._part, inside, self._bounds_in(inside))
            reference = self._tally(inside.segment)
        effect = float(one.difference.higher[0]) / self._scale(side, reference)
        return float(one.over[0]), left_of(effect, float(then[0])) if then.size else 0.0, effect

    # state

    def to_state(self) -> dict[str, Any]:
        return {"windows": self.windows.to_state(), "alpha": self._alpha, "late": self.late.to_state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.windows.restore(state["windows"])
        self.late.restore(state["late"])
        self._alpha = state["alpha"]
