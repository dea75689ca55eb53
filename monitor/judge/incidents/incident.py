"""Parts of an incident book: open findings, the incident they belong to, and their checkpointed state."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.clock import rfc3339
from monitor.events import ModelKey
from monitor.findings import INFO, PAGE, SEVERITY_RANK, TICKET, Finding, FindingKey, Transition
from monitor.judge.incidents.ended import MAX_HEADLINES, Ended, end_summary
from monitor.judge.incidents.first_cause import likely_cause
from monitor.judge.incidents.silence import Silence

Floats = NDArray[np.float64]

#: change of a finding whose end is decided by evidence alone
NOTHING: Final[Floats] = np.empty(0)


@dataclass(slots=True)
class OpenFinding:
    """A finding that has not ended: its latest figures, and how it began.

    `base_windows` is the window length it opened on, `then` the change in that window as its cause measured it;
    `level` is the reported effect of a lasting finding, None while it is not lasting. `held` is how many base windows
    closed outside of silences while a silence held it back from paging, None where none does.
    """

    finding: Finding
    base_windows: int
    since_us: int
    then: Floats = field(default_factory=NOTHING.copy)
    level: float | None = None
    held: int | None = None

    def take(self, finding: Finding) -> None:
        """Update the figures. The severity never falls; a lasting finding stays a ticket.

        What it does to the score is measured in whole base windows alone: the newest panes say nothing of that.
        """
        worse = max(self.finding.severity, finding.severity, key=SEVERITY_RANK.__getitem__)
        severity, silenced = (worse, finding.silenced) if self.level is None else (TICKET, False)
        self.held = (self.held or 0) if silenced else None
        shift = self.finding.score_shift if finding.score_shift is None else finding.score_shift
        self.finding = replace(
            finding.dated(self.since_us),
            severity=severity,
            level=self.level,
            silenced=silenced,
            score_shift=shift,
        )

    def lasting(self, level: float) -> OpenFinding:
        """The finding as a lasting ticket with that level."""
        finding = replace(self.finding, severity=TICKET, level=level, silenced=False)
        return OpenFinding(finding, self.base_windows, self.since_us, self.then, level)

    def copy(self) -> OpenFinding:
        """Another object that says the same."""
        return OpenFinding(self.finding, self.base_windows, self.since_us, self.then, self.level, self.held)


Findings = dict[FindingKey, OpenFinding]


@dataclass(frozen=True, slots=True)
class TransitionContext:
    """What a transition reports besides its findings."""

    key: ModelKey
    at_us: int
    predictions: int
    labels: int
    reference: str
    settings: str
    silence: Silence | None = None

    @property
    def name(self) -> str:
        """The model version as messages write it."""
        return f"{self.key.model} {self.key.version}"


@dataclass(slots=True)
class Incident:
    """An open incident.

    `unreported`: findings opened or ended since its last transition; `messages` has the headline of every finding.
    `paged_us` is when it became a page and `paged_windows` how many base windows ago; None and 0 while it is a ticket.
    """

    id: str
    number: int
    severity: str
    since_us: int
    paged: bool
    opened_at: int
    unreported: bool = False
    messages: dict[FindingKey, str] = field(default_factory=dict)
    paged_us: int | None = None
    paged_windows: int = 0

    def become(self, severity: str, at_us: int) -> None:
        """Set the severity."""
        if severity != PAGE:
            self.paged_us, self.paged_windows = None, 0
        elif self.severity != PAGE or self.paged_us is None:
            self.paged_us, self.paged_windows = at_us, 0
        self.severity = severity

    def remember(self, findings: Iterable[Finding]) -> None:
        """Keep the newest headline of each finding, for the record of the resolved incident."""
        for finding in findings:
            if finding.key in self.messages or len(self.messages) < MAX_HEADLINES:
                self.messages[finding.key] = finding.headline

    def step(self, name: str, findings: tuple[Finding, ...], context: TransitionContext, summary: str) -> Transition:
        """Count and return its next transition."""
        return Transition(
            incident=self.id,
            number=self.number,
            transition=name,
            key=context.key,
            severity=self.severity,
            at_us=context.at_us,
            predictions=context.predictions,
            labels=context.labels,
            reference=context.reference,
            settings=context.settings,
            since_us=self.since_us,
            summary=summary + _held_words(findings, context.silence),
            findings=findings,
            silenced=_silenced(findings, context.silence),
            likely_cause=likely_cause(findings),
        )

    def finish(self, context: TransitionContext, reason: str = "") -> tuple[Transition, Ended]:
        """Its last transition, and its record; `reason` if no finding's end resolved it."""
        self.number += 1
        summary = end_summary(context.name, self.opened_at, context.at_us, list(self.messages), reason)
        worst, words = PAGE if self.paged else self.severity, tuple(self.messages.values())
        keys = tuple(self.messages)
        ended = Ended(self.id, worst, self.since_us, self.opened_at, context.at_us, summary, words, keys)
        return self.step("resolved", (), context, summary), ended

    def copy(self) -> Incident:
        """Another object that says the same."""
        return replace(self, messages=dict(self.messages))


