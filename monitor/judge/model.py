"""Stage 2 for one model version: panes in, transitions out."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace

from monitor.clock import DAY_US, SECOND_US
from monitor.count.columns.facts import in_time
from monitor.count.exchange import Pane
from monitor.count.labels.cohorts import LabelCohort
from monitor.findings import INFO, Finding, Transition
from monitor.judge.attribution.moved import Attribution
from monitor.judge.causes.around import Around
from monitor.judge.causes.catalog import EXPLAINED_BY
from monitor.judge.causes.cause import Evaluation, Ints
from monitor.judge.causes.distribution import DISTRIBUTION, distribution_key
from monitor.judge.causes.errors import PERFORMANCE
from monitor.judge.causes.outcome import has_direction as has_direction_of
from monitor.judge.causes.outcome import named_outcome
from monitor.judge.comparison.version_comparison import Side, differences, trailing, trailing_us, within
from monitor.judge.estimated import Estimator
from monitor.judge.evaluation import Judge, longest_learned
from monitor.judge.incidents.book import IncidentBook, Now
from monitor.judge.incidents.incident import NOTHING, Floats, OpenFinding, TransitionContext
from monitor.judge.incidents.reported import ReportedInfo
from monitor.judge.incidents.silence import Silence, silence_at
from monitor.judge.judge_state import JudgeState
from monitor.judge.newest_panes import NewestPanes
from monitor.judge.policy import Policy
from monitor.judge.promise.budget import BASE, VERSIONS, Budget
from monitor.judge.traffic_time import NO_TRAFFIC
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.judge.windows.pyramid import (
    BaseWindow,
    WindowPyramid,
    Windows,
    for_windows,
    pack_blocks,
    unpack_blocks,
)
from monitor.judge.windows.season import SeasonClock
from monitor.reference.monitored import Monitored
from monitor.stats.performance.figures import Meaning
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.tallies.block import Block
from monitor.stats.tallies.tally import NO_LAST
from monitor.stats.testing.ending import MIN_END_WINDOWS

#: called with the windows of every base evaluation, to compute the distances that are shown
Observer = Callable[["ModelJudge", Windows, float], None]


class ModelJudge:
    """Windows, budget and incidents of one model version."""

    def __init__(
        self,
        monitored: Monitored,
        pages: float,
        per_us: int,
        *,
        show_values: bool,
        lasting_after_us: int = DAY_US,
        pane_us: int = 10 * SECOND_US,
        joined_us: Callable[[], float] = lambda: math.inf,
    ) -> None:
        """`joined_us` gives the time up to which the labels of the model are joined."""
        self.monitored = monitored
        self.prepared = PreparedReference.of(monitored.reference)
        self.estimator = Estimator(monitored.reference)
        self.policy = Policy(monitored.model, show_values, monitored.reference.parents())
        self._severities = self.policy.fingerprint()
        self._pane_us, self._joined_us = pane_us, joined_us
        self._begin_windows()
        self.budget = Budget.of(
            pages,
            per_us,
            monitored.reference.base_us,
            self.judge.total_tests(len(self.pyramid.lengths)),
            monitored.reference.events,
        )
        #: this version's part of the model's budget
        self._share = 1.0
        learned = longest_learned(monitored.reference)
        longest = self.pyramid.longest if learned is None else max(learned.base_windows, MIN_END_WINDOWS)
        self.book = IncidentBook(longest, EXPLAINED_BY, lasting_after_us=lasting_after_us)
        self._silences = monitored.model.silences()
        self._exclusions = monitored.model.exclusions()
        self.predictions = 0
        self.labels = 0
        #: events of excluded times: in all totals, in no window
        self.excluded = 0
        self.at_us = 0
        self._season_clock = None if monitored.reference.seasons is None else SeasonClock(monitored.reference.seasons)
        #: the model's traffic time up to its newest pane with events
        self.traffic = NO_TRAFFIC
        #: it had no events for long while another version had them: nothing is kept but totals
        self.retired = False
        #: panes, cohorts and operator requests taken: the checkpointed state changes with each, and only then
        self._changes = 0

    def _begin_windows(self) -> None:
        """Nothing is known of the stream."""
        self.pyramid = WindowPyramid(self.prepared.longest())
        self._base = BaseWindow()
        around = Around(self._pane_us, self._joined_us, self._spend, self._changed_counts)
        self.judge = Judge(self.prepared, self.policy, around)
        self._newest = NewestPanes(self.judge)
        self._attribution = Attribution(self.prepared, self.judge.causes)
        self._reported = ReportedInfo()
        #: of the predictions in the pane that comes next
        self._inline = LabelTally()
        #: the newest base evaluation, for what is shown; not state
        self.latest: Evaluation | None = None
        #: alpha of the last base evaluation; rechecks for the end of findings use it too
        self._alpha = 0.0
        #: the current base windows, and whether panes have just come
        self._seen: tuple[Windows, ...] = ()
        self._has_newest = False
        #: {length: evaluation of the newest base windows}, cached for the rechecks of this moment
        self._rechecked: dict[int, Evaluation] = {}

    def add(self, pane: Pane, share: float, observer: Observer | None = None) -> tuple[list[Finding], list[Transition]]:
        """Judge the windows that end with this pane; returns new `info` findings, and transitions of incidents.

        `share` is this version's part of the model's budget.
        """
        before, silence = self.pass_time(pane.tally.first_us) if in_time(pane.tally) else ([], [])
        self._changes += 1
        self._share = share
        events = pane.tally.events
        self.predictions += events
        self.at_us = pane.end_us
        if self._exclusions and self._exclusions.overlapping(pane.start_us, pane.end_us):
            self.excluded += events
            self.judge.skip(Block(pane.start_us, pane.end_us, pane.tally))
            self._inline = LabelTally()
            return before, silence + self.book.end(self.judge.ends(), self.context())
        pane = pane if self._season_clock is None else self._season_clock.timed(pane)
        this, block = Block(pane.start_us, pane.end_us, pane.tally), None
        found: list[Finding] = []
        if events:  # a pane may hold nothing but facts, such as repeated ids
            of_windows = this.with_tally(for_windows(pane.tally))
            block = self._base.add(of_windows)
            self._newest.take(of_windows)
            self._has_newest = True
            self.judge.observe(this, block)
            newest = self._newest.found(self.predictions - events, block, self.budget, share)
            found += filter(self.book.is_graver, newest)
        if block is not None:
            windows = self.pyramid.add(block)
            self._seen = (windows,)
            found += self._evaluate_base(windows, self._newest.window(), share, observer)
        found += self.judge.follow(this, self._inline)
        self._inline = LabelTally()
        found = self.judge.remarked(found)
        reported = [finding for finding in found if finding.severity == INFO]
        serious = [finding for finding in found if finding.severity != INFO]
        context = self.context()
        silence += self.book.end(self.judge.ends(), context)
        transitions = self.book.step(serious, self, context, base_window=block is not None)
        while found := self.judge.label_facts.next_findings():
            reported += [finding for finding in found if finding.severity == INFO]
            serious = [finding for finding in self.judge.remarked(found) if finding.severity != INFO]
            transitions += self.book.end(self.judge.label_facts.ends(), self.context())
            transitions += self.book.step(serious, self, self.context(), base_window=False, at_once=block is not None)
        self._seen, self._has_newest = (), False
        return before + self._reported.news(reported), silence + transitions

    def pass_time(self, until_us: int) -> tuple[list[Finding], list[Transition]]:
        """Event time has come to `until_us`, and no event has come since the last pane; gives what `add` gives."""
        due = self._due_us(until_us)
        if due is None or due > until_us:
            return [], []
        self._changes += 1
        context, ahead = self.context(), self.judge.events_ahead()
        if ahead:  # they and their panes were taken before it was known that time had passed
            context = replace(context, at_us=due, predictions=context.predictions - ahead)
        else:
            self.at_us = max(self.at_us, due)
            context = self.context()
        found = self.judge.passed(due)
        serious = [finding for finding in found if finding.severity != INFO]
        transitions = self.book.step(serious, self, context, base_window=False, at_once=True)
        return self._reported.news([finding for finding in found if finding.severity == INFO]), transitions

    def _due_us(self, until_us: int) -> int | None:
        """When traffic counts as stopped, exact up to `until_us`: no event may be wanted in excluded times, so the wait
        for one begins again at their end."""
        due = self.judge.due_us(NO_LAST)
        begin = self.at_us
        while due is not None and due <= until_us and self._exclusions:
            excluded = self._exclusions.overlapping(min(begin, due - 1), due)
            if excluded is None:
                break
            begin = excluded.end_us
            due = self.judge.due_us(begin)
        return due

    def differences(self, others: Iterable[ModelJudge]) -> list[Finding]:
        """New differences from the version that has the most events in the time of this one's newest base windows."""
        span = trailing_us(self.pyramid)
        if span is None:
            return []
        sides = [
            Side(judge.monitored.key, judge.prepared, windows)
            for judge in others
            if (windows := within(judge.pyramid, *span)) is not None
        ]
        since_us = self.budget.since(VERSIONS, *span)
        if not sides:
            return []
        other, own = max(sides, key=lambda side: side.events), trailing(self.pyramid)
        return self._reported.news(list(differences(Side(self.monitored.key, self.prepared, own), other, since_us)))

    @property
    def meaning(self) -> Meaning:
        """What the labels of this model mean."""
        return replace(self.monitored.reference.meaning, costs=self.monitored.model.cell_costs())

    def begin(self, events: int, labels: int, at_us: int) -> None:
        """Go on from so many events and labels before `at_us`, which are not judged."""
        self._changes += 1
        self.predictions, self.labels, self.at_us = events, labels, at_us

    def retire(self, at_us: int, reason: str) -> list[Transition]:
        """Drop the windows and resolve the incidents; totals and what was promised are kept."""
        self._changes += 1
        self.at_us = max(self.at_us, at_us)
        transitions = self.book.give_up(self.context(), reason)
        self.book.ended_us.clear()
        self._begin_windows()
        self.budget.last_us.clear()
        self.retired = True
        return transitions

    def accept(self, incident: str, note: str) -> list[Transition]:
        """Make a page lasting, on an operator's request; no effect if it is not open here."""
        transitions = self.book.accept(incident, note, self.context())
        self._changes += bool(transitions)
        return transitions

    def under_settings(self, before: str, reason: str) -> list[Transition]:
        """Apply severities to the open findings if they are others than `before`, their fingerprint in the state."""
        if before == self._severities:
            return []
        self._changes += 1
        return self.book.under_settings(self._allowed, self.context(), reason)

    def _allowed(self, finding: Finding) -> str:
        key, column = finding.key, self.prepared.column_of.get(finding.key.subject)
        feature = named_outcome(finding.key) if column is None else self.prepared.columns[column].feature
        has_direction = key.cause == DISTRIBUTION or has_direction_of(key)  # a quality count's share always rises
        direction = finding.direction if has_direction else ""
        return self.policy.allowed(key, feature, direction=direction, of_errors=key.cause == PERFORMANCE)

    def take_labels(self, cohort: LabelCohort, until_us: int) -> None:
        """Take labels that took effect before `until_us`, or came with the predictions of the pane that ends then."""
        self._changes += 1
        if cohort.joined and self.retired:
            return
        if cohort.joined:  # it was counted where it took effect
            late, labels = self.judge.performance.errors.late, cohort.tally.of_labels()
            if not (self._exclusions and self._exclusions.overlapping(cohort.start_us, late.end_us(cohort.start_us))):
                if labels is not None:
                    late.add(cohort.start_us, labels)
                    self.judge.label_facts.add_late(cohort.start_us, labels, until_us)
                self.judge.outcomes.add_late(cohort.start_us, cohort.tally)
            return
        self.labels += cohort.tally.total
        if cohort.inline:
            self._inline.merge(cohort.tally)

    def judge_late(self, until_us: int, share: float) -> tuple[list[Finding], list[Transition]]:
        """Judge the cohorts of late labels that are old enough: labels that took effect before `until_us` are taken.

        Gives what `add` gives.
        """
        self._share = share
        found = [*self.judge.performance.take_late(until_us), *self.judge.outcomes.take_late(until_us)]
        self._changes += bool(found)
        serious = [finding for finding in found if finding.severity != INFO]
        steps = self.book.step(serious, self, self.context(), base_window=False, at_once=True) if serious else []
        return self._reported.news([finding for finding in found if finding.severity == INFO]), steps

    def _evaluate_base(
        self, windows: Windows, recent: Windows | None, share: float, observer: Observer | None
    ) -> list[Finding]:
        shortest = windows.spans[0]
        alpha = self.budget.alpha(BASE, shortest.start_us, shortest.end_us, share)
        self._alpha, self._rechecked = alpha, {}
        if observer is not None:
            observer(self, windows, alpha)
        if alpha <= 0:
            return []
        self.latest = self.judge.evaluate(windows, alpha)
        self.budget.spend(alpha, self.judge.tests_made(self.latest))
        found = list(self.judge.findings(self.latest, recent, self.book.since))
        return self._attribution.explained(found, self.latest, self.book.findings())

    def _spend(self, tested: str, start_us: int, end_us: int, tests: int) -> float:
        alpha = self.budget.alpha(tested, start_us, end_us, self._share)
        self.budget.spend(alpha, tests)
        return alpha

    def _changed_counts(self, column: int, until_us: int) -> Ints | None:
        since_us = self.book.since(distribution_key(self.prepared, column))
        return None if since_us is None else self.pyramid.counts_between(column, since_us, until_us)

    # measurements for the incident book

    def opening(self, finding: Finding) -> Floats:
        """The change in a finding's window, one of the current ones (a part of the newest panes: in all of them)."""
        own = self.judge.own_windows(finding.key)
        if own is not None:
            return own.opened(finding)
        newest = self._newest.window() if self._has_newest else None
        seen = self._seen if newest is None else (*self._seen, newest)
        for windows in seen:
            if finding.window in windows.spans:
                return self.judge.opening(finding, windows, windows.spans.index(finding.window))
        return self.judge.opening(finding, seen[-1], 0) if seen else NOTHING

    def now(self, known: OpenFinding, base_windows: int) -> Now | str | None:
        """Over the newest `base_windows` as one window, with the alpha of the last base evaluation."""
        own = self.judge.own_windows(known.finding.key)
        if own is not None:
            measured = own.again(known.finding, known.since_us, base_windows, known.then)
            return measured if measured is None or isinstance(measured, str) else Now(*measured)
        if self._alpha <= 0:
            return None
        if base_windows not in self._rechecked:
            window = self.pyramid.trailing(base_windows)
            if window is None:
                return None
            self._rechecked[base_windows] = self.judge.evaluate_again(window, self._alpha)
        evaluation = self._rechecked[base_windows]
        return self.judge.now(known, evaluation) if evaluation.windows.start_us(0) >= known.since_us else None

    def context(self) -> TransitionContext:
        """What a transition at this moment reports besides its findings."""
        return TransitionContext(
            self.monitored.key,
            self.at_us,
            self.predictions,
            self.labels,
            self.monitored.reference.hash,
            self.monitored.settings_hash,
            self.silence(),
        )

    def silence(self) -> Silence | None:
        """The silence at the event time up to which it was judged, or the last one before."""
        return silence_at(self._silences, self.at_us) if self._silences else None

    def mark(self) -> Hashable:
        """Changes whenever `to_state` would."""
        return self._changes

    def to_state(self) -> JudgeState:
        base = [] if self._base.open is None else [self._base.open.copy()]
        return JudgeState(
            context=self.context(),
            recent=pack_blocks(self._newest.panes.panes),
            base=pack_blocks(base),
            pyramid=self.pyramid.to_state(),
            budget=self.budget.to_state(),
            causes=self.judge.to_state(),
            book=self.book.to_state(),
            shown_info=self._reported.to_state(),
            excluded=self.excluded,
            severities=self._severities,
            traffic=self.traffic,
            retired=self.retired,
        )

    def restore(self, state: JudgeState) -> None:
        context = state.context
        self.predictions, self.labels, self.at_us = context.predictions, context.labels, context.at_us
        for pane in unpack_blocks(state.recent):
            self._newest.panes.push(pane)
        base = unpack_blocks(state.base)
        self._base.open = base[0] if base else None
        self.pyramid.restore(state.pyramid)
        self.budget.restore(state.budget)
        self.judge.restore(state.causes)
        self.book.restore(state.book)
        self._reported.restore(state.shown_info)
        self.excluded = state.excluded
        self.traffic, self.retired = state.traffic, state.retired
