"""Cause `fairness`: a group gets the favourable outcome less often than another, by more than the settings permit.

Groups are the segments of the features and tags that `fairness.by` names, without the rest of their values. Disparate
impact is the ratio of two groups' shares of predictions with the favourable class; equal opportunity is the difference
of these shares among the predictions whose label is that class. Nothing is compared with the reference: what is said
holds of the model as it is. It is said only where chance does not explain it, in windows of 250 to 16,000 predictions.
The cause has a budget of its own: one false finding in 30 days.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from monitor.events import canonical
from monitor.findings import Figures, Finding, FindingKey, Span
from monitor.judge.causes.cause import Cause, CauseName, SequentialCause
from monitor.judge.causes.performance import Performance
from monitor.judge.comparison.segmented import segment_names
from monitor.judge.policy import Policy
from monitor.judge.promise.budget import TicketBudget
from monitor.judge.windows.group_blocks import KEPT, LENGTHS, GroupBlocks, Ints
from monitor.judge.windows.late_cohorts import MatureCohort
from monitor.judge.windows.prepared_reference import Floats, PreparedReference
from monitor.reference.column import PREDICTION
from monitor.reference.reference import Reference
from monitor.reference.segments import OTHER, counts_name
from monitor.stats.bins.reference_bins import NUMERIC, QUALITY_COUNTS, UNSEEN
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.tallies.block import Block
from monitor.stats.tallies.tally import Tally
from monitor.stats.testing.ending import left_of
from monitor.stats.testing.fairness import (
    LEAST_ROWS,
    Beyond,
    Estimate,
    Scores,
    beyond,
    gap,
    impact_scores,
    opportunity_scores,
    ratio,
)
from monitor.text import many, percent

FAIRNESS: Final = "fairness"
IMPACT: Final = "disparate_impact"
OPPORTUNITY: Final = "equal_opportunity"
#: a group's name, its rows and the hits among them
_Group = tuple[str, tuple[int, int]]


class GroupRate(NamedTuple):
    """The rate of one kind (`positive_rate`, `true_positive_rate`) of a feature's group, and of how many rows it is."""

    feature: str
    segment: str
    kind: str
    rate: float
    rows: int


class Unfairness(NamedTuple):
    """The worst pair of the groups of a feature by one metric, with its interval and what is permitted."""

    feature: str
    metric: str
    estimate: Estimate
    low: str
    high: str
    permitted: float


@dataclass(frozen=True, slots=True)
class _Metric:
    """How one metric is tested and shown."""

    name: str
    kind: str
    rows: str
    permitted: float
    scores: Callable[[Floats, Floats, float, float], Scores]
    estimate: Callable[[tuple[int, int], tuple[int, int], float], Estimate | None]

    @property
    def is_ratio(self) -> bool:
        return self.name == IMPACT

    def shortfall(self, estimate: Estimate) -> float:
        """By how much it is beyond what is permitted."""
        return self.permitted - estimate.value if self.is_ratio else estimate.value - self.permitted


