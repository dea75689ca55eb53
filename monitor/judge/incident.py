"""What an incident book is made of: open findings, the incident they are part of, and what a checkpoint keeps."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.events import ModelKey
from monitor.findings import PAGE, SEVERITY_RANK, TICKET, Finding, FindingKey, Transition
from monitor.judge.ended import MAX_SAID, Ended, end_summary

Floats = NDArray[np.float64]

#: of an opening that nothing is kept of: evidence alone says when the finding is over
NOTHING: Final[Floats] = np.empty(0)


@dataclass(slots=True)
class OpenFinding:
    """A finding that has not ended: its latest figures, and how it began.

    `base_windows` is the length it opened on, `then` what its cause keeps of that window's change; `level` is the
    effect that a lasting finding is told at, None while it is not lasting.
    """

    finding: Finding
    base_windows: int
    since_us: int
    then: Floats = field(default_factory=NOTHING.copy)
    level: float | None = None

    def take(self, finding: Finding) -> None:
        """The figures of now; the severity rises and never falls, but for a lasting one, which is a ticket."""
        worse = max(self.finding.severity, finding.severity, key=SEVERITY_RANK.__getitem__)
        severity = TICKET if self.level is not None else worse
        self.finding = replace(finding, severity=severity, since_us=self.since_us, level=self.level)

    def lasting(self, level: float) -> OpenFinding:
        """The same as a ticket at its level."""
        finding = replace(self.finding, severity=TICKET, level=level)
        return OpenFinding(finding, self.base_windows, self.since_us, self.then, level)

    def copy(self) -> OpenFinding:
        """Another object that says the same."""
        return replace(self)


Findings = dict[FindingKey, OpenFinding]


@dataclass(frozen=True, slots=True)
class TransitionContext:
    """What a transition says beside its findings."""

    key: ModelKey
    at_us: int
    predictions: int
    labels: int
    reference: str
    settings: str

    @property
    def name(self) -> str:
        """The model version in a sentence."""
        return f"{self.key.model} {self.key.version}"


@dataclass(slots=True)
class Incident:
    """An open incident.

    `unreported`: findings came or went since its last transition; `messages` has the words of every finding it had.
    `paged_us` is since when it is a page and `paged_windows` for how many base windows, None and 0 while it is none.
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
        """Of that severity from now on."""
        if severity != PAGE:
            self.paged_us, self.paged_windows = None, 0
        elif self.severity != PAGE or self.paged_us is None:
            self.paged_us, self.paged_windows = at_us, 0
        self.severity = severity

    def remember(self, findings: Iterable[Finding]) -> None:
        """Keep the newest words of each finding, for when the incident is over."""
        for finding in findings:
            if finding.key in self.messages or len(self.messages) < MAX_SAID:
                self.messages[finding.key] = finding.headline

    def step(self, name: str, findings: tuple[Finding, ...], context: TransitionContext, summary: str) -> Transition:
        """Its transition of that number."""
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
            summary=summary,
            findings=findings,
        )

    def finish(self, context: TransitionContext, reason: str = "") -> tuple[Transition, Ended]:
        """Its last transition, and what is kept of it; `reason` where no finding ended it."""
        self.number += 1
        summary = end_summary(context.name, self.opened_at, context.at_us, list(self.messages), reason)
        worst, words = PAGE if self.paged else self.severity, tuple(self.messages.values())
        ended = Ended(self.id, worst, self.since_us, self.opened_at, context.at_us, summary, words)
        return self.step("resolved", (), context, summary), ended

    def copy(self) -> Incident:
        """Another object that says the same."""
        return replace(self, messages=dict(self.messages))


@dataclass(frozen=True, slots=True)
class BookState:
    """What a checkpoint keeps of a book: open and lasting findings, ends (microseconds), incidents, the past ones."""

    open: tuple[OpenFinding, ...]
    lasting: tuple[OpenFinding, ...]
    ended_us: dict[FindingKey, int]
    incident: Incident | None
    lasting_incident: Incident | None
    past: tuple[Ended, ...]
    pages: int
    tickets: int


def incident_id(key: ModelKey, first_window_end_us: int) -> str:
    """Made of model, version and the first window's end, so that a replay gives the same one."""
    text = f"{key.model}\0{key.version}\0{first_window_end_us}"
    return f"{key.model}/{key.version}/{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def worst_first(known: Mapping[FindingKey, OpenFinding]) -> tuple[Finding, ...]:
    """By severity, then by how far over the threshold."""
    findings = [one.finding for one in known.values()]
    return tuple(sorted(findings, key=lambda f: (-SEVERITY_RANK[f.severity], -f.exceedance, f.key)))


def worst_by_key(found: Iterable[Finding]) -> list[Finding]:
    """One finding a key: the worst; it began with the shortest window that is over."""
    by_key: dict[FindingKey, list[Finding]] = {}
    for finding in found:
        by_key.setdefault(finding.key, []).append(finding)
    worst = []
    for findings in by_key.values():
        best = max(findings, key=lambda f: (SEVERITY_RANK[f.severity], f.exceedance))
        shortest = min(findings, key=lambda f: f.window.events)
        since = shortest.window.start_us if shortest.since_us is None else shortest.since_us
        worst.append(replace(best, since_us=since))
    return worst


def in_words(findings: tuple[Finding, ...]) -> str:
    """The worst one, and how many more."""
    return findings[0].headline + (f" (and {len(findings) - 1} more)" if len(findings) > 1 else "")
