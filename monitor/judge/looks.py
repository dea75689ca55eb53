"""One look: windows that end at the same moment, judged by every cause at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from monitor.findings import Finding, FindingKey
from monitor.judge.baseline import Baseline
from monitor.judge.causes import constant, distribution, facts
from monitor.judge.ladder import Windows
from monitor.judge.policy import Policy
from monitor.stats.bins import FACTS


class Judge:
    """Judges the windows of one model version; holds no state."""

    def __init__(self, baseline: Baseline, policy: Policy) -> None:
        self._baseline = baseline
        self._policy = policy
        self.tests_of_facts = facts.tests(baseline) + constant.tests(baseline)
        self.tests_of_length = self.tests_of_facts + distribution.tests(baseline)

    def total_tests(self, lengths: int) -> int:
        """The number of (test, length, column): every length, and the newest panes for the quality facts."""
        return self.tests_of_length * lengths + self.tests_of_facts

    def quality(self, windows: Windows, alpha: float, recent: Windows | None) -> Iterator[Finding]:
        """Facts that are over; `recent` are the newest panes."""
        measured = facts.measure(self._baseline, windows, alpha)
        least_alpha = measured.p < alpha
        for window, column, slot in zip(*np.nonzero(least_alpha), strict=True):
            recent_share = self._recent_share(recent, int(column), int(slot))
            yield facts.finding(
                self._baseline,
                self._policy,
                windows,
                measured,
                (int(window), int(column), int(slot)),
                alpha,
                recent_share,
            )

    def stuck(self, windows: Windows, alpha: float) -> Iterator[Finding]:
        """Constant columns that are over."""
        measured = constant.measure(self._baseline, windows, alpha)
        for window, column in zip(*np.nonzero(measured.over > 1), strict=True):
            yield constant.finding(self._baseline, self._policy, windows, measured, (int(window), int(column)), alpha)

    def stuck_now(self, recent: Windows, alpha: float) -> Iterator[Finding]:
        """The same over the run of equal values in the newest panes."""
        for column, run in constant.runs(self._baseline, recent):
            measured = constant.measure(self._baseline, run, alpha)
            if measured.over[0, column] > 1:
                yield constant.finding(self._baseline, self._policy, run, measured, (0, column), alpha)

    def distributions(self, windows: Windows, alpha: float) -> Iterator[Finding]:
        """Changed distributions that are over."""
        measured = distribution.measure(self._baseline, windows, alpha)
        for window, column in zip(*np.nonzero(measured.over > 1), strict=True):
            yield distribution.finding(self._baseline, self._policy, windows, measured, int(window), int(column))

    def over(self, key: FindingKey, window: Windows, alpha: float) -> float:
        """How far over its threshold a finding's column is in this one window."""
        # a feature may be called `score` too: what is said of both ends when both are well
        columns = [at for at, column in enumerate(self._baseline.columns) if column.name == key.subject]
        if key.cause in FACTS:
            measured = facts.measure(self._baseline, window, alpha)
            return float(measured.over[0, columns, FACTS.index(key.cause)].max())
        if key.cause == "constant":
            return float(constant.measure(self._baseline, window, alpha).over[0, columns].max())
        columns = [at for at in columns if distribution.cause_of(self._baseline.columns[at]) == key.cause]
        return float(distribution.measure(self._baseline, window, alpha).over[0, columns].max())

    def _recent_share(self, recent: Windows | None, column: int, slot: int) -> float:
        if recent is None:
            return 1.0
        counts = recent.counts[0, column]
        return float(counts[self._baseline.width + slot] / max(counts.sum(), 1))
