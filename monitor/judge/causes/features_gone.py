"""Cause `absent` of the model itself: predictions that carry no features, where the reference's did.

Nothing is counted in any column then: without this, the gravest absence would be the quietest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.findings import Finding, FindingKey
from monitor.judge.expected import Baseline, Floats, Unrest
from monitor.judge.policy import LEAST_FACT, Policy
from monitor.judge.windows import Windows
from monitor.stats.bins import ABSENT
from monitor.stats.digits import before_and_after, percent
from monitor.stats.evidence import exact_excess_critical, exact_excess_tail

CAUSE = "absent"


@dataclass(frozen=True, slots=True)
class Measured:
    """Arrays (W,) of one look; so many of the reference's events `lacked` features."""

    p: Floats
    hits: Floats
    events: Floats
    phi: Floats
    over: Floats  # log p / log alpha
    alpha: float
    lacked: float
    reference_events: float

    @property
    def before(self) -> float:
        return self.lacked / self.reference_events


def tests(baseline: Baseline) -> int:
    """Tests of one window length."""
    return int(_carried(baseline) > 0)


def _carried(baseline: Baseline) -> float:
    """Events of the reference that carried features."""
    return float(baseline.events[baseline.features].max(initial=0.0))


def lacking(baseline: Baseline, windows: Windows) -> Floats:
    """(W,) events without features, 0 where the reference has none either."""
    events = np.array([span.events for span in windows.spans], np.float64)
    if not _carried(baseline):
        return np.zeros(len(events))
    return np.asarray(np.maximum(events - windows.counts[:, baseline.features[0]].sum(-1), 0.0))


def measure(baseline: Baseline, windows: Windows, unrest: Unrest, alpha: float) -> Measured:
    """Tail probability of every window; 1 where the reference has no features either."""
    events = np.array([span.events for span in windows.spans], np.float64)
    carried, whole = _carried(baseline), max(float(baseline.reference.events), 1.0)
    hits = lacking(baseline, windows)
    # how such events cluster was not measured: as a usual column's absence does, unless there is nothing else left
    phi = np.ones(len(events))
    if carried:
        phi = np.where(hits == events, 1.0, np.median(unrest.fact_phi[:, baseline.features, ABSENT], axis=1))
    lacked = max(whole - carried, 0.0)
    size = len(events)
    p = exact_excess_tail(hits, events, np.full(size, lacked), np.full(size, whole), phi)
    over = np.log(np.maximum(p, 1e-300)) / np.log(alpha)
    return Measured(p, hits, events, phi, over, alpha, lacked, whole)


def severity(policy: Policy, measured: Measured, window: int) -> str:
    """Of one window that is over."""
    share = float(measured.hits[window] / measured.events[window])
    return policy.severity(CAUSE, "", share - measured.before, LEAST_FACT)


def key(baseline: Baseline) -> FindingKey:
    return FindingKey(baseline.reference.key.model, CAUSE)


def began(baseline: Baseline, windows: Windows, window: int) -> int:
    """Start of the first part of the window that has such an event."""
    parts, column = windows.parts[window], baseline.features[0]
    return next((p.start_us for p in parts if p.tally.counts[column].sum() < p.tally.events), parts[0].start_us)


def finding(baseline: Baseline, windows: Windows, measured: Measured, window: int, severity: str) -> Finding:
    """The finding of one window that is over."""
    share = float(measured.hits[window] / measured.events[window])
    before, n = measured.before, float(measured.events[window])
    critical = exact_excess_critical(
        measured.alpha, n, measured.lacked, measured.reference_events, float(measured.phi[window])
    )
    model = baseline.reference.key.model
    return Finding(
        key=key(baseline),
        severity=severity,
        window=windows.spans[window],
        base_windows=max(windows.lengths[window], 1),
        statistic="exact",
        value=share,
        threshold=critical / max(n, 1.0),
        p=float(measured.p[window]),
        effect=share - before,
        effect_unit="share",
        over=float(measured.over[window]),
        direction="up",
        detail=f"share of events without features: {before_and_after(before, share)}; "
        "the columns are judged by the events that have them",
        headline="no prediction has features any more"
        if share == 1
        else f"{percent(share)} of the events of {model} have no features",
        since_us=began(baseline, windows, window),
        records=windows.records(window),
    )
