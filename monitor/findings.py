"""Findings and the transitions of an incident, with their JSON forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from monitor.clock import rfc3339
from monitor.events import ModelKey, Partition

PAGE: Final = "page"
TICKET: Final = "ticket"
INFO: Final = "info"
#: the worse, the larger
SEVERITY_RANK: Final = {INFO: 0, TICKET: 1, PAGE: 2}

#: directions in which numbers move
UP: Final = "up"
DOWN: Final = "down"


class FindingKey(NamedTuple):
    """The identity of a finding. `figure` is the name of a performance figure, else ""."""

    subject: str
    cause: str
    segment: str = ""
    figure: str = ""


class Span(NamedTuple):
    """A window of event time: [start, end) in microseconds of Unix time, and the number of its events."""

    start_us: int
    end_us: int
    events: int


class FindingEnd(NamedTuple):
    """A finding that its cause knows to be over since `at_us`, whatever the windows still hold, and why."""

    key: FindingKey
    at_us: int
    reason: str


@dataclass(frozen=True, slots=True)
class Figures:
    """What one cause measured of a subject in its worst window; an `exceedance` of 1 or more is a finding.

    `segment` is "" for all events.
    """

    cause: str
    value: float
    threshold: float
    effect: float
    p: float
    samples: int
    exceedance: float
    segment: str = ""


class ExplainedBy(NamedTuple):
    """A part of a change of the mean score: what it falls on, and how much.

    `share` of the change by the effect of its bins on the score, `in_moved_bins` by the mean scores of its bins, which
    counts twice what correlated columns share. Both are None where the reference cannot tell: it never had such values.
    The `subject` is a column, or `tag=value` or a partition.
    """

    subject: str
    share: float | None = None
    in_moved_bins: float | None = None


class Explanation(NamedTuple):
    """What moved with the score, the likely first cause first, and in words; no `parts`: nothing that is watched."""

    parts: tuple[ExplainedBy, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A change over its threshold in one window.

    `exceedance` is the statistic as a multiple of its threshold (1: at it). `p` is how likely that is by chance; None
    where a rule and no test decides, as for a column that is new. `effect` is the size of the change in
    `effect_unit`. `headline` is a short text, `detail` has the figures. `factor` is the probable factor of a changed
    unit. `since_us` is when the change began. `records` has the first and last offset of the window by partition.
    `level` is the effect a lasting finding had when its incident became lasting, None for other findings. `silenced`:
    it would be a page but for a silence. A finding of another cause on one of the subjects `part_of` explains this one:
    it does not open then, and ends when a page on one of them opens.
    `explanation` is of a finding of the score, None where nothing can be said. `score_shift` is by how much the column
    alone moves the mean score, in its standard deviations; None where it is not known, or could be chance.
    `ticket_reason` is why the newest window alone could not page. `parent` is the vector or text that the subject, a
    derived column, was computed from; "" for others. `renamed_from` is the column that is gone whose values the
    subject, a new column, has; "" for others. `aside`: it is about what can be judged, and explains no other finding.
    `says_since`: its headline has the time `since_us`.
    `next_step` is what a person does first, without a full stop; "" where
    its cause says it.
    """

    key: FindingKey
    severity: str
    window: Span
    base_windows: int
    statistic: str
    value: float
    threshold: float
    p: float | None
    effect: float
    effect_unit: str
    exceedance: float
    direction: str = ""
    detail: str = ""
    headline: str = ""
    factor: float | None = None
    since_us: int | None = None
    records: dict[Partition, tuple[int, int]] = field(default_factory=dict)
    level: float | None = None
    silenced: bool = False
    part_of: tuple[str, ...] = ()
    explanation: Explanation | None = None
    score_shift: float | None = None
    ticket_reason: str = ""
    parent: str = ""
    renamed_from: str = ""
    aside: bool = False
    says_since: bool = False
    next_step: str = ""

    def dated(self, since_us: int) -> Finding:
        """The same of a change that began then, which its headline says if it said when."""
        headline = self.headline
        if self.says_since and self.since_us is not None:
            headline = headline.replace(rfc3339(self.since_us), rfc3339(since_us))
        return replace(self, since_us=since_us, headline=headline)

    @property
    def full_detail(self) -> str:
        """The figures, and why it is no page where that alone makes it a ticket."""
        held = self.ticket_reason and self.severity == TICKET and self.level is None
        return f"{self.detail}; at most a ticket: {self.ticket_reason}" if held else self.detail

    def to_json(self) -> dict[str, Any]:
        """The finding as in `replay --json` and on the alert topic."""
        out: dict[str, Any] = {
            "subject": self.key.subject,
            "cause": self.key.cause,
            "segment": self.key.segment,
            "severity": self.severity,
            "window": {
                "start": rfc3339(self.window.start_us),
                "end": rfc3339(self.window.end_us),
                "events": self.window.events,
            },
            "since": rfc3339(self.window.start_us if self.since_us is None else self.since_us),
            "records": {str(part): list(span) for part, span in sorted(self.records.items())},
            "statistic": self.statistic,
            "value": self.value,
            "threshold": self.threshold,
            "p": self.p,
            "effect": self.effect,
            "effect_unit": self.effect_unit,
            "direction": self.direction,
            "detail": self.full_detail,
        }
        if self.key.figure:
            out["figure"] = self.key.figure
        if self.factor is not None:
            out["factor"] = self.factor
        if self.level is not None:
            out["level"] = self.level
        if self.silenced:
            out["silenced"] = True
        if self.renamed_from:
            out["renamed_from"] = self.renamed_from
        if self.parent not in {"", self.key.subject}:
            out["derived_from"] = self.parent
        if self.next_step:
            out["next_step"] = self.next_step
        if self.explanation is not None:
            out["explained_by"] = [part._asdict() for part in self.explanation.parts]
        if self.score_shift is not None:
            out["score_shift"] = self.score_shift
        return out


