"""Cause `outcome`: a named outcome of the predictions (a judge's score, a rating, a refund) is not what it was.

Each outcome of the reference is a column of its own, by the time of its predictions, with windows and cohorts closed by
its own values. The mean of numbers, or the share of each category, is compared with the reference as an error is: its
own variation there, a share of the page budget, a least effect; of the ways that settings call worse.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final, Self

import numpy as np

from monitor.count.labels.cohorts import cohort_us
from monitor.findings import DOWN, UP, Finding, FindingKey
from monitor.judge.causes.around import ALONE, Around
from monitor.judge.causes.cause import Again, CauseName, SequentialCause
from monitor.judge.causes.label_means import LabelMeans
from monitor.judge.causes.performance import COST_NAME
from monitor.judge.comparison.means import Side
from monitor.judge.comparison.means_in_segments import KnownSegment, MeansInSegments
from monitor.judge.incidents.incident import Floats
from monitor.judge.policy import VALUE, Policy
from monitor.judge.windows.label_windows import LabelWindow
from monitor.judge.windows.late_cohorts import MatureCohort
from monitor.judge.windows.outcome_windows import OutcomeCohorts, OutcomePyramid
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.judge.words.outcomes import Moved, detail, headline
from monitor.reference.column import OUTCOME_PREFIX
from monitor.reference.outcome_part import MEAN, ReferenceOutcome
from monitor.reference.reference import Reference
from monitor.stats.bins.reference_bins import NUMERIC
from monitor.stats.performance.figures import COST, VALUE_FIGURE
from monitor.stats.performance.judged_errors import LEAST_EFFECTS, other_side
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.performance.outcome_tally import LABEL_VALUE, LEAST_SPREAD, NEAREST, OutcomeTally
from monitor.stats.tallies.block import Block
from monitor.stats.testing.mean_difference import ROWS, SQUARES, SUM

OUTCOME: Final = "outcome"
#: the smallest change that pages unless settings say otherwise: of a mean in standard deviations of the reference's
#: values, of a category in its share
LEAST_MOVE: Final = 0.1
LEAST_SHARE: Final = 0.03


def named_outcome(key: FindingKey) -> str:
    """The subject of a finding of an outcome, by which its settings are asked; "" of any other finding."""
    return key.subject if key.cause == OUTCOME else ""


def has_direction(key: FindingKey) -> bool:
    """Whether settings say which way is worse of what a finding is about: not of categories, whose shares rise."""
    return (key.cause == OUTCOME and not key.figure) or (key.cause, key.figure) == VALUE


class OneOutcome(LabelMeans):
    """One outcome of a model version: its windows, and what is compared in them."""

    called = "values"
    of_all = True

    def __init__(
        self, name: str, outcome: ReferenceOutcome, prepared: PreparedReference, policy: Policy, around: Around
    ) -> None:
        self.name, self.outcome = name, outcome
        self.is_value = name == LABEL_VALUE
        self._predictions = prepared.reference.predictions
        model = prepared.reference.key.model
        #: the value of labels is a figure of the model
        self.subject = model if self.is_value else OUTCOME_PREFIX + name
        self.policy_name = "" if self.is_value else self.subject
        moments = outcome.moments(outcome.tally)
        sides = tuple(self._all_sides(policy, moments)) if outcome.is_judged else ()
        segments = MeansInSegments(prepared.reference, policy, _known_in_segments(prepared.reference, outcome), sides)
        windows = OutcomePyramid(prepared.longest(), name, outcome)
        late = self._late_cohorts(policy.model.labels.horizon, around.pane_us)
        spend = partial(around.spend, OUTCOME_PREFIX + name)
        super().__init__(policy, outcome, moments, sides, segments, windows, late, spend)

    def _late_cohorts(self, horizon_us: int, pane_us: int) -> OutcomeCohorts:
        """Cohorts of its values, for panes of events of that width."""
        width_us = cohort_us(horizon_us, pane_us)
        return OutcomeCohorts(width_us, horizon_us, self.name, self.outcome, self._predictions)

    def _all_sides(self, policy: Policy, moments: Floats) -> Iterator[Side]:
        wanted: tuple[str, ...] = policy.directions(self.policy_name) if self._is_number else (UP,)
        if self.is_value:
            wanted = (policy.worse_value,)
        for place, figure in enumerate(self.outcome.figures):
            variation = self.outcome.errors.get(figure)
            for direction in wanted if variation is not None else ():
                assert variation is not None  # noqa: S101  # as the line above says
                own = moments[place] if direction == UP else other_side(moments[place], MEAN)
                side = Side(place, MEAN, direction == UP, own, variation, self.outcome.windows)
                if side.may_be_judged:
                    yield side

    @property
    def _is_number(self) -> bool:
        return self.outcome.kind == NUMERIC

    def cause(self, side: Side) -> str:
        return "cost" if self.is_value else OUTCOME

    def key(self, side: Side, segment: str) -> FindingKey:
        """A category is the figure of its findings."""
        category = self._category(side)
        figure = VALUE_FIGURE if self.is_value else ""
        figure = figure if category is None else f"share of {self.policy.category(category)}"
        return FindingKey(self.subject, self.cause(side), segment, figure)

    def _category(self, side: Side) -> str | None:
        return None if self._is_number else self.outcome.figures[side.place]

    def least(self, side: Side) -> float:
        """Of values as of what errors cost."""
        if self.is_value:
            return LEAST_EFFECTS[COST].effect
        return LEAST_MOVE if self._is_number else LEAST_SHARE

    def scale(self, side: Side, moments: Floats) -> float:
        """A standard deviation of the reference's values, all of them for a share, and their mean for the value of
        labels."""
        if not self._is_number:
            return 1.0
        own = moments[side.place]
        if self.is_value:
            return abs(float(own[SUM] / own[ROWS]))
        mean = float(own[SUM] / own[ROWS])
        deviation = math.sqrt(max(float(own[SQUARES] / own[ROWS]) - mean**2, 0.0))
        return deviation if deviation > 2 * max(LEAST_SPREAD * abs(mean), NEAREST) else 0.0

    def direction(self, side: Side) -> str:
        return UP if side.upwards else DOWN

    def shown(self, side: Side, mean: float) -> float:
        return 1_000.0 * mean if self.is_value else mean

    def effect_unit(self, side: Side) -> str:
        if self.is_value:
            return "share of the reference's"
        return "standard deviations" if self._is_number else "share of values"

    def words(self, side: Side, now: float, effect: float, window: LabelWindow, segment: int | None) -> tuple[str, str]:
        category = self._category(side)
        category = None if category is None else self.policy.quoted(category)
        before = side.before if side.upwards else -side.before
        moved = Moved(self.name, category, self.shown(side, before), self.shown(side, now))
        of, reference, name = self.outcome, self.outcome.tally, ""
        if segment is not None:
            name, reference = self.segments.names[segment], of.segments[segment].tally
        own = window.of(segment).outcomes.get(self.name, OutcomeTally())
        said = headline(moved, effect if self._has_scale(side) else None, self.policy.model.labels.value, name)
        return said, detail(moved, own, reference, of.counted(own))

    def in_segments(self, labels: LabelTally) -> Iterator[tuple[str, OutcomeTally, OutcomeTally | None]]:
        """The name of each segment that has values, these, and those of the reference."""
        known = self.outcome.segments
        for at, of in sorted(labels.segments.items()):
            if self.name in of.outcomes:
                yield self.segments.names[at], of.outcomes[self.name], known[at].tally if at in known else None


def _known_in_segments(reference: Reference, outcome: ReferenceOutcome) -> dict[int, KnownSegment]:
    """What the reference knows of an outcome in each segment, by its number."""
    return {
        at: KnownSegment(
            one,
            one.counted(one.tally),
            one.moments(one.tally),
            [one.errors.get(figure) if one.is_judged else None for figure in one.figures],
        )
        for at, one in sorted(outcome.segments.items() if reference.cuts_outcomes else ())
    }


class Outcomes(SequentialCause):
    """The named outcomes of one model version that its reference has."""

    names = (
        CauseName(
            OUTCOME,
            in_alert="is not what it was",
            on_page="outcome",
            sample="outcome",
            next_step="see whether whoever gives it works otherwise now, else what the model does otherwise",
        ),
        COST_NAME,
    )
    state_name = "outcome"

    def __init__(self, prepared: PreparedReference, policy: Policy, around: Around = ALONE) -> None:
        super().__init__(prepared, policy)
        known = sorted((prepared.reference.outcomes or {}).items())
        self.each = {name: OneOutcome(name, outcome, prepared, policy, around) for name, outcome in known}

    @classmethod
    def of_judge(cls, prepared: PreparedReference, policy: Policy, around: Around) -> Self:
        return cls(prepared, policy, around)

    def tests(self) -> int:
        """One for each way of each mean."""
        return sum(one.tests for one in self.each.values())

    def tests_made(self, evaluation: object) -> int:
        """None on windows of events: what is tested on windows of values is spent there."""
        return 0

    def follow(self, pane: Block, labels: LabelTally) -> Iterator[Finding]:
        """Count the pane's predictions, and judge the values that are known of them already."""
        for name, one in self.each.items():
            one.late.predicted(pane.start_us, pane.tally.predictions)
            if (own := labels.of_outcome(name)) is not None:
                yield from one.take(MatureCohort(pane.start_us, pane.end_us, own), {})

    def add_late(self, start_us: int, labels: LabelTally) -> None:
        """Add values of the predictions of a cohort, and take back those that were replaced or retracted."""
        for name, one in self.each.items():
            if labels.has_outcome(name):
                one.late.add(start_us, labels)

    def take_late(self, until_us: int) -> Iterator[Finding]:
        """What is found with the cohorts that may be judged now."""
        for one in self.each.values():
            for cohort in one.late.mature(until_us):
                yield from one.take(cohort, {})

    # how a finding goes on

    def _of(self, key: FindingKey) -> OneOutcome | None:
        is_value = (key.cause, key.figure) == VALUE
        return self.each.get(LABEL_VALUE if is_value else key.subject.removeprefix(OUTCOME_PREFIX))

    def judges(self, key: FindingKey) -> bool:
        one = self._of(key)
        return one is not None and one.judges(key)

    def opened(self, finding: Finding) -> Floats:
        """The effect in its window, positive."""
        return np.array([finding.effect])

    def again(self, finding: Finding, since_us: int, base_windows: int, then: Floats) -> Again:
        one = self._of(finding.key)
        return None if one is None else one.again(finding, since_us, base_windows, then)

    # state

    def to_state(self) -> dict[str, Any]:
        return {"each": {name: one.to_state() for name, one in self.each.items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        for name, own in state["each"].items():
            if name in self.each:
                self.each[name].restore(own)
