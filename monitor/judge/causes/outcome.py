"""Cause `outcome`: a named outcome of the predictions (a judge's score, a rating, a refund) is not what it was.

Each outcome of the reference is a column of its own, by the time of its predictions, with windows and cohorts closed by
its own values. The mean of numbers, or the share of each category, is compared with the reference as an error is: its
own variation there, a share of the page budget, a least effect; of the ways that settings call worse.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from monitor.clock import SECOND_US
from monitor.count.labels.cohorts import cohort_us
from monitor.findings import DOWN, UP, Finding, FindingKey, Span
from monitor.judge.causes.cause import CauseName, SequentialCause
from monitor.judge.causes.performance import COST_NAME, NO_BUDGET
from monitor.judge.comparison.means import Bounds, Measured, Side, measured, worst_windows
from monitor.judge.incidents.incident import Floats
from monitor.judge.policy import Policy
from monitor.judge.windows.label_windows import LabelWindow
from monitor.judge.windows.late_cohorts import MatureCohort
from monitor.judge.windows.outcome_windows import OutcomeCohorts, OutcomePyramid
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.judge.words.outcomes import Moved, detail, headline
from monitor.reference.column import OUTCOME_PREFIX
from monitor.reference.outcome_part import MEAN, ReferenceOutcome
from monitor.stats.bins.reference_bins import NUMERIC
from monitor.stats.performance.figures import COST, VALUE_FIGURE
from monitor.stats.performance.judged_errors import LEAST_EFFECTS
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.performance.outcome_tally import LABEL_VALUE, OutcomeTally
from monitor.stats.tallies.block import Block
from monitor.stats.testing.ending import left_of
from monitor.stats.testing.mean_difference import ROWS, SQUARES, SUM, chance

OUTCOME: Final = "outcome"
#: the smallest change that pages unless settings say otherwise: of a mean in standard deviations of the reference's
#: values, of a category in its share
LEAST_MOVE: Final = 0.1
LEAST_SHARE: Final = 0.03

#: gives the alpha of each test of an evaluation: (outcome, start and end of its shortest window, number of tests)
SpendOn = Callable[[str, int, int, int], float]


def named_outcome(key: FindingKey) -> str:
    """The subject of a finding of an outcome, by which its settings are asked; "" of any other finding."""
    return key.subject if key.cause == OUTCOME else ""


class OneOutcome:
    """One outcome of a model version: its windows, and what is compared in them."""

    def __init__(self, name: str, outcome: ReferenceOutcome, prepared: PreparedReference, policy: Policy) -> None:
        self.name, self.outcome = name, outcome
        self.is_value = name == LABEL_VALUE
        model = prepared.reference.key.model
        #: the value of labels is a figure of the model
        self.subject = model if self.is_value else OUTCOME_PREFIX + name
        self.cause, self._policy_name = ("cost", "") if self.is_value else (OUTCOME, self.subject)
        self._policy = policy
        self._prepared = prepared
        self._moments = outcome.moments(outcome.tally)
        self.sides = tuple(self._all_sides()) if outcome.is_judged else ()
        self.windows = OutcomePyramid(prepared.longest(), name, outcome)
        self.late = self.late_cohorts(10 * SECOND_US)
        self.alpha = 0.0

    def late_cohorts(self, pane_us: int) -> OutcomeCohorts:
        """Cohorts of its values, for panes of events of that width."""
        horizon_us, reference = self._policy.model.labels.horizon, self._prepared.reference
        return OutcomeCohorts(
            cohort_us(horizon_us, pane_us), horizon_us, self.name, self.outcome, reference.predictions
        )

    def _all_sides(self) -> Iterator[Side]:
        is_number = self.outcome.kind == NUMERIC
        wanted: tuple[str, ...] = self._policy.directions(self._policy_name) if is_number else (UP,)
        if self.is_value:
            wanted = (UP,) if self._policy.model.labels.value == "cost" else (DOWN,)
        for place, figure in enumerate(self.outcome.figures):
            variation = self.outcome.errors.get(figure)
            for direction in wanted if variation is not None else ():
                assert variation is not None  # noqa: S101  # as the line above says
                own = self._moments[place] if direction == UP else self._moments[place] * np.array([1, -1, 1, -1])
                side = Side(place, MEAN, direction == UP, own, variation, self.outcome.windows)
                if side.may_be_judged:
                    yield side

    def found(self, windows: Sequence[LabelWindow]) -> Iterator[Finding]:
        """Of each side that is over its worst window."""
        for side, one, at, since_us in worst_windows(self.sides, self.measure, windows):
            yield replace(self._finding(side, one, at, windows[at]), since_us=since_us)

    def key(self, side: Side) -> FindingKey:
        """Of its findings: a category is their figure."""
        category = self._category(side)
        figure = VALUE_FIGURE if self.is_value else ""
        figure = figure if category is None else f"share of {self._policy.category(category)}"
        return FindingKey(self.subject, self.cause, figure=figure)

    def _category(self, side: Side) -> str | None:
        return None if self.outcome.kind == NUMERIC else self.outcome.figures[side.place]

    def side_of(self, key: FindingKey, direction: str) -> Side | None:
        """What a finding is of."""
        return next((one for one in self.sides if one.upwards == (direction == UP) and self.key(one) == key), None)

    def measure(self, side: Side, moments: Floats, windows: Sequence[LabelWindow]) -> Measured:
        """One side in windows."""
        least = self._policy.least_effect(self.cause, self._policy_name, self._least()) * self.scale(side)
        return measured(side, moments, windows, self.outcome, Bounds(self.alpha, 0.0, least))

    def _least(self) -> float:
        """The least effect that pages unless settings say otherwise; of values as of what errors cost."""
        if self.is_value:
            return LEAST_EFFECTS[COST].effect
        return LEAST_MOVE if self.outcome.kind == NUMERIC else LEAST_SHARE

    def scale(self, side: Side) -> float:
        """A change that is an effect of 1: a standard deviation of the reference's values, all of them for a share, and
        their mean for the value of labels."""
        if self.outcome.kind != NUMERIC:
            return 1.0
        own = self._moments[side.place]
        if self.is_value:
            return max(abs(float(own[SUM] / own[ROWS])), 1e-12)
        return max(math.sqrt(max(own[SQUARES] / own[ROWS] - (own[SUM] / own[ROWS]) ** 2, 0.0)), 1e-12)

    def effect(self, side: Side, one: Measured, at: int) -> float:
        """Of a window."""
        return float(one.difference.higher[at]) / self.scale(side)

    def _finding(self, side: Side, one: Measured, at: int, window: LabelWindow) -> Finding:
        own, sign = one.difference, 1.0 if side.upwards else -1.0
        category = self._category(side)
        category = None if category is None else self._policy.quoted(category)
        unit = 1_000.0 if self.is_value else 1.0
        moved = Moved(self.name, category, unit * sign * side.before, unit * sign * float(own.mean[at]))
        tally = window.tally.outcomes.get(self.name, OutcomeTally())
        effect, run = self.effect(side, one, at), side.variation.long_run
        return Finding(
            key=self.key(side),
            severity=self._policy.severity(self.cause, self._policy_name, math.inf, 0.0, may_page=bool(one.large[at])),
            window=window.span,
            base_windows=window.length,
            statistic="mean",
            value=moved.now,
            threshold=unit * sign * (side.before + float(one.limit[at])),
            p=chance(
                float(own.higher[at]) / max(float(own.error[at]), 1e-150), float(own.skew[at]), float(run.freedom[0])
            ),
            effect=effect,
            effect_unit=self._effect_unit(),
            exceedance=float(one.over[at]),
            direction=UP if side.upwards else DOWN,
            detail=detail(moved, tally, self.outcome.tally, window.span.events),
            ticket_reason=one.ticket_reason(at),
            headline=headline(moved, effect, self._policy.model.labels.value),
        )

    def _effect_unit(self) -> str:
        if self.is_value:
            return "share of the reference's"
        return "standard deviations" if self.outcome.kind == NUMERIC else "share of values"

    def latest(self, at_us: int) -> LabelWindow | None:
        """The newest values, about 1,000 of them; None where they stopped coming before `at_us`."""
        return self.windows.latest(at_us, self.outcome.base_us, self.late.maturity_us)


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

    def __init__(self, prepared: PreparedReference, policy: Policy) -> None:
        super().__init__(prepared, policy)
        self.spend: SpendOn = lambda _name, _start, _end, _tests: NO_BUDGET
        known = prepared.reference.outcomes or {}
        self.each = {name: OneOutcome(name, outcome, prepared, policy) for name, outcome in sorted(known.items())}

    def of_panes(self, pane_us: int) -> None:
        """Cohorts are those of panes of that width; before anything is taken."""
        for one in self.each.values():
            one.late = one.late_cohorts(pane_us)

    def tests(self) -> int:
        """One for each way of each mean."""
        return sum(len(one.sides) for one in self.each.values())

    def tests_made(self, evaluation: object) -> int:
        """None on windows of events: what is tested on windows of values is spent there."""
        return 0

    def follow(self, pane: Block, labels: LabelTally) -> Iterator[Finding]:
        """Count the pane's predictions, and judge the values that are known of them already."""
        for name, one in self.each.items():
            one.late.predicted(pane.start_us, pane.tally.predictions)
            if name in labels.outcomes:
                own = LabelTally(outcomes={name: labels.outcomes[name]})
                yield from self._take(one, MatureCohort(pane.start_us, pane.end_us, own))

    def add_late(self, start_us: int, tallies: Mapping[str, OutcomeTally]) -> None:
        """Add values of the predictions of a cohort, and take back those that were replaced or retracted."""
        for name, tally in tallies.items():
            if name in self.each:
                self.each[name].late.add(start_us, LabelTally(outcomes={name: tally}))

    def take_late(self, until_us: int) -> Iterator[Finding]:
        """What is found with the cohorts that may be judged now."""
        for one in self.each.values():
            for cohort in one.late.mature(until_us):
                yield from self._take(one, cohort)

    def _take(self, one: OneOutcome, cohort: MatureCohort) -> Iterator[Finding]:
        windows = one.windows.add(*cohort, {})
        if windows and one.sides:
            span: Span = windows[0].span
            one.alpha = self.spend(one.name, span.start_us, span.end_us, len(one.sides) * len(windows))
            if one.alpha > 0:
                yield from one.found(windows)

    # how a finding goes on

    def _of(self, key: FindingKey, direction: str) -> tuple[OneOutcome, Side] | None:
        is_value = (key.cause, key.figure) == ("cost", VALUE_FIGURE)
        one = self.each.get(LABEL_VALUE if is_value else key.subject.removeprefix(OUTCOME_PREFIX))
        side = None if one is None else one.side_of(key, direction)
        return None if one is None or side is None else (one, side)

    def judges(self, key: FindingKey) -> bool:
        return any(self._of(key, direction) for direction in (UP, DOWN))

    def opened(self, finding: Finding) -> Floats:
        """The effect in its window, positive."""
        return np.array([finding.effect])

    def again(
        self, finding: Finding, since_us: int, base_windows: int, then: Floats
    ) -> tuple[float, float, float] | None:
        known = self._of(finding.key, finding.direction)
        if known is None:
            return None
        one, side = known
        window = one.windows.trailing(base_windows)
        if window is None or window.span.start_us < since_us or one.alpha <= 0:
            return None
        found = one.measure(side, window.moments[None], (window,))
        effect = one.effect(side, found, 0)
        return float(found.over[0]), left_of(effect, float(then[0])) if then.size else 0.0, effect

    # state

    def to_state(self) -> dict[str, Any]:
        return {
            "each": {
                name: {"windows": one.windows.to_state(), "late": one.late.to_state(), "alpha": one.alpha}
                for name, one in self.each.items()
            }
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        for name, own in state["each"].items():
            one = self.each.get(name)
            if one is not None:
                one.windows.restore(own["windows"])
                one.late.restore(own["late"])
                one.alpha = own["alpha"]