class Fairness(SequentialCause):
    """The groups of one model version; nothing where the settings do not ask for it."""

    names = (
        CauseName(
            FAIRNESS,
            in_alert="are treated unequally",
            on_page="fairness",
            next_step="see what else these groups differ in, then whether the model or its threshold treats them apart",
        ),
    )
    state_name = FAIRNESS
    own_budget = True

    def __init__(self, prepared: PreparedReference, policy: Policy) -> None:
        super().__init__(prepared, policy)
        reference, asked = prepared.reference, policy.model.fairness
        segments = reference.segments
        self._model = reference.key.model
        self._names = () if segments is None else segment_names(segments, policy)
        #: by feature the numbers of its groups
        self._groups: dict[str, list[int]] = {}
        for at, (feature, value) in enumerate(() if segments is None or asked is None else segments.keys):
            if asked is not None and feature in asked.by and value != OTHER:
                self._groups.setdefault(feature, []).append(at)
        model = policy.model
        self._favourable = canonical(model.positive if asked is None or asked.favourable is None else asked.favourable)
        self._column = _predicted(reference)
        self._metrics: list[_Metric] = []
        if asked is not None and self._column is not None and self._groups:
            if asked.disparate_impact is not None:
                of = _Metric(IMPACT, "positive_rate", "prediction", asked.disparate_impact, impact_scores, ratio)
                self._metrics.append(of)
            if asked.equal_opportunity is not None:
                permitted, rows = asked.equal_opportunity, "labelled positive"
                of = _Metric(OPPORTUNITY, "true_positive_rate", rows, permitted, opportunity_scores, gap)
                self._metrics.append(of)
        self._blocks = {one.name: GroupBlocks(len(self._names)) for one in self._metrics}
        self._variance = _variances(reference, self._column)

    def meet(self, others: Sequence[Cause[Any]]) -> None:
        performance = next(one for one in others if isinstance(one, Performance))
        performance.matured = self._matured

    # windows

    def follows(self) -> bool:
        return bool(self._groups)

    def follow(self, pane: Block, labels: LabelTally) -> Iterator[Finding]:
        """Take the pane's predictions, and the labels that came with them and since the last pane."""
        if not self._groups:
            return
        for metric in self._metrics:
            if metric.is_ratio:
                counts, rows = self._of_predictions(pane.tally), pane.tally.predictions
            else:
                counts, rows = self._of_labels(labels)
            yield from self._take(metric, pane.start_us, pane.end_us, counts, rows)

    def _matured(self, cohort: MatureCohort) -> Iterator[Finding]:
        """Labels that came late, of predictions that are judged now."""
        for metric in self._metrics if self._groups else ():
            if not metric.is_ratio:
                counts, rows = self._of_labels(cohort.tally)
                yield from self._take(metric, cohort.start_us, cohort.end_us, counts, rows)

    def _of_predictions(self, tally: Tally) -> Ints:
        """(S, 2) predictions with a class, and those with the favourable one."""
        counts, at = np.zeros((len(self._names), 2), np.int64), self._column
        assert at is not None  # noqa: S101  # there are no metrics without it
        bins, width = self.prepared.columns[at].bins, self.prepared.width
        slots = width + len(QUALITY_COUNTS)
        favourable = [bin_ for bin_, category in enumerate(bins.categories) if category == self._favourable]
        for groups in self._groups.values():
            for segment in groups:
                held = tally.further.get(counts_name(segment))
                if held is not None:
                    own = held[at * slots : (at + 1) * slots].astype(np.int64)
                    unseen = 0 if bins.buckets else int(own[width + UNSEEN])  # else it is in a bin already
                    counts[segment] = int(own[:width].sum()) + unseen, int(own[favourable].sum())
        return counts

    def _of_labels(self, labels: LabelTally) -> tuple[Ints, int]:
        """(S, 2) labels of the favourable class, and those that were predicted so; and how many there are of all."""
        counts = np.zeros((len(self._names), 2), np.int64)
        for groups in self._groups.values():
            for segment in groups:
                if segment in labels.segments:
                    counts[segment] = self._positives(labels.segments[segment])
        return counts, self._positives(labels)[0]

    def _positives(self, tally: LabelTally) -> tuple[int, int]:
        of = self._favourable
        return sum(n for (label, _), n in tally.pairs.items() if label == of), tally.pairs.get((of, of), 0)

    def _take(self, metric: _Metric, start_us: int, end_us: int, counts: Ints, rows: int) -> Iterator[Finding]:
        blocks = self._blocks[metric.name]
        if not blocks.add(start_us, end_us, counts, rows):
            return
        began, ended = blocks.span(1)
        pairs = sum(len(groups) * (len(groups) - 1) for groups in self._groups.values())
        alpha = TicketBudget(len(LENGTHS) * len(self._metrics) * pairs).alpha(max(ended - began, 1))
        worst: dict[int, tuple[Beyond, int]] = {}
        for length in blocks.due():
            for pair in self._beyond(metric, length, alpha):
                if pair.low not in worst or pair.exceedance > worst[pair.low][0].exceedance:
                    worst[pair.low] = pair, length
        for pair, length in worst.values():
            yield self._finding(metric, pair, length)

    def _beyond(self, metric: _Metric, length: int, alpha: float) -> Iterator[Beyond]:
        """Pairs of groups by their numbers."""
        counts = self._blocks[metric.name].newest(length)
        for groups in self._groups.values() if counts is not None else ():
            assert counts is not None  # noqa: S101  # as the line above says
            rows, hits = counts[groups].T.astype(np.float64)
            for one in beyond(metric.scores(rows, hits, metric.permitted, self._variance[metric.name]), alpha):
                yield one._replace(low=groups[one.low], high=groups[one.high])

    # how a finding goes on

    def judges(self, key: FindingKey) -> bool:
        return self._known(key) is not None

    def _known(self, key: FindingKey) -> tuple[_Metric, int] | None:
        metric = next((one for one in self._metrics if one.name == key.figure), None)
        known = key.cause == FAIRNESS and key.subject == self._model and key.segment in self._names
        return None if metric is None or not known else (metric, self._names.index(key.segment))

    def opened(self, finding: Finding) -> Floats:
        return np.array([finding.effect])

    def again(
        self, finding: Finding, since_us: int, base_windows: int, then: Floats
    ) -> tuple[float, float, float] | None:
        """By the size of the gap alone: against the group that is best off now."""
        known = self._known(finding.key)
        if known is None:
            return None
        (metric, segment), blocks = known, self._blocks[known[0].name]
        newest = min(base_windows, KEPT)
        counts = blocks.newest(newest)
        if counts is None or blocks.span(newest)[0] < since_us:
            return None
        groups = next(own for own in self._groups.values() if segment in own)
        estimate = self._against_best(metric, counts, groups, segment)
        short = 0.0 if estimate is None else max(metric.shortfall(estimate[0]), 0.0)
        return (2.0 if short else 0.0), left_of(short, float(then[0])) if then.size and then[0] else 0.0, short

    def _against_best(
        self, metric: _Metric, counts: Ints, groups: Sequence[int], segment: int
    ) -> tuple[Estimate, int] | None:
        """A group beside the one that has the outcome most often."""
        others = [at for at in groups if at != segment and counts[at, 0] >= LEAST_ROWS]
        if not others or counts[segment, 0] < LEAST_ROWS:
            return None
        best = max(others, key=lambda at: counts[at, 1] / counts[at, 0])
        low, high = ((int(counts[at, 0]), int(counts[at, 1])) for at in (segment, best))
        estimate = metric.estimate(low, high, self._variance[metric.name])
        return None if estimate is None else (estimate, best)

    # what is shown

    def rates(self) -> list[GroupRate]:
        """The rates of all groups in the blocks that are kept."""
        return [
            GroupRate(feature, self._names[at], metric.kind, hits / rows, rows)
            for metric, counts in self._held()
            for feature, groups in self._groups.items()
            for at in groups
            for rows, hits in [counts[at, :2].tolist()]
            if rows >= LEAST_ROWS
        ]

    def worst(self) -> list[Unfairness]:
        """Of each feature and metric the group that is worst off, beside the one that is best off."""
        found = []
        for metric, counts in self._held():
            for feature, groups in self._groups.items():
                each = [
                    Unfairness(feature, metric.name, of[0], self._names[at], self._names[of[1]], metric.permitted)
                    for at in groups
                    if (of := self._against_best(metric, counts, groups, at)) is not None
                ]
                if each:
                    found.append(max(each, key=lambda one: metric.shortfall(one.estimate)))
        return found

    def _held(self) -> Iterator[tuple[_Metric, Ints]]:
        for metric in self._metrics:
            counts = self._blocks[metric.name].newest(self._blocks[metric.name].held)
            if counts is not None:
                yield metric, counts

    @classmethod
    def size(cls, figures: Figures, *, numeric: bool) -> str:
        return f"{figures.value:.2f}"

    def _finding(self, metric: _Metric, pair: Beyond, length: int) -> Finding:
        blocks = self._blocks[metric.name]
        counts, (start_us, end_us) = blocks.newest(length), blocks.span(length)
        assert counts is not None  # noqa: S101  # it was judged
        low, high = ((int(counts[at, 0]), int(counts[at, 1])) for at in (pair.low, pair.high))
        estimate = metric.estimate(low, high, self._variance[metric.name])
        assert estimate is not None  # noqa: S101  # a group without hits is below no other
        short = metric.shortfall(estimate)
        return Finding(
            key=FindingKey(self._model, FAIRNESS, self._names[pair.low], metric.name),
            severity=self.policy.severity(FAIRNESS, "", short, 0.0),
            window=Span(start_us, end_us, int(counts[self._groups_of(pair.low), 0].sum())),
            base_windows=length,
            statistic="score",
            value=estimate.value,
            threshold=metric.permitted,
            p=pair.p,
            effect=short,
            effect_unit="ratio" if metric.is_ratio else "share",
            exceedance=pair.exceedance,
            direction="down",
            detail=self._detail(metric, estimate, (pair.low, low), (pair.high, high)),
            headline=self._headline(metric, estimate, (self._names[pair.low], low), (self._names[pair.high], high)),
        )

    def _groups_of(self, segment: int) -> list[int]:
        return next(groups for groups in self._groups.values() if segment in groups)

    def _headline(self, metric: _Metric, estimate: Estimate, low: _Group, high: _Group) -> str:
        if metric.is_ratio:
            return f"{low[0]} is predicted {self._shown} {estimate.value:.2f} times as often as {high[0]}"
        return f"of those that are {self._shown} {missed(low, high)}"

    @property
    def _shown(self) -> str:
        return self.policy.quoted(self._favourable)

    def _detail(
        self, metric: _Metric, estimate: Estimate, low: tuple[int, tuple[int, int]], high: tuple[int, tuple[int, int]]
    ) -> str:
        each = [
            f"{self._names[at]} {percent(hits / rows)} of {many(rows, metric.rows)}" for at, (rows, hits) in (low, high)
        ]
        name = metric.name.replace("_", " ") + ("" if metric.is_ratio else " difference")
        between = f"95 % interval {estimate.lower:.2f} to {estimate.upper:.2f}, permitted {metric.permitted:.2f}"
        return f"{name} {estimate.value:.2f} ({between}): {' and '.join(each)}"

    # state

    def to_state(self) -> dict[str, Any]:
        return {name: blocks.to_state() for name, blocks in self._blocks.items()}

    def restore(self, state: dict[str, Any]) -> None:
        for name, blocks in self._blocks.items():
            if name in state:
                blocks.restore(state[name])


def missed(low: _Group, high: _Group) -> str:
    """`69 % are missed in sex=F, 28 % in sex=M: 41 points more`; a group's hits are those found."""
    (low_name, (rows, hits)), (high_name, (high_rows, high_hits)) = low, high
    more, fewer = 100 * (1 - hits / rows), 100 * (1 - high_hits / high_rows)
    return f"{more:.0f} % are missed in {low_name}, {fewer:.0f} % in {high_name}: {more - fewer:.0f} points more"


def _predicted(reference: Reference) -> int | None:
    """The place of the column of predicted classes; None without one."""
    for at, column in enumerate(reference.columns):
        if column.role == PREDICTION and column.bins.kind != NUMERIC:
            return at
    return None


def _variances(reference: Reference, column: int | None) -> dict[str, float]:
    """V of predicted classes, and of errors; where a reference does not know of errors, that of the classes."""
    of_classes = 1.0 if column is None else float(reference.variability.long_runs[column].variance.max(initial=1.0))
    known = {} if reference.performance is None else reference.performance.errors
    of_errors = max((float(one.long_run.variance[0]) for one in known.values()), default=of_classes)
    return {IMPACT: of_classes, OPPORTUNITY: of_errors}
