"""One look: windows that end at the same moment, judged by every cause at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.findings import INFO, SEVERITY_RANK, Finding, FindingKey
from monitor.judge.causes import constant, distribution, features_gone, quality
from monitor.judge.policy import Policy
from monitor.judge.prepared_reference import PreparedReference, Variability
from monitor.judge.windows import Windows
from monitor.stats.bins import QUALITY_COUNTS


@dataclass(frozen=True)
class Evaluation:
    """What is measured in some windows, each cause when it is asked for.

    Everything shown of the model comes from the newest base look.
    """

    prepared: PreparedReference
    windows: Windows
    alpha: float

    @cached_property
    def _variability(self) -> Variability:
        return self.prepared.variability([span.events for span in self.windows.spans])

    @cached_property
    def quality(self) -> quality.Measured:
        return quality.measure(self.prepared, self.windows, self._variability, self.alpha)

    @cached_property
    def features_gone(self) -> features_gone.Measured:
        return features_gone.measure(self.prepared, self.windows, self._variability, self.alpha)

    @cached_property
    def constant(self) -> constant.Measured:
        return constant.measure(self.prepared, self.windows, self._variability, self.alpha)

    @cached_property
    def distribution(self) -> distribution.Measured:
        return distribution.measure(self.prepared, self.windows, self._variability, self.alpha)


class Exceedance(NamedTuple):
    """A window that is over: as much as it takes to choose one of a key, and how to tell of it."""

    key: FindingKey
    severity: str
    exceedance: float
    began_us: Callable[[], int]
    tell: Callable[[], Finding]


class Judge:
    """Judges the windows of one model version; holds no state."""

    def __init__(self, prepared: PreparedReference, policy: Policy) -> None:
        self._prepared = prepared
        self._policy = policy
        self._column_of = {subject: at for at, subject in enumerate(prepared.subjects)}
        self.tests_of_quality = quality.tests(prepared) + features_gone.tests(prepared) + constant.tests(prepared)
        self.tests_of_length = self.tests_of_quality + distribution.tests(prepared)

    def total_tests(self, lengths: int) -> int:
        """The number of (test, length, column): every length, and the newest panes for the quality facts."""
        return self.tests_of_length * lengths + self.tests_of_quality

    def evaluate(self, windows: Windows, alpha: float) -> Evaluation:
        """A look at windows that end at the same moment, shortest first."""
        return Evaluation(self._prepared, windows, alpha)

    def findings(self, evaluation: Evaluation, recent: Windows | None) -> Iterator[Finding]:
        """What is over in a base look, one finding a key; `recent` are the newest panes."""
        overs = [*self._features_gone(evaluation), *self._facts(evaluation, recent)]
        return _one_a_key([*overs, *self._constant(evaluation), *self._distribution(evaluation)])

    def recent_findings(self, recent: Windows, alpha: float) -> Iterator[Finding]:
        """Quality facts that are over in the newest panes, and columns that are constant in a run of them."""
        newest = self.evaluate(recent, alpha)
        if features_gone.lacking(self._prepared, recent).any():  # most panes are well
            for exceedance in self._features_gone(newest):
                yield exceedance.tell()
        if recent.counts[0, :, self._prepared.width :].any():
            for exceedance in self._facts(newest, None):
                yield exceedance.tell()
        for column, run in constant.runs(self._prepared, recent):
            evaluation = self.evaluate(run, alpha)
            if evaluation.constant.exceedance[0, column] > 1:
                yield constant.finding(self._prepared, self._policy, run, evaluation.constant, (0, column), alpha)

    def _features_gone(self, evaluation: Evaluation) -> Iterator[Exceedance]:
        base, windows, measured = self._prepared, evaluation.windows, evaluation.features_gone
        for (window,) in _places(measured.p < evaluation.alpha):
            severity = features_gone.severity(self._policy, measured, window)
            yield Exceedance(
                features_gone.key(base),
                severity,
                float(measured.exceedance[window]),
                partial(features_gone.began, base, windows, window),
                partial(features_gone.finding, base, windows, measured, window, severity),
            )

    def _facts(self, evaluation: Evaluation, recent: Windows | None) -> Iterator[Exceedance]:
        base, policy, windows, measured = self._prepared, self._policy, evaluation.windows, evaluation.quality
        for window, column, slot in _places(measured.p < evaluation.alpha):
            at = (window, column, slot)
            severity = quality.severity(base, policy, measured, at, self._recent_share(recent, column, slot))
            yield Exceedance(
                FindingKey(base.subjects[column], QUALITY_COUNTS[slot]),
                severity,
                float(measured.exceedance[at]),
                partial(quality.began, windows, window, column, base.width + slot),
                partial(quality.finding, base, policy, windows, measured, at, severity),
            )

    def _constant(self, evaluation: Evaluation) -> Iterator[Exceedance]:
        base, policy, windows, measured = self._prepared, self._policy, evaluation.windows, evaluation.constant
        for window, column in _places(measured.exceedance > 1):
            yield Exceedance(
                FindingKey(base.subjects[column], "constant"),
                constant.severity(policy, base.columns[column]),
                float(measured.exceedance[window, column]),
                partial(_start, windows, window),
                partial(constant.finding, base, policy, windows, measured, (window, column), evaluation.alpha),
            )

    def _distribution(self, evaluation: Evaluation) -> Iterator[Exceedance]:
        base, policy, windows, measured = self._prepared, self._policy, evaluation.windows, evaluation.distribution
        for window, column in _places(measured.exceedance > 1):
            severity = distribution.severity(base, policy, measured, window, column)
            yield Exceedance(
                FindingKey(base.subjects[column], distribution.cause_of(base.columns[column])),
                severity,
                float(measured.exceedance[window, column]),
                partial(_start, windows, window),
                partial(distribution.finding, base, policy, windows, measured, window, column),
            )

    def exceedance(self, key: FindingKey, evaluation: Evaluation) -> float:
        """How far over its threshold a finding's column is in the one window of a look."""
        if key == features_gone.key(self._prepared):
            return float(evaluation.features_gone.exceedance[0])
        column = self._column_of.get(key.subject)
        if column is None:
            return 0.0  # a state of before, when a feature was told under another's name: that is over
        if key.cause in QUALITY_COUNTS:
            return float(evaluation.quality.exceedance[0, column, QUALITY_COUNTS.index(key.cause)])
        if key.cause == "constant":
            return float(evaluation.constant.exceedance[0, column])
        same = distribution.cause_of(self._prepared.columns[column]) == key.cause
        return float(evaluation.distribution.exceedance[0, column]) if same else 0.0

    def _recent_share(self, recent: Windows | None, column: int, slot: int) -> float:
        if recent is None:
            return 1.0
        counts = recent.counts[0, column]
        return float(counts[self._prepared.width + slot] / max(counts.sum(), 1))


def _places(exceedance: NDArray[np.bool_]) -> Iterator[tuple[int, ...]]:
    return zip(*(axis.tolist() for axis in np.nonzero(exceedance)), strict=True)


def _start(windows: Windows, window: int) -> int:
    return windows.spans[window].start_us


def _one_a_key(overs: Iterable[Exceedance]) -> Iterator[Finding]:
    """Of each key the worst finding, which began with the shortest window that is over; `info` only tells of that.

    `overs` of a key come with the shortest window first.
    """
    by_key: dict[FindingKey, list[Exceedance]] = {}
    for exceedance in overs:
        by_key.setdefault(exceedance.key, []).append(exceedance)
    for of_key in by_key.values():
        shortest = of_key[0]
        if shortest.severity == INFO:
            yield shortest.tell()
            continue
        worst = max(of_key, key=lambda exceedance: (SEVERITY_RANK[exceedance.severity], exceedance.exceedance))
        yield replace(worst.tell(), since_us=shortest.began_us())
