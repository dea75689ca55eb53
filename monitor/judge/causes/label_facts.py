"""Causes `label_delay` and `label_coverage`: labels come later than in the reference, or fewer of them do.

Both are facts of cohorts of predictions, counted when all labels had come in the reference, twice over. A cohort whose
labels came later than usual lacks the others for that reason: it says nothing of coverage. They have a budget of their
own and take nothing from the tests that page. The subject is the model.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import Any, Final, Self

import numpy as np

from monitor.clock import rfc3339
from monitor.count.columns.facts import in_time
from monitor.count.labels.cohorts import cohort_us
from monitor.findings import Figures, Finding, FindingEnd, FindingKey, Span
from monitor.judge.causes.around import ALONE, Around
from monitor.judge.causes.cause import CauseName, SequentialCause
from monitor.judge.policy import Policy
from monitor.judge.windows.fact_blocks import MOST_OF_SHARE, FactBlock, FactBlocks
from monitor.judge.windows.label_arrivals import CountedCohort, LabelArrivals
from monitor.judge.windows.prepared_reference import Floats, PreparedReference
from monitor.reference.learn.label_facts import LATE_LABELS, LEAST_OF_BLOCK, UNLABELLED
from monitor.reference.performance_part import MATURE
from monitor.settings.duration import about
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.tallies.block import Block
from monitor.stats.testing.ending import left_of
from monitor.stats.testing.fact_share import LONGEST, Excess, FactShare, judged
from monitor.text import many, percent

DELAY: Final = "label_delay"
COVERAGE: Final = "label_coverage"
#: least rise of the share of labels that come late, and of predictions without a label
LEAST_CHANGE: Final = 0.1
#: blocks that are kept: two of the longest windows, as the end of a finding is judged on these
_KEPT: Final = 2 * LONGEST


_ASK: Final = "ask who makes the labels: a job, a topic, or ids that no longer match"


class LabelFacts(SequentialCause):
    """How late labels come, and how many. Nothing is said where the reference has none."""

    names = (
        CauseName(
            DELAY,
            in_alert="come later",
            on_page="label delay",
            share="value",
            of_model="labels",
            sample="label",
            next_step=_ASK,
        ),
        CauseName(
            COVERAGE,
            in_alert="without a label",
            on_page="label coverage",
            share="value",
            of_model="predictions",
            sample="prediction",
            next_step=_ASK,
        ),
    )
    state_name = "label_facts"

    def __init__(self, prepared: PreparedReference, policy: Policy, around: Around = ALONE) -> None:
        super().__init__(prepared, policy)
        reference = prepared.reference
        facts = {} if reference.performance is None else dict(reference.facts)
        self._references = {DELAY: facts.get(LATE_LABELS), COVERAGE: facts.get(UNLABELLED)}
        self._model = reference.key.model
        self._exclusions = policy.model.exclusions()
        self._keys = {cause: FindingKey(self._model, cause) for cause in (DELAY, COVERAGE)}
        self._joined_us = around.joined_us
        #: what the newest pane made known and is not judged yet; none between two panes
        self._known: deque[CountedCohort] = deque()
        self._arrivals, self._usual_us = self._of_panes(around.pane_us)
        self._blocks = {cause: FactBlocks(LEAST_OF_BLOCK, _KEPT) for cause in (DELAY, COVERAGE)}
        #: of the newest cohort with labels that came later: those labels, and how long they waited
        self._newest_wait = (0, 0)
        #: then so many labels had come for cohorts that were counted already that labels were known to come late
        self._straggled_us = -math.inf
        self._ends: list[FindingEnd] = []

    @classmethod
    def of_judge(cls, prepared: PreparedReference, policy: Policy, around: Around) -> Self:
        return cls(prepared, policy, around)

    def _of_panes(self, pane_us: int) -> tuple[LabelArrivals, int]:
        """Cohorts of panes of events of that width, and how long after their start nearly all labels have come."""
        part, horizon_us = self.prepared.reference.performance, self.policy.model.labels.horizon
        came = () if part is None else part.came
        usual_us = 0 if part is None or part.usual_us is None else part.usual_us
        longest_us = came[-1][0] if came else None
        width_us = cohort_us(horizon_us, pane_us)
        arrivals = LabelArrivals(width_us, horizon_us, usual_us, longest_us, self._is_excluded)
        return arrivals, usual_us + arrivals.width_us

    def add_late(self, start_us: int, labels: LabelTally, until_us: int) -> None:
        """Labels of the cohort that begins then took effect in the pane that ends at `until_us`."""
        self._arrivals.add(start_us, labels.total, until_us)

    def follow(self, pane: Block, labels: LabelTally) -> Iterator[Finding]:
        self._ends = []
        if self._references[COVERAGE] is None or not in_time(pane.tally):
            return
        self._arrivals.predicted(pane.start_us, pane.tally.predictions, labels.total)
        self._known.extend(self._arrivals.count(min(pane.end_us, self._joined_us())))
        yield from self.next_findings()

    def next_findings(self) -> list[Finding]:
        """What is found next, at one moment, in what the newest pane made known; empty if nothing more is.

        After a batch of labels that is what other panes would have found one after the other, had labels come evenly:
        a finding that opened may end at once.
        """
        self._ends = []
        found: list[Finding] = []
        while self._known and not found:
            at_us = self._known[0].at_us
            while self._known and self._known[0].at_us == at_us:
                found += self._judged(self._known.popleft())
        return found

    def _judged(self, cohort: CountedCohort) -> Iterator[Finding]:
        for found in self._delay(cohort):
            if cohort.again:
                self._straggled_us = cohort.at_us
            yield found
        if not cohort.again and not self._comes_late(cohort):
            part = FactBlock(cohort.start_us, cohort.end_us, cohort.missing, cohort.predictions)
            yield from self._judge(COVERAGE, part)

    def skip(self, pane: Block) -> None:
        self._ends = []

    def _is_excluded(self, start_us: int, end_us: int) -> bool:
        """Whether labels of a cohort are not taken: a part of it is in an excluded time, with events or without."""
        return bool(self._exclusions) and self._exclusions.overlapping(start_us, end_us) is not None

    def ends(self) -> list[FindingEnd]:
        return self._ends

    def _delay(self, cohort: CountedCohort) -> Iterator[Finding]:
        if cohort.came <= 0:
            return
        self._newest_wait = cohort.came, cohort.waited_us
        late = min(max(cohort.late, 0), cohort.came)
        for found in self._judge(DELAY, FactBlock(cohort.start_us, cohort.end_us, late, cohort.came)):
            reason = "labels come again, later than before"
            self._ends = [FindingEnd(self._keys[COVERAGE], cohort.start_us, reason)]
            yield found

    def _comes_late(self, cohort: CountedCohort) -> bool:
        """Whether labels that a cohort lacks may yet come: those that did came later than usual."""
        reference = self._references[DELAY]
        if reference is None or not reference.largest:
            return False
        own = judged(reference, [max(cohort.late, 0)], [max(cohort.came, 0)], MOST_OF_SHARE, self._least(DELAY))
        return (own is not None and own.exceedance > 1) or cohort.at_us - self._straggled_us <= self._arrivals.waits_us

    def _judge(self, cause: str, part: FactBlock) -> Iterator[Finding]:
        reference, blocks = self._references[cause], self._blocks[cause]
        if reference is None or not blocks.add(part):
            return
        excess = blocks.excess(reference, self._least(cause))
        if excess is not None and excess.exceedance > 1:
            yield self._finding(cause, reference, excess)

    def _least(self, cause: str) -> float:
        return self.policy.least_effect(cause, "", LEAST_CHANGE)

    # how a finding goes on

    def judges(self, key: FindingKey) -> bool:
        return key in self._keys.values()

    def opened(self, finding: Finding) -> Floats:
        return np.array([finding.effect])

    def again(
        self, finding: Finding, since_us: int, base_windows: int, then: Floats
    ) -> tuple[float, float, float] | None:
        cause = finding.key.cause
        reference, newest = self._references[cause], self._blocks[cause].newest(base_windows)
        if reference is None or newest is None or newest.start_us < since_us:
            return None
        effect = newest.share - reference.share
        left = left_of(effect, float(then[0])) if then.size else 0.0
        return effect / max(self._least(cause), 1e-9), left, effect

    # words

    @classmethod
    def size(cls, figures: Figures, *, numeric: bool) -> str:
        return percent(figures.value)

    def _finding(self, cause: str, reference: FactShare, excess: Excess) -> Finding:
        blocks = self._blocks[cause]
        window, effect = blocks.newest(excess.blocks), excess.share - reference.share
        assert window is not None  # noqa: S101  # it was judged
        since_us = blocks.began_us(excess.blocks, reference.share)
        headline, detail = (self._delay_words if cause == DELAY else self._coverage_words)(window, reference, since_us)
        return Finding(
            key=self._keys[cause],
            severity=self.policy.severity(cause, "", effect, 0.0),
            window=Span(window.start_us, window.end_us, excess.events),
            base_windows=excess.blocks,
            statistic="exact",
            value=excess.share,
            threshold=reference.share + self._least(cause),
            p=excess.p,
            effect=effect,
            effect_unit="share",
            exceedance=excess.exceedance,
            direction="up",
            detail=detail,
            headline=headline,
            since_us=since_us,
            says_since=True,
        )

    def _delay_words(self, window: FactBlock, reference: FactShare, since_us: int) -> tuple[str, str]:
        labels, waited_us = self._newest_wait
        wait_us = waited_us / max(labels, 1) + self._arrivals.width_us / 2
        usual = f"in the reference {percent(MATURE)} came within {about(self._usual_us)}"
        return (
            f"labels of {self._model} come later: about {about(round(wait_us))} after their predictions",
            f"{window.hits:,} of {many(window.events, 'label')} came later than usual, {percent(reference.share)} in "
            f"the reference; {usual}. What is said of the model's performance is as much older",
        )

    def _coverage_words(self, window: FactBlock, reference: FactShare, since_us: int) -> tuple[str, str]:
        got, before = window.events - window.hits, 1 - reference.share
        waited = f" {about(self._arrivals.waits_us)} later" if self._arrivals.waits_us else ""
        headline = (
            f"{percent(1 - window.share)} of the predictions of {self._model} got a label, {percent(before)} before"
        )
        if not got:
            newest = f"no labels for the newest predictions of {self._model}"
            headline = f"{newest}: they are missing since {rfc3339(since_us)}"
        return headline, (
            f"{got:,} of {many(window.events, 'prediction')} have their label{waited}, {percent(before)} in the "
            "reference; the model's performance is not known for the others"
        )

    # state

    def to_state(self) -> dict[str, Any]:
        return {
            "arrivals": self._arrivals.to_state(),
            "delay": self._blocks[DELAY].to_state(),
            "coverage": self._blocks[COVERAGE].to_state(),
            "newest_wait": list(self._newest_wait),
            "straggled": [] if self._straggled_us == -math.inf else [int(self._straggled_us)],
        }

    def restore(self, state: dict[str, Any]) -> None:
        self._arrivals.restore(state["arrivals"])
        self._blocks[DELAY].restore(state["delay"])
        self._blocks[COVERAGE].restore(state["coverage"])
        labels, waited_us = state["newest_wait"]
        self._newest_wait = labels, waited_us
        self._straggled_us = state["straggled"][0] if state["straggled"] else -math.inf
