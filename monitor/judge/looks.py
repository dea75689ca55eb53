"""One look: windows that end at the same moment, judged by every cause at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from monitor.findings import Finding, FindingKey
from monitor.judge.baseline import Baseline
from monitor.judge.causes import constant, distribution, facts
from monitor.judge.ladder import Windows
from monitor.judge.policy import Policy
from monitor.stats.bins import FACTS


@dataclass(frozen=True, slots=True)
class Look:
    """What was measured at one base look: everything shown of the model comes from the newest one."""

    windows: Windows
    alpha: float
    facts: facts.Measured
    constant: constant.Measured
    distribution: distribution.Measured


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

    def look(self, windows: Windows, alpha: float) -> Look:
        """Measure every cause in all windows."""
        base = self._baseline
        return Look(
            windows,
            alpha,
            facts.measure(base, windows, alpha),
            constant.measure(base, windows, alpha),
            distribution.measure(base, windows, alpha),
        )

    def findings(self, look: Look, recent: Windows | None) -> Iterator[Finding]:
        """Everything that is over in a base look; `recent` are the newest panes."""
        yield from self._facts(look.windows, look.facts, look.alpha, recent)
        for window, column in zip(*np.nonzero(look.constant.over > 1), strict=True):
            at = (int(window), int(column))
            yield constant.finding(self._baseline, self._policy, look.windows, look.constant, at, look.alpha)
        measured = look.distribution
        for window, column in zip(*np.nonzero(measured.over > 1), strict=True):
            yield distribution.finding(self._baseline, self._policy, look.windows, measured, int(window), int(column))

    def recent_findings(self, recent: Windows, alpha: float) -> Iterator[Finding]:
        """Quality facts that are over in the newest panes."""
        yield from self._facts(recent, facts.measure(self._baseline, recent, alpha), alpha, None)
        yield from self._stuck_now(recent, alpha)

    def _facts(
        self, windows: Windows, measured: facts.Measured, alpha: float, recent: Windows | None
    ) -> Iterator[Finding]:
        for window, column, slot in zip(*np.nonzero(measured.p < alpha), strict=True):
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

    def _stuck_now(self, recent: Windows, alpha: float) -> Iterator[Finding]:
        """Columns that are constant in a run of the newest panes."""
        for column, run in constant.runs(self._baseline, recent):
            measured = constant.measure(self._baseline, run, alpha)
            if measured.over[0, column] > 1:
                yield constant.finding(self._baseline, self._policy, run, measured, (0, column), alpha)

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
