"""Incident books whose windows answer as a test says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from monitor.findings import PAGE, Finding, FindingKey, Span, Transition
from monitor.judge.incidents.book import IncidentBook, Now
from monitor.judge.incidents.incident import Floats, OpenFinding, TransitionContext
from tests.engine import CREDIT, EVENTS

LONGEST = 64


def finding(
    subject: str = "AGE",
    severity: str = PAGE,
    start: int = 0,
    end: int = 10,
    cause: str = "distribution",
    exceedance: float = 2.0,
    base_windows: int = 1,
    since: int | None = None,
    effect: float = 0.1,
) -> Finding:
    return Finding(
        key=FindingKey(subject, cause),
        severity=severity,
        window=Span(start, end, 250),
        base_windows=base_windows,
        statistic="chi2",
        value=50.0,
        threshold=25.0,
        p=1e-9,
        effect=effect,
        effect_unit="share moved",
        exceedance=exceedance,
        headline=f"{subject} moved",
        since_us=since,
        records={EVENTS: (1, 9)},
    )


def context(at: int) -> TransitionContext:
    return TransitionContext(CREDIT, at, 25_000, 7, "sha256:r", "sha256:s")


Recheck = Callable[[OpenFinding, int], Now | None]


class GivenMeasurements:
    """Measurements with given results."""

    def __init__(self, recheck: Recheck) -> None:
        self._recheck = recheck

    def opening(self, finding: Finding) -> Floats:
        return np.array([finding.effect])

    def now(self, known: OpenFinding, base_windows: int) -> Now | None:
        return self._recheck(known, base_windows)


def never(_known: OpenFinding, _length: int) -> Now | None:
    return Now(2.0, 1.0, 0.1)


def always(_known: OpenFinding, _length: int) -> Now | None:
    return Now(0.1, 0.0, 0.0)


def all_but(fine: str) -> Recheck:
    """One subject is fine again."""
    return lambda known, length: (always if known.finding.key.subject == fine else never)(known, length)


def steps(book: IncidentBook, at: int, *found: Finding, recheck: Recheck | None = None) -> list[Transition]:
    """What one moment brings; a base window closes with it where `recheck` is given."""
    return book.step(found, GivenMeasurements(recheck or never), context(at), base_window=recheck is not None)


def step(book: IncidentBook, at: int, *found: Finding, recheck: Recheck | None = None) -> Transition | None:
    """The one transition of one moment, if there is one."""
    transitions = steps(book, at, *found, recheck=recheck)
    assert len(transitions) <= 1
    return transitions[0] if transitions else None
