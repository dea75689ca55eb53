"""The newest panes of one model version: when they are looked at, and what is found in them."""

from __future__ import annotations

from monitor.findings import Finding
from monitor.judge.evaluation import Judge
from monitor.judge.promise.budget import RECENT, Budget
from monitor.judge.windows.pyramid import RECENT_STEP, RecentPanes, Windows
from monitor.stats.tallies.block import Block


class NewestPanes:
    """Looked at with every pane, or where panes hold next to nothing once every `RECENT_STEP` events.

    When that is depends on the number of events alone: not on polls, partitions or restarts. A look spends the budget
    of the time since the last one.
    """

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self.panes = RecentPanes()
        self._window: Windows | None = None

    def take(self, pane: Block) -> None:
        """Take the next pane in, without counts that only sequential causes use."""
        self.panes.take(pane)
        self._window = None

    def window(self) -> Windows | None:
        """The newest panes as one window; None while they are too few events."""
        if self._window is None:
            self._window = self.panes.window()
        return self._window

    def found(self, before: int, base: Block | None, budget: Budget, share: float) -> list[Finding]:
        """What is found with the newest pane; `before` it were so many events, `base` is the base window it completes.

        Newest panes that are a base window, as a large pane is both, are judged as that alone.
        """
        span = self.panes.span()
        if span is None or (base is not None and span.start_us == base.start_us):
            return []
        if before // RECENT_STEP == (before + self.panes.panes[-1].tally.events) // RECENT_STEP:
            return []
        alpha = budget.alpha(RECENT, span.start_us, span.end_us, share)
        if alpha <= 0:
            return []
        if self.panes.are_whole() and not self._judge.may_find_in_whole(span.events, alpha):  # as mostly
            budget.spend(alpha, self._judge.tests_of_recent)
            return []
        window = self.window()
        assert window is not None  # noqa: S101  # there is a span of it
        newest = self._judge.evaluate(window, alpha)
        budget.spend(alpha, self._judge.tests_made(newest))
        return list(self._judge.recent_findings(newest))