@dataclass(frozen=True, slots=True)
class Rebase:
    """A model version that was judged up to `at_us` is compared with another reference from then on: an operator's act.

    `reference` and `settings` are the hashes before and after, `note` is that of the new reference.
    """

    key: ModelKey
    at_us: int
    reference: tuple[str, str]
    settings: tuple[str, str]
    note: str = ""

    @property
    def id(self) -> str:
        """The CloudEvent's id: the same after a crash."""
        return f"{self.key}/rebase/{self.at_us}/{self.reference[1].removeprefix('sha256:')[:16]}"

    def to_json(self) -> dict[str, Any]:
        """The act as on the alert topic."""
        return {
            "kind": "act",
            "act": "rebase",
            "model": self.key.model,
            "version": self.key.version,
            "at": rfc3339(self.at_us),
            "reference": dict(zip(("before", "after"), self.reference, strict=True)),
            "settings": dict(zip(("before", "after"), self.settings, strict=True)),
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Transition:
    """One step in the life cycle of an incident.

    `number` counts from 1 within the incident. `at_us` is the event time up to which the model was complete, `since_us`
    the start of the earliest window that showed the change. `predictions` and `labels` count the accepted events
    before `at_us`. `reference` and `settings` are hashes. `links` are URLs by name (status, runbook, dashboard).
    `silenced` is until when (microseconds) and why findings are held back from paging, None if none is.
    `likely_cause` is the subject that probably changed first; "" where nothing that is watched explains the change.
    """

    incident: str
    number: int
    transition: str
    key: ModelKey
    severity: str
    at_us: int
    predictions: int
    labels: int
    reference: str
    settings: str
    since_us: int
    summary: str
    findings: tuple[Finding, ...]
    links: Mapping[str, str] = field(default_factory=dict)
    silenced: tuple[int, str] | None = None
    likely_cause: str = ""

    @property
    def id(self) -> str:
        """The CloudEvent's id: the same in a replay and after a crash."""
        return f"{self.incident}/{self.number}"

    def to_json(self) -> dict[str, Any]:
        """The transition as in `replay --json` and on the alert topic."""
        out: dict[str, Any] = {
            "kind": "transition",
            "transition": self.transition,
            "incident": self.incident,
            "model": self.key.model,
            "version": self.key.version,
            "severity": self.severity,
            "at": rfc3339(self.at_us),
            "predictions": self.predictions,
            "labels": self.labels,
            "reference": self.reference,
            "settings": self.settings,
            "since": rfc3339(self.since_us),
            "summary": self.summary,
            "findings": [finding.to_json() for finding in self.findings],
        }
        if self.silenced is not None:
            until_us, reason = self.silenced
            out["silenced"] = {"until": rfc3339(until_us), "reason": reason}
        if self.likely_cause:
            out["likely_cause"] = self.likely_cause
        return out | {"links": dict(self.links)} if self.links else out
