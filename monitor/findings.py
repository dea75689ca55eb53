"""The words for what is said: findings, and the transitions of an incident, with their JSON forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from monitor.clock import rfc3339
from monitor.events import ModelKey, Partition

PAGE: Final = "page"
TICKET: Final = "ticket"
INFO: Final = "info"
#: worse is larger
SEVERITY_RANK: Final = {INFO: 0, TICKET: 1, PAGE: 2}


class FindingKey(NamedTuple):
    """What makes two findings the same one."""

    subject: str
    cause: str
    segment: str = ""
    figure: str = ""


class Span(NamedTuple):
    """A window of event time: [start, end) in microseconds and the events in it."""

    start_us: int
    end_us: int
    events: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What one cause measured of a subject in the worst window, over its threshold or not (`exceedance` 1: at it)."""

    cause: str
    value: float
    threshold: float
    effect: float
    p: float
    samples: int
    exceedance: float


@dataclass(frozen=True, slots=True)
class Finding:
    """One verdict on one window. `exceedance` is how far over its threshold (1: at it); `headline` says it in words.

    `level` is the effect that a lasting finding is told at, None of any other.
    """

    key: FindingKey
    severity: str
    window: Span
    base_windows: int
    statistic: str
    value: float
    threshold: float
    p: float
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

    def to_json(self) -> dict[str, Any]:
        """The object of contract section 5."""
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
            "records": {str(part): list(span) for part, span in sorted(self.records.items())},
            "statistic": self.statistic,
            "value": self.value,
            "threshold": self.threshold,
            "p": self.p,
            "effect": self.effect,
            "effect_unit": self.effect_unit,
            "direction": self.direction,
            "detail": self.detail,
        }
        if self.key.figure:
            out["figure"] = self.key.figure
        if self.factor is not None:
            out["factor"] = self.factor
        if self.level is not None:
            out["level"] = self.level
        return out


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of an incident; `number` counts from 1 within it. `links` are addresses by name, for who is told."""

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

    @property
    def id(self) -> str:
        """The CloudEvent's id: the same in a replay and after a crash."""
        return f"{self.incident}/{self.number}"

    def to_json(self) -> dict[str, Any]:
        """The object of contract section 5."""
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
        return out | {"links": dict(self.links)} if self.links else out
