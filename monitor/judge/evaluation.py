"""One look: windows that end at the same moment, judged by every cause at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.findings import INFO, SEVERITY_RANK, Finding, FindingKey
from monitor.judge.causes import constant, distribution, facts, features_gone
from monitor.judge.expected import Baseline, Unrest
from monitor.judge.policy import Policy
from monitor.judge.windows import Windows
from monitor.stats.bins import FACTS


@dataclass(frozen=True)
class Look:
    """What is measured in some windows, each cause when it is asked for.

    Everything shown of the model comes from the newest base look.
    """

    baseline: Baseline
    windows: Windows
    alpha: float

    @cached_property
    def _unrest(self) -> Unrest:
        return self.baseline.unrest([span.events for span in self.windows.spans])

    @cached_property
    def facts(self) -> facts.Measured:
        return facts.measure(self.baseline, self.windows, self._unrest, self.alpha)

    @cached_property
    def features_gone(self) -> features_gone.Measured:
        return features_gone.measure(self.baseline, self.windows, self._unrest, self.alpha)

    @cached_property
    def constant(self) -> constant.Measured:
        return constant.measure(self.baseline, self.windows, self._unrest, self.alpha)

    @cached_property
    def distribution(self) -> distribution.Measured:
        return distribution.measure(self.baseline, self.windows, self._unrest, self.alpha)


class Over(NamedTuple):
    """A window that is over: as much as it takes to choose one of a key, and how to tell of it."""

    key: FindingKey
    severity: str
    over: float
    began_us: Callable[[], int]
    tell: Callable[[], Finding]


class Judge:
    """Judges the windows of one model version; holds no state."""

    def __init__(self, baseline: Baseline, policy: Policy) -> None:
        self._baseline = baseline
        self._policy = policy
        self._column_of = {subject: at for at, subject in enumerate(baseline.subjects)}
        self.tests_of_facts = facts.tests(baseline) + features_gone.tests(baseline) + constant.tests(baseline)
        self.tests_of_length = self.tests_of_facts + distribution.tests(baseline)

    def total_tests(self, lengths: int) -> int:
        """The number of (test, length, column): every length, and the newest panes for the quality facts."""
        return self.tests_of_length * lengths + self.tests_of_facts

    def look(self, windows: Windows, alpha: float) -> Look:
        """A look at windows that end at the same moment, shortest first."""
        return Look(self._baseline, windows, alpha)

    def findings(self, look: Look, recent: Windows | None) -> Iterator[Finding]:
        """What is over in a base look, one finding a key; `recent` are the newest panes."""
        overs = [*self._features_gone(look), *self._facts(look, recent)]
        return _one_a_key([*overs, *self._constant(look), *self._distribution(look)])

    def recent_findings(self, recent: Windows, alpha: float) -> Iterator[Finding]:
        """Quality facts that are over in the newest panes, and columns that are constant in a run of them."""
        newest = self.look(recent, alpha)
        if features_gone.lacking(self._baseline, recent).any():  # most panes are well
            for over in self._features_gone(newest):
                yield over.tell()
        if recent.counts[0, :, self._baseline.width :].any():
            for over in self._facts(newest, None):
                yield over.tell()
        for column, run in constant.runs(self._baseline, recent):
            look = self.look(run, alpha)
            if look.constant.over[0, column] > 1:
                yield constant.finding(self._baseline, self._policy, run, look.constant, (0, column), alpha)

    def _features_gone(self, look: Look) -> Iterator[Over]:
        base, windows, measured = self._baseline, look.windows, look.features_gone
        for (window,) in _places(measured.p < look.alpha):
            severity = features_gone.severity(self._policy, measured, window)
            yield Over(
                features_gone.key(base),
                severity,
                float(measured.over[window]),
                partial(features_gone.began, base, windows, window),
                partial(features_gone.finding, base, windows, measured, window, severity),
            )

    def _facts(self, look: Look, recent: Windows | None) -> Iterator[Over]:
        base, policy, windows, measured = self._baseline, self._policy, look.windows, look.facts
        for window, column, slot in _places(measured.p < look.alpha):
            at = (window, column, slot)
            severity = facts.severity(base, policy, measured, at, self._recent_share(recent, column, slot))
            yield Over(
                FindingKey(base.subjects[column], FACTS[slot]),
                severity,
                float(measured.over[at]),
                partial(facts.began, windows, window, column, base.width + slot),
                partial(facts.finding, base, policy, windows, measured, at, severity),
            )

    def _constant(self, look: Look) -> Iterator[Over]:
        base, policy, windows, measured = self._baseline, self._policy, look.windows, look.constant
        for window, column in _places(measured.over > 1):
            yield Over(
                FindingKey(base.subjects[column], "constant"),
                constant.severity(policy, base.columns[column]),
                float(measured.over[window, column]),
                partial(_start, windows, window),
                partial(constant.finding, base, policy, windows, measured, (window, column), look.alpha),
            )

    def _distribution(self, look: Look) -> Iterator[Over]:
        base, policy, windows, measured = self._baseline, self._policy, look.windows, look.distribution
        for window, column in _places(measured.over > 1):
            severity = distribution.severity(base, policy, measured, window, column)
            yield Over(
                FindingKey(base.subjects[column], distribution.cause_of(base.columns[column])),
                severity,
                float(measured.over[window, column]),
                partial(_start, windows, window),
                partial(distribution.finding, base, policy, windows, measured, window, column),
            )

    def over(self, key: FindingKey, look: Look) -> float:
        """How far over its threshold a finding's column is in the one window of a look."""
        if key == features_gone.key(self._baseline):
            return float(look.features_gone.over[0])
        column = self._column_of.get(key.subject)
        if column is None:
            return 0.0  # a state of before, when a feature was told under another's name: that is over
        if key.cause in FACTS:
            return float(look.facts.over[0, column, FACTS.index(key.cause)])
        if key.cause == "constant":
            return float(look.constant.over[0, column])
        same = distribution.cause_of(self._baseline.columns[column]) == key.cause
        return float(look.distribution.over[0, column]) if same else 0.0

    def _recent_share(self, recent: Windows | None, column: int, slot: int) -> float:
        if recent is None:
            return 1.0
        counts = recent.counts[0, column]
        return float(counts[self._baseline.width + slot] / max(counts.sum(), 1))


def _places(over: NDArray[np.bool_]) -> Iterator[tuple[int, ...]]:
    return zip(*(axis.tolist() for axis in np.nonzero(over)), strict=True)


def _start(windows: Windows, window: int) -> int:
    return windows.spans[window].start_us


def _one_a_key(overs: Iterable[Over]) -> Iterator[Finding]:
    """Of each key the worst finding, which began with the shortest window that is over; `info` only tells of that.

    `overs` of a key come with the shortest window first.
    """
    by_key: dict[FindingKey, list[Over]] = {}
    for over in overs:
        by_key.setdefault(over.key, []).append(over)
    for of_key in by_key.values():
        shortest = of_key[0]
        if shortest.severity == INFO:
            yield shortest.tell()
            continue
        worst = max(of_key, key=lambda over: (SEVERITY_RANK[over.severity], over.over))
        yield replace(worst.tell(), since_us=shortest.began_us())
