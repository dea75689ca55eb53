"""Judging windows that end at the same moment by every cause at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from monitor.findings import INFO, SEVERITY_RANK, Figures, Finding, FindingEnd, FindingKey
from monitor.judge.causes.around import ALONE, Around
from monitor.judge.causes.catalog import causes_of
from monitor.judge.causes.cause import Candidate, Cause, Evaluation, PlannedWindows, SequentialCause, TicketReason
from monitor.judge.causes.constant import CONSTANT
from monitor.judge.causes.fairness import Fairness
from monitor.judge.causes.label_facts import LabelFacts
from monitor.judge.causes.outcome import Outcomes
from monitor.judge.causes.performance import Performance
from monitor.judge.causes.unit_change import without_unit
from monitor.judge.comparison.exchanged import LOOK_AT_ORDER, exchanged
from monitor.judge.incidents.book import Now
from monitor.judge.incidents.incident import NOTHING, Floats, OpenFinding
from monitor.judge.policy import Policy
from monitor.judge.promise.budget import alpha_of_tickets
from monitor.judge.windows.prepared_reference import PreparedReference
from monitor.judge.windows.pyramid import Windows
from monitor.reference.reference import Reference
from monitor.reference.variability import Level
from monitor.stats.derived.columns import TEXT, VECTOR
from monitor.stats.performance.label_tally import LabelTally
from monitor.stats.tallies.block import Block
from monitor.stats.testing.promise import ExcessDetection, ShareDetection

#: what a person does first about columns derived from a feature of that kind, which no producer knows by their names
_STEPS: Final = {
    VECTOR: "see whether another embedding model, version or preprocessing makes it, or a default such as all zeros",
    TEXT: "see whether another source, language, template or preprocessing writes it",
}
#: the lengths of an evaluation of the newest panes
_NEWEST: Final = (0,)
#: since when a finding of a key is open, None if none is
Since = Callable[[FindingKey], int | None]


def _nothing_open(_key: FindingKey) -> int | None:
    return None


class Judge:
    """All causes of one model version; its state is the state of the causes."""

    def __init__(self, prepared: PreparedReference, policy: Policy, around: Around = ALONE) -> None:
        self._prepared = prepared
        self.causes = causes_of(prepared, policy, around)
        for cause in self.causes:
            cause.meet(self.causes)
        self._sequential = [cause for cause in self.causes if isinstance(cause, SequentialCause)]
        self.performance = next(cause for cause in self.causes if isinstance(cause, Performance))
        self.outcomes = next(cause for cause in self.causes if isinstance(cause, Outcomes))
        self.fairness = next(cause for cause in self.causes if isinstance(cause, Fairness))
        self._observing = [cause for cause in self.causes if type(cause).observe is not Cause.observe]
        self._of_recent = [
            cause for cause in self.causes if type(cause).recent_candidates is not Cause.recent_candidates
        ]
        #: sequential causes that take panes, end findings, wait for events: with every pane each of them is asked
        self._following = [cause for cause in self._sequential if cause.follows()]
        self._ending = [cause for cause in self._sequential if type(cause).ends is not SequentialCause.ends]
        self._waiting = [cause for cause in self._sequential if type(cause).due_us is not SequentialCause.due_us]
        self.label_facts = next(cause for cause in self.causes if isinstance(cause, LabelFacts))
        self._with_state = [cause for cause in self.causes if cause.state_name]
        self.tests_of_length = sum(cause.tests() for cause in self.causes)
        self.tests_of_recent = sum(cause.tests_of_recent() for cause in self.causes)
        #: causes that tell which tests they made; the others make all, which are so many in a length, and in new panes
        self._counting = [cause for cause in self.causes if type(cause).tests_made is not Cause.tests_made]
        self._all_from = max(cause.values_for_all_tests for cause in self._counting)
        others = [cause for cause in self.causes if cause not in self._counting]
        self._always = sum(one.tests() for one in others), sum(one.tests_of_recent() for one in others)
        lengths = prepared.longest().bit_length()
        #: the tests that share the page budget, for each of those that share the budget of tickets
        self._tests_a_ticket = self.total_tests(lengths) / max(lengths * sum(one.tickets() for one in self.causes), 1)

    def total_tests(self, lengths: int) -> int:
        """The number of (test, length, column), over every window length and the newest panes."""
        return self.tests_of_length * lengths + self.tests_of_recent

    def evaluate(self, windows: Windows, alpha: float) -> Evaluation:
        """Evaluate windows that end at the same moment, shortest first."""
        return Evaluation(self._prepared, windows, alpha, of_tickets=alpha_of_tickets(alpha, self._tests_a_ticket))

    def evaluate_again(self, window: Windows, alpha: float) -> Evaluation:
        """Evaluate one window, for the end of findings; its variability is at most that of the longest learned one."""
        longest = longest_learned(self._prepared.reference)
        most = None if longest is None else int(longest.events)
        return Evaluation(self._prepared, window, alpha, most, alpha_of_tickets(alpha, self._tests_a_ticket))

    def findings(
        self, evaluation: Evaluation, recent: Windows | None, since: Since = _nothing_open
    ) -> Iterator[Finding]:
        """Findings in base windows, one per key; `recent` are the newest panes, `since` says when open ones began."""
        candidates = (found for cause in self.causes for found in cause.candidates(evaluation, recent))
        found = list(_one_a_key(candidates, since))
        remarks = self._remarks(evaluation) if found else {}
        pairs = self._exchanged(evaluation.windows, recent) if len({one.key.subject for one in found}) > 1 else {}
        for finding in found:
            said = remarks.get(finding.key.subject)
            one = replace(finding, detail=f"{finding.detail}; {said}") if said else finding
            yield with_exchanged(one, pairs[finding.key.subject]) if finding.key.subject in pairs else one

    def _exchanged(self, windows: Windows, recent: Windows | None) -> Mapping[str, str]:
        """Columns that look exchanged in the newest panes, or in the newest base window, which has more events."""
        newest = {} if recent is None else exchanged(self._prepared, recent, 0)
        return newest or exchanged(self._prepared, windows, 0)

    def _remarks(self, evaluation: Evaluation) -> dict[str, str]:
        """{subject: what other causes have to say of it}."""
        said: dict[str, str] = {}
        for cause in self.causes:
            for subject, text in cause.remarks(evaluation).items():
                said[subject] = f"{said[subject]}; {text}" if subject in said else text
        return said

    def tests_made(self, evaluation: Evaluation) -> int:
        """The number of tests made in these windows."""
        if evaluation.windows.lengths == _NEWEST and evaluation.fewest_values >= self._all_from:  # as mostly
            return self.tests_of_recent
        of_length, of_recent = self._always
        always = sum(of_length if length else of_recent for length in evaluation.windows.lengths)
        return always + sum(cause.tests_made(evaluation) for cause in self._counting)

    def may_find_in_whole(self, events: int, alpha: float) -> bool:
        """Whether anything may be found in newest panes in which every event has a value in a bin of every column."""
        return any(cause.may_find_in_whole(events, alpha) for cause in self._of_recent)

    def recent_findings(self, newest: Evaluation) -> Iterator[Finding]:
        """Findings in the newest panes."""
        for cause in self._of_recent:
            for candidate in cause.recent_candidates(newest):
                yield candidate.finding()

    def observe(self, pane: Block, base: Block | None) -> None:
        """Take the next pane, before it is judged; `base` is the base window that it completes."""
        for cause in self._observing:
            cause.observe(pane, base)

    def follow(self, pane: Block, labels: LabelTally) -> Iterator[Finding]:
        """What the sequential causes find with the next pane and the labels of its predictions."""
        for cause in self._following:
            yield from cause.follow(pane, labels)

    def own_windows(self, key: FindingKey) -> SequentialCause | None:
        """The cause that judges findings of this key in windows of its own; None where events' windows tell."""
        return next((cause for cause in self._sequential if cause.judges(key)), None)

    def skip(self, pane: Block) -> None:
        """Pass over a pane of an excluded time."""
        for cause in self._sequential:
            cause.skip(pane)

    def remarked(self, findings: Iterable[Finding]) -> list[Finding]:
        """The findings, with what sequential causes know about them in their details, and the parents of columns."""
        findings = list(findings)
        if not findings:
            return []
        remarks = {key: text for cause in self._sequential for key, text in cause.key_remarks().items()}
        steps = {key: text for cause in self._sequential for key, text in cause.key_next_steps().items()}
        out = []
        for one in findings:
            found = self._of_parent(one)
            found = replace(found, next_step=steps[one.key]) if one.key in steps else found
            out.append(replace(found, detail=f"{one.detail}; {remarks[one.key]}") if one.key in remarks else found)
        return out

    def _of_parent(self, finding: Finding) -> Finding:
        """With the vector or text that the column is derived from, and what to do about that; others as they are."""
        subject = finding.key.subject
        at = self._prepared.column_of.get(subject)
        column = None if at is None else self._prepared.columns[at]
        if column is None or not column.parent:
            return finding
        found = replace(finding, parent=column.parent)
        own = subject == column.parent or finding.key.cause == CONSTANT
        return found if own else replace(found, next_step=_STEPS.get(column.parent_kind, finding.next_step))

    def due_us(self, from_us: int) -> int | None:
        """Event time at which a sequential cause finds something if no event comes until then; None if none does.

        No event is wanted before `from_us`.
        """
        return min((due for cause in self._waiting if (due := cause.due_us(from_us)) is not None), default=None)

    def ends(self) -> list[FindingEnd]:
        """Findings that sequential causes know to have ended with the newest pane."""
        return [end for cause in self._ending for end in cause.ends()]

    def events_ahead(self) -> int:
        """Events in panes behind the time that `due_us` counts from."""
        return sum(cause.events_ahead() for cause in self._sequential)

    def stopped_since_us(self) -> int | None:
        """Time of the last event, while it is known that events have stopped."""
        known = (since for cause in self._sequential if (since := cause.stopped_since_us()) is not None)
        return next(known, None)

    def passed(self, until_us: int) -> list[Finding]:
        """What is found because no event came until then."""
        return [finding for cause in self._sequential for finding in cause.passed(until_us)]

    def opening(self, finding: Finding, windows: Windows, window: int) -> Floats:
        """The change in the finding's window, as its cause measures it."""
        known = (cause.change(finding.key, windows, window) for cause in self.causes)
        return next((change for change in known if change is not None), NOTHING)

    def now(self, known: OpenFinding, evaluation: Evaluation) -> Now:
        """A finding's subject in the one window of an evaluation.

        The finding has ended if no cause knows it: states of earlier versions may hold other names.
        """
        key = known.finding.key
        for cause in self.causes:
            over = cause.exceedance(key, evaluation)
            if over is not None:
                left = cause.left(key, known.then, evaluation) if known.then.size else 0.0
                effect = cause.effect(key, evaluation)
                return Now(over, left, known.finding.effect if effect is None else effect)
        return Now(0.0, 0.0, 0.0)

    def figures(self, evaluation: Evaluation) -> dict[str, list[Figures]]:
        """The figures of every cause by subject."""
        by_subject: dict[str, list[Figures]] = {}
        for cause in self.causes:
            for subject, figures in cause.figures(evaluation):
                by_subject.setdefault(subject, []).append(figures)
        return by_subject

    def ticket_reasons(self) -> dict[str, TicketReason]:
        """{subject: why its findings of one cause are at most tickets now}."""
        return {subject: reason for cause in self.causes for subject, reason in cause.ticket_reasons().items()}

    def share_detections(self, planned: PlannedWindows) -> list[ShareDetection]:
        """By column what such windows detect of its distribution."""
        known = (cause.share_detections(planned) for cause in self.causes)
        return next((detections for detections in known if detections), [])

    def missing_detections(self, planned: PlannedWindows) -> dict[int, ExcessDetection]:
        """By the place of a column what such windows detect of its missing values; only where they may page."""
        return {at: detection for cause in self.causes for at, detection in cause.missing_detections(planned).items()}

    def to_state(self) -> dict[str, Any]:
        """{state name of a cause: its state}."""
        return {cause.state_name: cause.to_state() for cause in self._with_state}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore each cause from its state; a cause without one starts from scratch."""
        for cause in self._with_state:
            if cause.state_name in state:
                cause.restore(state[cause.state_name])


def with_exchanged(finding: Finding, other: str) -> Finding:
    """A finding of a column that has the values of another one, whose values this one had."""
    words = f"{finding.key.subject} and {other} look exchanged"
    because = f"{words}: each has the mean and the spread that the other one had"
    own = without_unit(finding)  # that a unit changed is another guess about the same values
    return replace(own, headline=f"{words}: {own.headline}", detail=f"{own.detail}; {because}", next_step=LOOK_AT_ORDER)


def longest_learned(reference: Reference) -> Level | None:
    """The longest length of which the reference has enough windows to estimate their variability; None if none has."""
    learned = [level for level in reference.levels if level.learned]
    return max(learned, key=lambda level: level.base_windows, default=None)


def _one_a_key(candidates: Iterable[Candidate], since: Since) -> Iterator[Finding]:
    """The worst finding of each key; its start comes from the shortest window over that is more than `info`.

    `candidates` of a key come with the shortest window first.
    """
    by_key: dict[FindingKey, list[Candidate]] = {}
    for candidate in candidates:
        by_key.setdefault(candidate.key, []).append(candidate)
    for of_key in by_key.values():
        # a change in the direction that is not wanted is `info`, whatever other windows show
        serious = [candidate for candidate in of_key if candidate.severity != INFO]
        if not serious:
            yield of_key[0].finding()
            continue
        yield replace(_worst(serious, since(serious[0].key)).finding(), since_us=serious[0].began_us())


def _worst(candidates: Sequence[Candidate], since_us: int | None) -> Candidate:
    """The one furthest over of the gravest ones.

    Of an open finding one that lies behind its start, if any does: a window that also holds events of before is as
    clear evidence, but its figures are no longer those of the change.
    """
    rank = max(SEVERITY_RANK[one.severity] for one in candidates)
    gravest = [one for one in candidates if SEVERITY_RANK[one.severity] == rank]
    behind = [] if since_us is None else [one for one in gravest if one.start_us >= since_us]
    return max(behind or gravest, key=lambda one: one.exceedance)