@dataclass(frozen=True, slots=True)
class BookState:
    """Checkpointed state of a book: open and lasting findings, ends (microseconds), open and resolved incidents."""

    open: tuple[OpenFinding, ...]
    lasting: tuple[OpenFinding, ...]
    ended_us: dict[FindingKey, int]
    incident: Incident | None
    lasting_incident: Incident | None
    past: tuple[Ended, ...]
    pages: int
    tickets: int


def incident_id(key: ModelKey, first_window_end_us: int) -> str:
    """The incident's id, from model, version and the first window's end: a replay gives the same id."""
    text = f"{key.model}\0{key.version}\0{first_window_end_us}"
    return f"{key.model}/{key.version}/{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _silenced(findings: Iterable[Finding], silence: Silence | None) -> tuple[int, str] | None:
    """Until when and why some of these are held back; None if none is."""
    held = silence is not None and any(finding.silenced for finding in findings)
    return (silence.until_us, silence.reason) if silence is not None and held else None


def _held_words(findings: Iterable[Finding], silence: Silence | None) -> str:
    """The same at the end of a summary, while the silence lasts."""
    if silence is None or not silence.now or not any(finding.silenced for finding in findings):
        return ""
    return f"; silenced until {rfc3339(silence.until_us)}" + (f" ({silence.reason})" if silence.reason else "")


def since_of(finding: Finding, known: Findings, model: str) -> int:
    """Since when an opening finding's change shows: as the column's `known` findings say, if it is the same change.

    It is if it began within a base window of theirs, or if nothing else is known than that its window holds that time.
    """
    start, end, _ = finding.window
    since = start if finding.since_us is None else finding.since_us
    base_us = (end - start) // finding.base_windows
    own = finding.key
    is_model = own.subject == model  # facts of a model are of different things, but for figures of one cause
    others = [
        one.since_us
        for key, one in known.items()
        if key.subject == own.subject and (not is_model or (key.cause, key.segment) == (own.cause, own.segment))
    ]
    same = [other for other in others if abs(other - since) <= base_us or since == start <= other < end]
    return min(same, key=lambda other: abs(other - since), default=since)


def lowered(book: Findings, most_severe: Callable[[Finding], str]) -> bool:
    """Lower each finding to the severity it may have, and remove those that are `info`; True if any changed."""
    changed = False
    for key, known in list(book.items()):
        allowed = most_severe(known.finding)
        if SEVERITY_RANK[allowed] < SEVERITY_RANK[known.finding.severity]:
            changed = True
            if allowed == INFO:
                del book[key]
            else:
                known.finding = replace(known.finding, severity=allowed)
    return changed


def worst_first(known: Mapping[FindingKey, OpenFinding]) -> tuple[Finding, ...]:
    """By severity, then by how far over the threshold."""
    findings = [one.finding for one in known.values()]
    return tuple(sorted(findings, key=lambda f: (-SEVERITY_RANK[f.severity], -f.exceedance, f.key)))


def worst_by_key(found: Iterable[Finding]) -> list[Finding]:
    """The worst finding of each key; its start is that of the shortest window over the threshold."""
    by_key: dict[FindingKey, list[Finding]] = {}
    for finding in found:
        by_key.setdefault(finding.key, []).append(finding)
    worst = []
    for findings in by_key.values():
        best = max(findings, key=lambda f: (SEVERITY_RANK[f.severity], f.exceedance))
        shortest = min(findings, key=lambda f: f.window.events)
        since = shortest.window.start_us if shortest.since_us is None else shortest.since_us
        worst.append(best.dated(since))
    return worst
